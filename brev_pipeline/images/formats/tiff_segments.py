"""Strips and tiles: how a TIFF's samples are cut into parts, coded and packed, and how they are read at full depth.

What is done is bounded by the image's size before it is done. The grid of parts follows from the image's size, and
of what the directory lists only that many are read; tiles may stand out over the image's edge by a limited area; of
each part as many bytes are read as any sensible coding of its size needs, and it unpacks to its own size, with some
room for writers that fill their last strip up. It does not matter where the parts lie, or whether they overlap.

A code may hold more than its part's size (some writers fill the last strip up), which is left out; but not more than
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
from brev_pipeline.images.formats.base import damaged, too_large
from brev_pipeline.images.formats.ifd import Directory

ROOM = 4096  # bytes that a part may have, coded or not, beyond twice its size
_XZ_MEMORY = 96 << 20  # bytes; preset 9, the largest, takes 65 MiB
Raw = bytes | bytearray


def unpack_lzw(coded: bytes, size: int) -> Raw:
    """LZW, also of the kind of before 1990, with its bits the other way round."""
    import imagecodecs

    try:
        return imagecodecs.lzw_decode(coded, out=size)
    except imagecodecs.LzwError as error:
        raise _broken() from error


def unpack_packbits(coded: bytes, size: int) -> Raw:
    """PackBits, with or without a byte that makes the length even."""
    import imagecodecs

    for code, room in ((coded, size), (coded[:-1], size), (coded, 2 * size + ROOM)):
        try:
            return imagecodecs.packbits_decode(code, out=room)
        except imagecodecs.PackbitsError:
            continue
    raise _broken()


def unpack_deflate(coded: bytes, size: int) -> Raw:
    """Deflate, with its checksum."""
    import imagecodecs

    try:
        return imagecodecs.deflate_decode(coded, out=size)
    except imagecodecs.DeflateError:
        pass
    # Longer than its size, cut, or damaged: zlib tells which.
    most = 2 * size + ROOM
    try:
        return _bounded(zlib.decompressobj().decompress(coded, most + 1), size)
    except zlib.error as error:
        raise _broken() from error


def unpack_zstd(coded: bytes, size: int) -> Raw:
    """Zstandard."""
    import imagecodecs

    for room in (size, 2 * size + ROOM):
        try:
            return imagecodecs.zstd_decode(coded, out=room)
        except imagecodecs.ZstdError as error:
            caught = error
    if "too small" in str(caught):
        raise _too_long(size) from caught
    raise _broken() from caught


def unpack_lzma(coded: bytes, size: int) -> Raw:
    """LZMA in an XZ container."""
    try:
        stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        return _bounded(stream.decompress(coded, 2 * size + ROOM + 1), size)
    except lzma.LZMAError as error:
        raise _broken() from error


def _bounded(raw: bytes, size: int) -> bytes:
    if len(raw) > 2 * size + ROOM:
        raise _too_long(size)
    return raw


def _broken() -> DecodeError:
    return damaged("its compressed image data are damaged: their checksum or code is wrong")


def _too_long(size: int) -> DecodeError:
    return too_large(f"a strip or tile unpacks to more than {2 * size + ROOM} bytes, where its size asks for {size}")


CODES: dict[int, Callable[[bytes, int], Raw]] = {
    1: lambda coded, _: coded,
    5: unpack_lzw,
    8: unpack_deflate,
    32946: unpack_deflate,
    32773: unpack_packbits,
    34925: unpack_lzma,
    50000: unpack_zstd,
}
"""Compression → what unpacks a part of it, at least to the given size if it holds that much."""


_TILE_WIDTH, _TILE_HEIGHT, _ROWS_PER_STRIP = 322, 323, 278
_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES = 273, 279, 324, 325
_MOST_PARTS = 262_144  # at 10 to 20 µs each; 67 million px in tiles of 16×16 px, the smallest that there are
_PARTS, _PIXELS_PER_PART = 65_536, 256  # that any image may have, and besides
_PADDING = 16 << 20  # samples that all tiles together may have beyond 4 × those of the image
_Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | npt.NDArray[np.uint32]


class Part(NamedTuple):
    """One strip or tile."""

    plane: int
    """Which channel it holds, where they stand apart; else 0."""
    top: int
    left: int
    rows: int
    """px that it holds, with those that stand out over the image's edge."""
    columns: int
    coded: memoryview
    """Its bytes, as the file lists them."""


