"""Reading prepared pixels back: by range, few reads for many images, every checksum looked at."""

import math
import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from brev_pipeline.errors import StoreError
from brev_pipeline.images.pixel_cache import is_pixel_file
from brev_pipeline.store import Folder
from brev_pipeline.tables import iterate_rows
from brev_pipeline.tfrecord import FOOTER_BYTES, HEADER_BYTES, masked_crc

_T = TypeVar("_T")
_GAP = 64 << 10  # bytes between two images that are read and thrown away rather than read around
_WINDOW = 64 << 20  # bytes of pixels that are in memory at a time, at least one image
_SHAPE = ["prepared_frames", "prepared_height", "prepared_width", "prepared_channels"]
_COLUMNS = ["file", "offset", "length", *_SHAPE, "content_id"]


class _PixelRange(NamedTuple):
    file: str
    offset: int
    length: int


@dataclass(frozen=True)
class PreparedPixels:
    """Reads prepared pixels where `prepare_images` put them; goes to every worker.

    Args:
        folder: the store's ``prepared`` folder.
    """

    folder: Folder

    def read(self, rows: pa.Table) -> Iterator[npt.NDArray[np.uint8]]:
        """One array per row of prepared_images' columns, in order: `read_prepared_pixels`."""
        return read_prepared_pixels(self.folder, rows)


def read_prepared_pixels(folder: Folder, rows: pa.Table) -> Iterator[npt.NDArray[np.uint8]]:
    """Read the pixels of rows of ``prepared_images`` with status ok, in the rows' order; a content may stand there
    several times. ``folder`` is the one that `prepare_images` was given.

    Rows that lie near each other in the store should be near each other here: within a window of 64 MB, ranges
    are grouped by file and read together.

    Yields:
        uint8 (height, width, channels), or (frames, height, width, channels) for a time series; read-only.

    Raises:
        StoreError: a row has no pixels, or names them outside of the folder or in no such shape; the file is gone or
            cut short, or its checksum is wrong.
    """
    for window in group_by_size(map(_parse_row, iterate_rows(rows.select(_COLUMNS))), _WINDOW):
        values = _fetch(folder, {place for place, _ in window})
        for place, shape in window:
            yield np.frombuffer(values[place], np.uint8).reshape(shape)


def _parse_row(row: dict[str, Any]) -> tuple[tuple[_PixelRange, tuple[int, ...]], int]:
    """Where the pixels of a row lie and their shape, and their bytes."""
    if row["file"] is None:
        raise StoreError(f"content {row['content_id']} has no prepared pixels; only rows with status ok have")
    place = _PixelRange(row["file"], row["offset"], row["length"])
    sides = tuple(row[name] for name in _SHAPE)
    shape = sides[1:] if sides[0] is None else sides  # single images have no frames
    # A table is not trusted to name no other file.
    possible = None not in (place.offset, place.length, *shape) and is_pixel_file(place.file)
    if not possible or place.offset < HEADER_BYTES or min(shape) < 1 or place.length != math.prod(shape):
        raise StoreError(
            f"content {row['content_id']}: its pixels are said to be {place.length} bytes at {place.offset} of "
            f"{place.file!r}, of the shape {shape}: that cannot be; materialize prepared_images again"
        )
    return (place, shape), place.length


def group_by_size(
    items: Iterable[tuple[_T, int]], most_bytes: int, most_items: int = sys.maxsize
) -> Iterator[list[_T]]:
    """Items, each with its bytes, in order in groups of bounded bytes and count; at least one item in each."""
    group: list[_T] = []
    size = 0
    for item, length in items:
        if group and (len(group) == most_items or size + length > most_bytes):
            yield group
            group, size = [], 0
        group.append(item)
        size += length
    if group:
        yield group


def _fetch(folder: Folder, places: set[_PixelRange]) -> dict[_PixelRange, memoryview]:
    values = {}
    for file, in_file in groupby(sorted(places), key=lambda place: place.file):
        for run in _merge_ranges(list(in_file)):
            start = run[0].offset - HEADER_BYTES
            length = run[-1].offset + run[-1].length + FOOTER_BYTES - start
            try:
                data = folder.read(file, start, length)
            except (MemoryError, OverflowError) as error:
                raise StoreError(
                    f"{folder.file_url(file)}: a table names {length} bytes at {start} of it, more than fit into "
                    "memory; materialize prepared_images again"
                ) from error
            for place in run:
                values[place] = _check_frame(memoryview(data)[place.offset - HEADER_BYTES - start :], place, folder)
    return values


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
    (crc,) = struct.unpack_from("<I", frame, HEADER_BYTES + place.length)
    values = frame[HEADER_BYTES : HEADER_BYTES + place.length]
    if length != place.length or masked_crc(bytes(values)) != crc:
        raise StoreError(
            f"{folder.file_url(place.file)} is damaged at byte {place.offset}: the checksum is wrong; "
            "remove the file and its index, and run again"
        )
    return values
