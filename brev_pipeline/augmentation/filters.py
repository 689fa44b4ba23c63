"""Filters: emboss, mean, Gaussian. Borders are mirrored, so that a blur never darkens them.

`cv2.blur` and `cv2.GaussianBlur` work on uint8 in integers. `cv2.filter2D` works in 32-bit floats: kernel entries
in 1/256 times 8 bits of grey, nine of them, are exact there.
"""

from functools import lru_cache
from typing import Any, Final

import cv2
import numpy as np

from brev_pipeline.augmentation.geometry import Image

_BORDER: Final = cv2.BORDER_REFLECT_101
_GRID: Final = 256


def apply_filters(image: Image, applied: dict[str, Any]) -> Image:
    """Apply the filters that were drawn: emboss, then mean, then Gaussian.

    Args:
        image: (h, w) or (h, w, 3).
        applied: values of ``emboss``, ``mean``, ``gaussian``, as far as they are applied.

    Returns:
        An array of the same shape; ``image`` itself where no filter was drawn.
    """
    if "emboss" in applied:
        image = apply_emboss(image, *applied["emboss"])
    if "mean" in applied:
        side = applied["mean"]
        image = cv2.blur(image, (side, side), borderType=_BORDER)
    if "gaussian" in applied:
        sigma = applied["gaussian"]
        size = gaussian_size(sigma)
        image = cv2.GaussianBlur(image, (size, size), sigma, borderType=_BORDER)
    return image


def apply_emboss(image: Image, right: float, down: float) -> Image:
    """Add the relief: the image's Sobel gradients times their strengths, in all channels alike.

    Args:
        image: (h, w) or (h, w, 3).
        right: strength of the horizontal gradient, −1 to 1.
        down: strength of the vertical gradient, −1 to 1.
    """
    x, y = round(right * _GRID) / _GRID, round(down * _GRID) / _GRID
    kernel = [[-x - y, -2 * y, x - y], [-2 * x, 1, 2 * x], [y - x, 2 * y, x + y]]  # 1 + x · Sobel + y · Sobelᵀ
    return cv2.filter2D(image, -1, np.array(kernel, np.float32), borderType=_BORDER)  # type: ignore[no-any-return]


@lru_cache(maxsize=64)
def gaussian_size(sigma: float) -> int:
    """Side of the kernel, px: odd, and wide enough that what is left out rounds to 0 in the kernel's 8 bits."""
    return 2 * max(1, int(3.4 * sigma)) + 1
