"""Polygons in whole numbers: area, bounds, clipping to a rectangle, and the pixels that a polygon covers.

A place is a pair of integers of 1/256 px in the corner convention: pixel i covers i..i+1, so that the centre of the
first pixel is at 128. Everything is done in Python's integers, which have no end, or in 64-bit ones that hold what is
done in them: the same result on every CPU, and nothing lost of coordinates that reach far outside of an image.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import floor, isfinite
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from brev_pipeline.errors import LabelError

BITS: Final = 8
ONE: Final = 1 << BITS  # grid steps per px
HALF: Final = ONE >> 1
FARTHEST: Final = 1 << 31  # px: of what lies beyond, nobody means it

Points = npt.NDArray[np.int64]
Place = tuple[int, int]


class Rectangle(NamedTuple):
    """A rectangle, in 1/256 px; right and bottom are its far edges."""

    left: int
    top: int
    right: int
    bottom: int


def divide(numerator: int, denominator: int) -> int:
    """The nearest whole number to a fraction with a positive denominator, halves up; exact."""
    return (2 * numerator + denominator) // (2 * denominator)


def to_grid(
    coordinates: Sequence[float], *, relative: bool = False, size: tuple[int, int] | None = None
) -> list[Place]:
    """Coordinates as a label file says them, as places on the grid: rounded half up, exactly.

    Args:
        coordinates: x, y, x, y, … in px, or in fractions of the image's sides.
        relative: whether they are fractions.
        size: height and width of the image, px, which fractions are of.

    Raises:
        LabelError: they are not pairs, a number is not finite, or lies beyond 2³¹ px.
    """
    if len(coordinates) % 2:
        raise LabelError(f"{len(coordinates)} coordinates are no pairs of x and y")
    if relative and size is None:
        raise LabelError("coordinates that are fractions of an image's sides need its size")
    sides = (size[1], size[0]) if relative and size else (1, 1)
    places = [_round_coordinate(value, sides[i % 2]) for i, value in enumerate(coordinates)]
    return list(zip(places[::2], places[1::2], strict=True))


def _round_coordinate(value: float, side: int) -> int:
    if not isfinite(value):
        raise LabelError(f"a coordinate is {value}, which is no number of px")
    if abs(value) * side > FARTHEST:
        raise LabelError(f"a coordinate is {value * side:g} px: such an image there is not")
    if side == 1:
        # A float less its floor is exact, which a float and a half is not.
        scaled = value * ONE
        whole = floor(scaled)
        return whole + (scaled - whole >= 0.5)
    numerator, denominator = value.as_integer_ratio()
    return divide(numerator * side * ONE, denominator)


def box_places(left: int, top: int, right: int, bottom: int) -> list[Place]:
    """The four corners of a box, clockwise as one looks at it."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def as_points(places: Sequence[Place]) -> Points:
    """Places as an array (n, 2): x, y."""
    return np.array(places, np.int64).reshape(-1, 2)


def as_places(points: npt.NDArray[Any] | Sequence[Place]) -> list[Place]:
    """An array (n, 2) as places."""
    pairs: list[list[int]] = points.tolist() if isinstance(points, np.ndarray) else points  # type: ignore[assignment]
    return [(int(x), int(y)) for x, y in pairs]


def double_area(places: Sequence[Place]) -> int:
    """Twice the area of a polygon, by the shoelace formula, in (1/256 px)²; never negative.

    Where an outline crosses itself, the loops that run the other way count against the others.
    """
    total, (x, y) = 0, places[-1] if places else (0, 0)
    for next_x, next_y in places:
        total += x * next_y - next_x * y
        x, y = next_x, next_y
    return abs(total)


def to_square_pixels(area: int) -> float:
    """Twice an area in (1/256 px)², as `double_area` gives it, in px²: the nearest float."""
    return float(Fraction(area, 2 * ONE * ONE))


def bounds(places: Sequence[Place]) -> Rectangle:
    """The smallest rectangle around some places, at least one."""
    across, along = [x for x, _ in places], [y for _, y in places]
    return Rectangle(min(across), min(along), max(across), max(along))


