"""Samples: of a row of the record table and the bytes of its record, the fields that were asked for."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from brev_pipeline.readers.fields import PIXELS, SEVERAL
from brev_pipeline.readers.order import Rows, mixed, windows
from brev_pipeline.readers.pixels import PixelDecoder
from brev_pipeline.readers.stored import StoredRecords, runs

AT_ONCE: Final = 8_000_000
"""Bytes that are read at once when the order is the written one."""
TO_MIX: Final = 64_000_000
"""Bytes of records that are mixed with each other when records are shuffled; held, if they come from elsewhere."""


class Samples:
    """Makes samples. Picklable, and small: a worker can have one.

    Args:
        stored: the records' bytes.
        table: their rows of the record table.
        fields: what a sample holds, checked.
        decoder: makes the pixels.
        as_dict: a sample is a dictionary, else a tuple in the order of ``fields``.
    """

    def __init__(
        self, stored: StoredRecords, table: pa.Table, fields: tuple[str, ...], decoder: PixelDecoder, *, as_dict: bool
    ) -> None:
        self.stored, self.fields, self.as_dict = stored, fields, as_dict
        self._getters = [_getter(name, table, decoder) for name in fields]

    def __len__(self) -> int:
        return len(self.stored)

    def values(self, row: int, record: bytes) -> list[Any]:
        """The fields of one record: pixels and multi-hot labels as arrays, the rest as int or str."""
        return [get(row, record) for get in self._getters]

    def packed(self, values: list[Any]) -> Any:
        """Values as a sample, in the form that was asked for."""
        return dict(zip(self.fields, values, strict=True)) if self.as_dict else tuple(values)

    def in_order(self, rows: Rows, *, seed: int | None = None, epoch: int = 0) -> Iterator[tuple[int, bytes]]:
        """Each of ``rows`` with its record, neighbours read together; mixed some megabytes at a time by a seed.

        Raises:
            ShardError: a record is damaged.
            StoreError: a file cannot be read.
        """
        for window in windows(self.stored.length[rows], AT_ONCE if seed is None else TO_MIX):
            yield from self._window(rows[window], seed, epoch)

    def _window(self, rows: Rows, seed: int | None, epoch: int) -> Iterator[tuple[int, bytes]]:
        if seed is None:
            yield from self._read(rows)
            return
        order = mixed(rows, seed, epoch).tolist()
        if self.stored.is_direct:
            for first, last in runs(rows, self.stored.file):
                self.stored.announce(first, last)
            yield from ((row, self.stored.one(row)) for row in order)
            return
        held = dict(pair for part in windows(self.stored.length[rows], AT_ONCE) for pair in self._read(rows[part]))
        yield from ((row, held.pop(row)) for row in order)

    def _read(self, rows: Rows) -> Iterator[tuple[int, bytes]]:
        for first, last in runs(rows, self.stored.file):
            yield from zip(range(first, last + 1), self.stored.span(first, last), strict=True)


Getter = Callable[[int, bytes], Any]
"""Gives a field of a row and its record. These are found once, not for every record, and can be pickled."""


def _getter(name: str, table: pa.Table, decoder: PixelDecoder) -> Getter:
    if name == PIXELS:
        return partial(_pixels, decoder)
    if name == SEVERAL:
        return _multi_hot
    column = table[name]
    if pa.types.is_integer(column.type):
        return partial(_number, column.to_numpy())
    return partial(_text, column.combine_chunks())


def _pixels(decoder: PixelDecoder, _: int, record: bytes) -> Any:
    return decoder(record)


def _multi_hot(_: int, record: bytes) -> Any:
    from brev_pipeline.records.example import decode_example

    return np.array(decode_example(record)[SEVERAL], np.int64)


def _number(column: npt.NDArray[Any], row: int, _: bytes) -> Any:
    return column.item(row)


def _text(column: pa.Array, row: int, _: bytes) -> Any:
    return column[row].as_py()
