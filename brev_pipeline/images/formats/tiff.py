"""TIFF and BigTIFF: the first page, at its full depth.

Grey and RGB of 1 to 16 bits (and 32, where the values fit into 16) are decoded here, whatever their order, packing and
common lossless code; other kinds of 8 bits and less (palettes, CMYK, JPEG, fax and so on) by Pillow. Neither
guesses: what is not of a kind that is read is refused as such, and what is not whole as damaged. libtiff, under
Pillow, does not look at the checksums of deflated parts, and fills in what is missing from JPEG-coded ones; both are
checked here first. Fax codes (Group 3 and 4) have nothing that could be checked.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from brev_pipeline.config import ImageSettings
from brev_pipeline.errors import DecodeError
from brev_pipeline.images.formats import jpeg
from brev_pipeline.images.formats.exif import orientation_of
from brev_pipeline.images.formats.header import Header, damaged, too_large, unsupported
from brev_pipeline.images.formats.ifd import Directory, directories
from brev_pipeline.images.formats.pillow import decode_with_pillow
from brev_pipeline.images.formats.raster import Raster
from brev_pipeline.images.formats.tiff_codes import CODES
from brev_pipeline.images.formats.tiff_parts import Layout, Part, check, cut, expand, read_parts, read_samples

NAME, TITLE = "tiff", "TIFF"
_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_CHANNELS, _PLANAR, _PREDICTOR, _EXTRA, _FORMAT, _JPEG_TABLES = 277, 284, 317, 338, 339, 347
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE = 0, 1, 2, 3
_COLOURS = {_MIN_IS_WHITE: 1, _MIN_IS_BLACK: 1, _RGB: 3}  # of the kinds that are decoded here: how many
_SIGNED = 2
_FORMATS = {3: "floating-point numbers", 5: "complex numbers", 6: "complex floating-point numbers"}
_WHOLE = {1, _SIGNED, 4}  # kinds of numbers; 4, undefined, is to be read as unsigned (TIFF 6.0, SampleFormat)
_ASSOCIATED, _UNASSOCIATED, _COREL = 1, 2, 999  # alpha; CorelDRAW 10 writes it with a number of its own
_DEFLATE, _JPEG = {8, 32946}, 7
_PREDICTED = {5, 8, 32946, 34925, 50000}  # codes that are written of differences, if the predictor says so
_FOR_PILLOW = {2, 3, 4, 6, _JPEG, 32771, 32809, *CODES}
_KINDS = {
    _PALETTE: "a palette", 4: "a transparency mask", 5: "CMYK", 6: "YCbCr", 8: "CIE L*a*b*", 9: "ICC L*a*b*",
    10: "ITU L*a*b*", 32803: "a colour filter array", 32844: "LogL", 32845: "LogLuv", 34892: "linear raw",
}  # fmt: skip
_CODE_NAMES = {
    _JPEG: "JPEG", 32766: "NeXT", 32909: "PixarLog", 33003: "JPEG 2000", 33005: "JPEG 2000", 34676: "SGI LogL",
    34677: "SGI LogLuv", 34712: "JPEG 2000", 34887: "LERC", 50001: "WebP", 50002: "JPEG XL",
}  # fmt: skip
_MOST_CHANNELS = 16
_MOST_PAGES = 10_000
_MOST_ENTRIES = 4096  # of a directory that Pillow reads, at 0.1 ms each
_MOST_TABLES = 65_536  # bytes of the tables that JPEG-coded parts share; all that JPEG knows take 3 kB
_MOST_SCANS = 64  # of a JPEG-coded part


@dataclass(frozen=True)
class TiffHeader(Header):
    """A TIFF's header."""

    orientation: int
    """1..8."""
    mixed: bool
    """Whether its channels differ in their bits or kind of numbers."""
    sample_format: int
    photometric: int
    extra: tuple[int, ...] | None
    """What the channels after the colours are; None where it is not told."""
    predictor: int
    """How the samples are written as differences: 1 not at all, 2 from the left neighbour."""
    layout: Layout

    @property
    def own(self) -> bool:
        """Whether it is decoded here rather than by Pillow."""
        return self.photometric in _COLOURS and self.layout.compression in CODES


def recognise(data: bytes) -> bool:
    """Whether a file begins as a TIFF or BigTIFF does."""
    return data.startswith(_SIGNATURES)


