"""The file formats that are read, one module each: how a file is recognised, measured, checked and decoded.

A new format is a new module and its name in `FORMATS`.
"""

import re
import struct
from collections.abc import Callable
from typing import Any, Protocol

from brev_pipeline.config import ImageSettings
from brev_pipeline.errors import DecodeError
from brev_pipeline.images.formats import avif, bmp, gif, jpeg, jpeg2000, png, pnm, tiff, webp
from brev_pipeline.images.formats.base import ImageHeader, Raster, corrupt_error, unsupported_error


class ImageFormat(Protocol):
    """What each module of a format has. Every function raises `DecodeError`, with a reason for people."""

    NAME: str  # as tables write it
    TITLE: str  # as a person writes it

    def matches_signature(self, data: bytes) -> bool:
        """Whether a file begins as this format does."""

    def read_header(self, data: bytes) -> ImageHeader:
        """Size and facts from the header alone; nothing is decoded.

        `struct.error`, `IndexError`, `ValueError` and `OverflowError` stand for a header that is cut short.
        """

    def check_file(self, data: bytes, header: Any, settings: ImageSettings) -> str | None:
        """Refuse what the decoder would let pass, and what would cost more than the image's size accounts for.

        Returns:
            What a person should know of the file, for example ``"first page of 3"``.
        """

    def decode_samples(self, data: bytes, header: Any, settings: ImageSettings) -> Raster:
        """The first picture's samples at their full depth, once `check_file` has let it pass."""


_MODULES: tuple[ImageFormat, ...] = (bmp, jpeg, png, tiff, webp, gif, jpeg2000, pnm, avif)
FORMATS = {module.NAME: module for module in _MODULES}
IndexDecoder = Callable[[bytes, Any, ImageSettings], Raster | None]
INDEX_DECODERS: dict[str, IndexDecoder] = {module.NAME: module.decode_indexes for module in (bmp, png, tiff)}
"""Of formats with palettes: gives the indexes of a file, (height, width, 1), as they are stored, of which ``white`` is
the largest; None where it has no palette. Of a GIF they mean nothing: writers put them in an order of their own.
"""


def read_image_header(data: bytes) -> ImageHeader:
    """Tell format and size of an image from its first bytes; nothing is decoded.

    Raises:
        DecodeError: ``corrupt`` where the header is damaged or no known format's, ``unsupported`` where the
            format is known but not read.
    """
    format_ = next((format_ for format_ in _MODULES if format_.matches_signature(data)), None)
    if format_ is None:
        raise _unknown_format_error(data)
    try:
        return format_.read_header(data)
    except DecodeError as error:
        raise add_format_title(error, format_.NAME) from error
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        cut_short = corrupt_error(f"it is cut short within its header: {len(data)} bytes")
        raise add_format_title(cut_short, format_.NAME) from error


def add_format_title(error: DecodeError, name: str) -> DecodeError:
    """The error with the kind of file before its reason, for people."""
    title = FORMATS[name].TITLE
    before = {"corrupt": f"damaged {title}", "unsupported": f"{title} that is not read here"}.get(error.status, title)
    return DecodeError(error.status, f"{before}: {error}")


def _unknown_format_error(data: bytes) -> DecodeError:
    if not data:
        return corrupt_error("the file is empty")
    head = data[:64]
    kind = next((kind for pattern, kind in _FOREIGN_SIGNATURES if re.match(pattern, head, re.DOTALL)), None)
    if kind is not None:
        read = ", ".join(format_.TITLE for format_ in _MODULES)
        return unsupported_error(f"this is a file of the kind {kind}; read are {read}")
    return corrupt_error(f"no image format is known that begins with the bytes {data[:8].hex(' ')}")


# The first that matches names the file, so a narrower pattern stands before a wider one.
_FOREIGN_SIGNATURES = (
    (rb".{4}ftyp(heic|heix|hevc|mif1|msf1|miaf)", "HEIF"),
    (rb".{4}ftyp[ -~]{4}", "ISO base media (video, or a picture like HEIF)"),
    (rb"8BPS", "Photoshop"),
    (rb"%PDF", "PDF"),
    (rb"DDS ", "DDS texture"),
    (rb"qoif", "QOI"),
    (rb"\0\0\x01\0[^\0]\0", "icon (ICO)"),
    (rb"\0\0\x02\0[^\0]\0", "cursor (CUR)"),
    (rb"\x01\xda[\0\x01][\x01\x02]", "SGI"),
    (rb"\x0a[\x00-\x05]\x01[\x01\x02\x04\x08]", "PCX"),
    (rb"\x28\0\0\0.{8}\x01\0[\x01\x04\x08\x10\x18\x20]\0", "bare bitmap (DIB)"),
    (rb"#define\s", "XBM"),
    (rb"/\* XPM", "XPM"),
    (rb"P7\n", "PAM"),
    (rb"P[fF]\s", "PFM"),
    (rb"SIMPLE  =", "FITS"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "JPEG XL"),
    (rb"v/1\x01", "OpenEXR"),
    (rb"#\?RADIANCE", "Radiance HDR"),
    (rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF", "Windows metafile"),
    (rb"\s*<(\?xml|svg|!DOCTYPE|html)", "text (XML, SVG or a web page)"),
    (rb"PK\x03\x04", "ZIP"),
    (rb"\x1f\x8b", "gzip"),
)
