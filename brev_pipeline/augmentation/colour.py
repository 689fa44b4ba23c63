"""Colour: brightness, contrast, hue and saturation as one matrix.

The grey axis is where all channels are equal. Saturation stretches the distance from it, hue turns about it,
contrast stretches from the image's mean grey, brightness adds. All four are affine, so one 3×4 matrix does them
together without clipping in between, and no hue–saturation–value arithmetic (inexact on float, coarse on uint8) is
needed. Distance is plain Euclidean, not luma: the same for RGB and BGR, and it leaves the mean where it is.

`cv2.transform` on three uint8 channels multiplies in fixed point of 1/1024 below 32, and a diagonal or one-channel
matrix of that grid is exact in 32-bit floats: so coefficients are rounded to 1/1024.
"""

from typing import Any, Final

import cv2
import numpy as np

from brev_pipeline.augmentation.geometry import Image
from brev_pipeline.augmentation.portable_math import cos_sin

_GRID: Final = 1024
_SIN60: Final = 0.8660254037844386  # √3 / 2
_FULL: Final = 255  # full scale, grey levels
_NAMES: Final = frozenset(("brightness", "contrast", "hue", "saturation"))


def apply_colour(image: Image, applied: dict[str, Any]) -> Image:
    """Apply the colour changes that were drawn; hue and saturation only where there is colour.

    Args:
        image: (h, w) or (h, w, 3).
        applied: values of ``brightness``, ``contrast``, ``hue``, ``saturation``, as far as they are applied.

    Returns:
        An array of the same shape; ``image`` itself where nothing was drawn.
    """
    if _NAMES.isdisjoint(applied):
        return image
    contrast = applied.get("contrast", 1.0)
    offset = applied.get("brightness", 0.0) * _FULL
    if contrast != 1:
        offset += (1 - contrast) * mean_grey(image)
    if image.ndim == 2:
        matrix = [[_round_to_grid(contrast), _round_to_grid(offset)]]
    else:
        matrix = colour_matrix(contrast, applied.get("hue", 0.0), applied.get("saturation", 1.0), offset)
    return cv2.transform(image, np.array(matrix))  # type: ignore[no-any-return]


def colour_matrix(contrast: float, hue: float, saturation: float, offset: float) -> list[list[float]]:
    """The 3×4 matrix, in multiples of 1/1024. Grey stays grey: the factors of a row sum to the rounded contrast.

    Args:
        contrast: factor on everything.
        hue: turns about the grey axis.
        saturation: factor on the distance from the grey axis.
        offset: added to every channel, grey levels.
    """
    cos, sin = cos_sin(hue)
    # Rodrigues' rotation about (1, 1, 1)/√3, stretched across that axis: a circulant matrix.
    after = _round_to_grid(contrast * (1 - saturation * (cos + 2 * _SIN60 * sin)) / 3)
    before = _round_to_grid(contrast * (1 - saturation * (cos - 2 * _SIN60 * sin)) / 3)
    same = _round_to_grid(contrast) - after - before
    add = _round_to_grid(offset)
    return [[same, after, before, add], [before, same, after, add], [after, before, same, add]]


def mean_grey(image: Image) -> float:
    """Mean over all pixels and channels, grey levels: an exact sum, then one division."""
    return sum(cv2.sumElems(image)) / image.size


def _round_to_grid(value: float) -> float:
    return round(value * _GRID) / _GRID
