"""The boxes and polygons of a sample, as NumPy arrays, moved with its image."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from brev_pipeline.augmentation.movement import ImageMovement
from brev_pipeline.errors import AugmentError, LabelError
from brev_pipeline.labels.polygons import (
    ONE,
    Place,
    as_places,
    as_points,
    bounds,
    box_places,
    double_area,
    to_grid,
    to_square_pixels,
)

_MOVED = ("bbox", "polygon", "area")


def move_objects(objects: Mapping[str, Any], movement: ImageMovement) -> dict[str, Any]:
    """Move the objects of a sample; those of which too little is left are dropped.

    Args:
        objects: ``bbox``: (objects, 4), ymin, xmin, ymax, xmax in fractions of the image's sides; or, instead or
            besides, ``polygon``: a sequence of (points, 2), x, y in px, which then counts. All else has one entry per
            object.
        movement: of the image.

    Returns:
        The same of the objects that are left: new ``bbox`` float32 and ``area`` float32, px²; ``polygon`` as float64
        arrays where there were some; of all else the entries that belong to them.

    Raises:
        AugmentError: the objects are not as above.
    """
    outlines = _read_outlines(objects, movement)
    moved = [movement.move_polygon(as_points(outline)) for outline in outlines]
    kept = [place for place, found in enumerate(moved) if found.is_visible(movement.min_visible)]
    sides = np.array([movement.height, movement.width] * 2) * ONE
    boxes = []
    for place in kept:
        left, top, right, bottom = bounds(as_places(moved[place].points))
        boxes.append([top, left, bottom, right])
    others = {name: values for name, values in objects.items() if name not in _MOVED}
    out = {name: _select(name, values, kept, len(outlines)) for name, values in others.items()}
    out["bbox"] = (np.array(boxes, np.float64).reshape(-1, 4) / sides).astype(np.float32)
    out["area"] = np.array([to_square_pixels(moved[place].area) for place in kept], np.float32)
    if "polygon" in objects:
        out["polygon"] = [moved[place].points / ONE for place in kept]
    return out


def _read_outlines(objects: Mapping[str, Any], movement: ImageMovement) -> list[list[Place]]:
    try:
        if (polygons := objects.get("polygon")) is not None:
            outlines = [to_grid(np.asarray(one, np.float64).reshape(-1).tolist()) for one in polygons]
        else:
            boxes = np.asarray(objects["bbox"], np.float64).reshape(-1, 4)
            # y before x, as in records.
            size = movement.height, movement.width
            outlines = [
                box_places(*first, *last)
                for first, last in (to_grid(row[[1, 0, 3, 2]].tolist(), relative=True, size=size) for row in boxes)
            ]
    except KeyError:
        raise AugmentError("objects have neither bbox nor polygon") from None
    except (LabelError, ValueError, TypeError) as error:
        raise AugmentError(f"objects cannot be moved: {error}") from error
    for place, outline in enumerate(outlines):
        if not outline or not double_area(outline):
            raise AugmentError(f"object {place} has no area: leave it out")
    return outlines


def _select(name: str, values: Any, kept: Sequence[int], count: int) -> Any:
    """The entries of some objects."""
    if len(values) != count:
        raise AugmentError(f"objects[{name!r}] has {len(values)} entries, for {count} objects")
    return values[list(kept)] if isinstance(values, np.ndarray) else [values[place] for place in kept]
