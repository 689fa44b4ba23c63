"""Geometry: flips, scale, rotation, shear and translation as one affine warp, the same for image and labels.

A matrix maps a pixel of the *result* to its place in the *source*, in integers of 1/256 px. `cv2.warpAffine` does
its sums in 32-bit floats, and comes out differently with AVX2 than with SSE2 when the matrix is any finer (seen in
215 of 300 warps with entries of 2⁻²⁰). With 1/256 it cannot: places below 2¹⁶ px have 24 bits, and so has every
term of the bilinear sum (8 bits of grey + 8 bits of each fraction). Beyond that, and under a deformation, integer
maps of ours and `cv2.remap`'s fixed-point weights (1/32 px) do the same.

What lies outside the source is its mirror image about the centre of the border pixels (``reflect_101``), or 0: a mirror
shows things that lie in no box.

Labels take the nearest pixel, found in integers from the same matrix and field. OpenCV's own nearest neighbour is
quicker still, but rounds a place half way between two pixels of the mirror image to the other one.

Elastic deformation is a smooth random field of displacements, in integers. The classic recipe (Simard, Steinkraus and
Platt, 2003) smooths white noise with a Gaussian, whose float sums differ between CPUs. A cubic B-spline over a coarse
grid of random displacements does the same in integers. Its kernel is a bell with a standard deviation of 1/√3 of the
grid's spacing; it never exceeds its largest control point; and its sums, a matrix product of integers below 2⁵³ in
64-bit floats, are exact in any order.
"""

from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from brev_pipeline.augmentation.portable_math import cos_sin, raw_words
from brev_pipeline.config.training import ImageDeformation

Image = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int32] | npt.NDArray[np.int64]
Border: TypeAlias = Literal["mirror", "constant"]

_BITS: Final = 8
ONE: Final = 1 << _BITS  # grid steps per px
_EXACT: Final = 65536 * ONE  # places below this are exact in 32-bit floats
_FLAGS: Final = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
_BORDERS: Final[dict[Border, int]] = {"mirror": cv2.BORDER_REFLECT_101, "constant": cv2.BORDER_CONSTANT}


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


def warp_image(image: Image, matrix: AffineMatrix, field: Integers | None = None, border: Border = "mirror") -> Image:
    """Resample an image, (h, w) or (h, w, 3), bilinearly; bit-identical everywhere. Flips and quarter turns only move
    pixels.

    Args:
        image: what to resample; the result is a new C-contiguous array of the same shape.
        matrix: from `affine_matrix`, for this height and width.
        field: (2, h, w) displacements (x, y) of the result's pixels in 1/256 px, before the matrix.
        border: what lies outside of the image: its mirror image, or 0.
    """
    height, width = image.shape[:2]
    if field is None:
        if (moved := move_pixels(image, matrix)) is not None:
            return moved
        if _position_bound(matrix, height, width) < _EXACT:
            return cv2.warpAffine(  # type: ignore[no-any-return]
                image, np.array(matrix.as_rows()), (width, height), flags=_FLAGS, borderMode=_BORDERS[border]
            )
    return remap_image(image, *find_positions(matrix, field, height, width), border)


def remap_image(image: Image, x: Integers, y: Integers, border: Border) -> Image:
    """`warp_image` by the source's places of `find_positions`, to 1/32 px."""
    height, width = image.shape[:2]
    x, y = limit_positions(x, width, border), limit_positions(y, height, border)
    x, y = x + 4 >> 3, y + 4 >> 3  # 1/32 px
    whole = np.stack([x >> 5, y >> 5], axis=-1).astype(np.int16)
    rest = ((y & 31) << 5 | x & 31).astype(np.uint16)
    return cv2.remap(image, whole, rest, cv2.INTER_LINEAR, borderMode=_BORDERS[border])  # type: ignore[no-any-return]


