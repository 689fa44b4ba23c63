"""JPEG 2000: the header's facts, from a JP2 file or a bare codestream, and how much work it asks for.

Pillow decodes 8 bits. It scales what has more or fewer, some kinds twice, so imagecodecs gives these as they are stored
(OpenJPEG both, which refuses a stream that is cut short).

OpenJPEG takes about 10 kB for each tile and 400 to 600 bytes for each code block, whether any code is there or not, so
that a file of 200 bytes may ask for gigabytes. So tiles, packets and code blocks are counted first, by the codestream's
markers (ISO 15444-1, A): all styles of coding that the file names anywhere count, as if the costliest were that of all
tiles and components.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from brev_pipeline.config import ImageSettings
from brev_pipeline.images.formats.base import (
    ImageHeader,
    Raster,
    corrupt_error,
    read_box_header,
    scale_to_8_bits,
    too_large_error,
    unsupported_error,
)
from brev_pipeline.images.formats.pillow_decoder import decode_with_pillow

NAME, TITLE = "jpeg2000", "JPEG 2000"
_FILE = b"\0\0\0\x0cjP  \r\n\x87\n"
_CODESTREAM = b"\xff\x4f\xff\x51"
_MAX_BOXES = 4096  # before the image data
_CMYK, _LAB, _SRGB, _GREY, _YCC = 12, 14, 16, 17, 18  # enumerated colour spaces
_USUAL = {1: ((0, 0, 1),), 3: ((0, 0, 1), (1, 0, 2), (2, 0, 3))}


class Jp2Boxes(NamedTuple):
    """What a JP2 file says of its codestream; a bare one says nothing."""

    codestream: int = 0  # first byte of it
    colour_space: int | None = None  # its number; None: none is named, or by a profile
    palette: int | None = None  # bits of the palette's entries
    # Channel, kind (0 colour, 1 alpha, 2 alpha that colours are multiplied by, 65535 none) and colour that it is.
    channel_definitions: tuple[tuple[int, int, int], ...] | None = None


@dataclass(frozen=True)
class Jpeg2000Header(ImageHeader):
    """A JPEG 2000's header."""

    signed: bool
    has_equal_depths: bool  # whether all components have the same depth and sign
    has_equal_components: bool  # whether they have the same resolution too
    boxes: Jp2Boxes

    @property
    def has_usual_channels(self) -> bool:
        """Whether the channels are grey or red, green and blue in this order, and perhaps alpha after them."""
        if self.boxes.channel_definitions is None:
            return True
        colours = 1 if self.channels <= 2 else 3
        alpha = ((colours, 1, 0),) if self.channels > colours else ()
        return tuple(sorted(self.boxes.channel_definitions)) == (*_USUAL[colours], *alpha)


def matches_signature(data: bytes) -> bool:
    """Whether a file begins as a JPEG 2000 does."""
    return data.startswith((_FILE, _CODESTREAM))


def read_header(data: bytes) -> Jpeg2000Header:
    """Read the boxes of a JP2 file, and the codestream's SIZ (ISO 15444-1, I.5 and A.5.1)."""
    boxes = Jp2Boxes() if data.startswith(_CODESTREAM) else _read_boxes(data)
    place = boxes.codestream
    if not data.startswith(_CODESTREAM, place):
        raise corrupt_error("its codestream does not begin with the size of the image")
    x1, y1, x0, y0, tile_width, tile_height = struct.unpack_from(">6I", data, place + 8)
    (components,) = struct.unpack_from(">H", data, place + 40)
    if not 1 <= components <= 4:
        raise unsupported_error(f"it has {components} components; read are 1 to 4")
    facts = [struct.unpack_from(">BBB", data, place + 42 + 3 * number) for number in range(components)]
    if not tile_width or not tile_height:
        raise corrupt_error("its header claims tiles of no size")
    return Jpeg2000Header(
        format=NAME,
        height=y1 - y0,
        width=x1 - x0,
        channels=components,
        bit_depth=max((depth & 0x7F) + 1 for depth, _, _ in facts),
        signed=facts[0][0] > 0x7F,
        has_equal_depths=len({depth for depth, _, _ in facts}) == 1,
        has_equal_components=len(set(facts)) == 1 and facts[0][1:] == (1, 1),
        boxes=boxes,
    )


