"""Appearance: what changes the values of pixels and not their places. Filters, then colour, then noise.

*Filters* (emboss, mean, Gaussian) mirror the borders, so that a blur never darkens them. `cv2.blur` and
`cv2.GaussianBlur` work on uint8 in integers. `cv2.filter2D` works in 32-bit floats: kernel entries in 1/256 times 8
bits of grey, nine of them, are exact there.

*Colour* (brightness, contrast, hue, saturation) is one matrix. The grey axis is where all channels are equal.
Saturation stretches the distance from it, hue turns about it, contrast stretches from the image's mean grey, brightness
adds. All four are affine, so one 3×4 matrix does them together without clipping in between, and no
hue–saturation–value arithmetic (inexact on float, coarse on uint8) is needed. Distance is plain Euclidean, not luma:
the same for RGB and BGR, and it leaves the mean where it is. `cv2.transform` on three uint8 channels multiplies in
fixed point of 1/1024 below 32, and a diagonal or one-channel matrix of that grid is exact in 32-bit floats: so
coefficients are rounded to 1/1024.

*White noise* is a table look-up: 65,536 quantiles of the normal distribution, one for each value of a random 16-bit
word. The table is made of integers, so that nothing depends on how a machine rounds logarithms: no quantile lies
nearer than 4e-9 to a rounding border, a million times further than libraries differ. The tails end at ± 4.3 sigma.
"""

from collections.abc import Mapping
from functools import lru_cache
from statistics import NormalDist
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from brev_pipeline.augmentation.geometry import Image
from brev_pipeline.augmentation.portable_math import cos_sin, raw_words

_BORDER: Final = cv2.BORDER_REFLECT_101
_KERNEL_GRID: Final = 256
_GRID: Final = 1024
_SIN60: Final = 0.8660254037844386  # √3 / 2
_FULL: Final = 255  # full scale, grey levels
_COLOUR_NAMES: Final = frozenset(("brightness", "contrast", "hue", "saturation"))
_SIZE: Final = 65536
_SIGMA: Final = 4096  # table steps per standard deviation
_HALF: Final = np.uint8(128)
_SHIFT: Final = 20  # binary places of the standard deviation in grey levels


def apply_filters(image: Image, applied: Mapping[str, Any]) -> Image:
    """Apply the filters that were drawn (``emboss``, then ``mean``, then ``gaussian``) to (h, w) or (h, w, 3).

    Returns an array of the same shape; ``image`` itself where no filter was drawn.
    """
    if "emboss" in applied:
        image = apply_emboss(image, *applied["emboss"])
    if "mean" in applied:
        image = cv2.blur(image, (applied["mean"], applied["mean"]), borderType=_BORDER)
    if "gaussian" in applied:
        size = gaussian_size(applied["gaussian"])
        image = cv2.GaussianBlur(image, (size, size), applied["gaussian"], borderType=_BORDER)
    return image


def apply_emboss(image: Image, right: float, down: float) -> Image:
    """Add the relief: the Sobel gradients to the right and down times their strengths (−1 to 1), in all channels."""
    x, y = round(right * _KERNEL_GRID) / _KERNEL_GRID, round(down * _KERNEL_GRID) / _KERNEL_GRID
    kernel = [[-x - y, -2 * y, x - y], [-2 * x, 1, 2 * x], [y - x, 2 * y, x + y]]  # 1 + x · Sobel + y · Sobelᵀ
    return cv2.filter2D(image, -1, np.array(kernel, np.float32), borderType=_BORDER)  # type: ignore[no-any-return]


@lru_cache(maxsize=64)
def gaussian_size(sigma: float) -> int:
    """Side of the kernel, px: odd, and wide enough that what is left out rounds to 0 in the kernel's 8 bits."""
    return 2 * max(1, int(3.4 * sigma)) + 1


