"""From a record to its pixels, the same whichever library reads it."""

from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from brev_pipeline.errors import ShardError
from brev_pipeline.reading.example import bytes_feature
from brev_pipeline.reading.rescale import Rescale, lookup

Image: TypeAlias = npt.NDArray[Any]
"""Shape (height, width, channels), uint8 or float32; channels 1 (grey) or 3 (RGB)."""

Shape: TypeAlias = tuple[int | None, int | None, int]
"""Height and width in px, None where images differ; channels."""

_GREY: Final = 1


class PixelDecoder:
    """Decodes the image of a record.

    Args:
        encoding: of the version: png, jpeg or raw.
        shape: height and width in px (None where images differ), channels (1 or 3).
        rescale: see `rescale.factors`.
    """

    def __init__(self, encoding: str, shape: Shape, rescale: Rescale = None) -> None:
        self._decode = {"raw": _raw, "png": _png, "jpeg": _jpeg}[encoding]
        self._key = b"image/raw" if encoding == "raw" else b"image/encoded"
        self._shape = shape
        self._table = lookup(rescale, shape[2])

    def __call__(self, record: bytes) -> Image:
        """The image of a record; an array of its own, that may be written to.

        Raises:
            ShardError: the record holds no such image.
        """
        data = bytes_feature(record, self._key)
        if data is None:
            raise ShardError(f"the record has no feature {self._key.decode()}: the version was written otherwise")
        image = self._decode(data, self._shape, record)
        return image if self._table is None else _rescaled(image, self._table)


def _rescaled(image: Image, table: npt.NDArray[np.float32]) -> Image:
    import cv2

    return np.asarray(cv2.LUT(image, table)).reshape(image.shape)


def _png(data: memoryview, shape: Shape, _: bytes) -> Image:
    import cv2

    flags = cv2.IMREAD_GRAYSCALE if shape[2] == _GREY else cv2.IMREAD_COLOR_RGB
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None:
        raise ShardError("the record's image is not a PNG file")
    return np.asarray(image).reshape(*image.shape[:2], shape[2])


def _jpeg(data: memoryview, shape: Shape, _: bytes) -> Image:
    # libjpeg-turbo as in OpenCV: the same pixels in a quarter less time.
    import simplejpeg

    try:
        return np.asarray(simplejpeg.decode_jpeg(data, "GRAY" if shape[2] == _GREY else "RGB"))
    except ValueError as error:
        raise ShardError(f"the record's image is not a JPEG file: {error}") from error


def _raw(data: memoryview, shape: Shape, record: bytes) -> Image:
    pixels = np.frombuffer(data, np.uint8).copy()
    if None not in shape:
        return pixels.reshape(shape)
    from brev_pipeline.shards.example import decode_example

    features = decode_example(record)
    return pixels.reshape(features["image/height"][0], features["image/width"][0], shape[2])
