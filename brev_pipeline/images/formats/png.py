"""PNG: the header's facts, the check of every chunk and of the amount of pixels, and the decoding of all kinds.

libpng (in imagecodecs) decodes, but it inflates whatever follows the pixels, and what it reads of other chunks is none
of our affair. So the pixels are inflated here (libdeflate, which checks their checksum), to the size that the header
asks for and no further, and libpng is given a file of nothing but header, palette, transparent colour and those bytes,
stored. That is quicker than letting it inflate. An interlaced image is seven such files.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from brev_pipeline.config import ImageSettings
from brev_pipeline.images.formats.base import (
    MAX_SAMPLE,
    ImageHeader,
    Raster,
    corrupt_error,
    restore_samples,
    too_large_error,
    unsupported_error,
)
from brev_pipeline.images.formats.pillow_decoder import read_orientation

NAME, TITLE = "png", "PNG"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
# Where EXIF may stand: in a chunk of its own, in texts of older tools, in XMP.
_EXIF, _TEXTS = b"eXIf", {b"tEXt", b"zTXt", b"iTXt"}
_TEXTS_WITH_EXIF = (b"Raw profile type exif\0", b"Raw profile type APP1\0", b"XML:com.adobe.xmp\0")
_GREY, _PALETTE = 0, 3
_BLOCK = 65_535  # bytes of a stored block of deflate
_SPARE = 8 << 20  # bytes that image data may have beyond the last row
_LONGEST = 1_000_000  # px of a side, as libpng reads by default
_CHUNKS = 65_536  # that a file may have besides one per row


@dataclass(frozen=True)
class PngHeader(ImageHeader):
    """A PNG's header."""

    colour_type: int  # 0, 2, 3, 4 or 6
    interlaced: bool


def matches_signature(data: bytes) -> bool:
    """Whether a file begins as a PNG does."""
    return data.startswith(_SIGNATURE)


def read_header(data: bytes) -> PngHeader:
    """Read a PNG's IHDR chunk."""
    length, kind, width, height, depth, colour, code, filters, interlaced = struct.unpack_from(">I4sIIBBBBB", data, 8)
    if kind == b"CgBI":
        raise unsupported_error("it is of Apple's own kind (CgBI)")
    if kind != b"IHDR" or length != 13:
        raise corrupt_error("it does not begin with the chunk IHDR")
    if depth not in _DEPTHS.get(colour, ()):
        raise corrupt_error(f"its header claims colour type {colour} with {depth} bits, which PNG does not have")
    if code or filters or interlaced > 1:
        raise corrupt_error("its header claims a compression, filter or interlace method that PNG does not have")
    return PngHeader(NAME, height, width, _CHANNELS[colour], depth, colour, bool(interlaced))