def _read_boxes(data: bytes) -> Jp2Boxes:
    place, boxes, seen = 0, Jp2Boxes(), 0
    while place + 8 <= len(data):
        if (seen := seen + 1) > _MAX_BOXES:
            raise too_large_error(f"it has more than {_MAX_BOXES} boxes before its image data; read are up to as many")
        kind, body, length = read_box_header(data, place)
        if kind == b"jp2c":
            return boxes._replace(codestream=body)
        if length < body - place:
            break
        if kind == b"colr" and data[body] == 1 and boxes.colour_space is None:
            boxes = boxes._replace(colour_space=struct.unpack_from(">I", data, body + 3)[0])
        elif kind == b"pclr":
            boxes = boxes._replace(palette=max(data[body + 3 : body + 3 + data[body + 2]], default=0) % 128 + 1)
        elif kind == b"cdef":
            (count,) = struct.unpack_from(">H", data, body)
            channels = data[body + 2 : body + 2 + 6 * min(count, 4)]
            boxes = boxes._replace(channel_definitions=tuple(struct.iter_unpack(">HHH", channels)))
        # The header is a box of boxes.
        place = body if kind == b"jp2h" else place + length
    raise corrupt_error("it holds no image data")


def check_file(data: bytes, header: Jpeg2000Header, settings: ImageSettings) -> None:
    """Refuse kinds that are not read, and more work than the image's size accounts for."""
    bits, boxes = header.bit_depth, header.boxes
    if bits > 16:
        raise unsupported_error(f"its samples have {bits} bits; read are up to 16")
    if not header.has_equal_depths:
        raise unsupported_error("its components differ in their number of bits or sign")
    if boxes.colour_space not in (None, _SRGB, _GREY, _YCC):
        names = {_CMYK: "CMYK", _LAB: "CIE L*a*b*"}
        raise unsupported_error(f"its colours are {names.get(boxes.colour_space, f'of kind {boxes.colour_space}')}")
    if boxes.palette is not None and not (_is_plain(header) and boxes.palette == 8):
        raise unsupported_error(
            f"its {bits}-bit samples name colours of {boxes.palette} bits; palettes are read of 8 by 8 bits"
        )
    if any(kind not in (0, 1) for _, kind, _ in boxes.channel_definitions or ()):
        raise unsupported_error(
            "it has a channel that is neither colour nor alpha, or colours that are multiplied by alpha"
        )
    if not _is_plain(header) and not (header.has_equal_components and boxes.colour_space in (None, _SRGB, _GREY)):
        raise unsupported_error(
            f"its {bits}-bit samples are not RGB or grey of equal resolution in the usual order; those are read with "
            "8 bits only"
        )
    check_work(data, boxes.codestream, (header.width, header.height), header.channels)


def _is_plain(header: Jpeg2000Header) -> bool:
    return (
        header.bit_depth == 8 and not header.signed and (header.has_usual_channels or header.boxes.palette is not None)
    )


def decode_samples(data: bytes, header: Jpeg2000Header, settings: ImageSettings) -> Raster:
    """Decode the image; 8 bits by Pillow, which converts what is not RGB."""
    if _is_plain(header):
        return decode_with_pillow(data, header, settings)
    import imagecodecs

    try:
        samples: Any = imagecodecs.jpeg2k_decode(data)
    except imagecodecs.Jpeg2kError as error:
        raise corrupt_error(f"its compressed image data are damaged ({error})") from error
    samples, white = samples.reshape(*samples.shape[:2], -1), (1 << header.bit_depth) - 1
    zero = -(1 << header.bit_depth - 1) if header.signed else 0
    if samples.shape != (header.height, header.width, header.channels):
        raise corrupt_error(f"it decodes to another shape, {samples.shape}, than its header claims")
    if header.signed:
        # The sign's bit turned over is the sample less the lowest one.
        unsigned = np.dtype(f"u{samples.itemsize}")
        samples = samples.view(unsigned) + unsigned.type(-zero)
    return Raster(scale_to_8_bits(samples, white)) if header.bit_depth <= 8 else Raster(samples, white, zero)


_SOT, _SOD, _EOC = 0xFF90, 0xFF93, b"\xff\xd9"
_COD, _COC = 0xFF52, 0xFF53
_SHORTEST = {_SOT: 10, _COD: 12, _COC: 9}  # length of the segments that are read here
_MAX_MARKERS = 524_288  # in the headers of the file and of its tile-parts
# Each that a file may have, besides one per so many samples (pixels, of tiles).
_TILES, _PIXELS_PER_TILE = 8192, 4096
_PACKETS, _SAMPLES_PER_PACKET = 1_000_000, 16
_BLOCKS, _SAMPLES_PER_BLOCK = 131_072, 256