def read_header(data: bytes) -> TiffHeader:
    """Read the first directory."""
    page = _first(data)
    depths = page.values(_BITS) or (1,)
    formats = page.values(_FORMAT) or (1,)
    height, width, channels = page.value(_HEIGHT, 0), page.value(_WIDTH, 0), page.value(_CHANNELS, len(depths))
    compression = page.value(_COMPRESSION, 1)
    tiled, part_height, part_width = cut(page, height, width)
    return TiffHeader(
        format="tiff",
        height=height,
        width=width,
        channels=channels,
        bit_depth=max(depths),
        orientation=orientation_of(page),
        mixed=len(set(depths[:channels])) > 1 or len(set(formats[:channels])) > 1,
        sample_format=formats[0],
        # Grey without it is read as Pillow reads it.
        photometric=page.value(_PHOTOMETRIC, _MIN_IS_WHITE if channels == 1 else -1),
        extra=page.values(_EXTRA) if page.count(_EXTRA) else None,
        predictor=page.value(_PREDICTOR, 1) if compression in _PREDICTED else 1,
        layout=Layout(
            height=height,
            width=width,
            channels=channels,
            bits=max(depths),
            order=page.order,
            planar=page.value(_PLANAR, 1) == 2,
            tiled=tiled,
            part_height=part_height,
            part_width=part_width,
            compression=compression,
            predicted=compression in _PREDICTED and page.value(_PREDICTOR, 1) == 2,
            reversed=page.value(_FILL_ORDER, 1) == 2,
        ),
    )


def _first(data: bytes) -> Directory:
    page = next(directories(data), None)
    if page is None:
        raise damaged("it has no directory that tells its size")
    return page


def verify(data: bytes, header: TiffHeader, settings: ImageSettings) -> str | None:
    """Refuse kinds that are not read, parts that do not make up the image or cost more than its size accounts for,
    and what libtiff lets pass; returns the notes on further pages and on what was overlooked.
    """
    _check_kind(header)
    page, notes = _first(data), []
    check(page, header.layout)
    if not header.own and (complaint := _check_for_pillow(data, page, header.layout)):
        notes.append(jpeg.warned(complaint, settings))
    pages = sum(1 for _ in itertools.islice(directories(data), _MOST_PAGES))
    if pages > 1:
        notes.append(f"first page of {pages}")
    return "; ".join(notes) or None


def _check_kind(header: TiffHeader) -> None:
    bits, kind, compression = header.bit_depth, header.photometric, header.layout.compression
    if header.mixed:
        raise unsupported("its channels differ in their number of bits or kind of numbers")
    if header.sample_format not in _WHOLE:
        numbers = _FORMATS.get(header.sample_format, f"numbers of the unknown kind {header.sample_format}")
        raise unsupported(f"its samples are {numbers} of {bits} bits, which have no declared white")
    if compression not in _FOR_PILLOW:
        raise unsupported(f"its compression is {_CODE_NAMES.get(compression, f'of the unknown kind {compression}')}")
    if kind not in _COLOURS and kind not in _KINDS:
        raise unsupported(f"its colours are of the unknown kind {kind}" if kind >= 0 else "it tells no kind of colours")
    if header.channels > _MOST_CHANNELS:
        raise unsupported(f"it has {header.channels} values per pixel; read are up to {_MOST_CHANNELS}")
    if header.own:
        _check_own_kind(header)
    elif bits > 8:
        what = _KINDS.get(kind) or f"{_CODE_NAMES.get(compression, 'fax')} compression"
        raise unsupported(f"it has {bits} bits per sample and {what}, which is read with up to 8")


def _check_own_kind(header: TiffHeader) -> None:
    if not 1 <= header.bit_depth <= 16 and header.bit_depth != 32:
        raise unsupported(f"its samples have {header.bit_depth} bits; read are 1 to 16, and 32")
    if header.predictor not in (1, 2):
        raise unsupported(f"its samples are coded with predictor {header.predictor}; read are 1 and 2")
    if header.channels < _COLOURS[header.photometric]:
        raise damaged(f"its header claims RGB with {header.channels} values per pixel")
    if header.photometric == _MIN_IS_WHITE and _alpha(header) is not None and _ASSOCIATED in (header.extra or ()):
        raise unsupported("its colours are premultiplied with alpha, and 0 is white")


