"""Encodings of a record's image: PNG and JPEG by OpenCV with every parameter pinned, or the pixels as they are.

A new encoding is a module with a class that does what `RecordEncoding` says, and a line in `ENCODINGS`; its name stands
in `ShardSettings.encoding` too, so that a configuration may ask for it.
"""

from collections.abc import Callable
from itertools import chain
from typing import Any, Final, Literal, Protocol

import numpy as np

from brev_pipeline.config import ShardSettings
from brev_pipeline.errors import ShardError
from brev_pipeline.frames import Pixels


class RecordEncoding(Protocol):
    """How the pixels of a record become bytes, and these become pixels again."""

    @property
    def stored_as(self) -> Literal["encoded", "raw"]:
        """Which feature of a record holds the bytes, ``image/encoded`` or ``image/raw``."""

    def estimate_bytes_per_value(self, settings: ShardSettings) -> float:
        """Bytes that one value of a photograph's pixels takes, before any is encoded."""

    def make_encoder(self, settings: ShardSettings) -> Callable[[Pixels], bytes]:
        """A function from C-contiguous uint8 (height, width, channels) to bytes, the same on every CPU.

        It raises `ShardError` where the encoding cannot hold the pixels.
        """

    def decode_pixels(self, data: bytes | memoryview, channels: int | None = None) -> Pixels:
        """The pixels of these bytes: an array of its own, flat where the bytes tell no shape.

        Args:
            data: of one image.
            channels: to give (height, width, channels); None: as many as the bytes have, without an axis for one.

        Raises:
            ShardError: these are not such bytes.
        """

    def decode_tensor(self, data: Any, channels: int) -> Any:
        """The same pixels as a tensor, by TensorFlow; of bytes that tell no shape also those of several images."""
        ...


class RawEncoding:
    """The pixels as they are, row by row, channels innermost."""

    stored_as: Final = "raw"

    def estimate_bytes_per_value(self, settings: ShardSettings) -> float:  # noqa: ARG002
        """Exactly one."""
        return 1.0

    def make_encoder(self, settings: ShardSettings) -> Callable[[Pixels], bytes]:  # noqa: ARG002
        """See `RecordEncoding`."""
        return lambda image: image.tobytes()

    def decode_pixels(self, data: bytes | memoryview, channels: int | None = None) -> Pixels:  # noqa: ARG002
        """All values, flat."""
        return np.frombuffer(data, np.uint8).copy()

    def decode_tensor(self, data: Any, channels: int) -> Any:  # noqa: ARG002
        """All values, flat."""
        import tensorflow as tf

        return tf.io.decode_raw(data, tf.uint8)


class PngEncoding:
    """PNG, lossless: zlib level 1, run-length strategy, filter "up".

    On photos of 128×128 px that took half the time of zlib's default strategy, for files from 3 % smaller (with noise)
    to 8 % larger.
    """

    stored_as: Final = "encoded"

    def estimate_bytes_per_value(self, settings: ShardSettings) -> float:  # noqa: ARG002
        """As measured on photographs of parts."""
        return 0.6

    def make_encoder(self, settings: ShardSettings) -> Callable[[Pixels], bytes]:  # noqa: ARG002
        """See `RecordEncoding`."""
        import cv2

        pinned = {
            cv2.IMWRITE_PNG_COMPRESSION: 1,
            cv2.IMWRITE_PNG_STRATEGY: cv2.IMWRITE_PNG_STRATEGY_RLE,
            cv2.IMWRITE_PNG_FILTER: cv2.IMWRITE_PNG_FILTER_UP,
        }
        return _make_opencv_encoder("png", pinned)

    def decode_pixels(self, data: bytes | memoryview, channels: int | None = None) -> Pixels:
        """See `RecordEncoding`."""
        import cv2

        if channels is None:
            return _decode_as_stored(data)
        flags = cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR_RGB
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        if image is None:
            raise ShardError("the record's image is not a PNG file; `brev-pipeline verify` names the record")
        return np.asarray(image).reshape(*image.shape[:2], channels)

    def decode_tensor(self, data: Any, channels: int) -> Any:
        """See `RecordEncoding`."""
        import tensorflow as tf

        return tf.io.decode_png(data, channels=channels)


