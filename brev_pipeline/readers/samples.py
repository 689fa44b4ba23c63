"""Samples: of a row of the record table and the bytes of its record, the fields that were asked for.

What fields there are (`FIELDS`), samples one by one or in order (`SampleReader`), all of an epoch (`read_arrays`).
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from brev_pipeline.errors import ReadError
from brev_pipeline.readers.pixels import PixelDecoder
from brev_pipeline.readers.reading_order import Rows, cut_windows, shuffle_rows
from brev_pipeline.readers.stored_records import StoredRecords, find_runs
from brev_pipeline.records.example import decode_example
from brev_pipeline.records.schema import ImageShape
from brev_pipeline.rescaling import Rescale

PIXELS: Final = "image"
MULTI_HOT: Final = "label/multi_hot"
"""These two stand in the record alone; all others in the record table too."""

FIELDS: Final = (PIXELS, "label", MULTI_HOT, "path", "content_id", "item", "epoch", "seed")
"""Every field: the decoded pixels, then the record's features under the names that they are stored under."""


READ_BYTES: Final = 8_000_000
"""Bytes that are read at once when the order is the written one."""
SHUFFLE_BYTES: Final = 64_000_000
"""Bytes of records that are mixed with each other when records are shuffled; held, if they come from elsewhere."""


class SampleReader:
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
        self._getters = [_make_getter(name, table, decoder) for name in fields]

    def __len__(self) -> int:
        return len(self.stored)

    def read_fields(self, row: int, record: bytes) -> list[Any]:
        """The fields of one record: pixels and multi-hot labels as arrays, the rest as int or str."""
        return [get(row, record) for get in self._getters]

    def pack_sample(self, values: list[Any]) -> Any:
        """Values as a sample, in the form that was asked for."""
        return dict(zip(self.fields, values, strict=True)) if self.as_dict else tuple(values)

    def iterate_records(self, rows: Rows, *, seed: int | None = None, epoch: int = 0) -> Iterator[tuple[int, bytes]]:
        """Each of ``rows`` with its record, neighbours read together; mixed some megabytes at a time by a seed.

        Raises:
            ShardError: a record is damaged.
            StoreError: a file cannot be read.
        """
        for window in cut_windows(self.stored.length[rows], READ_BYTES if seed is None else SHUFFLE_BYTES):
            if seed is None:
                yield from self._read_runs(rows[window])
            else:
                yield from self._mix_window(rows[window], seed, epoch)

    def _mix_window(self, rows: Rows, seed: int, epoch: int) -> Iterator[tuple[int, bytes]]:
        order = shuffle_rows(rows, seed, epoch).tolist()
        if self.stored.is_direct:
            for first, last in find_runs(rows, self.stored.file_index):
                self.stored.advise_reading(first, last)
            yield from ((row, self.stored.read_record(row)) for row in order)
            return
        held: dict[int, bytes] = {}
        for part in cut_windows(self.stored.length[rows], READ_BYTES):
            held.update(self._read_runs(rows[part]))
        # Popped: a record that was given out is not held any longer.
        yield from ((row, held.pop(row)) for row in order)

    def _read_runs(self, rows: Rows) -> Iterator[tuple[int, bytes]]:
        for first, last in find_runs(rows, self.stored.file_index):
            yield from zip(range(first, last + 1), self.stored.read_span(first, last), strict=True)


Getter = Callable[[int, bytes], Any]
"""Gives a field of a row and its record. These are found once, not for every record, and can be pickled."""


def _make_getter(name: str, table: pa.Table, decoder: PixelDecoder) -> Getter:
    if name == PIXELS:
        return partial(_get_pixels, decoder)
    if name == MULTI_HOT:
        return _get_multi_hot
    column = table[name]
    if pa.types.is_integer(column.type):
        return partial(_get_number, column.to_numpy())
    return partial(_get_text, column.combine_chunks())


def _get_pixels(decoder: PixelDecoder, _: int, record: bytes) -> Any:
    return decoder(record)


def _get_multi_hot(_: int, record: bytes) -> Any:
    return np.array(decode_example(record)[MULTI_HOT], np.int64)


def _get_number(column: npt.NDArray[Any], row: int, _: bytes) -> Any:
    return column.item(row)


def _get_text(column: pa.Array, row: int, _: bytes) -> Any:
    return column[row].as_py()


def read_arrays(samples: SampleReader, shape: ImageShape, rescale: Rescale) -> Any:
    """One array per field, a row per record, in written order.

    Args:
        samples: of the epoch.
        shape: of the images.
        rescale: what the samples' decoder does.

    Returns:
        A tuple in the order of the fields, or a dictionary: images (records, [frames,] height, width, channels)
        uint8, or float32 if rescaled; numbers (records,) int64, the seed uint64; texts (records,) str; multi-hot labels
        (records, classes) int64.

    Raises:
        ReadError: the images differ in size.
        ShardError: a record is damaged.
    """
    if PIXELS in samples.fields and not shape.is_known:
        raise ReadError("the images differ in size and make no array: set image.target_size, or read them one by one")
    columns: list[Any] = [[None] * len(samples) for _ in samples.fields]
    if PIXELS in samples.fields:
        # One array from the start: a list of images beside it would take the memory twice.
        sides = cast(tuple[int, ...], shape.array_shape)
        images = np.empty((len(samples), *sides), dtype="uint8" if rescale is None else "float32")
        columns[samples.fields.index(PIXELS)] = images
    for row, record in samples.iterate_records(np.arange(len(samples))):
        for column, value in zip(columns, samples.read_fields(row, record), strict=True):
            column[row] = value
    return samples.pack_sample([_as_array(*pair) for pair in zip(samples.fields, columns, strict=True)])


def _as_array(name: str, column: Any) -> Any:
    if name == PIXELS:
        return column
    if name == "seed":
        return np.array(column, np.uint64)
    return np.array(column, np.int64) if column and not isinstance(column[0], str) else np.array(column)
