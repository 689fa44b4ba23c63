"""The file formats that are read, one module each: how a file is recognised, measured, checked and decoded.

A new format is a new module and its name in `FORMATS`.
"""

import struct
from typing import Any, Protocol

from brev_pipeline.config import ImageSettings
from brev_pipeline.errors import DecodeError
from brev_pipeline.images.formats import avif, bmp, foreign, gif, jpeg, jpeg2000, png, pnm, tiff, webp
from brev_pipeline.images.formats.header import Header, damaged, unsupported
from brev_pipeline.images.formats.raster import Raster


class Format(Protocol):
    """What each module of a format has. Every function raises `DecodeError`, with a reason for people."""

    NAME: str
    """As tables write it."""
    TITLE: str
    """As a person writes it."""

    def recognise(self, data: bytes) -> bool:
        """Whether a file begins as this format does."""

    def read_header(self, data: bytes) -> Header:
        """Size and facts from the header alone; nothing is decoded.

        `struct.error`, `IndexError`, `ValueError` and `OverflowError` stand for a header that is cut short.
        """

    def verify(self, data: bytes, header: Any, settings: ImageSettings) -> str | None:
        """Refuse what the decoder would let pass, and what would cost more than the image's size accounts for.

        Returns:
            What a person should know of the file, for example ``"first page of 3"``.
        """

    def decode(self, data: bytes, header: Any, settings: ImageSettings) -> Raster:
        """The first picture's samples at their full depth, once `verify` has let it pass."""


_MODULES: tuple[Format, ...] = (bmp, jpeg, png, tiff, webp, gif, jpeg2000, pnm, avif)
FORMATS = {module.NAME: module for module in _MODULES}


def sniff(data: bytes) -> Header:
    """Tell format and size of an image from its first bytes; nothing is decoded.

    Raises:
        DecodeError: ``corrupt`` where the header is damaged or no known format's, ``unsupported`` where the
            format is known but not read.
    """
    format_ = next((format_ for format_ in _MODULES if format_.recognise(data)), None)
    if format_ is None:
        raise _unknown(data)
    try:
        return format_.read_header(data)
    except DecodeError as error:
        raise entitled(error, format_.NAME) from error
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        short = damaged(f"it is cut short within its header: {len(data)} bytes")
        raise entitled(short, format_.NAME) from error


def entitled(error: DecodeError, name: str) -> DecodeError:
    """The error with the kind of file before its reason, for people."""
    title = FORMATS[name].TITLE
    before = {"corrupt": f"damaged {title}", "unsupported": f"{title} that is not read here"}.get(error.status, title)
    return DecodeError(error.status, f"{before}: {error}")


def _unknown(data: bytes) -> DecodeError:
    if not data:
        return damaged("the file is empty")
    kind = foreign.name_foreign_format(data)
    if kind is not None:
        read = ", ".join(format_.TITLE for format_ in _MODULES)
        return unsupported(f"this is a file of the kind {kind}; read are {read}")
    return damaged(f"no image format is known that begins with the bytes {data[:8].hex(' ')}")
