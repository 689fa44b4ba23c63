"""``tf.train.Example`` without TensorFlow: read by protobuf, written by the few lines of its wire format.

The messages (tensorflow/core/example, and protobuf's "Encoding" guide): an Example holds Features, a map from
name to Feature, and a Feature holds a list of bytes, or a packed list of int64 or float32. Entries of the map are
written in sorted key order, which is what protobuf calls deterministic; a test holds the result against
``Example.SerializeToString(deterministic=True)``. (Python's protobuf alone writes a key that begins with another key,
as ``label/multi_hot`` with ``label``, before that one; all else is equal.)
"""

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, Final, TypeAlias

import numpy as np

from brev_pipeline.errors import ShardError
from brev_pipeline.record_features import FeatureValue

Values: TypeAlias = list[bytes] | list[int] | list[float]  # of one feature, as decoded

# A tag is the field's number shifted left by 3, plus the wire type: 0 varint, 2 length-delimited.
_FIELD_1, _FIELD_2, _INT64_LIST = b"\x0a", b"\x12", b"\x1a"
_FLOAT_LIST: Final = _FIELD_2
_MASK: Final = 2**64 - 1
_NAN: Final = np.float32("nan")  # the quiet one without a sign: x86 makes another by 0/0 than ARM does


def encode_example(features: Mapping[str, FeatureValue]) -> bytes:
    """Encode features as a ``tf.train.Example``: the same bytes for the same features, in whatever order.

    A value is bytes, an int in [-2**63, 2**63) or a sequence of such, or a float or a flat float32 array: a float is
    rounded to float32, and every NaN is stored as one and the same. An empty array is an empty list of floats, any
    other empty sequence one of int64.
    """
    parts: list[bytes] = []
    total = 0
    # Inside out: content < list < Feature < map entry. Only lengths are added up; the image is copied once.
    for name in sorted(features):
        content, kind = _encode_value(features[name])
        # An empty list of numbers is left out, an empty string of bytes is not.
        listed = b"" if kind != _FIELD_1 and not content else _FIELD_1 + _varint(len(content))
        inside = len(listed) + len(content)
        feature = kind + _varint(inside)
        key = _encode_key(name) + _varint(len(feature) + inside)
        entry = _FIELD_1 + _varint(len(key) + len(feature) + inside)
        parts += (entry, key, feature, listed, content)
        total += len(entry) + len(key) + len(feature) + inside
    return b"".join((_FIELD_1, _varint(total), *parts))


def decode_example(data: bytes) -> dict[str, Values]:
    """Decode a ``tf.train.Example``: each feature's list of bytes, int64 or float32 (as floats), in stored order.

    Raises:
        ShardError: these are not the bytes of such an Example.
    """
    from google.protobuf.message import DecodeError

    try:
        example = _message_class("Example").FromString(data)
    except DecodeError as error:
        raise ShardError(f"not a tf.train.Example: {error}") from error
    # protobuf keeps fields that it does not know; a record of ours has none.
    size = example.ByteSize()
    example.DiscardUnknownFields()
    if example.ByteSize() != size or not example.HasField("features"):
        raise ShardError("not a tf.train.Example: its fields are not those of one")
    return {entry.key: _list_values(entry.value, entry.key) for entry in example.features.feature}


def decode_feature(data: bytes, name: str) -> Values:
    """Decode one ``tf.train.Feature``.

    Args:
        data: its bytes.
        name: its key, for messages.

    Raises:
        ShardError: these are not the bytes of such a Feature.
    """
    from google.protobuf.message import DecodeError

    try:
        return _list_values(_message_class("Feature").FromString(data), name)
    except DecodeError as error:
        raise ShardError(f"not a tf.train.Feature: {name}: {error}") from error


def _list_values(feature: Any, name: str) -> Values:
    kind = feature.WhichOneof("kind")
    if kind is None:
        raise ShardError(f"not a tf.train.Example of bytes, int64 and float features: {name} is of none")
    values: Values = list(getattr(feature, kind).value)
    return values


@cache
def _message_class(name: str) -> Any:
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(_message_pool().FindMessageTypeByName(f"records.{name}"))


@cache
def _message_pool() -> Any:
    """The messages, in a pool of their own: in protobuf's default pool they would break ``import tensorflow``."""
    from google.protobuf import descriptor_pb2, descriptor_pool

    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="records", syntax="proto3")

    def add_message(name: str, *fields: tuple[str, int, int, bool, str]) -> Any:
        message = file.message_type.add(name=name)
        for label, number, kind, repeated, of in fields:
            message.field.add(
                name=label,
                number=number,
                type=kind,
                label=field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL,
                type_name=f".records.{of}" if of else None,
            )
        return message

    add_message("BytesList", ("value", 1, field.TYPE_BYTES, True, ""))
    add_message("FloatList", ("value", 1, field.TYPE_FLOAT, True, ""))
    add_message("Int64List", ("value", 1, field.TYPE_INT64, True, ""))
    kinds = (("bytes_list", 1, "BytesList"), ("float_list", 2, "FloatList"), ("int64_list", 3, "Int64List"))
    feature = add_message("Feature", *((name, number, field.TYPE_MESSAGE, False, of) for name, number, of in kinds))
    feature.oneof_decl.add(name="kind")
    for member in feature.field:
        member.oneof_index = 0
    # On the wire a map is a list of entries; read as one, their stored order is kept.
    add_message("Entry", ("key", 1, field.TYPE_STRING, False, ""), ("value", 2, field.TYPE_MESSAGE, False, "Feature"))
    add_message("Features", ("feature", 1, field.TYPE_MESSAGE, True, "Entry"))
    add_message("Example", ("features", 1, field.TYPE_MESSAGE, False, "Features"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _encode_value(value: FeatureValue) -> tuple[bytes, bytes]:
    """What a feature's list holds, and the tag of its kind."""
    if isinstance(value, bytes):
        return value, _FIELD_1
    if isinstance(value, int):
        return _varint(value & _MASK), _INT64_LIST
    if isinstance(value, float):
        value = np.array([value], np.float32)
    if isinstance(value, np.ndarray):
        return np.where(np.isnan(value), _NAN, value).astype("<f4").tobytes(), _FLOAT_LIST
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
