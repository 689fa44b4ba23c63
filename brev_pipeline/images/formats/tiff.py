"""TIFF and BigTIFF: the first page's facts, the number of pages, and the checks that libtiff leaves out.

libtiff does not look at the checksums that end deflated strips and tiles, and fills in what is missing from
JPEG-coded ones. Both are checked here first. Fax codes (Group 3 and 4) have nothing that could be checked.
"""

import itertools
import zlib
from dataclasses import dataclass

from brev_pipeline.images.formats import jpeg
from brev_pipeline.images.formats.exif import orientation_of
from brev_pipeline.images.formats.header import Header, damaged, unsupported
from brev_pipeline.images.formats.ifd import Directory, directories

NAME, TITLE = "tiff", "TIFF"
SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _CHANNELS, _FORMAT = 256, 257, 258, 259, 277, 339
_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES = 273, 279, 324, 325
_DEFLATE = {8, 32946}
_JPEG, _WEBP, _JPEG_TABLES = 7, 50001, 347
_MOST_PAGES = 10_000
_PIECE = 1 << 20  # bytes inflated at a time


@dataclass(frozen=True)
class TiffHeader(Header):
    """A TIFF's header."""

    signed: bool
    """Whether the samples are signed whole numbers."""
    orientation: int
    """1..8; Pillow turns TIFFs by itself."""


def recognise(data):
    return data.startswith(SIGNATURES)


def read_header(data: bytes) -> TiffHeader:
    """Read the first directory."""
    page = _first(data)
    depths = page.values(_BITS) or (1,)
    if page.value(_COMPRESSION, 1) == _WEBP:
        raise unsupported("its image data are WebP")
    return TiffHeader(
        format="tiff",
        height=page.value(_HEIGHT, 0),
        width=page.value(_WIDTH, 0),
        channels=page.value(_CHANNELS, len(depths)),
        bit_depth=max(depths),
        signed=page.value(_FORMAT, 1) == 2,
        orientation=orientation_of(page),
    )


def _first(data: bytes) -> Directory:
    page = next(directories(data), None)
    if page is None:
        raise damaged("it has no directory that tells its size")
    return page


def jpeg_complaint(data: bytes) -> str | None:
    """What the strict JPEG decoder says against the JPEG-coded strips or tiles of the first page, if there are any."""
    page = _first(data)
    if page.value(_COMPRESSION, 1) != _JPEG:
        return None
    # Strips have no tables of their own: they stand in a field, as a stream without an image.
    tables = bytes(page.values(_JPEG_TABLES))
    for place, length in _parts(page):
        coded = data[place : place + length]
        found = jpeg.complaint(tables[:-2] + coded[2:] if tables else coded)
        if found and jpeg.damage(found):
            return found
    return None


def decode(data, header, settings):
    from brev_pipeline.images.formats.pillow import decode_with_pillow
    note = None
    if complaint := jpeg_complaint(data):
        note = jpeg.warned(complaint, settings)
    return decode_with_pillow(data, header, "TIFF", settings)._replace(note=note)


def verify(data: bytes, _header: Header, settings) -> str | None:
    """Check the checksums of deflated data; returns the note on further pages."""
    page = _first(data)
    if page.value(_COMPRESSION, 1) in _DEFLATE:
        for place, length in _parts(page):
            _inflate(data[place : place + length])
    pages = sum(1 for _ in itertools.islice(directories(data), _MOST_PAGES))
    return f"first page of {pages}" if pages > 1 else None


def _parts(page: Directory) -> list[tuple[int, int]]:
    starts = page.values(_STRIPS) or page.values(_TILES)
    lengths = page.values(_STRIP_BYTES) or page.values(_TILE_BYTES)
    return list(zip(starts, lengths, strict=False))


def _inflate(rest: bytes) -> None:
    """Inflate and forget, a piece at a time, so that a small strip cannot fill the memory."""
    stream = zlib.decompressobj()
    try:
        while rest and not stream.eof:
            stream.decompress(rest, _PIECE)
            rest = stream.unconsumed_tail
    except zlib.error as error:
        raise damaged("its compressed image data are damaged: their checksum or code is wrong") from error
