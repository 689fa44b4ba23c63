"""From a record to its pixels, the same whichever library reads it.

A training loop needs the image's bytes of every record; the rest stands in the record table. Walking over the
entries of the ``tf.train.Example`` (protobuf's wire format, see its "Encoding" guide) until the name fits costs a tenth
of decoding it whole.
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from brev_pipeline.errors import ShardError
from brev_pipeline.frames import split_frames
from brev_pipeline.records.encodings import ENCODINGS
from brev_pipeline.records.example import Values, decode_example, decode_feature
from brev_pipeline.records.schema import ImageShape
from brev_pipeline.rescaling import Rescale, rescale_table


def find_bytes_feature(record: bytes, name: bytes) -> memoryview | None:
    """The bytes of a feature that holds one bytes value; None where the record has no feature of this name.

    Nothing is copied: the result is a view of ``record``.

    Args:
        record: a serialized ``tf.train.Example``.
        name: the feature's key.

    Raises:
        ShardError: these are not the bytes of such an Example.
    """
    try:
        if (value := _find_feature(record, name)) is None:
            return None
        # Feature { BytesList bytes_list = 1; }, BytesList { repeated bytes value = 1; }: three lengths, one in the
        # other.
        stop = 0
        for _ in range(3):
            stop, value = _read_delimited(record, value)
        return memoryview(record)[value:stop]
    except IndexError as error:
        raise ShardError("not a tf.train.Example: it ends within a feature") from error


def read_feature(record: bytes, name: str) -> Values:
    """The values of one feature, without those of the others.

    Args:
        record: a serialized ``tf.train.Example``.
        name: the feature's key.

    Raises:
        ShardError: these are not the bytes of such an Example, or it has no such feature.
    """
    try:
        if (value := _find_feature(record, name.encode())) is None:
            raise ShardError(
                f"the record has no feature {name}: the version was written otherwise; `brev-pipeline verify` says how"
            )
        stop, begin = _read_delimited(record, value)
    except IndexError as error:
        raise ShardError("not a tf.train.Example: it ends within a feature") from error
    return decode_feature(record[begin:stop], name)


def _find_feature(record: bytes, name: bytes) -> int | None:
    """Where the value of a feature's map entry begins, with the tag of its Feature."""
    # Example { Features features = 1; }, Features { map<string, Feature> feature = 1; }
    end, at = _read_delimited(record, 0)
    while at < end:
        stop, at = _read_delimited(record, at)
        key = at + 2
        value = key + record[at + 1]
        if record[at + 1] > 0x7F:
            value, key = _read_delimited(record, at)
        if record[key:value] == name:
            return value
        at = stop
    return None


def _read_delimited(record: bytes, at: int) -> tuple[int, int]:
    """End and begin of the length-delimited field whose tag (one byte) is at ``at``."""
    length, shift, at = 0, 0, at + 1
    while (byte := record[at]) > 0x7F:
        length |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
    at += 1
    return at + (length | byte << shift), at


Image: TypeAlias = npt.NDArray[Any]
"""Shape ([frames,] height, width, channels), uint8 or float32; channels 1 (grey) or 3 (RGB)."""


class PixelDecoder:
    """Decodes the image of a record.

    Args:
        encoding: of the version: png, jpeg or raw.
        shape: of the version's images.
        rescale: see `rescaling.rescale_factors`.
    """

    def __init__(self, encoding: str, shape: ImageShape, rescale: Rescale = None) -> None:
        self._decode_pixels = ENCODINGS[encoding].decode_pixels
        self._key = f"image/{ENCODINGS[encoding].stored_as}".encode()
        self._shape = shape
        self._table = rescale_table(rescale, shape.channels)

    def __call__(self, record: bytes) -> Image:
        """The image of a record; an array of its own, that may be written to.

        Raises:
            ShardError: the record holds no such image.
        """
        data = find_bytes_feature(record, self._key)
        if data is None:
            raise ShardError(
                f"the record has no feature {self._key.decode()}: the version was written otherwise; `brev-pipeline "
                "verify` says how"
            )
        image = self._decode_pixels(data, self._shape.channels)
        if image.ndim == 1:
            width = self._shape.width or int(decode_example(record)["image/width"][0])
            image = image.reshape(-1, width, self._shape.channels)
        if self._table is not None:
            import cv2

            image = np.asarray(cv2.LUT(image, self._table)).reshape(image.shape)
        return image if self._shape.frames is None else split_frames(image, self._shape.frames)
