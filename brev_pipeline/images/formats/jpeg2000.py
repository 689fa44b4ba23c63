"""JPEG 2000: the header's facts, from a JP2 file or a bare codestream, and how much work it asks for.

Pillow decodes 8 bits. It scales what has more or fewer, some kinds twice, so imagecodecs gives these as they are stored
(OpenJPEG both, which refuses a stream that is cut short).
"""

import struct
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from brev_pipeline.config import ImageSettings
from brev_pipeline.images.formats import jpeg2000_work
from brev_pipeline.images.formats.boxes import read_box
from brev_pipeline.images.formats.header import Header, damaged, too_large, unsupported
from brev_pipeline.images.formats.pillow import decode_with_pillow
from brev_pipeline.images.formats.raster import Raster
from brev_pipeline.images.levels import scale_to_8_bits

NAME, TITLE = "jpeg2000", "JPEG 2000"
_FILE = b"\0\0\0\x0cjP  \r\n\x87\n"
_CODESTREAM = b"\xff\x4f\xff\x51"
_MOST_BOXES = 4096  # before the image data
_CMYK, _LAB, _SRGB, _GREY, _YCC = 12, 14, 16, 17, 18  # enumerated colour spaces
_USUAL = {1: ((0, 0, 1),), 3: ((0, 0, 1), (1, 0, 2), (2, 0, 3))}


class Boxes(NamedTuple):
    """What a JP2 file says of its codestream; a bare one says nothing."""

    codestream: int = 0
    """Its first byte."""
    colours: int | None = None
    """The colour space's number; None: none is named, or by a profile."""
    palette: int | None = None
    """Bits of the palette's entries."""
    definitions: tuple[tuple[int, int, int], ...] | None = None
    """Channel, kind (0 colour, 1 alpha, 2 alpha that colours are multiplied by, 65535 none) and colour that it is."""


@dataclass(frozen=True)
class Jpeg2000Header(Header):
    """A JPEG 2000's header."""

    signed: bool
    deep_alike: bool
    """Whether all components have the same depth and sign."""
    alike: bool
    """Whether they have the same resolution too."""
    boxes: Boxes

    @property
    def usual(self) -> bool:
        """Whether the channels are grey or red, green and blue in this order, and perhaps alpha after them."""
        if self.boxes.definitions is None:
            return True
        colours = 1 if self.channels <= 2 else 3
        alpha = ((colours, 1, 0),) if self.channels > colours else ()
        return tuple(sorted(self.boxes.definitions)) == (*_USUAL[colours], *alpha)


def recognise(data: bytes) -> bool:
    """Whether a file begins as a JPEG 2000 does."""
    return data.startswith((_FILE, _CODESTREAM))


def read_header(data: bytes) -> Jpeg2000Header:
    """Read the boxes of a JP2 file, and the codestream's SIZ (ISO 15444-1, I.5 and A.5.1)."""
    boxes = Boxes() if data.startswith(_CODESTREAM) else _read_boxes(data)
    place = boxes.codestream
    if not data.startswith(_CODESTREAM, place):
        raise damaged("its codestream does not begin with the size of the image")
    x1, y1, x0, y0, tile_width, tile_height = struct.unpack_from(">6I", data, place + 8)
    (components,) = struct.unpack_from(">H", data, place + 40)
    if not 1 <= components <= 4:
        raise unsupported(f"it has {components} components; read are 1 to 4")
    facts = [struct.unpack_from(">BBB", data, place + 42 + 3 * number) for number in range(components)]
    if not tile_width or not tile_height:
        raise damaged("its header claims tiles of no size")
    return Jpeg2000Header(
        format=NAME,
        height=y1 - y0,
        width=x1 - x0,
        channels=components,
        bit_depth=max((depth & 0x7F) + 1 for depth, _, _ in facts),
        signed=facts[0][0] > 0x7F,
        deep_alike=len({depth for depth, _, _ in facts}) == 1,
        alike=len(set(facts)) == 1 and facts[0][1:] == (1, 1),
        boxes=boxes,
    )


def _read_boxes(data: bytes) -> Boxes:
    place, found, seen = 0, Boxes(), 0
    while place + 8 <= len(data):
        if (seen := seen + 1) > _MOST_BOXES:
            raise too_large(f"it has more than {_MOST_BOXES} boxes before its image data; read are up to as many")
        kind, body, length = read_box(data, place)
        if kind == b"jp2c":
            return found._replace(codestream=body)
        if length < body - place:
            break
        if kind == b"colr" and data[body] == 1 and found.colours is None:
            found = found._replace(colours=struct.unpack_from(">I", data, body + 3)[0])
        elif kind == b"pclr":
            found = found._replace(palette=max(data[body + 3 : body + 3 + data[body + 2]], default=0) % 128 + 1)
        elif kind == b"cdef":
            (count,) = struct.unpack_from(">H", data, body)
            channels = data[body + 2 : body + 2 + 6 * min(count, 4)]
            found = found._replace(definitions=tuple(struct.iter_unpack(">HHH", channels)))
        # The header is a box of boxes.
        place = body if kind == b"jp2h" else place + length
    raise damaged("it holds no image data")


def verify(data: bytes, header: Jpeg2000Header, settings: ImageSettings) -> None:
    """Refuse kinds that are not read, and more work than the image's size accounts for."""
    bits, boxes = header.bit_depth, header.boxes
    if bits > 16:
        raise unsupported(f"its samples have {bits} bits; read are up to 16")
    if not header.deep_alike:
        raise unsupported("its components differ in their number of bits or sign")
    if boxes.colours not in (None, _SRGB, _GREY, _YCC):
        names = {_CMYK: "CMYK", _LAB: "CIE L*a*b*"}
        raise unsupported(f"its colours are {names.get(boxes.colours, f'of kind {boxes.colours}')}")
    if boxes.palette is not None and not (_is_plain(header) and boxes.palette == 8):
        raise unsupported(
            f"its {bits}-bit samples name colours of {boxes.palette} bits; palettes are read of 8 by 8 bits"
        )
    if any(kind not in (0, 1) for _, kind, _ in boxes.definitions or ()):
        raise unsupported("it has a channel that is neither colour nor alpha, or colours that are multiplied by alpha")
    if not _is_plain(header) and not (header.alike and boxes.colours in (None, _SRGB, _GREY)):
        raise unsupported(
            f"its {bits}-bit samples are not RGB or grey of equal resolution in the usual order; those are read with "
            "8 bits only"
        )
    jpeg2000_work.check_work(data, boxes.codestream, (header.width, header.height), header.channels)


def _is_plain(header: Jpeg2000Header) -> bool:
    return header.bit_depth == 8 and not header.signed and (header.usual or header.boxes.palette is not None)


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
    return Raster(scale_to_8_bits(samples, white)) if header.bit_depth <= 8 else Raster(samples, white, zero)


def _decode_deep(data: bytes) -> Any:
    import imagecodecs

    try:
        samples = imagecodecs.jpeg2k_decode(data)
    except imagecodecs.Jpeg2kError as error:
        raise damaged(f"its compressed image data are damaged ({error})") from error
    return samples.reshape(*samples.shape[:2], -1)
