"""The bytes of records: read by their rows of the record table, one at a time or neighbours together, each checked.

A record's CRC-32C stands in its row, so a byte that changed since the version was written is found whoever reads it,
and so is a row that belongs to another record. Objects of this room travel to worker processes: they carry a few
numbers per record and open their files anew where they arrive.
"""

import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from brev_pipeline.errors import ShardError
from brev_pipeline.framing import HEADER_BYTES, frames, masked_crc
from brev_pipeline.readers.handles import Handles
from brev_pipeline.store import Folder

_REQUESTS: Final = 16
"""Requests to a store elsewhere that are under way at the same time."""
_UNZIPPED: Final = 2
"""Unzipped shards that are kept, for records that are read one by one."""


class StoredRecords:
    """The records of some rows of the record table.

    Args:
        folder: of the version.
        table: rows of the record table; neighbours in a file are neighbours here.
        compression: of the shards, none or gzip. A gzip file is read whole for each record that is asked for
            singly, unless it is one of the last two that were: iterate instead.
    """

    def __init__(self, folder: Folder, table: pa.Table, compression: str) -> None:
        files = table["file"].combine_chunks().dictionary_encode()
        self.names: list[str] = files.dictionary.to_pylist()
        self.file = files.indices.to_numpy()
        self.start = table["offset"].to_numpy() + HEADER_BYTES
        self.length = table["length"].to_numpy()
        self._crc = table["crc"].to_numpy()
        self._zipped = compression == "gzip"
        self._handles = Handles(folder)
        self.is_direct = folder.is_local and not self._zipped
        """Whether records are read one by one at no more cost than together: whole files of a disk."""
        self._unzipped: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self.start)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_unzipped": {}}

    def one(self, row: int) -> bytes:
        """The record of a row.

        Raises:
            ShardError: its bytes are not those that were written.
            StoreError: its file cannot be read.
        """
        file, start, length = self.file.item(row), self.start.item(row), self.length.item(row)
        if self._zipped:
            return self._checked(row, self._whole(file)[start : start + length])
        return self._checked(row, self._handles.read(self.names[file], start, length))

    def many(self, rows: Sequence[int]) -> list[bytes]:
        """The records of rows, in their order; from a store elsewhere, several at a time.

        Raises:
            ShardError: see `one`.
            StoreError: see `one`.
        """
        if self._zipped:
            return [self.one(row) for row in rows]
        with ThreadPoolExecutor(_REQUESTS) as pool:
            return list(pool.map(self.one, rows))

    def span(self, first: int, last: int) -> Iterator[bytes]:
        """The records of the rows from ``first`` to ``last``, which stand in one file; read together where that pays.

        Raises:
            ShardError: see `one`.
            StoreError: see `one`.
        """
        rows = range(first, last + 1)
        if self.is_direct or self._zipped:
            # Copying records out of a larger piece would cost more than a call for each.
            yield from map(self.one, rows)
            return
        name, begin, size = self._range(first, last)
        data = self._handles.read(name, begin, size)
        for row in rows:
            at = self.start.item(row) - begin
            yield self._checked(row, data[at : at + self.length.item(row)])

    def announce(self, first: int, last: int) -> None:
        """Have the disk read the rows from ``first`` to ``last``, of one file, before they are asked for singly."""
        self._handles.announce(*self._range(first, last))

    def _range(self, first: int, last: int) -> tuple[str, int, int]:
        begin = self.start.item(first)
        return self.names[self.file.item(first)], begin, self.start.item(last) + self.length.item(last) - begin

    def _whole(self, file: int) -> bytes:
        if file not in self._unzipped:
            while len(self._unzipped) >= _UNZIPPED:
                self._unzipped.pop(next(iter(self._unzipped)), None)
            name = self.names[file]
            self._unzipped[file] = unzipped(self._handles.whole(name), self._handles.place(name))
        return self._unzipped[file]

    def _checked(self, row: int, record: bytes) -> bytes:
        if masked_crc(record) == self._crc.item(row) and len(record) == self.length.item(row):
            return record
        raise ShardError(
            f"{self._handles.place(self.names[self.file[row]])} is damaged: the record at byte "
            f"{self.start[row] - HEADER_BYTES} is not the one that the record table describes; restore the file, "
            "or write the version again"
        )


def whole_shard(folder: Folder, name: str, count: int, compression: str) -> list[bytes]:
    """All records of a shard, every checksum checked.

    Raises:
        ShardError: the shard is damaged, or does not hold ``count`` records.
        StoreError: it cannot be read.
    """
    place, data = folder.place(name), folder.read(name)
    found = [record for _, record, _ in frames(unzipped(data, place) if compression == "gzip" else data, place)]
    if len(found) != count:
        raise ShardError(f"{place} holds {len(found)} records, the record table says {count}; restore the file")
    return found


def unzipped(data: bytes, place: str) -> bytes:
    """The content of a gzip file. Raises `ShardError` where it is damaged."""
    try:
        return zlib.decompress(data, 31)
    except zlib.error as error:
        raise ShardError(f"{place} is not a whole gzip file: {error}; restore it") from error


def runs(rows: npt.NDArray[np.int64], file: npt.NDArray[np.int32]) -> list[tuple[int, int]]:
    """Cut an order of rows into runs of neighbours in one file: (first, last) of each."""
    cuts = np.flatnonzero((np.diff(rows) != 1) | (np.diff(file[rows]) != 0)) + 1
    return [(int(part[0]), int(part[-1])) for part in np.split(rows, cuts)] if len(rows) else []
