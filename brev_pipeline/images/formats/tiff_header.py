"""TIFF's header: the first directory's facts, and which kinds of images are read, and by whom."""

from dataclasses import dataclass

from brev_pipeline.images.formats.exif import orientation_of
from brev_pipeline.images.formats.header import Header, damaged, unsupported
from brev_pipeline.images.formats.ifd import Directory, directories
from brev_pipeline.images.formats.tiff_codes import CODES
from brev_pipeline.images.formats.tiff_parts import Layout, cut

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
_FOR_PILLOW = {2, 3, 4, 6, JPEG, 32771, 32809, *CODES}
_KINDS = {
    _PALETTE: "a palette", 4: "a transparency mask", 5: "CMYK", 6: "YCbCr", 8: "CIE L*a*b*", 9: "ICC L*a*b*",
    10: "ITU L*a*b*", 32803: "a colour filter array", 32844: "LogL", 32845: "LogLuv", 34892: "linear raw",
}  # fmt: skip
_LAB = {8, 9, 10}
_CODE_NAMES = {
    JPEG: "JPEG", 32766: "NeXT", 32909: "PixarLog", 33003: "JPEG 2000", 33005: "JPEG 2000", 34676: "SGI LogL",
    34677: "SGI LogLuv", 34712: "JPEG 2000", 34887: "LERC", 50001: "WebP", 50002: "JPEG XL",
}  # fmt: skip
_MOST_CHANNELS = 16


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

    @property
    def colours(self) -> int:
        """Values per pixel that are colours, of a kind that is decoded here."""
        return _COLOURS[self.photometric]

    @property
    def alpha(self) -> int | None:
        """Which channel is alpha, of a kind that is decoded here."""
        if self.extra is None:
            # Many writers of RGBA leave it out.
            return 3 if self.photometric == _RGB and self.channels == 4 else None
        extra = self.extra[: self.channels - self.colours]
        return next((self.colours + i for i, kind in enumerate(extra) if kind in _ALPHA), None)

    @property
    def associated(self) -> bool:
        """Whether the colours are premultiplied with alpha."""
        alpha, extra = self.alpha, self.extra or ()
        return alpha is not None and bool(extra) and extra[alpha - self.colours] == _ASSOCIATED

    @property
    def kind(self) -> str:
        """What makes it Pillow's, for people."""
        return _KINDS.get(self.photometric) or f"{_CODE_NAMES.get(self.layout.compression, 'fax')} compression"


def read_header(data: bytes) -> TiffHeader:
    """Read the first directory."""
    page = first_page(data)
    every_depth = page.sound(_BITS, 1)
    formats = page.sound(_FORMAT, 1)
    height, width = page.sound(_HEIGHT, 0)[0], page.sound(_WIDTH, 0)[0]
    channels = page.sound(_SAMPLES_PER_PIXEL, len(every_depth))[0]
    depths = every_depth[: max(1, channels)]
    compression = page.sound(_COMPRESSION, 1)[0]
    predictor = page.sound(_PREDICTOR, 1)[0] if compression in _PREDICTED else 1
    tiled, part_height, part_width = cut(page, height, width)
    return TiffHeader(
        format="tiff",
        height=height,
        width=width,
        channels=channels,
        bit_depth=max(depths),
        orientation=orientation_of(page),
        mixed=len(set(depths)) > 1 or len(set(formats[:channels])) > 1,
        sample_format=formats[0],
        # Grey without it is read as Pillow reads it.
        photometric=page.sound(_PHOTOMETRIC, MIN_IS_WHITE if channels == 1 else -1)[0],
        extra=page.sound(_EXTRA) if page.count(_EXTRA) else None,
        predictor=predictor,
        layout=Layout(
            height=height,
            width=width,
            channels=channels,
            bits=max(depths),
            order=page.order,
            planar=page.sound(_PLANAR, 1)[0] == 2,
            tiled=tiled,
            part_height=part_height,
            part_width=part_width,
            compression=compression,
            predicted=predictor == 2,
            reversed=page.sound(_FILL_ORDER, 1)[0] == 2,
        ),
    )


def first_page(data: bytes) -> Directory:
    """The first directory.

    Raises:
        DecodeError: there is none.
    """
    page = next(directories(data), None)
    if page is None:
        raise damaged("it has no directory that tells its size")
    return page


def check_kind(header: TiffHeader) -> None:
    """Refuse kinds that neither this decoder nor Pillow reads.

    Raises:
        DecodeError: ``unsupported``, with the kind.
    """
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
    if kind in _LAB:
        raise unsupported(f"its colours are {_KINDS[kind]}, for which there is no declared way to RGB")
    if header.channels > _MOST_CHANNELS:
        raise unsupported(f"it has {header.channels} values per pixel; read are up to {_MOST_CHANNELS}")
    if header.own:
        _check_own_kind(header)
    elif bits > 8:
        raise unsupported(f"it has {bits} bits per sample and {header.kind}, which is read with up to 8")


def _check_own_kind(header: TiffHeader) -> None:
    if not 1 <= header.bit_depth <= 16 and header.bit_depth != 32:
        raise unsupported(f"its samples have {header.bit_depth} bits; read are 1 to 16, and 32")
    if header.predictor != 1 and (header.predictor != 2 or header.bit_depth not in (8, 16, 32)):
        raise unsupported(f"its {header.bit_depth}-bit samples are coded with predictor {header.predictor}")
    if header.channels < header.colours:
        raise damaged(f"its header claims {header.channels} values per pixel, and its colours are {header.colours}")
    if header.photometric == MIN_IS_WHITE and header.associated:
        raise unsupported("its colours are premultiplied with alpha, and 0 is white")
