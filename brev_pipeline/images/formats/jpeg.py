"""JPEG: the header's facts, and the fast decoder, which refuses what is damaged.

libjpeg fills in what is missing from a damaged stream and calls that a warning. simplejpeg's strict mode makes
the warning an error, at no cost. What it refuses goes to Pillow, with the complaint; see `means_damage`.
"""

import re
from dataclasses import dataclass
from itertools import islice

from brev_pipeline.config import ImageSettings
from brev_pipeline.images.formats.base import ImageHeader, Raster, corrupt_error, too_large_error, unsupported_error
from brev_pipeline.images.formats.ifd import read_exif_orientation
from brev_pipeline.images.formats.pillow_decoder import decode_with_pillow

NAME, TITLE = "jpeg", "JPEG"
_SOS, _EOI, _APP1, _APP2 = 0xDA, 0xD9, 0xE1, 0xE2
# Start of frame: all of C0..CF but the tables DHT, JPG and DAC.
_SOF = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF}
_DIFFERENTIAL = {0xC5, 0xC6, 0xCD, 0xCE}
_SCAN = re.compile(rb"\xff\xda")  # three times as quick to search for as by bytes.count
# A marker with a length: TEM, restart markers and start of image have none; FF00 is a stuffed byte, FFFF fills up.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
_XMP = b"http://ns.adobe.com/xap/"
_MAX_SEGMENTS, _MAX_EXIF = 65_536, 64  # before the first scan
_DNL = b"\xff\xdc"
_FEW_SCANS, _MANY_SCANS = 32, 1000  # that any image, and the smallest, may have
_SCANNED = 1_000_000_000  # pixels that all scans together may cover


@dataclass(frozen=True)
class JpegHeader(ImageHeader):
    """A JPEG's header."""

    orientation: int | None  # from EXIF, 1..8; None where it stands in XMP only, which is left to Pillow
    is_lossless: bool
    has_more_pictures: bool  # whether more pictures follow the first (MPO)
    first_scan: int  # first byte of the image data


def matches_signature(data: bytes) -> bool:
    """Whether a file begins as a JPEG does."""
    return data.startswith(b"\xff\xd8\xff")


def read_header(data: bytes) -> JpegHeader:
    """Read a JPEG's segments up to its first scan."""
    turn: int | None = None
    in_xmp = several = False
    frame: tuple[int, int] | None = None
    place, size, segments, exif = 2, len(data), 0, 0
    while (match := _MARKER.search(data, place)) and (place := match.start()) < size - 3:
        marker = data[place + 1]
        if marker in (_SOS, _EOI):
            break
        if (segments := segments + 1) > _MAX_SEGMENTS:
            raise too_large_error(f"it has more than {_MAX_SEGMENTS} segments before its image data")
        start, end = place + 4, place + 2 + max(2, data[place + 2] << 8 | data[place + 3])
        if marker in _SOF and frame is None:
            frame = marker, start
        elif marker == _APP1 and data.startswith(b"Exif\0\0", start):
            if (exif := exif + 1) > _MAX_EXIF:
                raise too_large_error(f"it has more than {_MAX_EXIF} EXIF segments; read are up to as many")
            turn = read_exif_orientation(data[start + 6 : end]) if turn is None else turn
        elif marker == _APP1 and data.startswith(_XMP, start):
            in_xmp = in_xmp or data.find(b"tiff:Orientation", start, end) >= 0
        elif marker == _APP2 and data.startswith(b"MPF\0", start):
            several = True
        place = end
    if frame is None:
        raise corrupt_error("it ends, or its image data begin, before the size of the image is told")
    marker, start = frame
    depth, h1, h0, w1, w0, channels = data[start : start + 6]
    if marker in _DIFFERENTIAL:
        raise unsupported_error("hierarchical JPEG is not read")
    if not h1 | h0 and data.find(_DNL, place) >= 0:
        raise unsupported_error("its height is told after its first scan only (DNL)")
    return JpegHeader(
        format="jpeg",
        height=h1 << 8 | h0,
        width=w1 << 8 | w0,
        channels=channels,
        bit_depth=depth,
        orientation=None if in_xmp and turn in (None, 1) else turn or 1,
        is_lossless=marker in _LOSSLESS,
        has_more_pictures=several,
        first_scan=place,
    )


def check_file(data: bytes, header: JpegHeader, settings: ImageSettings) -> str | None:
    """Refuse kinds that are not read, and more scans than decoders should be asked to make of an image of its size.

    Each scan costs a pass over the whole image. Photos have 1 to 12.
    """
    if header.is_lossless:
        raise unsupported_error("lossless JPEG is not read")
    if header.bit_depth != 8:
        raise unsupported_error(f"its samples have {header.bit_depth} bits; JPEG is read with 8")
    most = max(_FEW_SCANS, min(_MANY_SCANS, _SCANNED // (header.height * header.width)))
    scans = sum(1 for _ in islice(_SCAN.finditer(data, header.first_scan), most + 1))
    if scans > most and (scans := _count_scans(data, header.first_scan)) > most:
        raise too_large_error(f"it has {scans} scans; an image of its size may have {most}")
    return "first picture of several" if header.has_more_pictures else None


def _count_scans(data: bytes, place: int) -> int:
    """Scans of the first picture: those of further ones, and bytes within segments that look alike, do not count."""
    scans = 0
    while (match := _MARKER.search(data, place)) and (place := match.start()) < len(data) - 3:
        marker = data[place + 1]
        if marker == _EOI:
            break
        scans += marker == _SOS
        place += 2 + max(2, data[place + 2] << 8 | data[place + 3])
    return scans


def decode_samples(data: bytes, header: JpegHeader, settings: ImageSettings) -> Raster:
    """Decode strictly and fast; what the strict decoder complains of is decoded by Pillow, or refused."""
    import simplejpeg

    note = None
    # CMYK, and an orientation that stands in XMP, are Pillow's.
    if header.channels in (1, 3) and header.orientation is not None:
        try:
            pixels = simplejpeg.decode_jpeg(data, "GRAY" if header.channels == 1 else "RGB")
            complaint = "two sizes"
        except ValueError as error:
            pixels, complaint = None, str(error)
        if pixels is not None and pixels.shape == (header.height, header.width, header.channels):
            return Raster(pixels, orientation=header.orientation)
        note = note_or_refuse(complaint, settings) if complaint else None
    return decode_with_pillow(data, header, settings)._replace(note=note)


_DAMAGE = re.compile(
    # Left-over bytes before a table or comment between the segments are harmless; before these they are
    # the rest of a scan that did not decode: end of image, next scan, its Huffman table, restart.
    r"premature end|bad huffman code|extraneous bytes before marker 0x(d[0-7]|d9|da|c4)|out of sync|resync",
    re.IGNORECASE,
)


def means_damage(complaint: str) -> bool:
    """Whether the fast decoder's complaint means that pixels are lost or wrong."""
    return bool(_DAMAGE.search(complaint))


def note_or_refuse(complaint: str, settings: ImageSettings) -> str:
    """The note on an image that the strict decoder complains of.

    Raises:
        DecodeError: the image data are cut short; or damaged, and ``strict_jpeg`` does not pass that over.
    """
    cut = complaint.startswith("Premature end of JPEG file")
    if cut or (settings.strict_jpeg and means_damage(complaint)):
        raise corrupt_error(
            f"it ends before its image does ({complaint})" if cut else f"its image data are damaged ({complaint})"
        )
    return f"read in spite of a warning: {complaint}"