class CodingStyle(NamedTuple):
    """How components of a tile are coded."""

    layers: int
    levels: int
    block_width: int  # exponent of 2, as the other sizes
    block_height: int
    precincts: tuple[tuple[int, int], ...]  # width and height in each resolution, from the smallest

    def count_packets_and_blocks(self, width: int, height: int) -> tuple[int, int]:
        """Packets and code blocks of one component of a tile."""
        most = blocks = 0
        for resolution in range(self.levels + 1):
            across, down = (-(-side >> self.levels - resolution) for side in (width, height))
            precinct_width, precinct_height = self.precincts[resolution]
            precincts = -(-across >> precinct_width) * -(-down >> precinct_height)
            most = max(most, precincts)
            # All resolutions but the smallest have three bands of half their size.
            half = min(resolution, 1)
            block_width = min(self.block_width, max(0, precinct_width - half))
            block_height = min(self.block_height, max(0, precinct_height - half))
            of_band = -(-across >> block_width + half) * -(-down >> block_height + half)
            blocks += max(of_band, precincts) * (3 if half else 1)
        return most * (self.levels + 1) * self.layers, blocks


def check_work(data: bytes, place: int, image: tuple[int, int], components: int) -> None:
    """Refuse a codestream, from ``place`` on, that lacks tiles, or asks for more than the image's size (width and
    height) accounts for.
    """
    x1, y1, _, _, width, height, x, y = struct.unpack_from(">8I", data, place + 8)
    tiles = -(-(x1 - x) // width) * -(-(y1 - y) // height)
    pixels = image[0] * image[1]
    _check_count("tiles", tiles, _TILES + pixels // _PIXELS_PER_TILE)
    packets = blocks = 0
    layers, tiles_seen = 1, set()
    for marker, body in _iterate_markers(data, place + 2):
        if marker == _SOT:
            tiles_seen.add(body[:2])
            continue
        if marker == _COD:
            layers = max(layers, body[2] << 8 | body[3])
        flags, sizes = (body[0], body[5:]) if marker == _COD else (body[1], body[2:])
        style = _parse_coding_style(layers, flags, sizes)
        of_one = style.count_packets_and_blocks(min(width, image[0]), min(height, image[1]))
        packets, blocks = max(packets, of_one[0]), max(blocks, of_one[1])
    samples, parts = pixels * components, tiles * components
    _check_count("packets", packets * parts, _PACKETS + samples // _SAMPLES_PER_PACKET)
    _check_count("code blocks", blocks * parts, _BLOCKS + samples // _SAMPLES_PER_BLOCK)
    # OpenJPEG lets a file pass that is cut short between two tiles.
    if len(tiles_seen) < tiles:
        raise corrupt_error(f"it ends before its image does: it holds {len(tiles_seen)} tiles of {tiles}")


def _check_count(what: str, count: int, most: int) -> None:
    if count > most:
        raise too_large_error(f"it is made of up to {count} {what}; an image of its size may have {most}")


def _parse_coding_style(layers: int, flags: int, body: bytes) -> CodingStyle:
    levels, width, height = min(body[0], 32), (body[1] & 15) + 2, (body[2] & 15) + 2
    sizes = [(size & 15, size >> 4) for size in body[5:]] if flags & 1 else []
    # A precinct that is not told is of the largest size.
    return CodingStyle(layers, levels, width, height, (*sizes, *[(15, 15)] * (levels + 1 - len(sizes))))


def _iterate_markers(data: bytes, place: int) -> Iterator[tuple[int, bytes]]:
    """Marker and body of the segments of all headers that are read here, without the code between them."""
    seen, start, end = 0, place, 0
    while not data.startswith(_EOC, place):
        if place + 4 > len(data):
            raise corrupt_error(f"it is cut short: {len(data)} bytes, and no end of its codestream")
        marker, length = struct.unpack_from(">HH", data, place)
        if (seen := seen + 1) > _MAX_MARKERS:
            raise too_large_error(f"its headers have more than {_MAX_MARKERS} marker segments; read are up to as many")
        if marker == _SOT:
            start, end = place, int.from_bytes(data[place + 6 : place + 10], "big")
        if marker == _SOD:
            # The last tile-part may have no length; then it goes on to the end of the file.
            if end < place - start:
                return
            place = start + end
            continue
        body, place = data[place + 4 : place + 2 + length], place + 2 + length
        if length < max(2, _SHORTEST.get(marker, 0)):
            raise corrupt_error(f"its marker segment {marker:#06x} is of {length} bytes only")
        if marker in _SHORTEST:
            yield marker, body