@dataclass(frozen=True)
class Layout:
    """How the samples of one image lie in the file."""

    height: int
    width: int
    channels: int
    bits: int
    order: str
    """Byte order of samples of 16 and 32 bits, as struct writes it; others are packed from the highest bit on."""
    planar: bool
    """Whether each channel stands apart."""
    tiled: bool
    part_height: int
    """px; of strips at most the image's height."""
    part_width: int
    compression: int
    predicted: bool
    """Whether each sample is the difference from its neighbour to the left."""
    reversed: bool
    """Whether the lowest bit of each byte comes first."""

    @property
    def planes(self) -> int:
        """Sets of parts that each cover the image."""
        return self.channels if self.planar else 1

    @property
    def samples(self) -> int:
        """Values per pixel of a part."""
        return 1 if self.planar else self.channels

    @property
    def grid(self) -> tuple[int, int]:
        """Parts below and beside each other."""
        return -(-self.height // self.part_height), -(-self.width // self.part_width)

    @property
    def parts(self) -> int:
        """Parts that the image is made of."""
        down, across = self.grid
        return down * across * self.planes

    def size(self, rows: int, columns: int) -> int:
        """Bytes of a part once it is unpacked: each row ends with its byte."""
        return rows * -(-columns * self.samples * self.bits // 8)


def cut(page: Directory, height: int, width: int) -> tuple[bool, int, int]:
    """Whether an image is cut into tiles, and the height and width of its parts."""
    if page.count(_TILE_WIDTH):
        return True, page.sound(_TILE_HEIGHT, 0)[0], page.sound(_TILE_WIDTH, 0)[0]
    return False, min(page.sound(_ROWS_PER_STRIP, height)[0], height), width


def check_segments(page: Directory, layout: Layout) -> None:
    """Refuse parts that do not make up the image, and those that cost more than its size accounts for."""
    name = "tile" if layout.tiled else "strip"
    if layout.part_height < 1 or layout.part_width < 1:
        raise damaged(f"its {name}s have a size of {layout.part_width}×{layout.part_height} px")
    down, across = layout.grid
    pixels = layout.height * layout.width
    padded = down * layout.part_height * across * layout.part_width
    if padded * layout.channels > 4 * pixels * layout.channels + _PADDING:
        size = f"{layout.part_width}×{layout.part_height} px"
        raise too_large(f"its {name}s of {size} hold {padded} px, where the image has {pixels}")
    if layout.parts > (most := min(_MOST_PARTS, _PARTS + layout.planes * pixels // _PIXELS_PER_PART)):
        raise too_large(f"it has {layout.parts} {name}s; an image of its size may have {most}")
    listed = max(page.count(_STRIPS), page.count(_TILES))
    most = layout.parts * layout.channels if layout.tiled else layout.height * layout.channels
    if listed > max(most, layout.parts):
        raise too_large(f"it lists {listed} {name}s, where its image can have {most}")


def read_parts(data: bytes, page: Directory, layout: Layout) -> Iterator[Part]:
    """All parts of an image in their order, once `check` has let them pass.

    Raises:
        DecodeError: some are not listed, or lie outside of the file.
    """
    names = ((_TILES, _TILE_BYTES), (_STRIPS, _STRIP_BYTES))
    own, other = names if layout.tiled else names[::-1]
    starts = page.values(own[0], layout.parts) or page.values(other[0], layout.parts)
    lengths = page.values(own[1], layout.parts) or page.values(other[1], layout.parts)
    if not lengths and not page.count(own[1]) and not page.count(other[1]):
        # Some writers leave the lengths out: codes end by themselves.
        lengths = (len(data),) * len(starts)
    kind = "tile" if layout.tiled else "strip"
    if min(len(starts), len(lengths)) < layout.parts:
        listed = min(len(starts), len(lengths))
        raise damaged(f"{listed} {kind}s are listed, where its image has {layout.parts}")
    view, (down, across) = memoryview(data), layout.grid
    for number in range(layout.parts):
        start, length = starts[number], lengths[number]
        if not 8 <= start < len(data) or length < 0:
            raise damaged(f"its {kind} {number + 1} of {layout.parts} lies outside of the file")
        plane, place = divmod(number, down * across)
        top, left = place // across * layout.part_height, place % across * layout.part_width
        rows = layout.part_height if layout.tiled else min(layout.part_height, layout.height - top)
        yield Part(plane, top, left, rows, layout.part_width, view[start : start + length])


def read_samples(data: bytes, page: Directory, layout: Layout) -> _Samples:
    """Samples as they stand in the file, without sign: (height, width, channels).

    Raises:
        DecodeError: a part is missing, damaged or too short.
    """
    whole = (layout.height, layout.width, layout.channels)
    samples = np.empty(whole, np.uint8 if layout.bits <= 8 else np.uint16 if layout.bits <= 16 else np.uint32)
    for part in read_parts(data, page, layout):
        bottom, right = min(part.top + part.rows, layout.height), min(part.left + part.columns, layout.width)
        raw, size = expand(part, layout), layout.size(part.rows, part.columns)
        if len(raw) < size:
            kind = "tile" if layout.tiled else "strip"
            raise damaged(f"it ends before its image does: a {kind} has {len(raw)} bytes of {size}")
        block = _unpack(raw[:size], part, layout)
        channels = slice(part.plane * layout.samples, (part.plane + 1) * layout.samples)
        rows, columns = slice(part.top, bottom), slice(part.left, right)
        samples[rows, columns, channels] = block[: bottom - part.top, : right - part.left]
    return samples


def _unpack(raw: Raw, part: Part, layout: Layout) -> npt.NDArray[Any]:
    """(rows, columns, samples) of a part, of which the bytes are all there."""
    import imagecodecs

    shape = part.rows, part.columns, layout.samples
    if layout.bits in (8, 16, 32):
        samples = np.frombuffer(raw, f"{layout.order}u{layout.bits // 8}").reshape(shape)
        return imagecodecs.delta_decode(samples, axis=1) if layout.predicted else samples
    if layout.bits == 1:
        bits = np.unpackbits(np.frombuffer(raw, np.uint8).reshape(part.rows, -1), axis=1)
        return bits[:, : part.columns * layout.samples].reshape(shape)
    kind, row = "u1" if layout.bits < 8 else "u2", part.columns * layout.samples
    return imagecodecs.packints_decode(raw, kind, layout.bits, runlen=row).reshape(shape)


def expand(part: Part, layout: Layout) -> Raw:
    """The bytes of a part: more or less than its size asks for, as they stand in the file.

    Raises:
        DecodeError: it is damaged, or much too long.
    """
    import imagecodecs

    size = layout.size(part.rows, part.columns)
    # No sensible code needs more bytes than these for its size.
    coded = bytes(part.coded[: 2 * size + ROOM])
    return CODES[layout.compression](bytes(imagecodecs.bitorder_decode(coded)) if layout.reversed else coded, size)
