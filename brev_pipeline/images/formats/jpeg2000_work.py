"""How much work a JPEG 2000 codestream asks for: its tiles, packets and code blocks, by its markers (ISO 15444-1, A).

OpenJPEG takes about 10 kB for each tile and 400 to 600 bytes for each code block, whether any code is there or not, so
that a file of 200 bytes may ask for gigabytes. All styles of coding that the file names anywhere count, as if the
costliest were that of all tiles and components.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from brev_pipeline.images.formats.header import damaged, too_large

_SOT, _SOD, _EOC = 0xFF90, 0xFF93, b"\xff\xd9"
_COD, _COC = 0xFF52, 0xFF53
_SHORTEST = {_SOT: 10, _COD: 12, _COC: 9}  # length of the segments that are read here
_MOST_MARKERS = 524_288  # in the headers of the file and of its tile-parts
# Each that a file may have, besides one per so many samples (pixels, of tiles).
_TILES, _PIXELS_PER_TILE = 8192, 4096
_PACKETS, _SAMPLES_PER_PACKET = 1_000_000, 16
_BLOCKS, _SAMPLES_PER_BLOCK = 131_072, 256


class Style(NamedTuple):
    """How components of a tile are coded."""

    layers: int
    levels: int
    block_width: int
    """Exponent of 2, as the other sizes."""
    block_height: int
    precincts: tuple[tuple[int, int], ...]
    """Width and height in each resolution, from the smallest."""

    def cost(self, width: int, height: int) -> tuple[int, int]:
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
    """Refuse a codestream that asks for more than the image's size accounts for, or lacks tiles.

    Args:
        data: the file.
        place: first byte of the codestream.
        image: width and height.
        components: their number.

    Raises:
        DecodeError: ``too_large``, with what it has too many of; ``corrupt`` where a tile is missing, which OpenJPEG
            lets pass where the file is cut short between two.
    """
    x1, y1, _, _, width, height, x, y = struct.unpack_from(">8I", data, place + 8)
    tiles = -(-(x1 - x) // width) * -(-(y1 - y) // height)
    pixels = image[0] * image[1]
    _check_count("tiles", tiles, _TILES + pixels // _PIXELS_PER_TILE)
    packets = blocks = 0
    layers, found = 1, set()
    for marker, body in _markers(data, place + 2):
        if marker == _SOT:
            found.add(body[:2])
            continue
        if marker == _COD:
            layers = max(layers, body[2] << 8 | body[3])
        style = _style(layers, body[0], body[5:]) if marker == _COD else _style(layers, body[1], body[2:])
        of_one = style.cost(min(width, image[0]), min(height, image[1]))
        packets, blocks = max(packets, of_one[0]), max(blocks, of_one[1])
    samples, parts = pixels * components, tiles * components
    _check_count("packets", packets * parts, _PACKETS + samples // _SAMPLES_PER_PACKET)
    _check_count("code blocks", blocks * parts, _BLOCKS + samples // _SAMPLES_PER_BLOCK)
    if len(found) < tiles:
        raise damaged(f"it ends before its image does: it holds {len(found)} tiles of {tiles}")


def _check_count(what: str, count: int, most: int) -> None:
    if count > most:
        raise too_large(f"it is made of up to {count} {what}; an image of its size may have {most}")


def _style(layers: int, flags: int, body: bytes) -> Style:
    levels, width, height = min(body[0], 32), (body[1] & 15) + 2, (body[2] & 15) + 2
    sizes = [(size & 15, size >> 4) for size in body[5:]] if flags & 1 else []
    # A precinct that is not told is of the largest size.
    return Style(layers, levels, width, height, (*sizes, *[(15, 15)] * (levels + 1 - len(sizes))))


def _markers(data: bytes, place: int) -> Iterator[tuple[int, bytes]]:
    """Marker and body of the segments of all headers that are read here, without the code between them."""
    seen, start, end = 0, place, 0
    while not data.startswith(_EOC, place):
        if place + 4 > len(data):
            raise damaged(f"it is cut short: {len(data)} bytes, and no end of its codestream")
        marker, length = struct.unpack_from(">HH", data, place)
        seen += 1
        if seen > _MOST_MARKERS:
            raise too_large(f"its headers have more than {_MOST_MARKERS} marker segments; read are up to as many")
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
            raise damaged(f"its marker segment {marker:#06x} is of {length} bytes only")
        if marker in _SHORTEST:
            yield marker, body
