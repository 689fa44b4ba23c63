"""Strips and tiles: how a TIFF's samples are cut into segments, coded and packed, and how they are read at full depth.

What is done is bounded by the image's size before it is done. The grid of segments follows from the image's size, and
of what the directory lists only that many are read; tiles may stand out over the image's edge by a limited area; of
each segment as many bytes are read as any sensible coding of its size needs, and it unpacks to its own size, with some
room for writers that fill their last strip up. It does not matter where the segments lie, or whether they overlap.

A code may hold more than its segment's size (some writers fill the last strip up), which is left out; but not more than
twice the size and 4 KiB, for its checksum stands at its end, and is looked at. One that ends within its checksum has
lost no pixel, and is read.
"""

import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from brev_pipeline.errors import DecodeError
from brev_pipeline.images.formats.base import corrupt_error, too_large_error
from brev_pipeline.images.formats.ifd import ImageFileDirectory

_SPARE_BYTES = 4096  # bytes that a segment may have, coded or not, beyond twice its size
_XZ_MEMORY = 96 << 20  # bytes; preset 9, the largest, takes 65 MiB
Raw = bytes | bytearray


def unpack_lzw(coded: bytes, size: int) -> Raw:
    """LZW, also of the kind of before 1990, with its bits the other way round."""
    import imagecodecs

    try:
        return imagecodecs.lzw_decode(coded, out=size)
    except imagecodecs.LzwError as error:
        raise _damaged_code_error() from error


def unpack_packbits(coded: bytes, size: int) -> Raw:
    """PackBits, with or without a byte that makes the length even."""
    import imagecodecs

    for code, room in ((coded, size), (coded[:-1], size), (coded, 2 * size + _SPARE_BYTES)):
        try:
            return imagecodecs.packbits_decode(code, out=room)
        except imagecodecs.PackbitsError:
            continue
    raise _damaged_code_error()


def unpack_deflate(coded: bytes, size: int) -> Raw:
    """Deflate, with its checksum."""
    import imagecodecs

    try:
        return imagecodecs.deflate_decode(coded, out=size)
    except imagecodecs.DeflateError:
        pass
    # Longer than its size, cut, or damaged: zlib tells which.
    most = 2 * size + _SPARE_BYTES
    try:
        return _check_bound(zlib.decompressobj().decompress(coded, most + 1), size)
    except zlib.error as error:
        raise _damaged_code_error() from error


def unpack_zstd(coded: bytes, size: int) -> Raw:
    """Zstandard."""
    import imagecodecs

    for room in (size, 2 * size + _SPARE_BYTES):
        try:
            return imagecodecs.zstd_decode(coded, out=room)
        except imagecodecs.ZstdError as error:
            caught = error
    if "too small" in str(caught):
        raise _too_long_error(size) from caught
    raise _damaged_code_error() from caught


def unpack_lzma(coded: bytes, size: int) -> Raw:
    """LZMA in an XZ container."""
    try:
        stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        return _check_bound(stream.decompress(coded, 2 * size + _SPARE_BYTES + 1), size)
    except lzma.LZMAError as error:
        raise _damaged_code_error() from error


def _check_bound(raw: bytes, size: int) -> bytes:
    if len(raw) > 2 * size + _SPARE_BYTES:
        raise _too_long_error(size)
    return raw


def _damaged_code_error() -> DecodeError:
    return corrupt_error("its compressed image data are damaged: their checksum or code is wrong")


def _too_long_error(size: int) -> DecodeError:
    return too_large_error(
        f"a strip or tile unpacks to more than {2 * size + _SPARE_BYTES} bytes, where its size asks for {size}"
    )


# Compression → what unpacks a segment of it, at least to the given size if it holds that much.
DECOMPRESSORS: dict[int, Callable[[bytes, int], Raw]] = {
    1: lambda coded, _: coded,
    5: unpack_lzw,
    8: unpack_deflate,
    32946: unpack_deflate,
    32773: unpack_packbits,
    34925: unpack_lzma,
    50000: unpack_zstd,
}

