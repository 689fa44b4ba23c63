"""One feature out of a ``tf.train.Example``, without decoding the others.

A training loop needs the image's bytes of every record; the rest stands in the record table. Walking over the
entries of the Example (protobuf's wire format, see protobuf's "Encoding" guide) until the name fits costs a tenth of
decoding it whole.
"""

from brev_pipeline.errors import ShardError


def bytes_feature(record: bytes, name: bytes) -> memoryview | None:
    """The bytes of a feature that holds one bytes value; None where the record has no feature of this name.

    Nothing is copied: the result is a view of ``record``.

    Args:
        record: a serialized ``tf.train.Example``.
        name: the feature's key, shorter than 128 bytes.

    Raises:
        ShardError: these are not the bytes of such an Example.
    """
    try:
        # Example { Features features = 1; }, Features { map<string, Feature> feature = 1; }
        end, at = _delimited(record, 0)
        while at < end:
            stop, at = _delimited(record, at)
            key = at + 2
            value = key + record[at + 1]
            if record[key:value] == name:
                return _single(record, value)
            at = stop
    except IndexError as error:
        raise ShardError("not a tf.train.Example: it ends within a feature") from error
    return None


def _single(record: bytes, at: int) -> memoryview:
    # Feature { BytesList bytes_list = 1; }, BytesList { repeated bytes value = 1; }: three lengths, one in the other.
    for _ in range(3):
        stop, at = _delimited(record, at)
    return memoryview(record)[at:stop]


def _delimited(record: bytes, at: int) -> tuple[int, int]:
    """End and begin of the length-delimited field whose tag (one byte) is at ``at``."""
    length, shift, at = 0, 0, at + 1
    while (byte := record[at]) > 0x7F:
        length |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
    at += 1
    return at + (length | byte << shift), at
