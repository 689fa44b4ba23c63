"""Reading prepared pixels back: by range, few reads for many images, every checksum looked at."""

import math
import struct
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from brev_pipeline.errors import StoreError
from brev_pipeline.images.pixel_cache import is_pixel_file
from brev_pipeline.store import Folder
from brev_pipeline.tfrecord import FOOTER_BYTES, HEADER_BYTES, masked_crc

_GAP = 64 << 10  # bytes between two images that are read and thrown away rather than read around
_WINDOW = 64 << 20  # bytes of pixels that are in memory at a time, at least one image
_COLUMNS = [
    "file",
    "offset",
    "length",
    "prepared_frames",
    "prepared_height",
    "prepared_width",
    "prepared_channels",
    "content_id",
]


class _PixelRange(NamedTuple):
    file: str
    offset: int
    length: int


def read_prepared_pixels(folder: Folder, rows: pa.Table) -> Iterator[npt.NDArray[np.uint8]]:
    """Read the pixels of rows of ``prepared_images``, in the rows' order.

    Rows that lie near each other in the store should be near each other here: within a window of 64 MB, ranges
    are grouped by file and read together.

    Args:
        folder: the one that `prepare_images` was given.
        rows: rows with status ok, in any order; one content may stand there several times.

    Yields:
        uint8 (height, width, channels), or (frames, height, width, channels) for a time series; read-only.

    Raises:
        StoreError: a row has no pixels, or names them outside of the folder or in no such shape; the file is gone or
            cut short, or its checksum is wrong.
    """
    for window in _group_by_memory(_parse_rows(rows)):
        found = _fetch(folder, {place for place, _, _ in window})
        for place, shape, _ in window:
            yield np.frombuffer(found[place], np.uint8).reshape(shape)


def _parse_rows(rows: pa.Table) -> Iterator[tuple[_PixelRange, tuple[int, ...], str]]:
    for batch in rows.select(_COLUMNS).to_batches(4096):
        for row in batch.to_pylist():
            if row["file"] is None:
                raise StoreError(f"content {row['content_id']} has no prepared pixels; only rows with status ok have")
            place, shape = _PixelRange(row["file"], row["offset"], row["length"]), _shape(row)
            if not _is_possible(place, shape):
                raise StoreError(
                    f"content {row['content_id']}: its pixels are said to be {place.length} bytes at {place.offset} of "
                    f"{place.file!r}, of the shape {shape}: that cannot be; materialize prepared_images again"
                )
            yield place, shape, row["content_id"]


def _is_possible(place: _PixelRange, shape: tuple[int, ...]) -> bool:
    """Whether a table may name pixels so; it is not trusted to name no other file."""
    if None in (place.offset, place.length, *shape) or not is_pixel_file(place.file):
        return False
    return place.offset >= HEADER_BYTES and min(shape) > 0 and place.length == math.prod(shape)


def _shape(row: dict[str, Any]) -> tuple[int, ...]:
    frames = () if row["prepared_frames"] is None else (row["prepared_frames"],)
    return (*frames, row["prepared_height"], row["prepared_width"], row["prepared_channels"])


def _group_by_memory(
    rows: Iterable[tuple[_PixelRange, tuple[int, ...], str]],
) -> Iterator[list[tuple[_PixelRange, tuple[int, ...], str]]]:
    window: list[tuple[_PixelRange, tuple[int, ...], str]] = []
    size = 0
    for row in rows:
        if window and size + row[0].length > _WINDOW:
            yield window
            window, size = [], 0
        window.append(row)
        size += row[0].length
    if window:
        yield window


def _fetch(folder: Folder, places: set[_PixelRange]) -> dict[_PixelRange, memoryview]:
    found = {}
    for file, in_file in groupby(sorted(places), key=lambda place: place.file):
        for run in _merge_ranges(list(in_file)):
            start = run[0].offset - HEADER_BYTES
            data = _read(folder, file, start, run[-1].offset + run[-1].length + FOOTER_BYTES - start)
            for place in run:
                found[place] = _check_frame(memoryview(data)[place.offset - HEADER_BYTES - start :], place, folder)
    return found


def _read(folder: Folder, file: str, start: int, length: int) -> bytes:
    try:
        return folder.read(file, start, length)
    except (MemoryError, OverflowError) as error:
        raise StoreError(
            f"{folder.file_url(file)}: a table names {length} bytes at {start} of it, more than fit into memory; "
            "materialize prepared_images again"
        ) from error


def _merge_ranges(places: list[_PixelRange]) -> Iterator[list[_PixelRange]]:
    """Places of one file, in order, cut where the way to the next one is too long to be read."""
    run = places[:1]
    for place in places[1:]:
        if place.offset - (run[-1].offset + run[-1].length) > _GAP + HEADER_BYTES + FOOTER_BYTES:
            yield run
            run = []
        run.append(place)
    yield run


def _check_frame(frame: memoryview, place: _PixelRange, folder: Folder) -> memoryview:
    (length,) = struct.unpack_from("<Q", frame)
    values = frame[HEADER_BYTES : HEADER_BYTES + place.length]
    if (
        length != place.length
        or masked_crc(bytes(values)) != struct.unpack_from("<I", frame, HEADER_BYTES + place.length)[0]
    ):
        raise StoreError(
            f"{folder.file_url(place.file)} is damaged at byte {place.offset}: the checksum is wrong; "
            "remove the file and its index, and run again"
        )
    return values
