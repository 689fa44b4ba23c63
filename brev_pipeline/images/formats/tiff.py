"""TIFF and BigTIFF: the first page, at its full depth.

Grey and RGB of 1 to 16 bits (and 32, where the values fit into 16) are decoded here, whatever their order, packing and
common lossless code; other kinds of 8 bits and less (palettes, CMYK, JPEG, fax and so on) by Pillow. Neither
guesses: what is not of a kind that is read is refused as such, and what is not whole as damaged. libtiff, under
Pillow, does not look at the checksums of deflated segments, and fills in what is missing from JPEG-coded ones; both are
checked here first. Fax codes (Group 3 and 4) have nothing that could be checked.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from brev_pipeline.config import ImageSettings
from brev_pipeline.errors import DecodeError
from brev_pipeline.images.formats import jpeg
from brev_pipeline.images.formats.base import (
    ImageHeader,
    Raster,
    corrupt_error,
    scale_to_8_bits,
    too_large_error,
    unsupported_error,
)
from brev_pipeline.images.formats.ifd import ImageFileDirectory, count_directories, get_orientation, iterate_directories
from brev_pipeline.images.formats.pillow_decoder import decode_indexes_with_pillow, decode_with_pillow
from brev_pipeline.images.formats.tiff_segments import (
    DECOMPRESSORS,
    Segment,
    SegmentLayout,
    check_segments,
    iterate_segments,
    read_samples,
    read_segment_size,
    unpack_segment,
)

NAME, TITLE = "tiff", "TIFF"
_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_SAMPLES_PER_PIXEL, _PLANAR, _PREDICTOR, _EXTRA, _FORMAT = 277, 284, 317, 338, 339
MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE = 0, 1, 2, 3
_COLOURS = {MIN_IS_WHITE: 1, _MIN_IS_BLACK: 1, _RGB: 3}  # of the kinds that are decoded here: how many
SIGNED = 2
_FORMATS = {3: "floating-point numbers", 5: "complex numbers", 6: "complex floating-point numbers"}
_WHOLE = {1, SIGNED, 4}  # kinds of numbers; 4, undefined, is to be read as unsigned (TIFF 6.0, SampleFormat)
_ASSOCIATED = 1
_ALPHA = {_ASSOCIATED, 2, 999}  # kinds of extra samples; CorelDRAW 10 writes its alpha with a number of its own
JPEG = 7
_PREDICTED = {5, 8, 32946, 34925, 50000}  # codes that are written of differences, if the predictor says so
_FOR_PILLOW = {2, 3, 4, 6, JPEG, 32771, 32809, *DECOMPRESSORS}
_KINDS = {
    _PALETTE: "a palette", 4: "a transparency mask", 5: "CMYK", 6: "YCbCr", 8: "CIE L*a*b*", 9: "ICC L*a*b*",
    10: "ITU L*a*b*", 32803: "a colour filter array", 32844: "LogL", 32845: "LogLuv", 34892: "linear raw",
}  # fmt: skip
_LAB = {8, 9, 10}
_CODE_NAMES = {
    JPEG: "JPEG", 32766: "NeXT", 32909: "PixarLog", 33003: "JPEG 2000", 33005: "JPEG 2000", 34676: "SGI LogL",
    34677: "SGI LogLuv", 34712: "JPEG 2000", 34887: "LERC", 50001: "WebP", 50002: "JPEG XL",
}  # fmt: skip
_MAX_CHANNELS = 16
_DEFLATE, _JPEG_TABLES = {8, 32946}, 347
_MAX_PAGES = 10_000
_MAX_ENTRIES = 4096  # of a directory that Pillow reads, at 12 µs each
_MAX_TABLES = 65_536  # bytes of the tables that JPEG-coded segments share; all that JPEG knows take 3 kB
_MAX_SCANS = 64  # of a JPEG-coded segment
_SCANNED, _SCANS = 500_000_000, 16  # pixels that all scans may cover, and besides times those of the image
_MAX_VALUES = 32 << 20  # bytes of a directory's values that Pillow reads, besides two per sample
_ROOM = 4096  # px that a JPEG-coded segment may have besides twice its own
_BAND = 65_536  # pixels
_CHANNELS = 4  # samples per pixel of the largest image


@dataclass(frozen=True)
class TiffHeader(ImageHeader):
    """A TIFF's header."""

    orientation: int  # 1..8
    has_mixed_samples: bool  # whether its channels differ in their bits or kind of numbers
    sample_format: int
    photometric: int
    extra_samples: tuple[int, ...] | None  # what the channels after the colours are; None where it is not told
    predictor: int  # how the samples are written as differences: 1 not at all, 2 from the left neighbour
    layout: SegmentLayout

    @property
    def is_decoded_here(self) -> bool:
        """Whether it is decoded here rather than by Pillow."""
        return self.photometric in _COLOURS and self.layout.compression in DECOMPRESSORS

    @property
    def colour_count(self) -> int:
        """Values per pixel that are colours, of a kind that is decoded here."""
        return _COLOURS[self.photometric]

    @property
    def alpha_channel(self) -> int | None:
        """Which channel is alpha, of a kind that is decoded here."""
        if self.extra_samples is None:
            # Many writers of RGBA leave it out.
            return 3 if self.photometric == _RGB and self.channels == 4 else None
        extra = self.extra_samples[: self.channels - self.colour_count]
        return next((self.colour_count + i for i, kind in enumerate(extra) if kind in _ALPHA), None)

    @property
    def has_associated_alpha(self) -> bool:
        """Whether the colours are premultiplied with alpha."""
        alpha, extra = self.alpha_channel, self.extra_samples or ()
        return alpha is not None and bool(extra) and extra[alpha - self.colour_count] == _ASSOCIATED

    @property
    def uncommon_kind(self) -> str:
        """What makes it Pillow's, for people."""
        return _KINDS.get(self.photometric) or f"{_CODE_NAMES.get(self.layout.compression, 'fax')} compression"


