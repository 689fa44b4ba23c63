"""An oracle for polygons that shares nothing with the code: exact fractions, no rounding, no grid.

Area is that of a fan of triangles; clipping cuts a *convex* polygon by half planes given as inequalities; a place lies
in a polygon if a ray to the right crosses its edges an odd number of times.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

Corner = tuple[Fraction, Fraction]


def corners(places: Sequence[tuple[int, int]]) -> list[Corner]:
    """Places of 1/256 px in px."""
    return [(Fraction(x, 256), Fraction(y, 256)) for x, y in places]


def fan_area(polygon: Sequence[Corner]) -> Fraction:
    """Area of a polygon, px²: signed triangles from its first corner."""
    total = Fraction(0)
    for (bx, by), (cx, cy) in pairwise(polygon[1:]):
        ax, ay = polygon[0]
        total += (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
    return abs(total) / 2


def clip_convex(polygon: Sequence[Corner], width: Fraction, height: Fraction) -> list[Corner]:
    """What of a convex polygon lies in 0..width, 0..height."""
    found = list(polygon)
    # Half planes a·x + b·y ≥ c.
    for a, b, c in ((1, 0, Fraction(0)), (-1, 0, -width), (0, 1, Fraction(0)), (0, -1, -height)):
        kept: list[Corner] = []
        for (x1, y1), (x2, y2) in zip(found, found[1:] + found[:1], strict=True):
            first, second = a * x1 + b * y1 - c, a * x2 + b * y2 - c
            if first >= 0:
                kept.append((x1, y1))
            if first * second < 0:
                share = first / (first - second)
                kept.append((x1 + share * (x2 - x1), y1 + share * (y2 - y1)))
        found = kept
    return found


def holds(polygon: Sequence[Corner], x: Fraction, y: Fraction) -> bool:
    """Whether a place lies in a polygon, by the even-odd rule; left and upper edges count, the others do not."""
    inside = False
    for (x1, y1), (x2, y2) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if (y1 <= y) != (y2 <= y) and x >= x1 + (y - y1) * (x2 - x1) / (y2 - y1):
            inside = not inside
    return inside
