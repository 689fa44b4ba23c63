"""Frames: an image is (height, width, channels), a time series (frames, height, width, channels) of equal images.

Whatever is done to an image is done to each frame of a time series alike; where one picture is needed (in a record,
on a sheet) the frames stand one below the other. The rooms that are given pixels say here what they need of the givers.
"""

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


class Augmenter(Protocol):
    """Changes pixels by a seed, as `brev_pipeline.augmentation.ImageAugmenter` does."""

    def augment(self, image: Pixels, seed: int) -> Pixels:
        """A new image, shaped like ``image``: (height, width, channels)."""


class PixelReader(Protocol):
    """Reads prepared pixels, as `brev_pipeline.images.PreparedPixels` does."""

    def read(self, rows: pa.Table) -> Iterable[Pixels]:
        """One array per row of prepared_images' columns, in order."""


def augment_frames(augmenter: Augmenter, image: Pixels, seed: int) -> Pixels:
    """One image augmented, or every frame of a time series in the same way."""
    if image.ndim == 3:
        return augmenter.augment(image, seed)
    return np.stack([augmenter.augment(frame, seed) for frame in image])


def stack_frames(image: Pixels) -> Pixels:
    """One image as it is, or the frames of a time series one below the other: (frames · height, width, channels)."""
    return image if image.ndim == 3 else image.reshape(-1, *image.shape[2:])


def split_frames(image: NDArray[Any], frames: int) -> NDArray[Any]:
    """What `stack_frames` put one below the other, as a time series again."""
    return image.reshape(frames, -1, *image.shape[1:])
