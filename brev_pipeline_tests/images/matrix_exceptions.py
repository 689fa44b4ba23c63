"""What the matrix excuses, and why: cells that ours refuses, and cells that few other decoders read rightly."""

from typing import NamedTuple


class Refused(NamedTuple):
    """Cells that must be refused."""

    cells: str
    """Pattern that is searched in their names; the first row that matches counts."""
    status: str
    says: str
    """Pattern that is searched in the refusal."""
    why: str


class Fewer(NamedTuple):
    """Cells of which less than the wanted number of other decoders tell the right pixels."""

    cells: str
    count: int
    """How many do."""
    why: str


class Slack(NamedTuple):
    """By how much another decoder may differ from ours, where it has reasons of its own."""

    reader: str
    cells: str
    tolerance: int
    why: str


_UNSUPPORTED = "unsupported"
REFUSED = (
    Refused("tiff .* floating point", _UNSUPPORTED, "floating-point", "floating-point samples have no declared white"),
    Refused("tiff .* complex numbers", _UNSUPPORTED, "complex", "complex samples have no declared white"),
    Refused("tiff .* beyond 16 bits", _UNSUPPORTED, "32-bit samples reach", "whole numbers are read up to 65535"),
    Refused("tiff palette 16", _UNSUPPORTED, "16 bits.*palette", "palettes are read of up to 8 bits"),
    Refused("tiff cmyk 16", _UNSUPPORTED, "16 bits.*CMYK", "inks are read of 8 bits"),
    Refused("tiff cielab", _UNSUPPORTED, "CIELAB|L\\*a\\*b\\*", "no declared way from CIELAB to RGB"),
    Refused("tiff .* coded as (webp|jpeg2000|png|jpegxl)", _UNSUPPORTED, "compression", "other formats within TIFF"),
    Refused("jpeg .* 12$", _UNSUPPORTED, "12 bits", "JPEG is read with 8 bits"),
    Refused("jpeg .* lossless", _UNSUPPORTED, "lossless JPEG", "lossless JPEG is not read"),
    Refused("avif .* (10|12) ", _UNSUPPORTED, "1[02] bits", "the decoder gives 8 bits of deeper AVIF"),
)

FEWER = (
    Fewer(
        r"tiff grey ([35679]|1[0-5]) miniswhite",
        0,
        "ImageIO fails at its own inversion, FFmpeg and libtiff's users do not invert, TwelveMonkeys does not unpack; "
        "the same packing is confirmed in minisblack",
    ),
    Fewer(r"tiff rgb( alpha)? [12] planar packed", 1, "planes of less than 8 bits are unpacked by ImageMagick only"),
    Fewer(r"tiff rgb alpha 10 interleaved packed", 0, "ImageMagick, alone in reading them, rounds some by two levels"),
    Fewer(r"tiff rgb alpha 1[024] .*packed", 1, "RGB and alpha of 10 to 14 bits are unpacked by ImageMagick only"),
    Fewer(
        r"tiff (grey (10|14)|rgb 1[024]) ImageMagick",
        1,
        "written by libtiff, and FFmpeg and TwelveMonkeys do not unpack them, but for FFmpeg 12 bits of grey",
    ),
    Fewer(
        r"tiff grey alpha 16 planar .*(predictor|tiles .*(lzw|bigtiff))|tiff grey alpha 8 planar tiles .* bigtiff",
        1,
        "ImageIO has no predictor for 16 bits, nor tiles in planes of BigTIFF; the others take no alpha beside grey",
    ),
    Fewer(
        r"tiff (grey|rgb) alpha 16 libvips deflate predictor tiles",
        1,
        "written by libtiff, FFmpeg has no tiles, and ImageIO no predictor for 16 bits",
    ),
    Fewer(r"tiff .* (zstd|lzma)$", 1, "codes of libtiff that others do not have"),
    Fewer(r"tiff grey (8|16) signed", 1, "all but libtiff take signed samples for unsigned ones"),
    Fewer(r"tiff .*(unspecified|five channels)", 1, "all but Rust's take the fourth channel for alpha, or give up"),
    Fewer("png grey [124] .*transparent", 0, "FFmpeg, spng and ImageIO show a transparent grey of less than 8 bits"),
    Fewer(
        "pnm P[56] (200|254)$", 1, "of maxvals below 255, FFmpeg rounds otherwise, and the others take bits for them"
    ),
    Fewer("bmp 16 4-4-4-4", 1, "FFmpeg and ImageIO leave out alpha, ImageMagick misplaces it, OpenCV does not read it"),
    Fewer("webp rgb alpha lossy method 0", 1, "TwelveMonkeys reads some alpha of the fastest method wrongly"),
)

SLACK = (
    Slack("Rust", "jpeg .*(420|2x2)", 4, "rounds once more between its two enlargements of chroma"),
    Slack("FFmpeg", "jpeg ycck", 7, "applies black to the chroma, in 8 bits"),
    Slack("TwelveMonkeys", "webp .* lossy", 6, "repeats chroma instead of enlarging it smoothly"),
    Slack("libvips (AVIF)", "avif .* subsampling on", 6, "repeats chroma instead of enlarging it smoothly"),
)
