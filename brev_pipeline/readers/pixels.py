"""From a record to its pixels, the same whichever library reads it."""

from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from brev_pipeline.errors import ShardError
from brev_pipeline.readers.example import bytes_feature
from brev_pipeline.readers.shape import Shape
from brev_pipeline.rescaling import Rescale, lookup

Image: TypeAlias = npt.NDArray[Any]
"""Shape ([frames,] height, width, channels), uint8 or float32; channels 1 (grey) or 3 (RGB)."""

_GREY: Final = 1


class PixelDecoder:
    """Decodes the image of a record.

    Args:
        encoding: of the version: png, jpeg or raw.
        shape: of the version's images.
        rescale: see `rescaling.factors`.
    """

    def __init__(self, encoding: str, shape: Shape, rescale: Rescale = None) -> None:
        self._decode = {"raw": _raw, "png": _png, "jpeg": _jpeg}[encoding]
        self._key = b"image/raw" if encoding == "raw" else b"image/encoded"
        self._shape = shape
        self._table = lookup(rescale, shape.channels)

    def __call__(self, record: bytes) -> Image:
        """The image of a record; an array of its own, that may be written to.

        Raises:
            ShardError: the record holds no such image.
        """
        data = bytes_feature(record, self._key)
        if data is None:
            raise ShardError(
                f"the record has no feature {self._key.decode()}: the version was written otherwise; `brev-pipeline "
                "verify` says how"
            )
        image = self._decode(data, self._shape, record)
        if self._table is not None:
            image = _rescaled(image, self._table)
        return image if self._shape.frames is None else _apart(image, self._shape.frames)


def _rescaled(image: Image, table: npt.NDArray[np.float32]) -> Image:
    import cv2

    return np.asarray(cv2.LUT(image, table)).reshape(image.shape)


def _apart(image: Image, frames: int) -> Image:
    """The frames of a time series, which are stored one below the other."""
    return image.reshape(frames, -1, *image.shape[1:])


def _png(data: memoryview, shape: Shape, _: bytes) -> Image:
    import cv2

    flags = cv2.IMREAD_GRAYSCALE if shape.channels == _GREY else cv2.IMREAD_COLOR_RGB
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None:
        raise ShardError("the record's image is not a PNG file; `brev-pipeline verify` names the record")
    return np.asarray(image).reshape(*image.shape[:2], shape.channels)


def _jpeg(data: memoryview, shape: Shape, _: bytes) -> Image:
    # libjpeg-turbo as in OpenCV: the same pixels in a quarter less time.
    import simplejpeg

    try:
        return np.asarray(simplejpeg.decode_jpeg(data, "GRAY" if shape.channels == _GREY else "RGB"))
    except ValueError as error:
        raise ShardError(
            f"the record's image is not a JPEG file: {error}; `brev-pipeline verify` names the record"
        ) from error


def _raw(data: memoryview, shape: Shape, record: bytes) -> Image:
    width = shape.width
    if width is None:
        from brev_pipeline.records.example import decode_example

        width = int(decode_example(record)["image/width"][0])
    return np.frombuffer(data, np.uint8).copy().reshape(-1, width, shape.channels)