def apply_colour(image: Image, applied: Mapping[str, Any]) -> Image:
    """Apply the colour changes that were drawn (``brightness``, ``contrast``, ``hue``, ``saturation``) to (h, w) or
    (h, w, 3); hue and saturation only where there is colour.

    Returns an array of the same shape; ``image`` itself where nothing was drawn.
    """
    if _COLOUR_NAMES.isdisjoint(applied):
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
    """The 3×4 matrix, in multiples of 1/1024: ``contrast`` is a factor on everything, ``hue`` turns about the grey
    axis, ``saturation`` a factor on the distance from it, ``offset`` grey levels that every channel gets.
    """
    cos, sin = cos_sin(hue)
    # Rodrigues' rotation about (1, 1, 1)/√3, stretched across that axis: a circulant matrix.
    after = _round_to_grid(contrast * (1 - saturation * (cos + 2 * _SIN60 * sin)) / 3)
    before = _round_to_grid(contrast * (1 - saturation * (cos - 2 * _SIN60 * sin)) / 3)
    # Grey stays grey: the factors of a row sum to the rounded contrast.
    same = _round_to_grid(contrast) - after - before
    add = _round_to_grid(offset)
    return [[same, after, before, add], [before, same, after, add], [after, before, same, add]]


def mean_grey(image: Image) -> float:
    """Mean over all pixels and channels, grey levels: an exact sum, then one division."""
    return sum(cv2.sumElems(image)) / image.size


def _round_to_grid(value: float) -> float:
    return round(value * _GRID) / _GRID


def add_white_noise(image: Image, stddev: float, seed: int) -> Image:
    """Add Gaussian noise, independent in every pixel and channel, rounded to grey levels and saturated.

    ``image`` is (h, w) or (h, w, 3), ``stddev`` a fraction of full scale, ``seed`` the image's.
    """
    words = raw_words(seed, b"white noise", (image.size + 3) // 4).view("<u2")[: image.size]
    noise = cv2.LUT(words.reshape(1, -1), noise_table(stddev)).reshape(image.shape)
    if noise.dtype == np.int16:
        return cv2.add(image, noise, dtype=cv2.CV_8U)  # type: ignore[no-any-return]
    # Grey levels less 128 are int8, whose addition saturates where that of grey levels does: at 0 and 255. It takes a
    # third of the time of a sum of two types.
    return cv2.add((image ^ _HALF).view(np.int8), noise).view(np.uint8) ^ _HALF  # type: ignore[no-any-return]


@lru_cache(maxsize=1)
def normal_quantiles() -> npt.NDArray[np.int64]:
    """Quantiles (i + ½) / 65,536 of the standard normal distribution in 1/4096, ascending and symmetric about 0."""
    inverse = NormalDist().inv_cdf
    upper = [round(inverse((place + 0.5) / _SIZE) * _SIGMA) for place in range(_SIZE // 2, _SIZE)]
    half = np.array(upper, np.int64)
    return np.concatenate([-half[::-1], half])


@lru_cache(maxsize=16)
def noise_table(stddev: float) -> npt.NDArray[np.int8] | npt.NDArray[np.int16]:
    """Noise in grey levels for each 16-bit word; (1, 65536), int8 where that holds it, else int16; read-only.

    ``stddev`` is a fraction of full scale, 0 to 1.
    """
    factor = int(stddev * 255 * 2**_SHIFT + 0.5)
    size = np.abs(normal_quantiles()) * factor
    levels = (size + _SIGMA * 2 ** (_SHIFT - 1)) // (_SIGMA * 2**_SHIFT)
    noise = (np.sign(normal_quantiles()) * levels)[None]
    table: npt.NDArray[Any] = noise.astype(np.int8 if levels.max() < 128 else np.int16)
    table.flags.writeable = False
    return table


def add_salt_and_pepper(image: Image, fraction: float, side: int, seed: int) -> Image:
    """Set specks to full scale or to zero, half of them each; where two meet, salt lies on top.

    A speck of ``side`` px (1, 3 or 5) is centred at ``fraction`` of the pixels of (h, w) or (h, w, 3).
    """
    height, width = image.shape[:2]
    words = raw_words(seed, b"salt and pepper", (height * width + 1) // 2).view("<u4")[: height * width]
    words = words.reshape(height, width)
    limit = int(fraction * 2**32)
    out = image.copy()
    for specks, level in ((words < limit // 2, 0), ((words >= limit // 2) & (words < limit), 255)):
        covered = cv2.dilate(specks.astype(np.uint8), np.ones((side, side), np.uint8))
        out[covered.astype(bool)] = level
    return out
