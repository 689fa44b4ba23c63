"""The bytes of records: read by their rows of the record table, one at a time or neighbours together, each checked.

A record's CRC-32C stands in its row, so a byte that changed since the version was written is found whoever reads it,
and so is a row that belongs to another record. Objects of this room travel to worker processes: they carry a few
numbers per record and open their files anew where they arrive.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from brev_pipeline.errors import ShardError
from brev_pipeline.records.record_reader import read_whole_shard
from brev_pipeline.store import Folder
from brev_pipeline.tfrecord import HEADER_BYTES, masked_crc

_MAX_OPEN_FILES: Final = 64  # files of a disk that are kept open


class FileHandleCache:
    """Reads ranges of the files in a folder.

    Args:
        folder: of the version.
    """

    def __init__(self, folder: Folder) -> None:
        self.is_local = folder.is_local
        self._open: dict[str, _OpenFile] = {}
        self._folder = folder
        self._process = os.getpid()

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self._folder}  # open files mean nothing in another process

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["folder"])  # type: ignore[misc]

    def file_address(self, name: str) -> str:
        """Address of a file, for messages."""
        return self._folder.file_url(name)

    def read_range(self, name: str, start: int, length: int) -> bytes:
        """``length`` bytes from ``start``; fewer, or an error, where a file ends before.

        Raises:
            StoreError: the file cannot be read.
        """
        if self.is_local:
            return os.pread((self._open.get(name) or self._open_file(name)).number, length, start)
        return self.process_folder().read(name, start, length)

    def advise_reading(self, name: str, start: int, length: int) -> None:
        """Have the disk read ``length`` bytes from ``start`` ahead, where the system can."""
        if hasattr(os, "posix_fadvise"):
            number = (self._open.get(name) or self._open_file(name)).number
            os.posix_fadvise(number, start, length, os.POSIX_FADV_WILLNEED)

    def process_folder(self) -> Folder:
        """The folder with connections of this process: a forked child cannot use its parent's."""
        if self._process != os.getpid():
            self._folder, self._process = Folder(self._folder.url, self._folder.options), os.getpid()
        return self._folder

    def _open_file(self, name: str) -> "_OpenFile":
        while len(self._open) >= _MAX_OPEN_FILES:
            # Closed when the last thread that reads from it lets go.
            self._open.pop(next(iter(self._open), ""), None)
        try:
            file = self._open[name] = _OpenFile(self.file_address(name))
        except OSError:
            # The folder's own way of failing explains what is wrong.
            self._folder.read(name, 0, 0)
            raise
        return file


class _OpenFile:
    def __init__(self, place: str) -> None:
        self.number = os.open(place, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "number"):
            os.close(self.number)


_CONCURRENT_REQUESTS: Final = 16  # requests to a store elsewhere that are under way at the same time
_MAX_DECOMPRESSED: Final = 2  # unzipped shards that are kept, for records that are read one by one


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
        self.file_names: list[str] = files.dictionary.to_pylist()
        self.file_index = files.indices.to_numpy()
        self.start = table["offset"].to_numpy() + HEADER_BYTES
        self.length = table["length"].to_numpy()
        self._crc = table["crc"].to_numpy()
        self._zipped = compression == "gzip"
        self._handles = FileHandleCache(folder)
        self.is_direct = folder.is_local and not self._zipped
        """Whether records are read one by one at no more cost than together: whole files of a disk."""
        self._unzipped: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self.start)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_unzipped": {}}  # whole shards, which a worker had better read itself

    def read_record(self, row: int) -> bytes:
        """The record of a row.

        Raises:
            ShardError: its bytes are not those that were written.
            StoreError: its file cannot be read.
        """
        file, start, length = self.file_index.item(row), self.start.item(row), self.length.item(row)
        if self._zipped:
            return self._demand_checksum(row, self._decompressed_file(file)[start : start + length])
        return self._demand_checksum(row, self._handles.read_range(self.file_names[file], start, length))

    def read_records(self, rows: Sequence[int]) -> list[bytes]:
        """The records of rows, in their order; from a store elsewhere, several at a time.

        Raises:
            ShardError: see `read_record`.
            StoreError: see `read_record`.
        """
        if self._zipped:
            return [self.read_record(row) for row in rows]
        with ThreadPoolExecutor(_CONCURRENT_REQUESTS) as pool:
            return list(pool.map(self.read_record, rows))

    def read_span(self, first: int, last: int) -> Iterator[bytes]:
        """The records of the rows from ``first`` to ``last``, which stand in one file; read together where that pays.

        Raises:
            ShardError: see `read_record`.
            StoreError: see `read_record`.
        """
        rows = range(first, last + 1)
        if self.is_direct or self._zipped:
            # Copying records out of a larger piece would cost more than a call for each.
            yield from map(self.read_record, rows)
            return
        name, begin, size = self._byte_range(first, last)
        data = self._handles.read_range(name, begin, size)
        for row in rows:
            at = self.start.item(row) - begin
            yield self._demand_checksum(row, data[at : at + self.length.item(row)])

    def advise_reading(self, first: int, last: int) -> None:
        """Have the disk read the rows from ``first`` to ``last``, of one file, before they are asked for singly."""
        self._handles.advise_reading(*self._byte_range(first, last))

    def _byte_range(self, first: int, last: int) -> tuple[str, int, int]:
        begin, end = self.start.item(first), self.start.item(last) + self.length.item(last)
        return self.file_names[self.file_index.item(first)], begin, end - begin

    def _decompressed_file(self, file: int) -> bytes:
        if file not in self._unzipped:
            while len(self._unzipped) >= _MAX_DECOMPRESSED:
                self._unzipped.pop(next(iter(self._unzipped)), None)
            self._unzipped[file] = read_whole_shard(self._handles.process_folder(), self.file_names[file], "gzip")
        return self._unzipped[file]

    def _demand_checksum(self, row: int, record: bytes) -> bytes:
        if masked_crc(record) == self._crc.item(row) and len(record) == self.length.item(row):
            return record
        raise ShardError(
            f"{self._handles.file_address(self.file_names[self.file_index[row]])} is damaged: the record at byte "
            f"{self.start[row] - HEADER_BYTES} is not the one that the record table describes; restore the file, "
            "or write the version again"
        )


def find_runs(rows: npt.NDArray[np.int64], file: npt.NDArray[np.int32]) -> list[tuple[int, int]]:
    """Cut an order of rows into runs of neighbours in one file: (first, last) of each."""
    cuts = np.flatnonzero((np.diff(rows) != 1) | (np.diff(file[rows]) != 0)) + 1
    return [(int(part[0]), int(part[-1])) for part in np.split(rows, cuts)] if len(rows) else []
