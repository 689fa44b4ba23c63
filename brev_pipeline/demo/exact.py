"""Exact: the arithmetic that every picture is made of, chosen so that its result is the same on every machine.

Only IEEE 754 addition, subtraction, multiplication, division, square root, comparison and rounding are used, one
NumPy operation at a time, and integers where many values are summed: each of these is correctly rounded by
definition, so neither vector width, nor fused multiply-add, nor the order of a sum, nor the maths library, nor
OpenCV can change a bit. There is no sine, exponential or power in this package for that reason.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

# float32 throughout: (height, width) for a plane, (3, height, width) for a picture in linear light, red first.
# Plain Python numbers beside an array take its type (NEP 50), so that constants need no conversion.
Field = NDArray[np.floating[Any]]

# Sums are taken in integers, in steps of this fraction of full scale.
_STEP: Final = 1 / 4096


def clip(x: Field, low: float, high: float) -> Field:
    """``x`` held between ``low`` and ``high``."""
    return np.minimum(np.maximum(x, low), high)


def ramp(low: float, high: float, x: Field) -> Field:
    """0 below ``low``, 1 above ``high`` (or the other way about if ``high < low``), straight between."""
    return clip((x - low) * (1 / (high - low)), 0, 1)


def smooth(low: float, high: float, x: Field) -> Field:
    """As `ramp`, with flat ends (3t² − 2t³)."""
    t = ramp(low, high, x)
    return t * t * (3 - 2 * t)


def band(low: float, high: float, soft: float, x: Field) -> Field:
    """1 between ``low`` and ``high``, 0 outside, with edges ``soft`` wide."""
    half = soft / 2
    return smooth(low - half, low + half, x) * smooth(high + half, high - half, x)


def bell(x: Field, centre: float, width: float) -> Field:
    """A bump of height 1 at ``centre``, (1 + (x/width)²)⁻²: close to a Gaussian, without its exponential."""
    t = (x - centre) * (1 / width)
    t = 1 / (1 + t * t)
    return t * t


def root(x: Field) -> Field:
    """Square root, 0 where ``x`` is negative."""
    return np.sqrt(np.maximum(x, 0))


def colour(red: float, green: float, blue: float) -> Field:
    """A colour in linear light as a (3, 1, 1) array that stretches over a plane."""
    return np.array([red, green, blue], np.float32).reshape(3, 1, 1)


def over(picture: Field, paint: Field, coverage: Field) -> Field:
    """``paint`` laid over ``picture`` where ``coverage`` (0..1) says so."""
    return picture + (paint - picture) * coverage


def blur(picture: Field, radius_y: int, radius_x: int, passes: int = 3) -> Field:
    """Running means of 2·radius + 1 pixels, ``passes`` times: three come close to a Gaussian. Borders repeat."""
    for _ in range(passes):
        picture = _mean(_mean(picture, radius_y, -2), radius_x, -1)
    return picture


def _mean(picture: Field, radius: int, axis: int) -> Field:
    if radius < 1:
        return picture
    whole = np.rint(picture * (1 / _STEP)).astype(np.int32)
    pad = [(0, 0)] * picture.ndim
    pad[axis] = (radius + 1, radius)
    total = np.cumsum(np.pad(whole, pad, mode="edge"), axis=axis, dtype=np.int32)
    n, window = picture.shape[axis], 2 * radius + 1
    sums = _span(total, window, window + n, axis) - _span(total, 0, n, axis)
    return sums.astype(np.float32) * (_STEP / window)


def _span(array: NDArray[np.int32], start: int, stop: int, axis: int) -> NDArray[np.int32]:
    return array[..., start:stop, :] if axis == -2 else array[..., start:stop]


def soften(picture: Field, amount: float) -> Field:
    """Blur by the three-tap kernel (amount, 1 − 2·amount, amount) both ways; 0.25 is a sigma of 0.7 px."""
    side, middle = amount, 1 - 2 * amount
    padded = np.pad(picture, [(0, 0)] * (picture.ndim - 2) + [(1, 1), (1, 1)], mode="edge")
    rows = (padded[..., :-2, :] + padded[..., 2:, :]) * side + padded[..., 1:-1, :] * middle
    return (rows[..., :-2] + rows[..., 2:]) * side + rows[..., 1:-1] * middle


def sample(picture: Field, y: Field, x: Field) -> Field:
    """``picture`` at fractional pixel positions, bilinear, borders repeated."""
    height, width = picture.shape[-2:]
    y, x = clip(y, 0, height - 1.001), clip(x, 0, width - 1.001)
    y0, x0 = np.floor(y), np.floor(x)
    fy, fx = y - y0, x - x0
    at = y0.astype(np.intp) * width + x0.astype(np.intp)
    flat = picture.reshape(*picture.shape[:-2], height * width)
    top = _between(flat, at, fx)
    return top + (_between(flat, at + width, fx) - top) * fy


def _between(flat: Field, at: NDArray[np.intp], share: Field) -> Field:
    left = np.take(flat, at, axis=-1)
    return left + (np.take(flat, at + 1, axis=-1) - left) * share


def lookup(table: Field, x: Field) -> Field:
    """``table`` (one-dimensional) at fractional places, straight between its entries, ends repeated."""
    x = clip(x, 0, len(table) - 1.001)
    x0 = np.floor(x)
    return _between(table, x0.astype(np.intp), x - x0)
