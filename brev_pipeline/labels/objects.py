"""Objects: boxes and polygons with a class each.

A listed object is a mapping: ``label``, ``kind`` (box or polygon), ``points`` x, y, x, y, … (of a box left, top, right,
bottom) in px of the upright photo or, where ``relative``, in fractions of its sides. A prepared one is an outline in
1/256 px of the prepared image. They stand in an order of their own, so that the order in a file does not count.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from brev_pipeline.errors import LabelError
from brev_pipeline.labels.base import (
    UNNAMED,
    Arrangement,
    Colours,
    Movement,
    Pixels,
    draw_outline,
)
from brev_pipeline.labels.polygons import (
    ONE,
    Place,
    Rectangle,
    as_places,
    as_points,
    bounds,
    box_places,
    clip_polygon,
    double_area,
    rasterize_polygon,
    to_grid,
    to_square_pixels,
)
from brev_pipeline.record_features import FeatureValue, RecordFeature
from brev_pipeline.texts import TEXT

LISTED_TYPE: Final = pa.list_(
    pa.struct(
        [
            pa.field("label", TEXT, nullable=False),
            pa.field("kind", TEXT, nullable=False),
            pa.field("points", pa.list_(pa.float64()), nullable=False),
            pa.field("relative", pa.bool_(), nullable=False),
        ]
    )
)
PREPARED_TYPE: Final = pa.list_(
    pa.struct(
        [
            pa.field("label", TEXT, nullable=False),
            pa.field("frame", pa.int32(), nullable=False),
            pa.field("points", pa.list_(pa.int64()), nullable=False),  # x, y, x, y, … in 1/256 px
        ]
    )
)
UNKNOWN_CLASS: Final = -1


class PlacedObject(NamedTuple):
    """An object in a prepared image."""

    label: str
    frame: int  # of a time series; else 0
    places: tuple[Place, ...]  # its outline, in 1/256 px
    area: int  # twice its area, in (1/256 px)²

    @property
    def box(self) -> Rectangle:
        """The smallest box around it, in 1/256 px."""
        return bounds(self.places)


class ArrangedObjects(NamedTuple):
    """What became of one photo's objects."""

    objects: tuple[PlacedObject, ...]
    clipped: int  # objects that reached outside of the photo
    excluded: dict[int, str]  # place among the listed objects → why it is left out, for people


Listed = Sequence[Mapping[str, Any]]
Placed = tuple[PlacedObject, ...]


class ObjectsKind:
    """See `LabelKind`."""

    name: Final = "objects"
    listed_type: Final = LISTED_TYPE

    def features(self, classes: Sequence[str], *, is_time_series: bool) -> tuple[RecordFeature, ...]:
        """See `LabelKind`."""

        def describe(part: str, kind: Literal["int64", "float32"], said: str, **more: Any) -> RecordFeature:
            return RecordFeature(f"{self.name}/{part}", kind, said, "labels", sequence=self.name, **more)

        box = "ymin, xmin, ymax, xmax of the object, fractions of the image's sides"
        features = [
            describe("area", "float32", "px² of what is visible of the object", tfds="Scalar"),
            describe("bbox", "float32", box, tfds="BBoxFeature", width=4),
            describe("label", "int64", "class of the object; -1: none", tfds="ClassLabel", classes=tuple(classes)),
        ]
        if is_time_series:
            features.append(describe("frame", "int64", "0-based frame that the object is in", tfds="Scalar"))
        return tuple(features)

    def identify(self, listed: Listed) -> bytes:
        """See `LabelKind`."""
        # 0.0 and −0.0 are one number.
        rows = [
            [one["label"], one["kind"], bool(one["relative"]), [float(value) + 0.0 for value in one["points"]]]
            for one in listed
        ]
        return ("objects " + json.dumps(sorted(rows), ensure_ascii=False, separators=(",", ":"))).encode()

    def prepare(self, given: Listed, arrangement: Arrangement) -> Placed:
        """See `LabelKind`; `arrange_objects` says besides what was clipped and left out."""
        return arrange_objects(given, arrangement).objects

    def move(self, value: Placed, movement: Movement) -> Placed:
        """See `LabelKind`; what is too little visible is dropped."""
        moved = []
        for one in value:
            found = movement.move_polygon(as_points(one.places))
            if found.is_visible(movement.min_visible):
                moved.append(one._replace(places=tuple(as_places(found.points)), area=found.area))
        return _in_order(moved)

    def encode(
        self, value: Placed | None, size: tuple[int, ...], classes: Mapping[str, int]
    ) -> dict[str, FeatureValue]:
        """See `LabelKind`."""
        placed = value or ()
        height, width = size[-2:]
        boxes = [[box.top / (ONE * height), box.left / (ONE * width), box.bottom / (ONE * height),
                  box.right / (ONE * width)] for box in (one.box for one in placed)]  # fmt: skip
        features: dict[str, FeatureValue] = {
            "objects/area": np.array([to_square_pixels(one.area) for one in placed], np.float32),
            "objects/bbox": np.array(boxes, np.float32).reshape(-1),
            "objects/label": [classes.get(one.label, UNKNOWN_CLASS) for one in placed],
        }
        if len(size) == 3:
            features["objects/frame"] = [one.frame for one in placed]
        return features

    def decode(self, features: Mapping[str, Any], size: tuple[int, ...]) -> dict[str, npt.NDArray[Any]]:
        """``bbox``: float32 (objects, 4): ymin, xmin, ymax, xmax in 0..1; ``label``: int64 (objects,), −1 for none;
        ``area``: float32 (objects,), px²; of a time series also ``frame``: int64 (objects,).
        """
        arrays: dict[str, npt.NDArray[Any]] = {
            "area": np.asarray(features["objects/area"], np.float32),
            "bbox": np.asarray(features["objects/bbox"], np.float32).reshape(-1, 4),
            "label": np.asarray(features["objects/label"], np.int64),
        }
        if len(size) == 3:
            arrays["frame"] = np.asarray(features["objects/frame"], np.int64)
        return arrays

    def draw(self, pixels: Pixels, value: Placed, colours: Colours) -> Pixels:
        """See `LabelKind`."""
        drawn = pixels.copy()
        for one in value:
            picture = drawn if drawn.ndim == 3 else drawn[one.frame]
            shape = rasterize_polygon(one.places, *picture.shape[:2]).astype(np.bool_)
            draw_outline(picture, shape, colours.get(one.label, UNNAMED))
        return drawn