def warp_labels(
    labels: npt.NDArray[Any], matrix: AffineMatrix, field: Integers | None = None, border: Border = "mirror"
) -> npt.NDArray[Any]:
    """`warp_image` with the nearest neighbour, for labels of any integer type, (h, w) or (h, w, c): no new values but 0
    at a constant border.
    """
    if field is None and (moved := move_pixels(labels, matrix)) is not None:
        return moved
    return find_nearest(*find_positions(matrix, field, *labels.shape[:2]), border).take(labels)


class NearestPixels(NamedTuple):
    """Which pixel of the source each pixel of a result shows."""

    places: npt.NDArray[np.integer[Any]]  # (h, w): row · width of the source + column; 0 outside
    outside: npt.NDArray[np.bool_] | None  # (h, w): shows what lies outside of the source, and is 0; None: none does

    def take(self, labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The result (h, w) or (h, w, c) of labels of the source's size: C-contiguous, of the same type."""
        flat = labels.reshape(-1, *labels.shape[2:])
        taken: npt.NDArray[Any] = flat.take(self.places, axis=0)
        if self.outside is not None:
            taken[self.outside] = 0
        return taken


def find_nearest(x: Integers, y: Integers, border: Border, size: tuple[int, int] | None = None) -> NearestPixels:
    """The pixels nearest to places, halves to the right and down.

    Args:
        x: (h, w) places of `find_positions`, 1/256 px.
        y: likewise.
        border: what lies outside of the source: its mirror image, or 0.
        size: height and width of the source, px, if it is not that of the result.
    """
    height, width = size or x.shape
    outside = None
    if border == "mirror":
        x, y = limit_positions(x, width, border), limit_positions(y, height, border)
    x, y = x + ONE // 2 >> _BITS, y + ONE // 2 >> _BITS
    if border == "constant":
        outside = (x < 0) | (x >= width) | (y < 0) | (y >= height)
        outside = outside if outside.any() else None
    y *= width
    y += x
    if outside is not None:
        y[outside] = 0
    return NearestPixels(y, outside)


def move_pixels(array: npt.NDArray[Any], matrix: AffineMatrix) -> npt.NDArray[Any] | None:
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


def find_positions(
    matrix: AffineMatrix,
    field: Integers | None,
    height: int,
    width: int,
    *,
    top: int = 0,
    left: int = 0,
) -> tuple[Integers, Integers]:
    """Where in the source, or outside of it, each pixel of the result lies: x and y, (h, w), 1/256 px.

    Args:
        matrix: from `affine_matrix`.
        field: (2, h, w) displacements, see `warp_image`.
        height: of the result, px.
        width: of the result, px.
        top: row of the result's first pixel, of which the matrix speaks.
        left: likewise its column.
    """
    xx, xy, x0, yx, yy, y0 = matrix
    bound = _position_bound(matrix, height + abs(top), width + abs(left))
    # Displacements at most double the reach; products have 1/256 of 1/256 px. Nearly always 32 bits hold that.
    kind = np.int32 if 2 * ONE * bound < 2**31 else np.int64
    x: npt.NDArray[Any] = np.arange(left, left + width, dtype=kind)
    y: npt.NDArray[Any] = np.arange(top, top + height, dtype=kind)[:, None]
    if field is None:
        return (xx * x + x0) + xy * y, (yx * x + y0) + yy * y
    x, y, half = x * ONE + field[0], y * ONE + field[1], ONE // 2
    return (xx * x + xy * y + half >> _BITS) + x0, (yx * x + yy * y + half >> _BITS) + y0


def limit_positions(places: Integers, length: int, border: Border) -> Integers:
    """Places along a side of so many px, in 1/256 px: mirrored into it, or no farther outside than it takes to be 0."""
    last = ONE * (length - 1)
    low, high = int(places.min()), int(places.max())
    if border == "constant":
        return places if low >= -ONE and high <= last + ONE else places.clip(-ONE, last + ONE)
    if low >= 0 and high <= last:
        return places
    if last == 0:
        return np.zeros_like(places)
    if low >= -last and high <= 2 * last:
        # Twice folded; a remainder takes ten times as long.
        places = np.abs(places)
        places -= last
        np.abs(places, out=places)
        return np.subtract(last, places, out=places)
    period = 2 * last
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
