"""Parquet: how tables lie in the store. Equal tables make equal bytes, and of a table only what is wanted is read."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import IO, TYPE_CHECKING

from brev_pipeline.errors import StoreError
from brev_pipeline.store.folder import Folder

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 1_000_000
"""Of a row group."""
SMALL = 16 << 20
"""Bytes up to which a table in a bucket is fetched once, however often it is read: a request takes longer."""


def to_parquet(table: "pa.Table") -> bytes:
    """Parquet bytes of a table; the same for the same table and version of pyarrow.

    Chunks in memory and names of lists' elements do not show in them.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [
        field.with_type(pa.list_(pa.field("element", field.type.value_type))) if pa.types.is_list(field.type) else field
        for field in table.schema
    ]
    schema = pa.schema(fields, table.schema.metadata)
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for group in row_groups(table):
            writer.write_table(pa.table(group.columns, schema=schema), ROWS)
    return sink.getvalue()


def row_groups(table: "pa.Table") -> "Iterator[pa.Table]":
    """The table in pieces of `ROWS` rows, each column in one chunk: only a piece is copied at a time."""
    for start in range(0, max(1, table.num_rows), ROWS):
        yield table.slice(start, ROWS).combine_chunks()


def from_parquet(data: bytes) -> "pa.Table":
    """The table in Parquet bytes; all text in it as `texts.TEXT`, however it was written."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from brev_pipeline.texts import widened

    return widened(pq.read_table(pa.BufferReader(data)))


@dataclass(frozen=True)
class StoredTable:
    """A table in the store; `tables.Columns`.

    Args:
        folder: that holds it.
        name: of its Parquet file.
    """

    folder: Folder
    name: str

    def read(self, columns: Sequence[str] | None = None) -> "pa.Table":
        """These columns of it (those that it has), or all, with its schema's metadata; all text as `texts.TEXT`.

        Raises:
            StoreError: it cannot be read, or is no whole Parquet file.
        """
        import pyarrow.parquet as pq

        from brev_pipeline.texts import widened

        with self._opened() as file:
            parquet = pq.ParquetFile(file, pre_buffer=True)
            there = parquet.schema_arrow.names
            # Who misses one says so in his own words.
            wanted = there if columns is None else [name for name in dict.fromkeys(columns) if name in there]
            return widened(parquet.read(wanted).select(wanted))

    @property
    def names(self) -> list[str]:
        """Names of its columns.

        Raises:
            StoreError: it cannot be read, or is no whole Parquet file.
        """
        import pyarrow.parquet as pq

        with self._opened() as file:
            names: list[str] = pq.read_schema(file).names
            return names

    @cached_property
    def _kept(self) -> bytes | None:
        """The file's bytes, if it is a small one in a bucket."""
        if self.folder.is_local or self.folder.size(self.name) > SMALL:
            return None
        return self.folder.read(self.name)

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        import pyarrow as pa

        try:
            if self._kept is not None:
                yield io.BytesIO(self._kept)
                return
            with self.folder.open(self.name) as file:
                yield file
        except pa.ArrowInvalid as error:
            raise StoreError(
                f"{self.folder.place(self.name)}: not a whole Parquet file: {error}; restore the file"
            ) from error
