"""``tf.train.Example`` without TensorFlow: the few lines of protobuf's wire format that it needs.

The messages (tensorflow/core/example, and protobuf's "Encoding" guide): an Example holds Features, a map from
name to Feature, and a Feature holds a list of bytes or a packed list of int64 (or of float32, which our records
do not use). Entries of the map are written in sorted key order, which is what protobuf calls deterministic; a test
holds the result against ``Example.SerializeToString(deterministic=True)``. (Python's protobuf alone writes a key
that begins with another key, as ``label/multi_hot`` with ``label``, before that one; all else is equal.)
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from brev_pipeline.errors import ShardError

Value: TypeAlias = bytes | int | Sequence[int]
"""Of one feature: bytes, an int64, or a list of int64."""

# A tag is the field's number shifted left by 3, plus the wire type: 0 varint, 2 length-delimited.
_FIELD_1, _FIELD_2, _INT64_LIST = b"\x0a", b"\x12", b"\x1a"
_DELIMITED: Final = 2
_MASK: Final = 2**64 - 1
_KINDS: Final = {1: "bytes", 2: "float", 3: "int64"}


def encode_example(features: Mapping[str, Value]) -> bytes:
    """Encode features as a ``tf.train.Example``; the same bytes for the same features, in whatever order.

    Args:
        features: name → bytes, an int in [-2**63, 2**63), or a sequence of such.
    """
    parts: list[bytes] = []
    total = 0
    # Inside out: content < list < Feature < map entry. Only lengths are added up; the image is copied once.
    for name in sorted(features):
        content, kind = _encode_value(features[name])
        # An empty list of numbers is left out, an empty string of bytes is not.
        listed = b"" if kind == _INT64_LIST and not content else _FIELD_1 + _varint(len(content))
        inside = len(listed) + len(content)
        feature = kind + _varint(inside)
        key = _encode_key(name) + _varint(len(feature) + inside)
        entry = _FIELD_1 + _varint(len(key) + len(feature) + inside)
        parts += (entry, key, feature, listed, content)
        total += len(entry) + len(key) + len(feature) + inside
    return b"".join((_FIELD_1, _varint(total), *parts))


def decode_example(data: bytes) -> dict[str, list[bytes] | list[int]]:
    """Decode a ``tf.train.Example`` of bytes and int64 features, in stored order.

    Raises:
        ShardError: these are not the bytes of such an Example.
    """
    try:
        features = {}
        for entry in _repeated_field(_only_field(data, 1), 1):
            features[_only_field(entry, 1).decode()] = _decode_feature(_only_field(entry, 2))
    except (IndexError, ValueError) as error:
        raise ShardError(f"not a tf.train.Example of bytes and int64 features: {error}") from error
    return features


def _encode_value(value: Value) -> tuple[bytes, bytes]:
    """What a feature's list holds, and the tag of its kind."""
    if isinstance(value, bytes):
        return value, _FIELD_1
    if isinstance(value, int):
        return _varint(value & _MASK), _INT64_LIST
    return b"".join([_varint(number & _MASK) for number in value]), _INT64_LIST


@lru_cache(256)
def _encode_key(name: str) -> bytes:
    """A map entry's key, and the tag of its value."""
    key = name.encode()
    return _FIELD_1 + _varint(len(key)) + key + _FIELD_2


_ONE_BYTE: Final = [bytes((number,)) for number in range(0x80)]


def _varint(number: int) -> bytes:
    if number < 0x80:
        return _ONE_BYTE[number]
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _decode_feature(feature: bytes) -> list[bytes] | list[int]:
    ((kind, content),) = _split_fields(feature)
    if kind == 1:
        return _repeated_field(content, 1)
    if kind != 3:
        raise ValueError(f"a feature of kind {_KINDS.get(kind, kind)}")
    numbers: list[int] = []
    for packed in _repeated_field(content, 1):
        at = 0
        while at < len(packed):
            number, at = _read_varint(packed, at)
            numbers.append(number - 2**64 if number >= 2**63 else number)
    return numbers


def _only_field(message: bytes, field: int) -> bytes:
    parts = [content for number, content in _split_fields(message) if number == field]
    if len(parts) != 1:
        raise ValueError(f"{len(parts)} fields of number {field} where there should be 1")
    return parts[0]


def _repeated_field(message: bytes, field: int) -> list[bytes]:
    fields = _split_fields(message)
    if other := [number for number, _ in fields if number != field]:
        raise ValueError(f"unknown field {other[0]}")
    return [content for _, content in fields]


def _split_fields(message: bytes) -> list[tuple[int, bytes]]:
    """Number and content of each field; all that an Example has are length-delimited."""
    found, at = [], 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        if tag & 7 != _DELIMITED:
            raise ValueError(f"a field of wire type {tag & 7}")
        length, at = _read_varint(message, at)
        if at + length > len(message):
            raise ValueError("it is cut short")
        found.append((tag >> 3, message[at : at + length]))
        at += length
    return found


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
