"""Geometry: flips, scale, rotation, shear and translation as one affine warp, the same for image and labels.

A matrix maps a pixel of the *result* to its place in the *source*, in integers of 1/256 px. `cv2.warpAffine` does
its sums in 32-bit floats, and comes out differently with AVX2 than with SSE2 when the matrix is any finer (seen in
215 of 300 warps with entries of 2⁻²⁰). With 1/256 it cannot: places below 2¹⁶ px have 24 bits, and so has every
term of the bilinear sum (8 bits of grey + 8 bits of each fraction). Beyond that, and under a deformation, integer
maps of ours and `cv2.remap`'s fixed-point weights (1/32 px) do the same.

What lies outside the source is its mirror image about the centre of the border pixels (``reflect_101``).

Elastic deformation is a smooth random field of displacements, in integers. The classic recipe (Simard, Steinkraus and
Platt, 2003) smooths white noise with a Gaussian, whose float sums differ between CPUs. A cubic B-spline over a coarse
grid of random displacements does the same in integers. Its kernel is a bell with a standard deviation of 1/√3 of the
grid's spacing; it never exceeds its largest control point; and its sums, a matrix product of integers below 2⁵³ in
64-bit floats, are exact in any order.
"""

from functools import lru_cache
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from brev_pipeline.augmentation.portable_math import cos_sin, raw_words
from brev_pipeline.config.training import ImageDeformation

Image = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int32] | npt.NDArray[np.int64]

_BITS: Final = 8
ONE: Final = 1 << _BITS  # grid steps per px
_EXACT: Final = 65536 * ONE  # places below this are exact in 32-bit floats
_FLAGS: Final = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
_BORDER: Final = cv2.BORDER_REFLECT_101


class AffineMatrix(NamedTuple):
    """Result pixel (x, y) → source place (xx·x + xy·y + x0, yx·x + yy·y + y0), all in 1/256."""

    xx: int
    xy: int
    x0: int
    yx: int
    yy: int
    y0: int

    def as_rows(self) -> list[list[float]]:
        """As 2×3 numbers in px; exact."""
        xx, xy, x0, yx, yy, y0 = self
        return [[xx / ONE, xy / ONE, x0 / ONE], [yx / ONE, yy / ONE, y0 / ONE]]


def affine_matrix(
    height: int,
    width: int,
    *,
    flip_up_down: bool = False,
    flip_left_right: bool = False,
    scale: float = 0.0,
    rotate: float = 0.0,
    translate_horizontal: float = 0.0,
    translate_vertical: float = 0.0,
    shear: tuple[float, float] = (0.0, 0.0),
) -> AffineMatrix:
    """The matrix of a flip, then zoom, rotation, shear about the centre, then translation.

    Flips and (where height and width are both odd or both even) quarter turns map pixels onto pixels exactly.

    Args:
        height: of source and result, px.
        width: of source and result, px.
        flip_up_down: top becomes bottom.
        flip_left_right: left becomes right.
        scale: zoom factor − 1; above 0 the picture grows.
        rotate: degrees, counter-clockwise as one looks at it.
        translate_horizontal: to the right, fraction of the width.
        translate_vertical: down, fraction of the height.
        shear: tangents of the shear angles (x by y, y by x): one shear after the other, so that areas stay.
    """
    cos, sin = cos_sin(rotate / 360)
    by_x, by_y = shear
    zoom = ONE / (1 + scale)
    left_right = -zoom if flip_left_right else zoom
    up_down = -zoom if flip_up_down else zoom
    slant = 1 + by_x * by_y
    xx = round(left_right * (cos + sin * by_y))
    xy = round(left_right * (-cos * by_x - sin * slant))
    yx = round(up_down * (sin - cos * by_y))
    yy = round(up_down * (cos * slant - sin * by_x))
    # The centre of a row of n pixels is at (n − 1) / 2; half a pixel beside it a flip would lose a column.
    x, y = (width - 1) / 2, (height - 1) / 2
    from_x, from_y = x + translate_horizontal * width, y + translate_vertical * height
    x0 = round(ONE * x - (xx * from_x + xy * from_y))
    y0 = round(ONE * y - (yx * from_x + yy * from_y))
    return AffineMatrix(xx, xy, x0, yx, yy, y0)


def warp_image(image: Image, matrix: AffineMatrix, field: Integers | None = None) -> Image:
    """Resample an image, (h, w) or (h, w, 3), bilinearly; bit-identical everywhere. Flips and quarter turns only move
    pixels.

    Args:
        image: what to resample; the result is a new C-contiguous array of the same shape.
        matrix: from `affine_matrix`, for this height and width.
        field: (2, h, w) displacements (x, y) of the result's pixels in 1/256 px, before the matrix.
    """
    if field is None:
        height, width = image.shape[:2]
        if (moved := _move_pixels(image, matrix)) is not None:
            return moved
        if _position_bound(matrix, height, width) < _EXACT:
            return cv2.warpAffine(image, np.array(matrix.as_rows()), (width, height), flags=_FLAGS, borderMode=_BORDER)  # type: ignore[no-any-return]
    x, y = _source_positions(matrix, field, *image.shape[:2])
    x, y = x + 4 >> 3, y + 4 >> 3  # 1/32 px
    whole = np.stack([x >> 5, y >> 5], axis=-1).astype(np.int16)
    rest = ((y & 31) << 5 | x & 31).astype(np.uint16)
    return cv2.remap(image, whole, rest, cv2.INTER_LINEAR, borderMode=_BORDER)  # type: ignore[no-any-return]


