"""A toy kind: single places with a name each. Its module and a line in `KINDS` are all that a new kind needs.

A place is moved as a square of a pixel around it: its middle is where the square's is.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from brev_pipeline.labels.base import UNNAMED, Arrangement, Colours, Movement, Pixels
from brev_pipeline.labels.polygons import HALF, ONE, Place, Rectangle, as_places, as_points, bounds, box_places, to_grid

LISTED_TYPE: Final = pa.list_(pa.struct([("label", pa.string()), ("x", pa.float64()), ("y", pa.float64())]))


class Keypoint(NamedTuple):
    """A place in a prepared image."""

    frame: int
    place: Place  # 1/256 px
    label: str


def _square(place: Place) -> list[Place]:
    x, y = place
    return box_places(x - HALF, y - HALF, x + HALF, y + HALF)


def _middle(around: Rectangle) -> Place:
    return (around.left + around.right) // 2, (around.top + around.bottom) // 2


class KeypointKind:
    """See `brev_pipeline.labels.base.LabelKind`."""

    name: Final = "keypoint"
    listed_type: Final = LISTED_TYPE

    def identify(self, listed: Sequence[Mapping[str, Any]]) -> bytes:
        """See `LabelKind`."""
        return repr(sorted((one["label"], one["x"], one["y"]) for one in listed)).encode()

    def prepare(self, given: Sequence[Mapping[str, Any]], arrangement: Arrangement) -> tuple[Keypoint, ...]:
        """See `LabelKind`."""
        found = []
        for one in given:
            (place,) = to_grid([one["x"], one["y"]])
            for part in arrangement.arrange_polygon(as_points(_square(place))):
                found.append(Keypoint(part.frame, _middle(bounds(as_places(part.points))), one["label"]))
        return tuple(sorted(found))

    def move(self, value: tuple[Keypoint, ...], movement: Movement) -> tuple[Keypoint, ...]:
        """See `LabelKind`."""
        found = []
        for one in value:
            moved = movement.move_polygon(as_points(_square(one.place)))
            if moved.is_visible(movement.min_visible):
                found.append(one._replace(place=_middle(bounds(as_places(moved.points)))))
        return tuple(sorted(found))

    def encode(
        self, value: tuple[Keypoint, ...] | None, size: tuple[int, ...], classes: Mapping[str, int]
    ) -> dict[str, Any]:
        """See `LabelKind`."""
        placed = value or ()
        places = [part / (ONE * side) for one in placed for part, side in zip(one.place, size[:-3:-1], strict=True)]
        numbers = [classes.get(one.label, -1) for one in placed]
        return {"keypoint/place": np.array(places, np.float32), "keypoint/label": numbers}

    def decode(self, features: Mapping[str, Any], size: tuple[int, ...]) -> dict[str, np.ndarray]:
        """See `LabelKind`."""
        return {
            "place": np.asarray(features["keypoint/place"], np.float32).reshape(-1, 2),
            "label": np.asarray(features["keypoint/label"], np.int64),
        }

    def draw(self, pixels: Pixels, value: tuple[Keypoint, ...], colours: Colours) -> Pixels:
        """See `LabelKind`."""
        drawn = pixels.copy()
        for one in value:
            picture = drawn if drawn.ndim == 3 else drawn[one.frame]
            height, width = picture.shape[:2]
            picture[min(one.place[1] // ONE, height - 1), min(one.place[0] // ONE, width - 1)] = colours.get(
                one.label, UNNAMED
            )
        return drawn
