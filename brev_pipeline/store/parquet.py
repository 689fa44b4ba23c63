"""Parquet: how tables lie in the store. Equal tables make equal bytes, and of a table only what is wanted is read.

This is the one door: every page that is written carries its CRC-32, every page that is read is compared with it, and
whatever the reader raises over damaged bytes becomes a `StoreError` that names the file. A Parquet file's footer has no
checksum, so where that matters the file's name carries the SHA-256 of all of it (see `hashed_files`).
"""

import hashlib
import io
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import IO, TYPE_CHECKING

from brev_pipeline.errors import StoreError
from brev_pipeline.store.folder import Folder, stat_state
from brev_pipeline.store.hashed_files import (
    SHA256,
    SMALL_FILES,
    check_name_hash,
    check_recorded_hash,
    file_sha256,
    is_settled,
    open_file_sha256,
)

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_LOG = logging.getLogger(__name__)
ROWS = 1_000_000
"""Of a row group."""
# Wrong lengths and counts end in any of these. A damaged length may ask for more memory than there is.
_DAMAGE = (ValueError, TypeError, LookupError, ArithmeticError, MemoryError, NotImplementedError)
SMALL = 16 << 20
"""Bytes up to which a table in a bucket is fetched once, however often it is read: a request takes longer."""


def to_parquet(table: "pa.Table", *, few_rows: bool = False) -> bytes:
    """Parquet bytes of a table; the same for the same table and version of pyarrow.

    Chunks in memory and names of lists' elements do not show in them.

    Args:
        table: of any number of rows.
        few_rows: write the values as they are, by LZ4: of some hundred rows, dictionaries and Zstandard take four
            times as long, for files of the same size.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [
        field.with_type(pa.list_(pa.field("element", field.type.value_type))) if pa.types.is_list(field.type) else field
        for field in table.schema
    ]
    schema = pa.schema(fields, table.schema.metadata)
    sink = io.BytesIO()
    # Page checksums: the format has none for anything else, and readers compare them only where they were written.
    compression = "lz4" if few_rows else "zstd"
    with pq.ParquetWriter(
        sink, schema, compression=compression, use_dictionary=not few_rows, write_page_checksum=True
    ) as writer:
        for group in row_groups(table):
            writer.write_table(pa.table(group.columns, schema=schema), ROWS)
    return sink.getvalue()


def row_groups(table: "pa.Table") -> "Iterator[pa.Table]":
    """The table in pieces of `ROWS` rows, each column in one chunk: only a piece is copied at a time."""
    for start in range(0, max(1, table.num_rows), ROWS):
        yield table.slice(start, ROWS).combine_chunks()


def from_parquet(data: bytes, address: str = "a table", columns: Sequence[str] | None = None) -> "pa.Table":
    """The table in Parquet bytes, its page checksums verified; all text in it as `texts.TEXT`, however it was written.

    Args:
        data: a whole Parquet file.
        address: its address, for messages.
        columns: these of it (those that it has), in this order; None: all.

    Raises:
        StoreError: it is damaged.
    """
    with translating_damage(address):
        return _read(io.BytesIO(data), columns)


def parquet_metadata(data: bytes, address: str) -> dict[bytes, bytes]:
    """The schema's metadata in Parquet bytes. Raises `StoreError` where they are damaged; see `from_parquet`."""
    with translating_damage(address):
        return dict(_parquet_file(io.BytesIO(data)).schema_arrow.metadata or {})


@contextmanager
def translating_damage(address: str) -> Iterator[None]:
    """Turn what Parquet's reader raises over damaged bytes into a `StoreError` that names the file.

    What the file system raises (it has an errno) and errors of ours pass through.
    """
    import pyarrow as pa

    try:
        yield
    except OSError as error:
        # Arrow raises plain ones, for example where a page's checksum is wrong.
        if error.errno is not None or type(error) is not OSError:
            raise
        raise _damaged(address, error) from error
    except (pa.ArrowException, *_DAMAGE) as error:
        raise _damaged(address, error) from error


def _damaged(address: str, error: BaseException) -> StoreError:
    return StoreError(f"{address}: damaged, or not a whole Parquet file: {error}; restore the file, or run again")


def _parquet_file(file: IO[bytes]) -> "pq.ParquetFile":
    import pyarrow.parquet as pq

    # Pre-buffered: all wanted columns of a row group in few long reads, which are requests where the store is a bucket.
    return pq.ParquetFile(file, pre_buffer=True, page_checksum_verification=True)


