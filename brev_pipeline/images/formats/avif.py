"""AVIF: the header's facts from its boxes, decoded by Pillow (libavif), which gives 8 bits.

Pillow's header does not tell the depth, and it reduces 10 and 12 bits to 8, so files of these depths are refused.
"""

import struct
from collections.abc import Iterator

from brev_pipeline.config import ImageSettings
from brev_pipeline.images.formats.base import (
    ImageHeader,
    corrupt_error,
    read_box_header,
    too_large_error,
    unsupported_error,
)
from brev_pipeline.images.formats.pillow_decoder import decode_with_pillow

decode_samples = decode_with_pillow  # the first picture
NAME, TITLE = "avif", "AVIF"
_BRANDS = {b"avif", b"avis"}
_CONTAINERS = {b"mif1", b"msf1"}  # of any code: which, the other brands tell
_NESTED = {b"meta": 4, b"iprp": 0, b"ipco": 0}  # boxes of boxes, and the bytes before the first of them
_MAX_BOXES = 4096
# Tables of items, and the bytes that name one at least. libavif looks each up among all, which takes n² steps.
_ITEMS = {b"iinf": 20, b"iloc": 6, b"iref": 2, b"ipma": 3}
_MAX_ITEMS = 24_576


def matches_signature(data: bytes) -> bool:
    """Whether a file begins as an AVIF does."""
    if data[4:8] != b"ftyp":
        return False
    (length,) = struct.unpack_from(">I", data)
    compatible_brands = {data[place : place + 4] for place in range(16, min(length, 256), 4)}
    return data[8:12] in _BRANDS or (data[8:12] in _CONTAINERS and not compatible_brands.isdisjoint(_BRANDS))


def read_header(data: bytes) -> ImageHeader:
    """Read size, channels and depth from the properties of its images (ISO 23008-12; AV1-ISOBMFF, 2.3)."""
    sizes, depths, colours, alpha = [], [], [], False
    for kind, body in _iterate_boxes(data):
        if kind == b"ispe":
            sizes.append(struct.unpack_from(">II", data, body + 4))
        elif kind == b"av1C":
            flags = data[body + 2]
            depths.append(12 if flags & 0x20 else 10 if flags & 0x40 else 8)
            colours.append(1 if flags & 0x10 else 3)
        elif kind == b"auxC":
            alpha = alpha or data.startswith(b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", body + 4)
    if not sizes or not depths:
        raise corrupt_error("it does not tell the size and depth of its image")
    # Of a grid of tiles the whole is the largest; an alpha plane has the size of its image.
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return ImageHeader(NAME, height, width, max(colours) + alpha, max(depths))


def _iterate_boxes(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Kind and first byte of the body of each box, and of those within boxes of boxes."""
    waiting, seen = [(0, len(data))], 0
    while waiting:
        place, end = waiting.pop()
        while place + 8 <= end:
            if (seen := seen + 1) > _MAX_BOXES:
                raise too_large_error(f"it has more than {_MAX_BOXES} boxes; read are up to as many")
            kind, body, length = read_box_header(data, place)
            length = length or end - place
            if length < body - place:
                raise corrupt_error(f"its box {kind.decode('ascii', 'replace')} is shorter than a box can be")
            if kind in _ITEMS and (items := min(length, end - place) // _ITEMS[kind]) > _MAX_ITEMS:
                raise too_large_error(
                    f"its box {kind.decode()} has room for {items} items; read are up to {_MAX_ITEMS}"
                )
            if kind in _NESTED:
                waiting.append((body + _NESTED[kind], min(end, place + length)))
            yield kind, body
            place += length


def check_file(data: bytes, header: ImageHeader, settings: ImageSettings) -> str | None:
    """Refuse more than 8 bits; returns the note on a sequence of images."""
    if header.bit_depth > 8:
        raise unsupported_error(f"its samples have {header.bit_depth} bits; AVIF is read with 8")
    return "first frame of an animation" if data[8:12] == b"avis" else None
