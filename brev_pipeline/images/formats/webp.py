"""WebP: the header's facts, and that the file is as long as it says. Pillow decodes it.

To ask Pillow for the header would take the memory of two decoded frames before the size can be looked at.
"""

import struct

from brev_pipeline.config import ImageSettings
from brev_pipeline.images.formats.base import ImageHeader, corrupt_error
from brev_pipeline.images.formats.pillow_decoder import decode_with_pillow

decode_samples = decode_with_pillow  # the first picture
NAME, TITLE = "webp", "WebP"
_ANIMATED, _ALPHA = 0x02, 0x10


def matches_signature(data: bytes) -> bool:
    """Whether a file begins as a WebP does."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def read_header(data: bytes) -> ImageHeader:
    """Read the first chunk of a WebP: VP8X (extended), VP8L (lossless) or VP8 (lossy)."""
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[place : place + 3], "little") + 1 for place in (24, 27))
        channels = 4 if data[20] & _ALPHA else 3
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        channels = 4 if bits >> 28 & 1 else 3
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
        channels = 3
    else:
        raise corrupt_error("its first chunk is none of a WebP's")
    return ImageHeader("webp", height, width, channels, 8)


def check_file(data: bytes, header: ImageHeader, settings: ImageSettings) -> str | None:
    """Check the length; returns the note on an animation."""
    (length,) = struct.unpack_from("<I", data, 4)
    if len(data) < length + 8:
        raise corrupt_error(f"it is cut short: {len(data)} bytes of {length + 8}")
    return "first frame of an animation" if data[12:16] == b"VP8X" and data[20] & _ANIMATED else None
