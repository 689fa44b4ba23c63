"""PNG: the header's facts, the check of every chunk, and the fast decoder for the common kinds.

Pillow checks neither the checksums of image data, nor that the file has an end, nor that the data fill the image.
The first two are checked here always. libpng, under OpenCV, refuses data that are too short; for the kinds that
are left to Pillow they are inflated and counted first.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from brev_pipeline.images.formats.header import Header, damaged

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PALETTE = 3
# Chunks that change no pixel, and that libpng reads without a word.
_HARMLESS = {b"IHDR", b"IDAT", b"IEND", b"pHYs", b"tIME", b"gAMA", b"sRGB", b"cHRM", b"sBIT", b"bKGD"}
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_PIECE = 1 << 20  # bytes inflated at a time


@dataclass(frozen=True)
class PngHeader(Header):
    """A PNG's header."""

    colour: int
    """Colour type, 0, 2, 3, 4 or 6."""
    interlaced: bool


@dataclass(frozen=True)
class Survey:
    """What a walk over all chunks found."""

    kinds: frozenset[bytes]
    data: tuple[slice, ...]
    """Bodies of the IDAT chunks."""
    note: str | None


def read_header(data: bytes) -> PngHeader:
    """Read a PNG's IHDR chunk."""
    length, kind, width, height, depth, colour, _, _, interlaced = struct.unpack_from(">I4sIIBBBBB", data, 8)
    if kind != b"IHDR" or length != 13:
        raise damaged("it does not begin with the chunk IHDR")
    if colour not in _CHANNELS or depth not in (1, 2, 4, 8, 16):
        raise damaged(f"its header claims colour type {colour} with {depth} bits, which PNG does not have")
    return PngHeader("png", height, width, _CHANNELS[colour], depth, colour, bool(interlaced))


def survey(data: bytes) -> Survey:
    """Walk over all chunks.

    Raises:
        DecodeError: a chunk is damaged or cut short, or the end chunk is missing.
    """
    place, view = len(SIGNATURE), memoryview(data)
    kinds, bodies, note = set(), [], None
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 8 + length
        if end + 4 > len(data):
            break
        if zlib.crc32(view[place + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise damaged(f"the checksum of its chunk {kind.decode('ascii', 'replace')} at byte {place} is wrong")
        kinds.add(kind)
        if kind == b"IDAT":
            bodies.append(slice(place + 8, end))
        elif kind == b"acTL" and int.from_bytes(view[place + 8 : place + 12], "big") > 1:
            note = "first frame of an animation"
        elif kind == b"IEND":
            return Survey(frozenset(kinds), tuple(bodies), note)
        place = end + 4
    raise damaged(f"it is cut short: {len(data)} bytes, and no end chunk")


def fast(data: bytes, header: PngHeader, found: Survey) -> npt.NDArray[np.uint8] | None:
    """Pixels (height, width, 1, 3 or 4) of a PNG of a common kind; None for one that is left to Pillow."""
    import cv2

    if header.bit_depth != 8 or header.colour == _PALETTE or not found.kinds <= _HARMLESS:
        return None
    pixels: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.shape[:2] != (header.height, header.width):
        return None
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    else:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)
    return np.asarray(pixels, np.uint8)


def check_rows(data: bytes, header: PngHeader, found: Survey) -> None:
    """Refuse image data that are damaged, or that hold fewer rows than the image has."""
    stream, inflated, wanted = zlib.decompressobj(), 0, _bytes(header)
    try:
        for body in found.data:
            rest = data[body]
            while rest and not stream.eof:
                inflated += len(stream.decompress(rest, _PIECE))
                rest = stream.unconsumed_tail
    except zlib.error as error:
        raise damaged("its compressed image data are damaged: their checksum or code is wrong") from error
    if inflated < wanted:
        raise damaged(f"it ends before its image does: {inflated} bytes of pixels of {wanted}")


def _bytes(header: PngHeader) -> int:
    """Bytes of all rows, each with its filter type before it."""
    bits = header.channels * header.bit_depth
    sizes = [(header.width, header.height)]
    if header.interlaced:
        sizes = [((header.width - x + dx - 1) // dx, (header.height - y + dy - 1) // dy) for x, y, dx, dy in _PASSES]
    return sum(rows * (1 + (columns * bits + 7) // 8) for columns, rows in sizes if columns > 0 and rows > 0)
