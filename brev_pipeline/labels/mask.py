"""Masks: one class for each pixel, 0 for the background and 255 where nobody said.

A prepared mask is uint8 ([frames,] height, width), of the size of the prepared image. A record holds it as PNG, the
frames of a time series one below the other as those of its image.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from brev_pipeline.errors import LabelError
from brev_pipeline.labels.base import (
    BACKGROUND,
    UNLABELLED,
    UNNAMED,
    Arrangement,
    Colours,
    Mask,
    Movement,
    Pixels,
    draw_outline,
)
from brev_pipeline.record_features import FeatureValue, RecordFeature
from brev_pipeline.texts import TEXT

LISTED_TYPE: Final = pa.struct(
    [
        pa.field("path", TEXT, nullable=False),  # "": no file, and by the configuration nothing to see on the photo
        pa.field("etag", TEXT),
        pa.field("etag_source", TEXT),  # as of the listing's images: s3, md5, none
        pa.field("size", pa.int64()),
        pa.field("modified", pa.timestamp("us", "UTC")),
        pa.field("file_stamp", TEXT),
        pa.field("source", pa.int32(), nullable=False),  # place in the dataset's labels: says what its values mean
    ]
)


class MaskKind:
    """See `LabelKind`. What is prepared is a mask of class numbers, (height, width) of the upright photo."""

    name: Final = "mask"
    listed_type: Final = LISTED_TYPE

    def features(self, classes: Sequence[str], *, is_time_series: bool) -> tuple[RecordFeature, ...]:
        """See `LabelKind`."""
        below = "; a time series has its frames one below the other" if is_time_series else ""
        said = f"number of the class of each pixel, 0 background, 255 not labelled; a grey PNG file{below}"
        return (
            RecordFeature("mask/encoded", "bytes", said, "labels", "LabeledImage", classes=tuple(classes)),
            RecordFeature("mask/labelled", "int64", "1 where the photo has a mask, else 0", "labels", "Scalar"),
        )

    def identify(self, listed: Mapping[str, Any]) -> bytes:
        """The file's entity tag: where it lies is no part of what it says."""
        return f"mask {listed['etag']}".encode() if listed["path"] else b"mask empty"

    def prepare(self, given: Mask, arrangement: Arrangement) -> Mask:
        """See `LabelKind`.

        Raises:
            LabelError: the mask is of another size than the photo.
        """
        if given.shape != arrangement.size:
            raise size_error(given.shape, arrangement.size)
        return arrangement.arrange_mask(given)

    def move(self, value: Mask, movement: Movement) -> Mask:
        """See `LabelKind`."""
        if value.ndim == 2:
            return movement.move_mask(value)
        return np.stack([movement.move_mask(frame) for frame in value])

    def encode(
        self,
        value: Mask | None,
        size: tuple[int, ...],
        classes: Mapping[str, int],  # noqa: ARG002
    ) -> dict[str, FeatureValue]:
        """See `LabelKind`."""
        mask = np.full(size, UNLABELLED, np.uint8) if value is None else value
        return {"mask/encoded": encode_mask(mask.reshape(-1, size[-1])), "mask/labelled": int(value is not None)}

    def decode(self, features: Mapping[str, Any], size: tuple[int, ...]) -> dict[str, npt.NDArray[Any]]:
        """``encoded``: uint8 ([frames,] height, width); ``labelled``: bool ()."""
        (data,), (labelled,) = features["mask/encoded"], features["mask/labelled"]
        return {"encoded": read_encoded_mask(data).reshape(size), "labelled": np.array(bool(labelled))}

    def draw(self, pixels: Pixels, value: Mask, colours: Colours) -> Pixels:
        """See `LabelKind`."""
        drawn = pixels.copy()
        frames = zip(drawn[None], value[None], strict=True) if value.ndim == 2 else zip(drawn, value, strict=True)
        for picture, mask in frames:
            for number in np.flatnonzero(np.bincount(mask.reshape(-1), minlength=256)).tolist():
                if number not in (BACKGROUND, UNLABELLED):
                    draw_outline(picture, mask == number, colours.get(number, UNNAMED))
        return drawn


def size_error(mask: tuple[int, ...], photo: tuple[int, ...]) -> LabelError:
    """What is said of a mask (height, width) that does not lie on its photo."""
    return LabelError(
        f"the mask is of {mask[1]}×{mask[0]} px, its photo of {photo[1]}×{photo[0]} px: give a mask of the photo's "
        "size, or write resize: true beside the masks' template"
    )


def count_classes(mask: Mask) -> dict[int, int]:
    """Class number → pixels, of the classes that a mask has."""
    counts = np.bincount(mask.reshape(-1), minlength=256)
    return {int(number): int(counts[number]) for number in np.flatnonzero(counts)}


def encode_mask(mask: Mask) -> bytes:
    """A mask (height, width) as PNG of 8-bit grey; the same bytes on every CPU.

    Raises:
        LabelError: it is too large for a PNG.
    """
    import cv2

    # Runs of one value are nearly all that a mask has. At 128×128 px: 25 µs and 290 bytes; with the filter "up", as for
    # photos, 33 µs and 460, with zlib's default strategy 29 µs and 400, at its level 6 66 µs and 260.
    pinned = [
        *(cv2.IMWRITE_PNG_COMPRESSION, 1),
        *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
        *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE),
    ]
    try:
        _, data = cv2.imencode(".png", np.ascontiguousarray(mask), pinned)
    except cv2.error as error:
        raise LabelError(f"a mask of {mask.shape[1]}×{mask.shape[0]} px cannot be encoded as PNG: {error}") from error
    return bytes(data)


def read_encoded_mask(data: bytes) -> Mask:
    """What `encode_mask` wrote: uint8 (height, width).

    Raises:
        LabelError: these are not such bytes.
    """
    import cv2

    mask = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if mask is None or mask.ndim != 2 or mask.dtype != np.uint8:
        raise LabelError("the record's mask is no PNG of 8-bit grey; `brev-pipeline verify` names the record")
    return np.asarray(mask)