class JpegEncoding:
    """JPEG: baseline with 4:2:0 chroma and the standard Huffman tables."""

    stored_as: Final = "encoded"

    def estimate_bytes_per_value(self, settings: ShardSettings) -> float:
        """As measured on photographs of parts: a matter of the quality."""
        return next(share for quality, share in ((98, 0.3), (90, 0.15), (0, 0.07)) if settings.jpeg_quality >= quality)

    def make_encoder(self, settings: ShardSettings) -> Callable[[Pixels], bytes]:
        """See `RecordEncoding`."""
        import cv2

        pinned = {
            cv2.IMWRITE_JPEG_QUALITY: settings.jpeg_quality,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR: cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
            cv2.IMWRITE_JPEG_PROGRESSIVE: 0,
            cv2.IMWRITE_JPEG_OPTIMIZE: 0,
            cv2.IMWRITE_JPEG_RST_INTERVAL: 0,
        }
        return _make_opencv_encoder("jpeg", pinned)

    def decode_pixels(self, data: bytes | memoryview, channels: int | None = None) -> Pixels:
        """See `RecordEncoding`."""
        if channels is None:
            return _decode_as_stored(data)
        # libjpeg-turbo as in OpenCV: the same pixels in a quarter less time.
        import simplejpeg

        try:
            return np.asarray(simplejpeg.decode_jpeg(data, "GRAY" if channels == 1 else "RGB"))
        except ValueError as error:
            raise ShardError(
                f"the record's image is not a JPEG file: {error}; `brev-pipeline verify` names the record"
            ) from error

    def decode_tensor(self, data: Any, channels: int) -> Any:
        """See `RecordEncoding`."""
        import tensorflow as tf

        # TensorFlow's default is a faster transform whose pixels differ by up to 6 grey levels from all others'.
        return tf.io.decode_jpeg(data, channels=channels, dct_method="INTEGER_ACCURATE")


ENCODINGS: Final[dict[str, RecordEncoding]] = {"png": PngEncoding(), "jpeg": JpegEncoding(), "raw": RawEncoding()}
"""Name in the configuration and in ``image/format`` → encoding."""


def make_encoder(settings: ShardSettings) -> Callable[[Pixels], bytes]:
    """What turns pixels into the bytes of a record's image; the same bytes on every CPU.

    Raises:
        ShardError: (the function) what it is given is not uint8 pixels, or the format cannot hold them.
    """
    encode = ENCODINGS[settings.encoding].make_encoder(settings)

    def check_and_encode(image: Pixels) -> bytes:
        if image.dtype != np.uint8 or image.ndim != 3:
            raise ShardError(f"pixels must be uint8 (height, width, channels), got {image.dtype} {image.shape}")
        return encode(np.ascontiguousarray(image))

    return check_and_encode


def _make_opencv_encoder(name: str, pinned: dict[int, int]) -> Callable[[Pixels], bytes]:
    import cv2

    extension, parameters = f".{name}", list(chain.from_iterable(pinned.items()))

    def encode_with_opencv(image: Pixels) -> bytes:
        if image.shape[2] not in (1, 3):
            raise ShardError(f"pixels of shape {image.shape} cannot be a {name}: set shards.encoding to raw")
        try:
            # OpenCV wants blue first.
            pixels = image if image.shape[2] == 1 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
            _, data = cv2.imencode(extension, pixels, parameters)
        except cv2.error as error:
            raise ShardError(f"pixels of shape {image.shape} cannot be encoded as {name}: {error}") from error
        return bytes(data)

    return encode_with_opencv


def _decode_as_stored(data: bytes | memoryview) -> Pixels:
    import cv2

    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ShardError("the record's image is no image file")
    return np.asarray(image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
