"""What the augmenter refuses, and how it says so."""

from operator import index
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from brev_pipeline.errors import AugmentError

Labels = npt.NDArray[Any]

MAX_SIDE: Final = 32766  # px; OpenCV cannot warp more


def checked_seed(seed: int) -> int:
    """The seed as a plain integer in [0, 2**64). Raises `AugmentError` if it is none."""
    try:
        number = index(seed)
    except TypeError as error:
        raise AugmentError(f"the seed {seed!r} is not an integer") from error
    if not 0 <= number < 2**64:
        raise AugmentError(f"the seed {number} is not in [0, 2**64)")
    return number


def check_size(height: int, width: int) -> None:
    """Raise `AugmentError` where an image cannot have this size."""
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise AugmentError(f"an image of {height}×{width} px cannot be augmented: a side has 1 to {MAX_SIDE} px")


def check_image(image: npt.NDArray[Any]) -> None:
    """Raise `AugmentError` unless this is uint8, (height, width) or with 1 or 3 channels."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = getattr(image, "dtype", type(image).__name__)
        raise AugmentError(f"the image is {kind}, not uint8: augment the prepared pixels, before they are rescaled")
    shape = image.shape
    if not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))):
        raise AugmentError(f"an image of shape {shape} cannot be augmented: (height, width), or with 1 or 3 channels")
    check_size(shape[0], shape[1])


def check_labels(labels: Labels, size: tuple[int, ...]) -> None:
    """Raise `AugmentError` unless these are integers of the image's height and width."""
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "uib":
        kind = getattr(labels, "dtype", type(labels).__name__)
        raise AugmentError(f"the labels are {kind}, not an array of integers")
    if labels.ndim not in (2, 3) or labels.shape[:2] != size:
        raise AugmentError(
            f"the labels have shape {labels.shape}, the image has {size[0]}×{size[1]} px: both need the same size"
        )
