"""Frames of a TFRecord file, for shards and for prepared pixels: length, its checksum, the record, its checksum.

Format: ``uint64 length | uint32 masked CRC-32C of length | record | uint32 masked CRC-32C of record``, all
little-endian, as documented in TensorFlow's guide "TFRecord and tf.train.Example". Written here without
TensorFlow, whose import costs a worker 7 s and 600 MB.
"""

import struct
from collections.abc import Iterator
from typing import Final

import google_crc32c

from brev_pipeline.errors import ShardError

_LENGTH: Final = struct.Struct("<Q")
_CRC: Final = struct.Struct("<I")
HEADER_BYTES: Final = _LENGTH.size + _CRC.size
FOOTER_BYTES: Final = _CRC.size


def masked_crc(data: bytes) -> int:
    """CRC-32C, rotated right by 15 bits plus a constant: a checksum of bytes that may hold checksums."""
    crc = google_crc32c.value(data)
    # TensorFlow's kMaskDelta: a checksum of data that holds its own checksum would be of little use.
    return int(((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def frame_record(record: bytes, crc: int) -> tuple[bytes, bytes]:
    """Header and footer of a record whose `masked_crc` is ``crc``."""
    length = _LENGTH.pack(len(record))
    return length + _CRC.pack(masked_crc(length)), _CRC.pack(crc)


def read_frame(data: bytes, offset: int, place: str) -> tuple[bytes, int]:
    """Take the record out of the frame that begins at ``offset``.

    Returns:
        The record and its masked CRC-32C.

    Raises:
        ShardError: the frame is cut short, or a checksum is wrong.
    """
    head = data[offset : offset + HEADER_BYTES]
    if len(head) < HEADER_BYTES or masked_crc(head[:8]) != _CRC.unpack_from(head, 8)[0]:
        raise _damaged(place, offset, "the length of the record does not match its checksum")
    (length,) = _LENGTH.unpack_from(head)
    start = offset + HEADER_BYTES
    record, foot = data[start : start + length], data[start + length : start + length + FOOTER_BYTES]
    if len(foot) < FOOTER_BYTES:
        raise _damaged(place, offset, f"the file ends within a record of {length} bytes")
    (crc,) = _CRC.unpack(foot)
    if masked_crc(record) != crc:
        raise _damaged(place, offset, "the record does not match its checksum")
    return record, crc


def iterate_frames(data: bytes, place: str) -> Iterator[tuple[int, bytes, int]]:
    """All (offset, record, masked CRC-32C) of a file, in order, every checksum checked.

    Raises:
        ShardError: see `read_frame`.
    """
    offset = 0
    while offset < len(data):
        record, crc = read_frame(data, offset, place)
        yield offset, record, crc
        offset += HEADER_BYTES + len(record) + FOOTER_BYTES


def _damaged(place: str, offset: int, what: str) -> ShardError:
    return ShardError(f"{place} is damaged at byte {offset}: {what}; restore the file, or write the version again")