def read_header(data: bytes) -> TiffHeader:
    """Read the first directory."""
    page = read_first_page(data)
    every_depth = page.require_values(_BITS, 1)
    formats = page.require_values(_FORMAT, 1)
    height, width = page.require_values(_HEIGHT, 0)[0], page.require_values(_WIDTH, 0)[0]
    channels = page.require_values(_SAMPLES_PER_PIXEL, len(every_depth))[0]
    depths = every_depth[: max(1, channels)]
    compression = page.require_values(_COMPRESSION, 1)[0]
    predictor = page.require_values(_PREDICTOR, 1)[0] if compression in _PREDICTED else 1
    tiled, part_height, part_width = read_segment_size(page, height, width)
    return TiffHeader(
        format="tiff",
        height=height,
        width=width,
        channels=channels,
        bit_depth=max(depths),
        orientation=get_orientation(page),
        has_mixed_samples=len(set(depths)) > 1 or len(set(formats[:channels])) > 1,
        sample_format=formats[0],
        # Grey without it is read as Pillow reads it.
        photometric=page.require_values(_PHOTOMETRIC, MIN_IS_WHITE if channels == 1 else -1)[0],
        extra_samples=page.require_values(_EXTRA) if page.count_values(_EXTRA) else None,
        predictor=predictor,
        layout=SegmentLayout(
            height=height,
            width=width,
            channels=channels,
            bits=max(depths),
            byte_order=page.byte_order,
            is_planar=page.require_values(_PLANAR, 1)[0] == 2,
            is_tiled=tiled,
            segment_height=part_height,
            segment_width=part_width,
            compression=compression,
            has_differences=predictor == 2,
            has_reversed_bits=page.require_values(_FILL_ORDER, 1)[0] == 2,
        ),
    )


def read_first_page(data: bytes) -> ImageFileDirectory:
    """The first directory; a file that has none is refused."""
    page = next(iterate_directories(data), None)
    if page is None:
        raise corrupt_error("it has no directory that tells its size")
    return page


