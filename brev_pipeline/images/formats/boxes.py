"""Boxes: the parts that JP2 and AVIF files are made of (ISO 14496-12, 4.2)."""

import struct


def read_box(data: bytes, place: int) -> tuple[bytes, int, int]:
    """Kind, first byte of the body, and length in bytes from ``place`` on (0: to the end of what holds it) of a box.

    Raises:
        struct.error: it is cut short.
    """
    length, kind = struct.unpack_from(">I4s", data, place)
    if length == 1:
        return kind, place + 16, int(struct.unpack_from(">Q", data, place + 8)[0])
    return kind, place + 8, length