def arrange_objects(given: Listed, arrangement: Arrangement) -> ArrangedObjects:
    """Arrange one photo's objects as its pixels were arranged; what cannot be used is left out, each with its reason.

    An object that several regions of interest show becomes one in each.
    """
    placed: list[PlacedObject] = []
    clipped, excluded = 0, {}
    height, width = arrangement.size
    photo = Rectangle(0, 0, width * ONE, height * ONE)
    for number, one in enumerate(given):
        try:
            outline = outline_places(one, (height, width))
        except LabelError as error:
            excluded[number] = str(error)
            continue
        inside = clip_polygon(outline, photo)
        if not inside:
            excluded[number] = f"it lies wholly outside of the photo of {width}×{height} px"
            continue
        clipped += bounds(inside) != bounds(outline)
        parts = arrangement.arrange_polygon(as_points(inside))
        if not parts:
            excluded[number] = "it lies outside of every region of interest"
        for part in parts:
            places = tuple(as_places(part.points))
            placed.append(PlacedObject(one["label"], part.frame, places, double_area(places)))
    return ArrangedObjects(_in_order(placed), clipped, excluded)


def outline_places(one: Mapping[str, Any], size: tuple[int, int]) -> list[Place]:
    """The outline of a listed object on a photo of (height, width) px, in 1/256 px; a box has four corners.

    Raises:
        LabelError: it has no area, too few points, or coordinates that are none.
    """
    points = to_grid(one["points"], relative=one["relative"], size=size)
    if one["kind"] == "box":
        if len(points) != 2:
            raise LabelError(f"a box has 4 numbers (left, top, right, bottom), and this one {2 * len(points)}")
        (left, top), (right, bottom) = points
        if right < left or bottom < top:
            raise LabelError("its right or lower edge comes before its left or upper one")
        points = box_places(left, top, right, bottom)
    elif one["kind"] != "polygon":
        raise LabelError(f"an object is a box or a polygon, not {one['kind']!r}")
    elif len(points) < 3:
        raise LabelError(f"a polygon has at least 3 points, and this one {len(points)}")
    if not double_area(points):
        raise LabelError("it has no area")
    return points


def to_rows(placed: Placed) -> list[dict[str, Any]]:
    """Prepared objects as values of `PREPARED_TYPE`."""
    return [
        {"label": one.label, "frame": one.frame, "points": [value for place in one.places for value in place]}
        for one in placed
    ]


def from_rows(rows: Sequence[Mapping[str, Any]]) -> Placed:
    """What `to_rows` gave."""
    found = []
    for row in rows:
        places = tuple(zip(row["points"][::2], row["points"][1::2], strict=True))
        found.append(PlacedObject(row["label"], row["frame"], places, double_area(places)))
    return tuple(found)


def _in_order(placed: Sequence[PlacedObject]) -> Placed:
    return tuple(sorted(placed, key=lambda one: (one.frame, one.box, one.label, one.places)))