def check_supported(header: TiffHeader) -> None:
    """Refuse kinds that neither this decoder nor Pillow reads."""
    bits, kind, compression = header.bit_depth, header.photometric, header.layout.compression
    if header.has_mixed_samples:
        raise unsupported_error("its channels differ in their number of bits or kind of numbers")
    if header.sample_format not in _WHOLE:
        numbers = _FORMATS.get(header.sample_format, f"numbers of the unknown kind {header.sample_format}")
        raise unsupported_error(f"its samples are {numbers} of {bits} bits, which have no declared white")
    if compression not in _FOR_PILLOW:
        raise unsupported_error(
            f"its compression is {_CODE_NAMES.get(compression, f'of the unknown kind {compression}')}"
        )
    if kind not in _COLOURS and kind not in _KINDS:
        raise unsupported_error(
            f"its colours are of the unknown kind {kind}" if kind >= 0 else "it tells no kind of colours"
        )
    if kind in _LAB:
        raise unsupported_error(f"its colours are {_KINDS[kind]}, for which there is no declared way to RGB")
    if header.channels > _MAX_CHANNELS:
        raise unsupported_error(f"it has {header.channels} values per pixel; read are up to {_MAX_CHANNELS}")
    if bits > 8 and not header.is_decoded_here:
        raise unsupported_error(f"it has {bits} bits per sample and {header.uncommon_kind}, which is read with up to 8")
    if not header.is_decoded_here:
        return
    if not 1 <= bits <= 16 and bits != 32:
        raise unsupported_error(f"its samples have {bits} bits; read are 1 to 16, and 32")
    if header.predictor != 1 and (header.predictor != 2 or bits not in (8, 16, 32)):
        raise unsupported_error(f"its {bits}-bit samples are coded with predictor {header.predictor}")
    if header.channels < header.colour_count:
        raise corrupt_error(
            f"its header claims {header.channels} values per pixel, and its colours are {header.colour_count}"
        )
    if kind == MIN_IS_WHITE and header.has_associated_alpha:
        raise unsupported_error("its colours are premultiplied with alpha, and 0 is white")


def matches_signature(data: bytes) -> bool:
    """Whether a file begins as a TIFF or BigTIFF does."""
    return data.startswith(_SIGNATURES)


def check_file(data: bytes, header: TiffHeader, settings: ImageSettings) -> str | None:
    """Refuse kinds that are not read, segments that do not make up the image or cost more than its size accounts for,
    and what libtiff lets pass; returns the notes on further pages and on what was overlooked.
    """
    check_supported(header)
    if not header.is_decoded_here and header.orientation != 1 and settings.color_mode == "bayer":
        # Pillow turns by itself.
        raise unsupported_error("color_mode bayer wants the sensor's rows as they were read, and this image is turned")
    samples = header.height * header.width * header.channels
    if samples > (most := _CHANNELS * settings.max_pixels):
        raise too_large_error(f"it has {samples} samples; read are up to {_CHANNELS} × max_pixels = {most}")
    page, notes = read_first_page(data), []
    check_segments(page, header.layout)
    if not header.is_decoded_here and (complaint := _check_for_pillow(data, page, header.layout)):
        notes.append(jpeg.note_or_refuse(complaint, settings))
    if (pages := count_directories(data, _MAX_PAGES)) > 1:
        notes.append(f"first page of {pages}")
    return "; ".join(notes) or None


def _check_for_pillow(data: bytes, page: ImageFileDirectory, layout: SegmentLayout) -> str | None:
    """Refuse deflated data whose checksum is wrong, and what costs too much; returns what the strict JPEG decoder says
    against JPEG-coded segments.
    """
    if page.entry_count > _MAX_ENTRIES:
        raise too_large_error(f"its directory has {page.entry_count} entries; read are up to {_MAX_ENTRIES}")
    if page.has_repeated_tags:
        raise corrupt_error("its directory names a tag twice")
    if (length := page.count_values(_JPEG_TABLES)) > _MAX_TABLES:
        raise too_large_error(f"its JPEG tables claim {length} bytes; read are up to {_MAX_TABLES}")
    pixels = layout.height * layout.width
    if (length := page.value_bytes) > (most := _MAX_VALUES + 2 * pixels * layout.channels):
        raise too_large_error(
            f"its directory's values take {length} bytes; those of an image of its size may take {most}"
        )
    if max(numbers := page.read_values(_JPEG_TABLES), default=0) > 255 or min(numbers, default=0) < 0:
        raise corrupt_error("its JPEG tables are no bytes")
    tables, complaint, coded, scanned = bytes(numbers), None, 0, 0
    most = 4 * len(data) + 2 * layout.segment_count * layout.count_bytes(layout.segment_height, layout.segment_width)
    for segment in iterate_segments(data, page, layout):
        coded += len(segment.coded)
        if coded > most:
            raise too_large_error(f"its parts together claim over {most} bytes, in a file of {len(data)}")
        if layout.compression in _DEFLATE:
            unpack_segment(segment, layout)
        elif layout.compression == JPEG:
            stream = bytes(segment.coded)
            scans, room = stream.count(b"\xff\xda"), 2 * segment.rows * segment.columns + _ROOM
            if scans > _MAX_SCANS:
                raise too_large_error(f"a JPEG-coded part of it has {scans} scans; read are up to {_MAX_SCANS}")
            scanned += scans * room
            if scanned > (most_scanned := _SCANNED + _SCANS * pixels):
                raise too_large_error(
                    f"its JPEG scans together cover over {most_scanned} px, where the image has {pixels}"
                )
            complaint = complaint or _find_jpeg_warning(tables, stream, segment, room)
    return complaint


