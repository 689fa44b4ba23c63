"""Shapes: boxes and polygons as label files say them, checked number by number.

A shape that is no area is left out and told, since annotation tools make such by a click; the photo stays. Numbers that
are none, and boxes whose corners are swapped, are errors: they come of columns that mean something else.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from brev_pipeline.errors import LabelError
from brev_pipeline.labels.listed import BOX, POLYGON, ListedObject

MAX_COORDINATE: Final = float(1 << 24)
"""Larger numbers are no places in a photo, px."""


@dataclass
class ParsedLabels:
    """What one label file says of its photo."""

    objects: list[ListedObject] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)
    """Kind of finding and what it is, see `findings.FINDINGS`."""
    category: list[str] | None = None
    """Classes of the photo as a whole, where the file says them."""

    def add(self, shape: ListedObject, place: str, mapping: Mapping[str, str | None] | None = None) -> None:
        """Take an object, unless it has no area, or its label is mapped to null.

        Args:
            shape: as the file says it, its label too.
            place: the file and the element or line, for messages.
            mapping: label → class.

        Raises:
            LabelError: a number is none, or the box's corners are swapped.
        """
        check_shape(shape, place)
        name = map_label(shape.label, mapping)
        if name is None:
            self.remarks.append(("left_out", f"{place}: {shape.label}"))
        elif not has_area(shape):
            self.remarks.append(("excluded_object", f"{place}: {shape.label}: the {shape.kind} has no area"))
        else:
            self.objects.append(ListedObject(name, shape.kind, shape.points, shape.relative))


def map_label(label: str, mapping: Mapping[str, str | None] | None) -> str | None:
    """The class of a label; None where it is left out."""
    return label if mapping is None else mapping.get(label, label)


def check_shape(shape: ListedObject, place: str) -> None:
    """Raise `LabelError` where numbers are no places, corners are swapped, or a polygon has fewer than three."""
    if not all(map(math.isfinite, shape.points)):
        raise LabelError(f"{place}: holds a number that is none ({_show(shape.points)}): correct or remove the object")
    if max(map(abs, shape.points), default=0) > MAX_COORDINATE:
        raise LabelError(f"{place}: {_show(shape.points)} lies beyond any photo: correct or remove the object")
    if shape.kind == BOX:
        left, top, right, bottom = shape.points
        if right < left or bottom < top:
            raise LabelError(
                f"{place}: the box's right or lower side lies before its left or upper one ({_show(shape.points)} as "
                "left, top, right, bottom): correct it, or say in the configuration what its numbers mean"
            )
    elif len(shape.points) < 6:
        raise LabelError(f"{place}: a polygon has three corners or more, this one {len(shape.points) // 2}")


def has_area(shape: ListedObject) -> bool:
    """Whether a shape covers anything."""
    points = shape.points
    if shape.kind == BOX:
        return points[0] < points[2] and points[1] < points[3]
    corners = list(zip(points[::2], points[1::2], strict=True))
    # From the first corner, so that far from the origin nothing is rounded away.
    (x0, y0), twice = corners[0], 0.0
    for (x, y), (u, v) in pairwise(corners):
        twice += (x - x0) * (v - y0) - (u - x0) * (y - y0)
    return twice != 0


def polygon(label: str, points: Sequence[float], *, relative: bool = False) -> ListedObject:
    """A polygon from its corners, x0, y0, x1, y1, …; a last corner that repeats the first is dropped."""
    if len(points) > 6 and tuple(points[:2]) == tuple(points[-2:]):
        points = points[:-2]
    return ListedObject(label, POLYGON, tuple(points), relative)


def _show(points: Sequence[float]) -> str:
    return ", ".join(f"{number:g}" for number in points[:8]) + (", …" if len(points) > 8 else "")