def clip_polygon(places: Sequence[Place], frame: Rectangle) -> list[Place]:
    """What of a polygon lies within a rectangle (Sutherland and Hodgman, 1974): none where that has no area.

    Where an edge crosses the frame, its place along the frame is rounded half up to the grid. A polygon that is not
    convex may come out as several parts with bridges of no width along the frame: area and bounds are right.
    """
    if not places or _lies_within(bounds(places), frame):
        return list(places) if double_area(places) else []
    clipped = list(places)
    for axis, limit, sign in ((0, frame.left, 1), (0, frame.right, -1), (1, frame.top, 1), (1, frame.bottom, -1)):
        clipped = _clip_to_side(clipped, axis, limit, sign)
    return clipped if double_area(clipped) else []


def _lies_within(inner: Rectangle, outer: Rectangle) -> bool:
    across = outer.left <= inner.left and inner.right <= outer.right
    return across and outer.top <= inner.top and inner.bottom <= outer.bottom


def _clip_to_side(places: list[Place], axis: int, limit: int, sign: int) -> list[Place]:
    """What lies on the side of a line where ``sign`` · (coordinate − limit) ≥ 0."""
    kept: list[Place] = []
    before = places[-1] if places else (0, 0)
    for place in places:
        at, was = sign * (place[axis] - limit), sign * (before[axis] - limit)
        if (at < 0) != (was < 0):
            # From the smaller end on, so that an edge is cut at the same place whichever way it is walked.
            (a, b) = (before, place) if before < place else (place, before)
            other = a[1 - axis] + _along(a, b, axis, limit)
            kept.append((limit, other) if axis == 0 else (other, limit))
        if at >= 0:
            kept.append(place)
        before = place
    return kept


def _along(a: Place, b: Place, axis: int, limit: int) -> int:
    """How far an edge has gone across the other axis where it reaches the limit, rounded half up."""
    span = b[axis] - a[axis]
    risen = (b[1 - axis] - a[1 - axis]) * (limit - a[axis])
    return divide(risen, span) if span > 0 else divide(-risen, -span)


def rasterize_polygon(places: Sequence[Place], height: int, width: int) -> npt.NDArray[np.uint8]:
    """The pixels (height, width) whose centres lie within a polygon, by the even-odd rule: 1, the others 0.

    A centre on an edge counts to the left and the upper one, and not to the right and the lower one. A polygon so thin
    that it covers no centre is drawn as the pixels in which its corners lie, so that nothing vanishes.
    """
    # Each edge flips all pixels to the right of it, in the rows whose centres it passes.
    flips = np.zeros((height, width + 1), np.uint8)
    x, y = places[-1]
    for next_x, next_y in places:
        _flip_from_edge(flips, (x, y), (next_x, next_y))
        x, y = next_x, next_y
    drawn: npt.NDArray[np.uint8] = np.bitwise_xor.accumulate(flips[:, :width], axis=1)
    if not drawn.any():
        _draw_corners(drawn, places)
    return drawn


def _draw_corners(drawn: npt.NDArray[np.uint8], places: Sequence[Place]) -> None:
    height, width = drawn.shape
    around = bounds(places)
    for x, y in places:
        # The far edge of a box at px 10 belongs to the pixel 9..10.
        column = x - (x == around.right > around.left) >> BITS
        row = y - (y == around.bottom > around.top) >> BITS
        if 0 <= row < height and 0 <= column < width:
            drawn[row, column] = 1


def _flip_from_edge(flips: npt.NDArray[np.uint8], start: Place, end: Place) -> None:
    (x1, y1), (x2, y2) = (start, end) if start[1] <= end[1] else (end, start)
    height, width = flips.shape[0], flips.shape[1] - 1
    # Rows whose centre c has y1 <= c < y2.
    first, last = max(0, -((HALF - y1) // ONE)), min(height, -((HALF - y2) // ONE))
    if first >= last:
        return
    run, rise = x2 - x1, y2 - y1
    for row in range(first, last):
        # The first column whose centre is at or right of the edge: ceil((crossing − HALF) / ONE).
        above = run * (row * ONE + HALF - y1)
        column = -((HALF * rise - x1 * rise - above) // (ONE * rise))
        flips[row, min(max(column, 0), width)] ^= 1


def pixel_bounds(drawn: npt.NDArray[Any]) -> Rectangle | None:
    """The edges, in 1/256 px, of the smallest box around all pixels that are not 0; None where all are."""
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    if not rows.size:
        return None
    return Rectangle(int(columns[0]) * ONE, int(rows[0]) * ONE, (int(columns[-1]) + 1) * ONE, (int(rows[-1]) + 1) * ONE)
