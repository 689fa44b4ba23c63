"""Elastic deformation: a smooth random field of displacements, in integers.

The classic recipe (Simard, Steinkraus and Platt, 2003) smooths white noise with a Gaussian, whose float sums differ
between CPUs. A cubic B-spline over a coarse grid of random displacements does the same in integers. Its kernel is a
bell with a standard deviation of 1/√3 of the grid's spacing; it never exceeds its largest control point; and its
sums, a matrix product of integers below 2⁵³ in 64-bit floats, are exact in any order.
"""

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from brev_pipeline.augmentation.geometry import ONE, Integers
from brev_pipeline.augmentation.streams import raw_words
from brev_pipeline.config.models import ImageDeformation

_WEIGHT_BITS: Final = 10
_WEIGHT: Final = 1 << _WEIGHT_BITS  # sum of the four B-spline weights of a pixel
_SQRT3: Final = 1.7320508075688772


def displacements(settings: ImageDeformation, seed: int, height: int, width: int) -> Integers:
    """The field of displacements of one image: the same for the same arguments, everywhere.

    Args:
        settings: ``alpha`` (bound of each displacement) and ``sigma`` (smoothness), fractions of the shorter side.
        seed: the image's.
        height: px.
        width: px.

    Returns:
        int32 (2, height, width): displacement to the right and down, in 1/256 px, at most alpha · side.
    """
    side = min(height, width)
    spacing = max(1.0, settings.sigma * side * _SQRT3)
    down, along = spline(height, spacing), spline(width, spacing)
    shape = (2, down.shape[1], along.shape[1])
    words = raw_words(seed, b"deformation", shape[0] * shape[1] * shape[2]).reshape(shape)
    # Odd numbers within ± 2**24, so that the field is symmetric about 0.
    random = (words >> np.uint64(40)).astype(np.int64) * 2 + 1 - 2**24
    bound = int(settings.alpha * side * ONE)
    control = np.rint((random * bound).astype(np.float64) / 2**24)
    total: npt.NDArray[np.float64] = down @ control @ along.T
    return np.floor(total / _WEIGHT**2 + 0.5).astype(np.int32)


@lru_cache(maxsize=64)
def spline(length: int, spacing: float) -> npt.NDArray[np.float64]:
    """Weights of the control points in each pixel of a row: integers that sum to 1024.

    Args:
        length: of the row, px.
        spacing: of the control points, px, at least 1.

    Returns:
        float64 (length, control points), read-only, four neighbouring weights in each row.
    """
    place = (np.arange(length) + 0.5) / spacing
    first = place.astype(np.int64)
    t = place - first
    s = 1 - t
    # Products, not powers: NumPy's power is not the same to the last bit on every CPU.
    weights = np.stack([s * s * s / 6, 2 / 3 - t * t + t * t * t / 2, np.zeros(length), t * t * t / 6], axis=1)
    weights = np.floor(weights * _WEIGHT + 0.5)
    weights[:, 2] = _WEIGHT - weights.sum(axis=1)
    out = np.zeros((length, int(first[-1]) + 4))
    np.put_along_axis(out, first[:, None] + np.arange(4), weights, axis=1)
    out.flags.writeable = False
    return out
