"""JPEG 2000: the header's facts, from a JP2 file or a bare codestream, and how much work it asks for.

Pillow decodes 8 bits. It scales what has more or fewer, some kinds twice, so imagecodecs gives these as they are stored
(OpenJPEG both, which refuses a stream that is cut short).
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from brev_pipeline.config import ImageSettings
from brev_pipeline.images.formats.header import Header, damaged, too_large, unsupported
from brev_pipeline.images.formats.pillow import decode_with_pillow
from brev_pipeline.images.formats.raster import Raster
from brev_pipeline.images.levels import to_8_bits

NAME, TITLE = "jpeg2000", "JPEG 2000"
_FILE = b"\0\0\0\x0cjP  \r\n\x87\n"
_CODESTREAM = b"\xff\x4f\xff\x51"
_SOT, _COD = 0xFF90, 0xFF52
_PACKETS = 1_000_000  # that a file may have besides one per 16 pixels
_SRGB, _GREY = 16, 17  # enumerated colour spaces


@dataclass(frozen=True)
class Jpeg2000Header(Header):
    """A JPEG 2000's header."""

    signed: bool
    alike: bool
    """Whether all components have the same depth, sign and resolution."""
    packets: int
    """Pieces of code that it is made of, at least: tiles × components × resolutions × layers."""
    colours: int | None
    """The colour space's number in a JP2 file; None: none is named."""


def recognise(data: bytes) -> bool:
    """Whether a file begins as a JPEG 2000 does."""
    return data.startswith((_FILE, _CODESTREAM))


def read_header(data: bytes) -> Jpeg2000Header:
    """Read the boxes of a JP2 file, and SIZ and COD of its codestream (ISO 15444-1, I.5 and A.5–A.6)."""
    place, colours = (0, None) if data.startswith(_CODESTREAM) else _boxes(data)
    if not data.startswith(_CODESTREAM, place):
        raise damaged("its codestream does not begin with the size of the image")
    x1, y1, x0, y0, tile_width, tile_height, tile_x, tile_y = struct.unpack_from(">8I", data, place + 8)
    (components,) = struct.unpack_from(">H", data, place + 40)
    if not 1 <= components <= 4:
        raise unsupported(f"it has {components} components; read are 1 to 4")
    facts = [struct.unpack_from(">BBB", data, place + 42 + 3 * number) for number in range(components)]
    depth = facts[0][0]
    if not tile_width or not tile_height:
        raise damaged("its header claims tiles of no size")
    tiles = -(-(x1 - tile_x) // tile_width) * -(-(y1 - tile_y) // tile_height)
    return Jpeg2000Header(
        format=NAME,
        height=y1 - y0,
        width=x1 - x0,
        channels=components,
        bit_depth=(depth & 0x7F) + 1,
        signed=depth > 0x7F,
        alike=len(set(facts)) == 1 and facts[0][1:] == (1, 1),
        packets=tiles * components * _passes(data, place + 2),
        colours=colours,
    )


def _boxes(data: bytes) -> tuple[int, int | None]:
    """First byte of the codestream in a JP2 file, and the number of its colour space."""
    place, colours = 0, None
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        head = 8
        if length == 1:
            (length,), head = struct.unpack_from(">Q", data, place + 8), 16
        if kind == b"jp2c":
            return place + head, colours
        if length < head:
            break
        if kind == b"colr" and data[place + head] == 1 and colours is None:
            (colours,) = struct.unpack_from(">I", data, place + head + 3)
        # The header is a box of boxes.
        place += head if kind == b"jp2h" else length
    raise damaged("it holds no image data")


def _passes(data: bytes, place: int) -> int:
    """Layers × resolutions of a codestream whose first marker segment is at ``place``; 1 where that is not told."""
    while place + 12 <= len(data):
        marker, length = struct.unpack_from(">HH", data, place)
        if marker == _COD:
            layers, _, levels = struct.unpack_from(">HBB", data, place + 6)
            return int(layers * (levels + 1))
        if marker == _SOT or length < 2:
            break
        place += 2 + length
    return 1


def verify(data: bytes, header: Jpeg2000Header, settings: ImageSettings) -> None:
    """Refuse kinds that are not read, and more packets than the image's size accounts for."""
    if header.bit_depth > 16:
        raise unsupported(f"its samples have {header.bit_depth} bits; read are up to 16")
    if not _is_plain(header) and not (header.alike and header.colours in (None, _SRGB, _GREY)):
        raise unsupported(
            f"its {header.bit_depth}-bit samples are not RGB or grey of equal depth and resolution; those are "
            "read with 8 bits only"
        )
    most = _PACKETS + header.height * header.width // 16
    if header.packets > most:
        raise too_large(f"it is made of {header.packets} packets or more; an image of its size may have {most}")


def _is_plain(header: Jpeg2000Header) -> bool:
    return header.bit_depth == 8 and not header.signed


def decode(data: bytes, header: Jpeg2000Header, settings: ImageSettings) -> Raster:
    """Decode the image; 8 bits by Pillow, which converts what is not RGB."""
    if _is_plain(header):
        return decode_with_pillow(data, "JPEG2000", settings)
    samples, white = _decode_deep(data), (1 << header.bit_depth) - 1
    zero = -(1 << header.bit_depth - 1) if header.signed else 0
    if samples.shape != (header.height, header.width, header.channels):
        raise damaged(f"it decodes to another shape, {samples.shape}, than its header claims")
    if header.signed:
        # The sign's bit turned over is the sample less the lowest one.
        unsigned = np.dtype(f"u{samples.itemsize}")
        samples = samples.view(unsigned) + unsigned.type(-zero)
    return Raster(to_8_bits(samples, white)) if header.bit_depth <= 8 else Raster(samples, white, zero)


def _decode_deep(data: bytes) -> Any:
    import imagecodecs

    try:
        samples = imagecodecs.jpeg2k_decode(data)
    except imagecodecs.Jpeg2kError as error:
        raise damaged(f"its compressed image data are damaged ({error})") from error
    return samples.reshape(*samples.shape[:2], -1)
