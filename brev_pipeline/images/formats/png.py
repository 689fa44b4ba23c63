"""PNG: the header's facts, and the check of every chunk's CRC-32.

Pillow checks neither the checksums of image data nor that the file has an end; both are checked here first.
"""

import struct
import zlib

from brev_pipeline.images.formats.header import Header, damaged

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def read_header(data: bytes) -> Header:
    """Read a PNG's IHDR chunk."""
    length, kind, width, height, depth, colour = struct.unpack_from(">I4sIIBB", data, 8)
    if kind != b"IHDR" or length != 13:
        raise damaged("it does not begin with the chunk IHDR")
    if colour not in _CHANNELS or depth not in (1, 2, 4, 8, 16):
        raise damaged(f"its header claims colour type {colour} with {depth} bits, which PNG does not have")
    return Header("png", height, width, _CHANNELS[colour], depth)


def verify(data: bytes, _header: Header) -> str | None:
    """Check every chunk; returns the note on an animation.

    Raises:
        DecodeError: a chunk is damaged or cut short, or the end chunk is missing.
    """
    place, view, note = 8, memoryview(data), None
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 8 + length
        if end + 4 > len(data):
            break
        if zlib.crc32(view[place + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise damaged(f"the checksum of its chunk {kind.decode('ascii', 'replace')} at byte {place} is wrong")
        if kind == b"IEND":
            return note
        if kind == b"acTL" and int.from_bytes(view[place + 8 : place + 12], "big") > 1:
            note = "first frame of an animation"
        place = end + 4
    raise damaged(f"it is cut short: {len(data)} bytes, and no end chunk")