def _check_for_pillow(data: bytes, page: Directory, layout: Layout) -> str | None:
    """Refuse deflated data whose checksum is wrong, and what costs too much; returns what the strict JPEG decoder says
    against JPEG-coded parts.
    """
    if page.entries > _MOST_ENTRIES:
        raise too_large(f"its directory has {page.entries} entries; read are up to {_MOST_ENTRIES}")
    if (length := page.count(_JPEG_TABLES)) > _MOST_TABLES:
        raise too_large(f"its JPEG tables claim {length} bytes; read are up to {_MOST_TABLES}")
    tables, complaint, coded = bytes(page.values(_JPEG_TABLES)), None, 0
    most = 4 * len(data) + 2 * layout.parts * layout.size(layout.part_height, layout.part_width)
    for part in read_parts(data, page, layout):
        coded += len(part.coded)
        if coded > most:
            raise too_large(f"its parts together claim over {most} bytes, in a file of {len(data)}")
        if layout.compression in _DEFLATE:
            expand(part, layout)
        elif layout.compression == _JPEG and complaint is None:
            complaint = _jpeg_complaint(tables, bytes(part.coded), part)
    return complaint


def _jpeg_complaint(tables: bytes, coded: bytes, part: Part) -> str | None:
    import simplejpeg

    # Parts have no tables of their own: they stand in a field, as a stream without an image.
    stream = tables[:-2] + coded[2:] if tables else coded
    if (scans := coded.count(b"\xff\xda")) > _MOST_SCANS:
        raise too_large(f"a JPEG-coded part of it has {scans} scans; read are up to {_MOST_SCANS}")
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(stream)
    except ValueError:
        return None
    if height * width > 2 * part.rows * part.columns + _MOST_TABLES:
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
    samples = _numbers(read_samples(data, _first(data), header.layout), header)
    colours, alpha = _COLOURS[header.photometric], _alpha(header)
    if header.channels > colours:
        samples = np.ascontiguousarray(samples[:, :, [*range(colours), *([] if alpha is None else [alpha])]])
    white = 255 if bits <= 8 else (1 << min(bits, 16)) - 1
    if header.photometric == _MIN_IS_WHITE:
        np.subtract(white, samples[:, :, :colours], out=samples[:, :, :colours])
    if alpha is not None and header.extra and header.extra[alpha - colours] == _ASSOCIATED:
        _divide_by_alpha(samples, white)
    left_out = header.channels - samples.shape[2]
    return Raster(
        samples,
        white=white,
        zero=-(1 << bits - 1) if header.sample_format == _SIGNED and 8 < bits <= 16 else 0,
        orientation=header.orientation,
        note=f"{left_out} of {header.channels} values per pixel are no colour and left out" if left_out else None,
    )


def _alpha(header: TiffHeader) -> int | None:
    """Which channel is alpha."""
    colours = _COLOURS[header.photometric]
    if header.extra is None:
        # Many writers of RGBA leave it out.
        return colours if header.photometric == _RGB and header.channels == colours + 1 else None
    extra = header.extra[: header.channels - colours]
    return next((colours + i for i, kind in enumerate(extra) if kind in (_ASSOCIATED, _UNASSOCIATED, _COREL)), None)


def _numbers(samples: npt.NDArray[Any], header: TiffHeader) -> npt.NDArray[Any]:
    """Samples from black on: signed ones begin at 0; less than 8 bits are scaled to 8, and 32 must fit into 16."""
    bits, signed = header.bit_depth, header.sample_format == _SIGNED
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
    white = (1 << bits) - 1
    levels = np.array([(2 * 255 * value + white) // (2 * white) for value in range(white + 1)], np.uint8)
    return levels[samples]


def _divide_by_alpha(samples: npt.NDArray[Any], white: int) -> None:
    """Undo the premultiplication of the colours, in place, to the nearest; with 8 bits as Pillow does it."""
    alpha = samples[:, :, -1].astype(np.uint32)
    for channel in range(samples.shape[2] - 1):
        # At most 65535 · 65535 + 32767, which fits.
        colour = samples[:, :, channel].astype(np.uint32) * np.uint32(white)
        if white > 255:
            colour += alpha // 2
        np.floor_divide(colour, alpha, out=colour, where=alpha > 0)
        samples[:, :, channel] = np.where(alpha > 0, np.minimum(colour, white), 0)


def _decode_with_pillow(data: bytes, header: TiffHeader, settings: ImageSettings) -> Raster:
    try:
        return decode_with_pillow(data, header, "TIFF", settings)
    except DecodeError as error:
        if "cannot identify" in str(error):
            # Its directory is whole, as `verify` found.
            kind = _KINDS.get(header.photometric) or _CODE_NAMES.get(header.layout.compression, "fax")
            what = f"{header.channels} values of {header.bit_depth} bits per pixel"
            raise unsupported(f"no decoder here reads {kind} with {what}") from error
        raise
