"""PNG: the header's facts, the check of every chunk, and the fast decoder for the common kinds.

Pillow checks neither the checksums of image data, nor that the file has an end, nor that the data fill the image.
The first two are checked here always. libpng, under OpenCV, refuses data that are too short; for all other kinds they
are inflated and counted first.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from brev_pipeline.config import ImageSettings
from brev_pipeline.images.formats.header import Header, damaged, too_large
from brev_pipeline.images.formats.pillow import decode_with_pillow, read_orientation
from brev_pipeline.images.formats.raster import Raster

NAME, TITLE = "png", "PNG"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PALETTE = 3
# Chunks that change no pixel, and that libpng reads without a word.
_HARMLESS = {b"IHDR", b"IDAT", b"IEND", b"pHYs", b"tIME", b"gAMA", b"sRGB", b"cHRM", b"sBIT", b"bKGD"}
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
# Where EXIF may stand: in a chunk of its own, in texts of older tools, in XMP.
_WITH_EXIF = {b"eXIf", b"tEXt", b"zTXt", b"iTXt"}
_PIECE = 1 << 20  # bytes inflated at a time
_SPARE = 8 << 20  # bytes that image data may have beyond the last row, which decoders pass over
_CHUNKS = 65_536  # that a file may have besides one per row


@dataclass(frozen=True)
class PngHeader(Header):
    """A PNG's header."""

    colour: int
    """Colour type, 0, 2, 3, 4 or 6."""
    interlaced: bool


def recognise(data: bytes) -> bool:
    """Whether a file begins as a PNG does."""
    return data.startswith(SIGNATURE)


def read_header(data: bytes) -> PngHeader:
    """Read a PNG's IHDR chunk."""
    length, kind, width, height, depth, colour, _, _, interlaced = struct.unpack_from(">I4sIIBBBBB", data, 8)
    if kind != b"IHDR" or length != 13:
        raise damaged("it does not begin with the chunk IHDR")
    if colour not in _CHANNELS or depth not in (1, 2, 4, 8, 16):
        raise damaged(f"its header claims colour type {colour} with {depth} bits, which PNG does not have")
    return PngHeader("png", height, width, _CHANNELS[colour], depth, colour, bool(interlaced))


def verify(data: bytes, header: PngHeader, settings: ImageSettings) -> str | None:  # noqa: ARG001 (the protocol's)
    """Check every chunk, and the rows where libpng under OpenCV is not to do that.

    Returns:
        The note on an animation.

    Raises:
        DecodeError: a chunk is damaged or cut short, the end chunk is missing, rows are missing, or there are more chunks
            or bytes than the image's size accounts for.
    """
    kinds, note, view = set(), None, memoryview(data)
    for number, (place, kind, end) in enumerate(_chunks(data)):
        if number > _CHUNKS + header.height:
            raise too_large(f"it has more than {number} chunks, which its size does not account for")
        if zlib.crc32(view[place + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise damaged(f"the checksum of its chunk {kind.decode('ascii', 'replace')} at byte {place} is wrong")
        kinds.add(kind)
        if kind == b"acTL" and int.from_bytes(view[place + 8 : place + 12], "big") > 1:
            note = "first frame of an animation"
    if b"IEND" not in kinds:
        raise damaged(f"it is cut short: {len(data)} bytes, and no end chunk")
    if not _is_plain(header, kinds):
        _check_rows(data, header)
    return note


def decode(data: bytes, header: PngHeader, settings: ImageSettings) -> Raster:
    """Decode by OpenCV what is plain, by imagecodecs grey and colours of more or fewer than 8 bits (libpng both), and
    by Pillow the rest."""
    kinds = {kind for _, kind, _ in _chunks(data)}
    if _is_plain(header, kinds):
        if (pixels := _decode_plain(data, header)) is not None:
            return Raster(pixels)
        _check_rows(data, header)
    elif header.bit_depth != 8 and header.colour != _PALETTE:
        orientation = read_orientation(data, "PNG", settings) if kinds & _WITH_EXIF else 1
        samples = _decode_deep(data)
        return Raster(samples, 65_535 if samples.dtype == np.uint16 else 255, orientation=orientation)
    return decode_with_pillow(data, header, "PNG", settings)


def _chunks(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Place, kind and end of the body of each chunk up to the end chunk; fewer where the file is cut short."""
    place, kind = len(SIGNATURE), b""
    while kind != b"IEND" and place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 8 + length
        if end + 4 > len(data):
            return
        yield place, kind, end
        place = end + 4


def _is_plain(header: PngHeader, kinds: set[bytes]) -> bool:
    return header.bit_depth == 8 and header.colour != _PALETTE and kinds <= _HARMLESS


def _decode_plain(data: bytes, header: PngHeader) -> npt.NDArray[np.uint8] | None:
    """Pixels (height, width, 1, 3 or 4); None where OpenCV refuses."""
    import cv2

    pixels: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.shape[:2] != (header.height, header.width):
        return None
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    else:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)
    return np.asarray(pixels, np.uint8)


def _decode_deep(data: bytes) -> Any:
    """Samples (height, width, 1..4), a transparent colour (tRNS) as alpha: 8 bits for fewer, else 16."""
    import imagecodecs

    try:
        samples = imagecodecs.png_decode(data)
    except imagecodecs.PngError as error:
        raise damaged(f"it cannot be decoded ({error})") from error
    return samples.reshape(*samples.shape[:2], -1)


def _check_rows(data: bytes, header: PngHeader) -> None:
    """Refuse image data that are damaged, or that hold fewer rows than the image has, or far more."""
    stream, inflated, wanted = zlib.decompressobj(), 0, _bytes(header)
    try:
        for place, kind, end in _chunks(data):
            rest = data[place + 8 : end] if kind == b"IDAT" else b""
            while rest and not stream.eof:
                inflated += len(stream.decompress(rest, _PIECE))
                rest = stream.unconsumed_tail
                if inflated > wanted + _SPARE:
                    raise too_large(f"its image data inflate to more than the {wanted} bytes of its pixels")
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
