"""Labels of the worlds of the tests of reading: masks written by Pillow, boxes, weights and remarks, by hand.

Of the package's own label kinds they have the description of the features; the bytes, which are tested elsewhere, were
made by others.
"""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from PIL import Image

from brev_pipeline.labels import KINDS
from brev_pipeline.records.label_encoder import LabelEncoder, LabelSource, PhotoLabels

MASK_CLASSES = ("background", "scratch", "chip")
OBJECT_CLASSES = ("scratch", "chip of glass", "hair")


class Box(NamedTuple):
    """A box in fractions of the image's sides, and px²."""

    ymin: float
    xmin: float
    ymax: float
    xmax: float
    label: str
    area: float
    frame: int = 0


class Flip:
    """An augmenter that turns images round from left to right where the seed is odd, and brightens them."""

    def plan_movement(self, seed: int, height: int, width: int) -> bool:
        return seed % 2 == 1

    def augment(self, image: np.ndarray, seed: int, *, movement: bool | None = None) -> np.ndarray:
        assert movement in (None, seed % 2 == 1)
        # A time series is turned round in the world's own account of it at once.
        return np.ascontiguousarray(image[..., ::-1, :] if seed % 2 else image) + np.uint8(seed % 100)


class MaskByPillow:
    """Masks ([frames,] height, width)."""

    name = "mask"

    features = KINDS[name].features

    def move(self, value: np.ndarray, movement: bool) -> np.ndarray:
        return value[..., ::-1] if movement else value

    def encode(self, value: np.ndarray | None, size: tuple[int, ...], classes: Mapping[str, int]) -> dict[str, Any]:
        mask = np.full(size, 255, np.uint8) if value is None else value
        assert mask.shape == size
        file = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(mask.reshape(-1, size[-1]))).save(file, "png")
        return {"mask/encoded": file.getvalue(), "mask/labelled": int(value is not None)}


class Boxes:
    """Lists of `Box`."""

    name = "objects"

    features = KINDS[name].features

    def move(self, value: list[Box], movement: bool) -> list[Box]:
        return [box._replace(xmin=1 - box.xmax, xmax=1 - box.xmin) if movement else box for box in value]

    def encode(self, value: list[Box] | None, size: tuple[int, ...], classes: Mapping[str, int]) -> dict[str, Any]:
        boxes = value or []
        return {
            "objects/area": np.array([box.area for box in boxes], np.float32),
            "objects/bbox": np.array([box[:4] for box in boxes], np.float32).ravel(),
            "objects/label": [classes.get(box.label, -1) for box in boxes],
        } | ({"objects/frame": [box.frame for box in boxes]} if len(size) == 3 else {})


@dataclass(frozen=True)
class Annotators:
    """Makes up labels of a photo by its name; its size comes from the row."""

    def read(self, rows: pa.Table) -> Iterator[PhotoLabels]:
        return (label_photo(row) for row in rows.to_pylist())


def label_photo(row: dict[str, Any]) -> PhotoLabels:
    """Labels of a photo, by its name: a third have no mask, every fourth no box, some no weight."""
    number = int(row["content_id"][:4], 16)
    frames = [row["prepared_frames"]] if row["prepared_frames"] else []
    size = (*frames, row["prepared_height"], row["prepared_width"])
    mask = (np.arange(int(np.prod(size))).reshape(size) // (3 + number % 5) % 3).astype(np.uint8)
    # Eighths: fractions that float32 holds exactly, turned round too.
    boxes = [
        Box(0.125 * i, 0.25, 0.5 + 0.125 * i, 0.625, (*OBJECT_CLASSES, "never named")[(number + i) % 4], 1.5 + i, i % 2)
        for i in range(number % 4)
    ]
    weight = None if number % 5 == 0 else number / 8
    return PhotoLabels(
        {"mask": mask if number % 3 else None, "objects": boxes},
        {"weight": weight},
        {"remark": f"Prüfer {number}" if number % 2 else None},
    )


def label_source() -> LabelSource:
    """What a world takes as its labels."""
    classes = {"mask": MASK_CLASSES, "objects": OBJECT_CLASSES}
    return LabelSource(Annotators(), LabelEncoder((MaskByPillow(), Boxes()), classes, ("weight",), ("remark",)))


def expected_labels(world: Any, row: dict[str, Any]) -> dict[str, Any]:
    """What reading a record of the record table's ``row`` must give, by field."""
    (at,) = np.flatnonzero(np.array(world.prepared["content_id"].to_pylist()) == row["content_id"])
    labels = label_photo(world.prepared.slice(int(at), 1).to_pylist()[0])
    image = world.pixels(row["content_id"])
    mask, boxes = labels.values["mask"], labels.values["objects"]
    if row["augmented"] and row["seed"] % 2:
        mask = None if mask is None else np.flip(mask, -1)
        boxes = [Box(b.ymin, 1 - b.xmax, b.ymax, 1 - b.xmin, *b[4:]) for b in boxes]
    weight, remark = labels.numbers["weight"], labels.texts["remark"]
    numbers = {"scratch": 0, "chip of glass": 1, "hair": 2}
    return {
        "mask": np.full(image.shape[:-1], 255, np.uint8) if mask is None else mask,
        "mask/labelled": int(mask is not None),
        "objects/area": np.array([box.area for box in boxes], np.float32),
        "objects/bbox": np.array([box[:4] for box in boxes], np.float32).reshape(-1, 4),
        "objects/label": np.array([numbers.get(box.label, -1) for box in boxes], np.int64),
        "objects/frame": np.array([box.frame for box in boxes], np.int64),
        "objects/count": len(boxes),
        "target/weight": np.float32("nan" if weight is None else weight),
        "text/remark": remark or "",
    }