def _read(file: IO[bytes], columns: Sequence[str] | None) -> "pa.Table":
    from brev_pipeline.texts import widen_texts

    parquet = _parquet_file(file)
    names = parquet.schema_arrow.names
    # Who misses one says so in his own words.
    wanted = names if columns is None else [name for name in dict.fromkeys(columns) if name in names]
    return widen_texts(parquet.read(wanted).select(wanted))


@dataclass(frozen=True)
class StoredTable:
    """A table in the store; `tables.Columns`.

    Args:
        folder: that holds it.
        name: of its Parquet file.
        verified: whether its name carries its SHA-256 (see `hashed_files`): the whole file is compared with that
            before anything of it is read, once in a process while the file's state stays the same (see `hashed_files`).
        sha256: of the whole file, where that is on record elsewhere: likewise.
    """

    folder: Folder
    name: str
    verified: bool = False
    sha256: str | None = None

    def read(self, columns: Sequence[str] | None = None) -> "pa.Table":
        """These columns of it (those that it has), or all, with its schema's metadata; all text as `texts.TEXT`.

        Raises:
            StoreError: it cannot be read, is damaged, or is not the file that its name says.
        """
        with self._opened() as file:
            return _read(file, columns)

    def verify(self) -> None:
        """Compare the whole file with its hashes, as `read` does before anything else. Raises `StoreError` likewise."""
        with self._opened():
            pass

    @property
    def names(self) -> list[str]:
        """Names of its columns. Raises `StoreError` as `read`."""
        with self._opened() as file:
            names: list[str] = _parquet_file(file).schema_arrow.names
            return names

    @property
    def metadata(self) -> dict[bytes, bytes]:
        """Its schema's metadata. Raises `StoreError` as `read`."""
        with self._opened() as file:
            return dict(_parquet_file(file).schema_arrow.metadata or {})

    @cached_property
    def _kept(self) -> bytes | None:
        """The file's bytes, verified, if it is a small one in a bucket."""
        if self.folder.is_local or self.folder.file_size(self.name) > SMALL:
            return None
        if not self._is_held_to_hash:
            return self.folder.read(self.name)
        address, state = self.folder.file_url(self.name), self.folder.file_state(self.name)
        data = SMALL_FILES.get(address, state) or self.folder.read(self.name)
        self._check_hashes(hashlib.sha256(data).hexdigest())
        SMALL_FILES.put(address, state, data, len(data))
        return data

    @property
    def _is_held_to_hash(self) -> bool:
        return self.verified or self.sha256 is not None

    def _check_hashes(self, actual: str) -> None:
        """Compare the file's SHA-256 with its name and the hash on record, as far as that is wanted."""
        if self.verified:
            check_name_hash(self.folder, self.name, actual)
        if self.sha256 is not None:
            check_recorded_hash(self.folder, self.name, self.sha256, actual)

    def _digest(self, file: IO[bytes]) -> str:
        """The whole file's SHA-256: remembered of its state, or found by reading it."""
        address, local = self.folder.file_url(self.name), self.folder.is_local
        before = os.fstat(file.fileno()) if local else None
        state = stat_state(before) if before else self.folder.file_state(self.name)
        if (known := SHA256.get(address, state)) is not None:
            return known
        # A file that was written to just now may be written to again without its state changing.
        settled = before is None or is_settled(max(before.st_mtime_ns, before.st_ctime_ns))
        digest = open_file_sha256(file) if local else file_sha256(self.folder, self.name)
        if settled and state == (stat_state(os.fstat(file.fileno())) if local else self.folder.file_state(self.name)):
            SHA256.put(address, state, digest)
        return digest

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        address = self.folder.file_url(self.name)
        if self._kept is not None:
            with translating_damage(address):
                yield io.BytesIO(self._kept)
            return
        with self.folder.open(self.name) as file:
            if self._is_held_to_hash:
                self._check_hashes(self._digest(file))  # of the very file that is read now
            with translating_damage(address):
                yield file


def read_verified_table(folder: Folder, name: str, message: str) -> "pa.Table | None":
    """A table whose name carries its SHA-256; None, and a warning, where it is damaged or carries none.

    The warning's ``message`` has one ``%s`` for what is wrong. Raises `StoreError` where the store cannot be reached.
    """
    try:
        return StoredTable(folder, name, verified=True).read()
    except StoreError as error:
        if error.may_pass:
            raise
        _LOG.warning(message, error)
        return None