def _find_jpeg_warning(tables: bytes, coded: bytes, segment: Segment, most: int) -> str | None:
    import simplejpeg

    # Parts have no tables of their own: they stand in a field, as a stream without an image.
    stream = tables[:-2] + coded[2:] if tables else coded
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(stream)
    except ValueError:
        return None
    if height * width > most:
        size = f"{segment.columns}×{segment.rows} px"
        raise corrupt_error(f"a JPEG-coded part of it is of {width}×{height} px, where {size} are expected")
    try:
        simplejpeg.decode_jpeg(stream, "GRAY")
    except ValueError as error:
        return str(error) if jpeg.means_damage(str(error)) else None
    return None


def decode_samples(data: bytes, header: TiffHeader, settings: ImageSettings) -> Raster:
    """The first page's samples, once `check_file` has let it pass. MinIsWhite is inverted, and colours that are
    premultiplied with alpha are divided by it; extra samples that are no alpha are left out.
    """
    if not header.is_decoded_here:
        try:
            return decode_with_pillow(data, header, settings)
        except DecodeError as error:
            if "cannot identify" not in str(error):
                raise
            # Its directory is whole, as `check_file` found.
            what = f"{header.channels} values of {header.bit_depth} bits per pixel"
            raise unsupported_error(f"no decoder here reads {header.uncommon_kind} with {what}") from error
    bits = header.bit_depth
    samples = _scale_samples(read_samples(data, read_first_page(data), header.layout), header)
    colours, alpha = header.colour_count, header.alpha_channel
    kept = [*range(colours), *([] if alpha is None else [alpha])]
    if kept != [*range(header.channels)]:
        samples = np.ascontiguousarray(samples[:, :, kept])
    white = 255 if bits <= 8 else (1 << min(bits, 16)) - 1
    if header.photometric == MIN_IS_WHITE:
        np.subtract(white, samples[:, :, :colours], out=samples[:, :, :colours])
    if header.has_associated_alpha:
        _divide_by_alpha(samples, white)
    left_out = header.channels - samples.shape[2]
    return Raster(
        samples,
        white=white,
        zero=-(1 << bits - 1) if header.sample_format == SIGNED and 8 < bits <= 16 else 0,
        orientation=header.orientation,
        note=f"{left_out} of {header.channels} values per pixel are no colour and left out" if left_out else None,
    )


def decode_indexes(data: bytes, header: TiffHeader, settings: ImageSettings) -> Raster | None:
    """The indexes into the palette of the first page; None where it has none."""
    return decode_indexes_with_pillow(data, header, settings) if header.photometric == _PALETTE else None


def _scale_samples(samples: npt.NDArray[Any], header: TiffHeader) -> npt.NDArray[Any]:
    """Samples from black on: signed ones begin at 0; less than 8 bits are scaled to 8, and 32 must fit into 16."""
    bits, signed = header.bit_depth, header.sample_format == SIGNED
    if bits == 32:
        numbers = samples.view(np.int32) if signed else samples
        low, high = int(numbers.min()), int(numbers.max())
        if low < 0 or high > 65_535:
            raise unsupported_error(f"its 32-bit samples reach from {low} to {high}; read are values of 0 to 65535")
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