def check_file(data: bytes, header: PngHeader, settings: ImageSettings) -> str | None:
    """Check every chunk's checksum, and that there are no more than the image's size accounts for; returns the note on
    an animation.
    """
    if max(header.height, header.width) > _LONGEST:
        raise unsupported_error(
            f"it is of {header.width}×{header.height} px; PNG is read with sides of up to {_LONGEST} px"
        )
    note, kind, view = None, b"", memoryview(data)
    for number, (place, kind, end) in enumerate(_iterate_chunks(data)):
        if number > _CHUNKS + header.height:
            raise too_large_error(f"it has more than {number} chunks, which its size does not account for")
        if zlib.crc32(view[place + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise corrupt_error(f"the checksum of its chunk {kind.decode('ascii', 'replace')} at byte {place} is wrong")
        if kind == b"acTL" and int.from_bytes(view[place + 8 : place + 12], "big") > 1:
            note = "first frame of an animation"
    if kind != b"IEND":
        raise corrupt_error(f"it is cut short: {len(data)} bytes, and no end chunk")
    return note


def decode_samples(data: bytes, header: PngHeader, settings: ImageSettings) -> Raster:
    """Decode the image; a transparent colour (tRNS) becomes alpha."""
    return _decode(data, header, settings)


def decode_indexes(data: bytes, header: PngHeader, settings: ImageSettings) -> Raster | None:
    """The indexes into the palette; None where it has none."""
    if header.colour_type != _PALETTE:
        return None
    # Without its palette the file is one of grey levels.
    raster = _decode(data, replace(header, colour_type=_GREY), settings, without=(b"PLTE", b"tRNS"))
    white = (1 << header.bit_depth) - 1
    return raster if white == 255 else raster._replace(samples=restore_samples(raster.samples, white), white=white)


def _decode(data: bytes, header: PngHeader, settings: ImageSettings, without: tuple[bytes, ...] = ()) -> Raster:
    coded, view = [], memoryview(data)
    needed: list[bytes | memoryview] = []
    exif: list[bytes | memoryview] = []
    colours = 256
    for place, kind, end in _iterate_chunks(data):
        body, whole = view[place + 8 : end], view[place : end + 4]
        if kind == b"IDAT":
            coded.append(body)
        elif kind in without:
            continue
        elif kind == b"PLTE":
            colours = len(body) // 3
            needed.append(whole)
        elif kind == b"tRNS":
            # libpng passes over one that is longer than the palette.
            long = header.colour_type == _PALETTE and len(body) > colours
            needed.append(_make_chunk(kind, body[:colours]) if long else whole)
        elif kind == _EXIF or (kind in _TEXTS and data.startswith(_TEXTS_WITH_EXIF, place + 8)):
            exif.append(whole)
    passes = [_InterlacePass(header, *places) for places in (_ADAM7 if header.interlaced else _WHOLE)]
    rows = memoryview(_inflate(b"".join(coded), sum(pass_.byte_count for pass_ in passes)))
    samples: Any = None
    for pass_ in passes:
        part, rows = pass_.decode_rows(rows[: pass_.byte_count], needed), rows[pass_.byte_count :]
        if len(passes) == 1:
            samples = part
        elif part is not None:
            samples = np.empty((header.height, header.width, part.shape[2]), part.dtype) if samples is None else samples
            samples[pass_.y :: pass_.down, pass_.x :: pass_.right] = part
    orientation = read_orientation(_make_one_pixel_file(exif), NAME, settings) if exif else 1
    return Raster(samples, MAX_SAMPLE if samples.dtype == np.uint16 else 255, orientation=orientation)


def _make_one_pixel_file(chunks: list[bytes | memoryview]) -> bytes:
    """A PNG with these chunks: what reads them need not read the image, nor other texts, however large."""
    head = _make_chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    pixel = _make_chunk(b"IDAT", zlib.compress(bytes(2)))
    return b"".join([_SIGNATURE, head, *chunks, pixel, _make_chunk(b"IEND", b"")])


def _iterate_chunks(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Place, kind and end of the body of each chunk up to the end chunk; fewer where the file is cut short."""
    place, kind = len(_SIGNATURE), b""
    while kind != b"IEND" and place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 8 + length
        if end + 4 > len(data):
            return
        yield place, kind, end
        place = end + 4


def _make_chunk(kind: bytes, body: bytes | memoryview) -> bytes:
    return b"".join([struct.pack(">I4s", len(body), kind), body, struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))])


def _store_uncompressed(rows: memoryview) -> list[bytes | memoryview]:
    """The pieces of chunks IDAT that hold these bytes without compression (RFC 1950 and 1951); none is copied."""
    parts: list[bytes | memoryview] = [_make_chunk(b"IDAT", b"\x78\x01")]
    for start in range(0, len(rows), _BLOCK):
        block, last = rows[start : start + _BLOCK], start + _BLOCK >= len(rows)
        head = b"IDAT" + struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF)
        length, crc = struct.pack(">I", len(block) + 5), struct.pack(">I", zlib.crc32(block, zlib.crc32(head)))
        parts += [length, head, block, crc]
    return [*parts, _make_chunk(b"IDAT", struct.pack(">I", zlib.adler32(rows)))]


def _inflate(coded: bytes, wanted: int) -> bytes:
    """The bytes of all rows, exactly ``wanted``."""
    import imagecodecs

    # Nearly all files need no room to spare, and none is reserved for them.
    for room in (wanted, wanted + _SPARE):
        try:
            rows = bytes(imagecodecs.deflate_decode(coded, out=room))
        except imagecodecs.DeflateError as error:
            if "INSUFFICIENT_SPACE" in str(error):
                continue
            raise corrupt_error("its compressed image data are damaged: their checksum or code is wrong") from error
        if len(rows) < wanted:
            raise corrupt_error(f"it ends before its image does: {len(rows)} bytes of pixels of {wanted}")
        return rows[:wanted]
    raise too_large_error(f"its image data inflate to more than the {wanted} bytes of its pixels")


@dataclass(frozen=True)
class _InterlacePass:
    """One of the images that an interlaced image is made of, or the whole."""

    header: PngHeader
    x: int
    y: int
    right: int  # columns from one pixel of it to the next
    down: int

    @property
    def pixel_size(self) -> tuple[int, int]:
        """Width and height, 0 for a pass that has no pixels."""
        width, height = -(-(self.header.width - self.x) // self.right), -(-(self.header.height - self.y) // self.down)
        return (width, height) if width > 0 and height > 0 else (0, 0)

    @property
    def byte_count(self) -> int:
        """Bytes of all rows, each with its filter type before it."""
        width, height = self.pixel_size
        return height * (1 + (width * self.header.channels * self.header.bit_depth + 7) // 8)

    def decode_rows(self, rows: memoryview, needed: list[bytes | memoryview]) -> Any:
        """Its samples (height, width, 1..4), as if it were a file of its own; None where it has none."""
        import imagecodecs

        if not rows:
            return None
        head = struct.pack(">IIBBBBB", *self.pixel_size, self.header.bit_depth, self.header.colour_type, 0, 0, 0)
        parts = [_SIGNATURE, _make_chunk(b"IHDR", head), *needed, *_store_uncompressed(rows), _make_chunk(b"IEND", b"")]
        try:
            samples: Any = imagecodecs.png_decode(b"".join(parts))
        except imagecodecs.PngError as error:
            raise corrupt_error(f"it cannot be decoded ({str(error) or 'libpng refuses it'})") from error
        return samples.reshape(*samples.shape[:2], -1)


# Column, row, columns and rows to the next of the seven passes of an interlaced image (ISO 15948, 8.2).
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_WHOLE = ((0, 0, 1, 1),)