def warp_labels(labels: npt.NDArray[Any], matrix: AffineMatrix, field: Integers | None = None) -> npt.NDArray[Any]:
    """`warp_image` with the nearest neighbour, for labels of any integer type, (h, w) or (h, w, c): no new values."""
    if field is None and (moved := _move_pixels(labels, matrix)) is not None:
        return moved
    x, y = _source_positions(matrix, field, *labels.shape[:2])
    return np.ascontiguousarray(labels[y + ONE // 2 >> _BITS, x + ONE // 2 >> _BITS])


def _move_pixels(array: npt.NDArray[Any], matrix: AffineMatrix) -> npt.NDArray[Any] | None:
    """The result where it is a flip or quarter turn of the source, pixel for pixel; None where it is not."""
    xx, xy, x0, yx, yy, y0 = matrix
    height, width = array.shape[:2]
    if xy or yx:
        if xx or yy or height != width:
            return None
        array, xx, x0, yy, y0 = array.swapaxes(0, 1), yx, y0, xy, x0
    # Where a side is mirrored, the first pixel of the result is the last one of the source.
    first = 0 if xx > 0 else ONE * (width - 1), 0 if yy > 0 else ONE * (height - 1)
    if abs(xx) != ONE or abs(yy) != ONE or (x0, y0) != first:
        return None
    return array[:: yy // ONE, :: xx // ONE].copy()


def _position_bound(matrix: AffineMatrix, height: int, width: int) -> int:
    """Bound of every place and of every term of its sum, 1/256 px."""
    xx, xy, x0, yx, yy, y0 = matrix
    across = abs(xx) * width + abs(xy) * height + abs(x0)
    along = abs(yx) * width + abs(yy) * height + abs(y0)
    return across if across > along else along


def _source_positions(
    matrix: AffineMatrix, field: Integers | None, height: int, width: int
) -> tuple[Integers, Integers]:
    """Where in the source each pixel of the result lies, mirrored into it: x and y, (h, w), 1/256 px."""
    # Displacements at most double the reach; products have 1/256 of 1/256 px. Nearly always 32 bits hold that.
    kind = np.int32 if 2 * ONE * _position_bound(matrix, height, width) < 2**31 else np.int64
    x: npt.NDArray[Any] = np.arange(width, dtype=kind) * ONE
    y: npt.NDArray[Any] = np.arange(height, dtype=kind)[:, None] * ONE
    if field is not None:
        x, y = x + field[0], y + field[1]
    half = ONE // 2
    from_x = (matrix.xx * x + matrix.xy * y + half >> _BITS) + matrix.x0
    from_y = (matrix.yx * x + matrix.yy * y + half >> _BITS) + matrix.y0
    return _mirror_positions(from_x, width), _mirror_positions(from_y, height)


def _mirror_positions(places: Integers, length: int) -> Integers:
    if length == 1:
        return np.zeros_like(places)
    period = 2 * ONE * (length - 1)
    places = places % period
    return np.minimum(places, period - places)


_WEIGHT_BITS: Final = 10
_WEIGHT: Final = 1 << _WEIGHT_BITS  # sum of the four B-spline weights of a pixel
_SQRT3: Final = 1.7320508075688772


def displacement_field(settings: ImageDeformation, seed: int, height: int, width: int) -> Integers:
    """The field of displacements of one image, (height, width) px: the same for the same arguments, everywhere.

    ``alpha`` (bound of each displacement) and ``sigma`` (smoothness) are fractions of the shorter side.

    Returns:
        int32 (2, height, width): displacement to the right and down, in 1/256 px, at most alpha · the shorter side.
    """
    side = min(height, width)
    spacing = max(1.0, settings.sigma * side * _SQRT3)
    down, along = spline_weights(height, spacing), spline_weights(width, spacing)
    shape = (2, down.shape[1], along.shape[1])
    words = raw_words(seed, b"deformation", shape[0] * shape[1] * shape[2]).reshape(shape)
    # Odd numbers within ± 2**24, so that the field is symmetric about 0.
    random = (words >> np.uint64(40)).astype(np.int64) * 2 + 1 - 2**24
    bound = int(settings.alpha * side * ONE)
    control = np.rint((random * bound).astype(np.float64) / 2**24)
    total: npt.NDArray[np.float64] = down @ control @ along.T
    return np.floor(total / _WEIGHT**2 + 0.5).astype(np.int32)


@lru_cache(maxsize=64)
def spline_weights(length: int, spacing: float) -> npt.NDArray[np.float64]:
    """Weights of the control points, ``spacing`` (at least 1) px apart, in each pixel of a row of ``length`` px.

    Returns:
        float64 (length, control points), read-only: four neighbouring weights in each row, integers that sum to 1024.
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
