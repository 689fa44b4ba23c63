"""GIF: the header's facts, and whether a second frame follows the first."""

import struct

from brev_pipeline.images.formats.header import Header

_EXTENSION, _IMAGE = 0x21, 0x2C


def read_header(data: bytes) -> Header:
    """Read a GIF's logical screen."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    return Header("gif", height, width, 1, (flags & 7) + 1)


def verify(data: bytes, _header: Header) -> str | None:
    """The note on an animation: the first frame counts."""
    return "first frame of an animation" if _images(data, 2) == 2 else None


def _images(data: bytes, enough: int) -> int:
    """Images in the file, counted up to ``enough``; damage ends the count."""
    found = 0
    try:
        place = 13 + _table(data[10])
        while found < enough:
            block, place = data[place], place + 1
            if block == _IMAGE:
                found += 1
                place += 9 + _table(data[place + 8]) + 1
            elif block == _EXTENSION:
                place += 1
            else:
                break
            while length := data[place]:
                place += length + 1
            place += 1
    except IndexError:
        pass
    return found


def _table(flags: int) -> int:
    """Bytes of a colour table."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
