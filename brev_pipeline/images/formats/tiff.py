"""TIFF and BigTIFF: the first page, at its full depth.

Grey and RGB of 1 to 16 bits (and 32, where the values fit into 16) are decoded here, whatever their order, packing and
common lossless code; other kinds of 8 bits and less (palettes, CMYK, JPEG, fax and so on) by Pillow. Neither
guesses: what is not of a kind that is read is refused as such, and what is not whole as damaged. libtiff, under
Pillow, does not look at the checksums of deflated parts, and fills in what is missing from JPEG-coded ones; both are
checked here first. Fax codes (Group 3 and 4) have nothing that could be checked.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from brev_pipeline.config import ImageSettings
from brev_pipeline.errors import DecodeError
from brev_pipeline.images.formats import jpeg
from brev_pipeline.images.formats.header import damaged, too_large, unsupported
from brev_pipeline.images.formats.ifd import Directory, count_directories
from brev_pipeline.images.formats.pillow import decode_with_pillow
from brev_pipeline.images.formats.raster import Raster
from brev_pipeline.images.formats.tiff_header import (
    JPEG,
    MIN_IS_WHITE,
    SIGNED,
    TiffHeader,
    check_kind,
    first_page,
    read_header,
)
from brev_pipeline.images.formats.tiff_parts import Layout, Part, check_segments, expand, read_parts, read_samples
from brev_pipeline.images.levels import scale_to_8_bits

__all__ = ["NAME", "TITLE", "TiffHeader", "decode", "read_header", "recognise", "verify"]

NAME, TITLE = "tiff", "TIFF"
_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DEFLATE, _JPEG_TABLES = {8, 32946}, 347
_MOST_PAGES = 10_000
_MOST_ENTRIES = 4096  # of a directory that Pillow reads, at 12 µs each
_MOST_TABLES = 65_536  # bytes of the tables that JPEG-coded parts share; all that JPEG knows take 3 kB
_MOST_SCANS = 64  # of a JPEG-coded part
_SCANNED, _SCANS = 500_000_000, 16  # pixels that all scans may cover, and besides times those of the image
_MOST_VALUES = 32 << 20  # bytes of a directory's values that Pillow reads, besides two per sample
_ROOM = 4096  # px that a JPEG-coded part may have besides twice its own
_BAND = 65_536  # pixels
_CHANNELS = 4  # samples per pixel of the largest image


def recognise(data: bytes) -> bool:
    """Whether a file begins as a TIFF or BigTIFF does."""
    return data.startswith(_SIGNATURES)


def verify(data: bytes, header: TiffHeader, settings: ImageSettings) -> str | None:
    """Refuse kinds that are not read, parts that do not make up the image or cost more than its size accounts for,
    and what libtiff lets pass; returns the notes on further pages and on what was overlooked.
    """
    check_kind(header)
    if not header.own and header.orientation != 1 and settings.color_mode == "bayer":
        # Pillow turns by itself.
        raise unsupported("color_mode bayer wants the sensor's rows as they were read, and this image is turned")
    samples = header.height * header.width * header.channels
    if samples > (most := _CHANNELS * settings.max_pixels):
        raise too_large(f"it has {samples} samples; read are up to {_CHANNELS} × max_pixels = {most}")
    page, notes = first_page(data), []
    check_segments(page, header.layout)
    if not header.own and (complaint := _check_for_pillow(data, page, header.layout)):
        notes.append(jpeg.warned(complaint, settings))
    if (pages := count_directories(data, _MOST_PAGES)) > 1:
        notes.append(f"first page of {pages}")
    return "; ".join(notes) or None


def _check_for_pillow(data: bytes, page: Directory, layout: Layout) -> str | None:
    """Refuse deflated data whose checksum is wrong, and what costs too much; returns what the strict JPEG decoder says
    against JPEG-coded parts.
    """
    if page.entries > _MOST_ENTRIES:
        raise too_large(f"its directory has {page.entries} entries; read are up to {_MOST_ENTRIES}")
    if page.repeats:
        raise damaged("its directory names a tag twice")
    if (length := page.count(_JPEG_TABLES)) > _MOST_TABLES:
        raise too_large(f"its JPEG tables claim {length} bytes; read are up to {_MOST_TABLES}")
    pixels = layout.height * layout.width
    if (length := page.length) > (most := _MOST_VALUES + 2 * pixels * layout.channels):
        raise too_large(f"its directory's values take {length} bytes; those of an image of its size may take {most}")
    if max(numbers := page.values(_JPEG_TABLES), default=0) > 255 or min(numbers, default=0) < 0:
        raise damaged("its JPEG tables are no bytes")
    tables, complaint, coded, scanned = bytes(numbers), None, 0, 0
    most = 4 * len(data) + 2 * layout.parts * layout.size(layout.part_height, layout.part_width)
    for part in read_parts(data, page, layout):
        coded += len(part.coded)
        if coded > most:
            raise too_large(f"its parts together claim over {most} bytes, in a file of {len(data)}")
        if layout.compression in _DEFLATE:
            expand(part, layout)
        elif layout.compression == JPEG:
            stream = bytes(part.coded)
            scans, room = stream.count(b"\xff\xda"), 2 * part.rows * part.columns + _ROOM
            if scans > _MOST_SCANS:
                raise too_large(f"a JPEG-coded part of it has {scans} scans; read are up to {_MOST_SCANS}")
            scanned += scans * room
            if scanned > (most_scanned := _SCANNED + _SCANS * pixels):
                raise too_large(f"its JPEG scans together cover over {most_scanned} px, where the image has {pixels}")
            complaint = complaint or _jpeg_complaint(tables, stream, part, room)
    return complaint


def _jpeg_complaint(tables: bytes, coded: bytes, part: Part, most: int) -> str | None:
    import simplejpeg

    # Parts have no tables of their own: they stand in a field, as a stream without an image.
    stream = tables[:-2] + coded[2:] if tables else coded
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(stream)
    except ValueError:
        return None
    if height * width > most:
        size = f"{part.columns}×{part.rows} px"
        raise damaged(f"a JPEG-coded part of it is of {width}×{height} px, where {size} are expected")
    found = jpeg.complaint(stream)
    return found if found and jpeg.damage(found) else None


def decode(data: bytes, header: TiffHeader, settings: ImageSettings) -> Raster:
    """The first page's samples, once `verify` has let it pass.

    Returns:
        uint8 for up to 8 bits; else uint16, of the depth of the file. MinIsWhite is inverted, and colours that are
        premultiplied with alpha are divided by it; extra samples that are no alpha are left out.

    Raises:
        DecodeError: ``corrupt`` where a part is missing or damaged, ``too_large`` where one unpacks to much more than
            its size, ``unsupported`` for 32-bit samples outside of 0..65535.
    """
    if not header.own:
        return _decode_with_pillow(data, header, settings)
    bits = header.bit_depth
    samples = _numbers(read_samples(data, first_page(data), header.layout), header)
    colours, alpha = header.colours, header.alpha
    kept = [*range(colours), *([] if alpha is None else [alpha])]
    if kept != [*range(header.channels)]:
        samples = np.ascontiguousarray(samples[:, :, kept])
    white = 255 if bits <= 8 else (1 << min(bits, 16)) - 1
    if header.photometric == MIN_IS_WHITE:
        np.subtract(white, samples[:, :, :colours], out=samples[:, :, :colours])
    if header.associated:
        _divide_by_alpha(samples, white)
    left_out = header.channels - samples.shape[2]
    return Raster(
        samples,
        white=white,
        zero=-(1 << bits - 1) if header.sample_format == SIGNED and 8 < bits <= 16 else 0,
        orientation=header.orientation,
        note=f"{left_out} of {header.channels} values per pixel are no colour and left out" if left_out else None,
    )


def _numbers(samples: npt.NDArray[Any], header: TiffHeader) -> npt.NDArray[Any]:
    """Samples from black on: signed ones begin at 0; less than 8 bits are scaled to 8, and 32 must fit into 16."""
    bits, signed = header.bit_depth, header.sample_format == SIGNED
    if bits == 32:
        numbers = samples.view(np.int32) if signed else samples
        low, high = int(numbers.min()), int(numbers.max())
        if low < 0 or high > 65_535:
            raise unsupported(f"its 32-bit samples reach from {low} to {high}; read are values of 0 to 65535")
        return samples.astype(np.uint16)
    if signed:
        samples ^= 1 << bits - 1
    if bits >= 8:
        return samples
    return scale_to_8_bits(samples, (1 << bits) - 1)


def _divide_by_alpha(samples: npt.NDArray[Any], white: int) -> None:
    """Undo the premultiplication of the colours, in place, to the nearest; with 8 bits as Pillow does it."""
    # 255 · 255 fits into 16 bits, and 65535 · 65535 + 32767 into 32.
    wide: type[np.unsignedinteger[Any]] = np.uint16 if white == 255 else np.uint32
    # A band at a time, which stays in the cache.
    step = -(-_BAND // samples.shape[1])
    for band in (samples[start : start + step] for start in range(0, len(samples), step)):
        alpha = band[:, :, -1].astype(wide)
        opaque = alpha > 0
        for channel in range(samples.shape[2] - 1):
            colour = band[:, :, channel].astype(wide) * white
            if white > 255:
                colour += alpha // 2
            np.floor_divide(colour, alpha, out=colour, where=opaque)
            band[:, :, channel] = np.minimum(colour, white, out=colour) * opaque


def _decode_with_pillow(data: bytes, header: TiffHeader, settings: ImageSettings) -> Raster:
    try:
        return decode_with_pillow(data, "TIFF", settings)
    except DecodeError as error:
        if "cannot identify" in str(error):
            # Its directory is whole, as `verify` found.
            what = f"{header.channels} values of {header.bit_depth} bits per pixel"
            raise unsupported(f"no decoder here reads {header.kind} with {what}") from error
        raise
