"""Samples: of a row of the record table and the bytes of its record, the fields that were asked for.

What fields there are (`FIELDS`), samples one by one or in order (`SampleReader`), all of an epoch (`read_arrays`); and
in which order records are read, and who reads which. Shuffling is made for shards. Their records were mixed by hash
when they were written; so the files are read in random order, each from begin to end, and the records of what lies in
memory at once are mixed. Every order hangs on (seed, epoch) alone.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from brev_pipeline.errors import ReadError
from brev_pipeline.readers.label_fields import LabelFields
from brev_pipeline.readers.pixels import PixelDecoder
from brev_pipeline.readers.stored_records import StoredRecords, find_runs
from brev_pipeline.records.example import decode_example
from brev_pipeline.records.schema import ImageShape
from brev_pipeline.rescaling import Rescale
from brev_pipeline.seeds import seed64, seeds64

Rows = npt.NDArray[np.int64]

PIXELS: Final = "image"
MULTI_HOT: Final = "label/multi_hot"
"""These two stand in the record alone; all others in the record table too."""

FIELDS: Final = (PIXELS, "label", MULTI_HOT, "path", "content_id", "item", "epoch", "seed")
"""Every field: the decoded pixels, then the record's features under the names that they are stored under. Of a version
with labels there are those of `LabelFields` too."""
ALIASES: Final = {"img": PIXELS}
"""The notebook's name of a field → its own."""


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
        labels: the fields of labels.
        as_dict: a sample is a dictionary, else a tuple in the order of ``fields``.
    """

    def __init__(
        self,
        stored: StoredRecords,
        table: pa.Table,
        fields: tuple[str, ...],
        decoder: PixelDecoder,
        labels: LabelFields,
        *,
        as_dict: bool,
    ) -> None:
        self.stored, self.fields, self.labels, self.as_dict = stored, fields, labels, as_dict
        self._getters = [
            labels.make_getter(name) if name in labels.all_names else _make_getter(name, table, decoder)
            for name in fields
        ]

    def __len__(self) -> int:
        return len(self.stored)

    def read_fields(self, row: int, record: bytes) -> list[Any]:
        """The fields of one record: pixels, multi-hot labels, masks and objects as arrays, else numbers or str."""
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
        (records, classes) int64; labels as `LabelFields.stack` gives them.

    Raises:
        ReadError: the images differ in size.
        ShardError: a record is damaged.
    """
    if any(name == PIXELS or name in samples.labels.masks for name in samples.fields) and not shape.is_known:
        raise ReadError("the images differ in size and make no array: set image.target_size, or read them one by one")
    columns: list[Any] = [[None] * len(samples) for _ in samples.fields]
    if PIXELS in samples.fields:
        # One array from the start: a list of images beside it would take the memory twice.
        sides = cast(tuple[int, ...], shape.array_shape)
        images = np.empty((len(samples), *sides), dtype="uint8" if rescale is None else "float32")
        columns = [images if name == PIXELS else column for name, column in zip(samples.fields, columns, strict=True)]
    for row, record in samples.iterate_records(np.arange(len(samples))):
        for column, value in zip(columns, samples.read_fields(row, record), strict=True):
            column[row] = value
    return samples.pack_sample(
        [
            samples.labels.stack(name, column) if name in samples.labels.all_names else _as_array(name, column)
            for name, column in zip(samples.fields, columns, strict=True)
        ]
    )


def _as_array(name: str, column: Any) -> Any:
    if name == PIXELS:
        return column
    if name == "seed":
        return np.array(column, np.uint64)
    return np.array(column, np.int64) if column and not isinstance(column[0], str) else np.array(column)


def reading_order(names: Sequence[str], file: npt.NDArray[np.int32], seed: int, epoch: int) -> Rows:
    """All rows, file by file, the files in random order.

    Args:
        names: of the files.
        file: index into ``names`` of each row; shape (rows,).
        seed: 0 ≤ seed < 2**63.
        epoch: the order of another epoch is unrelated.
    """
    rank = np.empty(len(names), np.int64)
    rank[np.argsort(np.array(seeds64(seed, ("read", epoch), names), np.uint64), kind="stable")] = np.arange(len(names))
    return np.argsort(rank[file], kind="stable")


def shuffle_rows(rows: Rows, seed: int, epoch: int) -> Rows:
    """``rows`` in random order: each possible order for one seed or another, none for good reason."""
    key = seed64(seed, "mix", epoch, int(rows[0]) if len(rows) else 0)
    # Philox' raw integers are the same with every version of NumPy; ties have no chance among 64 bits.
    return rows[np.argsort(np.random.Philox(key=key).random_raw(len(rows)), kind="stable")]


def worker_share(
    rows: int, *, rank: int = 0, ranks: int = 1, worker: int = 0, workers: int = 1, even: bool = False
) -> range:
    """The part of ``rows`` that one worker of one rank reads: together all of them, and none twice.

    Args:
        rows: how many there are.
        rank: 0 ≤ rank < ranks, the process of a distributed training.
        ranks: how many of those.
        worker: 0 ≤ worker < workers, the loader's process below the rank.
        workers: how many of those.
        even: leave out the last ``rows % ranks``, so that each rank reads the same number.

    Returns:
        Positions in the order of reading. Without ``even`` the ranks' numbers differ by at most one, and so do
        the workers' of one rank.

    Raises:
        ReadError: there is no such rank or worker.
    """
    if not 0 <= rank < ranks or not 0 <= worker < workers:
        raise ReadError(f"rank {rank} of {ranks}, worker {worker} of {workers}: they count from 0")
    if even:
        rows -= rows % ranks
    begin, end = rows * rank // ranks, rows * (rank + 1) // ranks
    return range(begin + (end - begin) * worker // workers, begin + (end - begin) * (worker + 1) // workers)


def cut_windows(lengths: npt.NDArray[np.int64], most: int) -> Iterator[slice]:
    """Cut a sequence of records into parts that need at most ``most`` bytes (one record, if it is larger).

    Args:
        lengths: bytes of each record, shape (records,).
        most: bytes.
    """
    ends = np.cumsum(lengths)
    begin = 0
    while begin < len(lengths):
        before = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + most, side="right")))
        yield slice(begin, end)
        begin = end
