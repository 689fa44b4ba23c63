"""The file formats that are read: how each is recognised, measured, checked, and decoded fast where it can be.

One module per format. `sniff` tells format and size from the header alone; nothing here decodes pixels but the
fast decoders, `bmp.fast`, `jpeg.fast` and `png.fast`.
"""

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from brev_pipeline.errors import DecodeError
from brev_pipeline.images.formats import bmp, foreign, gif, jpeg, jpeg2000, png, pnm, tiff, webp
from brev_pipeline.images.formats.header import Header, damaged, unsupported


class Format(NamedTuple):
    """What is known of one file format."""

    title: str
    """As a person writes it."""
    plugin: str
    """Pillow's name for it."""
    matches: Callable[[bytes], bool]
    """Whether a file begins as this format does."""
    read_header: Callable[[bytes], Header]
    verify: Callable[[bytes, Any], str | None] | None = None
    """Checks, before Pillow decodes, what Pillow does not; returns a note for people."""


FORMATS = {
    "bmp": Format("BMP", "BMP", lambda data: data.startswith(b"BM"), bmp.read_header, bmp.verify),
    "jpeg": Format("JPEG", "JPEG", lambda data: data.startswith(b"\xff\xd8\xff"), jpeg.read_header),
    "png": Format("PNG", "PNG", lambda data: data.startswith(png.SIGNATURE), png.read_header),
    "tiff": Format("TIFF", "TIFF", lambda data: data.startswith(tiff.SIGNATURES), tiff.read_header, tiff.verify),
    "webp": Format(
        "WebP", "WEBP", lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP", webp.read_header, webp.verify
    ),
    "gif": Format("GIF", "GIF", lambda data: data.startswith((b"GIF87a", b"GIF89a")), gif.read_header, gif.verify),
    "jpeg2000": Format(
        "JPEG 2000",
        "JPEG2000",
        lambda data: data.startswith((jpeg2000.FILE, jpeg2000.CODESTREAM)),
        jpeg2000.read_header,
    ),
    "pnm": Format("PNM", "PPM", pnm.matches, pnm.read_header),
}


def sniff(data: bytes) -> Header:
    """Tell format and size of an image from its first bytes; nothing is decoded.

    Raises:
        DecodeError: ``corrupt`` where the header is damaged or no known format's, ``unsupported`` where the
            format is known but not read.
    """
    name = next((name for name, format_ in FORMATS.items() if format_.matches(data)), None)
    if name is None:
        raise _unknown(data)
    try:
        return FORMATS[name].read_header(data)
    except DecodeError as error:
        raise entitled(error, name) from error
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        short = damaged(f"it is cut short within its header: {len(data)} bytes")
        raise entitled(short, name) from error


def entitled(error: DecodeError, name: str) -> DecodeError:
    """The error with the kind of file before its reason, for people."""
    title = FORMATS[name].title
    before = {"corrupt": f"damaged {title}", "unsupported": f"{title} that is not read here"}.get(error.status, title)
    return DecodeError(error.status, f"{before}: {error}")


def _unknown(data: bytes) -> DecodeError:
    if not data:
        return damaged("the file is empty")
    kind = foreign.name(data)
    if kind is not None:
        read = ", ".join(format_.title for format_ in FORMATS.values())
        return unsupported(f"this is a file of the kind {kind}; read are {read}")
    return damaged(f"no image format is known that begins with the bytes {data[:8].hex(' ')}")