_TILE_WIDTH, _TILE_HEIGHT, _ROWS_PER_STRIP = 322, 323, 278
_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES = 273, 279, 324, 325
_MAX_PARTS = 262_144  # at 10 to 20 µs each; 67 million px in tiles of 16×16 px, the smallest that there are
_PARTS, _PIXELS_PER_PART = 65_536, 256  # that any image may have, and besides
_PADDING = 16 << 20  # samples that all tiles together may have beyond 4 × those of the image
_Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | npt.NDArray[np.uint32]


class Segment(NamedTuple):
    """One strip or tile."""

    plane: int  # which channel it holds, where they stand apart; else 0
    top: int
    left: int
    rows: int  # px that it holds, with those that stand out over the image's edge
    columns: int
    coded: memoryview  # its bytes, as the file lists them


@dataclass(frozen=True)
class SegmentLayout:
    """How the samples of one image lie in the file."""

    height: int
    width: int
    channels: int
    bits: int
    # Byte order of samples of 16 and 32 bits, as struct writes it; others are packed from the highest bit on.
    byte_order: str
    is_planar: bool  # whether each channel stands apart
    is_tiled: bool
    segment_height: int  # px; of strips at most the image's height
    segment_width: int
    compression: int
    has_differences: bool  # whether each sample is the difference from its neighbour to the left
    has_reversed_bits: bool  # whether the lowest bit of each byte comes first

    @property
    def plane_count(self) -> int:
        """Sets of segments that each cover the image."""
        return self.channels if self.is_planar else 1

    @property
    def samples_per_pixel(self) -> int:
        """Values per pixel of a segment."""
        return 1 if self.is_planar else self.channels

    @property
    def segment_grid(self) -> tuple[int, int]:
        """Parts below and beside each other."""
        return -(-self.height // self.segment_height), -(-self.width // self.segment_width)

    @property
    def segment_count(self) -> int:
        """Parts that the image is made of."""
        down, across = self.segment_grid
        return down * across * self.plane_count

    def count_bytes(self, rows: int, columns: int) -> int:
        """Bytes of a segment once it is unpacked: each row ends with its byte."""
        return rows * -(-columns * self.samples_per_pixel * self.bits // 8)


def read_segment_size(page: ImageFileDirectory, height: int, width: int) -> tuple[bool, int, int]:
    """Whether an image is cut into tiles, and the height and width of its segments."""
    if page.count_values(_TILE_WIDTH):
        return True, page.require_values(_TILE_HEIGHT, 0)[0], page.require_values(_TILE_WIDTH, 0)[0]
    return False, min(page.require_values(_ROWS_PER_STRIP, height)[0], height), width


def check_segments(page: ImageFileDirectory, layout: SegmentLayout) -> None:
    """Refuse segments that do not make up the image, and those that cost more than its size accounts for."""
    name = "tile" if layout.is_tiled else "strip"
    if layout.segment_height < 1 or layout.segment_width < 1:
        raise corrupt_error(f"its {name}s have a size of {layout.segment_width}×{layout.segment_height} px")
    down, across = layout.segment_grid
    pixels = layout.height * layout.width
    padded = down * layout.segment_height * across * layout.segment_width
    if padded * layout.channels > 4 * pixels * layout.channels + _PADDING:
        size = f"{layout.segment_width}×{layout.segment_height} px"
        raise too_large_error(f"its {name}s of {size} hold {padded} px, where the image has {pixels}")
    if layout.segment_count > (most := min(_MAX_PARTS, _PARTS + layout.plane_count * pixels // _PIXELS_PER_PART)):
        raise too_large_error(f"it has {layout.segment_count} {name}s; an image of its size may have {most}")
    listed = max(page.count_values(_STRIPS), page.count_values(_TILES))
    most = layout.segment_count * layout.channels if layout.is_tiled else layout.height * layout.channels
    if listed > max(most, layout.segment_count):
        raise too_large_error(f"it lists {listed} {name}s, where its image can have {most}")


def iterate_segments(data: bytes, page: ImageFileDirectory, layout: SegmentLayout) -> Iterator[Segment]:
    """All segments in their order, once `check_segments` has let them pass; refuses those outside of the file."""
    # Some writers list tiles as strips, or strips as tiles.
    names = ((_TILES, _TILE_BYTES), (_STRIPS, _STRIP_BYTES))
    first, other = names if layout.is_tiled else names[::-1]
    starts = page.read_values(first[0], layout.segment_count) or page.read_values(other[0], layout.segment_count)
    lengths = page.read_values(first[1], layout.segment_count) or page.read_values(other[1], layout.segment_count)
    if not lengths and not page.count_values(first[1]) and not page.count_values(other[1]):
        # Some writers leave the lengths out: codes end by themselves.
        lengths = (len(data),) * len(starts)
    kind = "tile" if layout.is_tiled else "strip"
    if min(len(starts), len(lengths)) < layout.segment_count:
        listed = min(len(starts), len(lengths))
        raise corrupt_error(f"{listed} {kind}s are listed, where its image has {layout.segment_count}")
    view, (down, across) = memoryview(data), layout.segment_grid
    for number in range(layout.segment_count):
        start, length = starts[number], lengths[number]
        if not 8 <= start < len(data) or length < 0:
            raise corrupt_error(f"its {kind} {number + 1} of {layout.segment_count} lies outside of the file")
        plane, place = divmod(number, down * across)
        top, left = place // across * layout.segment_height, place % across * layout.segment_width
        rows = layout.segment_height if layout.is_tiled else min(layout.segment_height, layout.height - top)
        yield Segment(plane, top, left, rows, layout.segment_width, view[start : start + length])


def read_samples(data: bytes, page: ImageFileDirectory, layout: SegmentLayout) -> _Samples:
    """Samples as they stand in the file, without sign: (height, width, channels); refuses a segment that is missing,
    damaged or too short.
    """
    whole = (layout.height, layout.width, layout.channels)
    samples = np.empty(whole, np.uint8 if layout.bits <= 8 else np.uint16 if layout.bits <= 16 else np.uint32)
    for segment in iterate_segments(data, page, layout):
        bottom = min(segment.top + segment.rows, layout.height)
        right = min(segment.left + segment.columns, layout.width)
        raw, size = unpack_segment(segment, layout), layout.count_bytes(segment.rows, segment.columns)
        if len(raw) < size:
            kind = "tile" if layout.is_tiled else "strip"
            raise corrupt_error(f"it ends before its image does: a {kind} has {len(raw)} bytes of {size}")
        block = _unpack_samples(raw[:size], segment, layout)
        channels = slice(segment.plane * layout.samples_per_pixel, (segment.plane + 1) * layout.samples_per_pixel)
        rows, columns = slice(segment.top, bottom), slice(segment.left, right)
        samples[rows, columns, channels] = block[: bottom - segment.top, : right - segment.left]
    return samples


def _unpack_samples(raw: Raw, segment: Segment, layout: SegmentLayout) -> npt.NDArray[Any]:
    """(rows, columns, samples) of a segment, of which the bytes are all there."""
    import imagecodecs

    shape = segment.rows, segment.columns, layout.samples_per_pixel
    if layout.bits in (8, 16, 32):
        samples = np.frombuffer(raw, f"{layout.byte_order}u{layout.bits // 8}").reshape(shape)
        return imagecodecs.delta_decode(samples, axis=1) if layout.has_differences else samples
    if layout.bits == 1:
        bits = np.unpackbits(np.frombuffer(raw, np.uint8).reshape(segment.rows, -1), axis=1)
        return bits[:, : segment.columns * layout.samples_per_pixel].reshape(shape)
    kind, row = "u1" if layout.bits < 8 else "u2", segment.columns * layout.samples_per_pixel
    return imagecodecs.packints_decode(raw, kind, layout.bits, runlen=row).reshape(shape)


def unpack_segment(segment: Segment, layout: SegmentLayout) -> Raw:
    """The bytes of a segment, more or less than its size asks for; refuses one that is damaged or much too long."""
    import imagecodecs

    size = layout.count_bytes(segment.rows, segment.columns)
    # No sensible code needs more bytes than these for its size.
    coded = bytes(segment.coded[: 2 * size + _SPARE_BYTES])
    if layout.has_reversed_bits:
        coded = bytes(imagecodecs.bitorder_decode(coded))
    return DECOMPRESSORS[layout.compression](coded, size)
