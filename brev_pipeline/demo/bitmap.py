"""Bitmap: pixels as BMP and PNG files, written out here byte by byte.

An encoder of a library may choose other bytes in its next release; these two cannot. The PNG is not compressed
for that reason (deflate's "stored" blocks).
"""

import struct
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

_DPM: Final = 11811  # px per metre: 300 dpi
_BLOCK: Final = 65535  # bytes in a stored block of deflate, at most


def bmp(pixels: Pixels) -> bytes:
    """A 24-bit BMP of (height, width, 3) pixels, red first."""
    height, width, _ = pixels.shape
    rows = np.zeros((height, -(-width * 3 // 4) * 4), np.uint8)
    rows[:, : width * 3] = pixels[::-1, :, ::-1].reshape(height, width * 3)
    header = struct.pack("<2sIHHI", b"BM", 54 + rows.size, 0, 0, 54)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, rows.size, _DPM, _DPM, 0, 0)
    return header + info + rows.tobytes()


def png(pixels: Pixels) -> bytes:
    """An 8-bit RGB PNG of (height, width, 3) pixels, red first, uncompressed."""
    height, width, _ = pixels.shape
    rows = np.zeros((height, 1 + width * 3), np.uint8)  # each row begins with its filter: 0, none
    rows[:, 1:] = pixels.reshape(height, width * 3)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", _stored(rows.tobytes())) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _stored(data: bytes) -> bytes:
    """``data`` as a zlib stream without compression (RFC 1950 and 1951)."""
    blocks = [data[start : start + _BLOCK] for start in range(0, len(data), _BLOCK)]
    heads = [struct.pack("<BHH", number == len(blocks) - 1, len(b), len(b) ^ 0xFFFF) for number, b in enumerate(blocks)]
    body = b"".join(head + block for head, block in zip(heads, blocks, strict=True))
    return b"\x78\x01" + body + struct.pack(">I", zlib.adler32(data))
