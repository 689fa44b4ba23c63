"""JPEG 2000: the header's facts, from a JP2 file or a bare codestream."""

import struct

from brev_pipeline.images.formats.header import Header, damaged

FILE = b"\0\0\0\x0cjP  \r\n\x87\n"
CODESTREAM = b"\xff\x4f\xff\x51"


def read_header(data: bytes) -> Header:
    """Read the SIZ segment of a JPEG 2000 codestream (ISO 15444-1, A.5.1)."""
    place = 0 if data.startswith(CODESTREAM) else _codestream(data)
    if not data.startswith(CODESTREAM, place):
        raise damaged("its codestream does not begin with the size of the image")
    x1, y1, x0, y0 = struct.unpack_from(">4I", data, place + 8)
    channels, depth = struct.unpack_from(">HB", data, place + 40)
    return Header("jpeg2000", y1 - y0, x1 - x0, channels, (depth & 0x7F) + 1)


def _codestream(data: bytes) -> int:
    """First byte of the codestream in a JP2 file."""
    place = 0
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        head = 8
        if length == 1:
            (length,), head = struct.unpack_from(">Q", data, place + 8), 16
        if kind == b"jp2c":
            return place + head
        if length < head:
            break
        place += length
    raise damaged("it holds no image data")
