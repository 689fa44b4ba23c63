"""Labels: what says where the demo's defects are, and what else there is to say of its photos.

A mask is a grey PNG of the photo's size, 0 where nothing is wrong, and the value of the fault, from `VALUES`, where
something is. The COCO file holds one object for each photo of a faulty vial: its box, its outline along the borders of
the mask's pixels, its area. Photos of good vials have an empty mask and no object. The table holds of each photo the
height to which its vial is filled, and with what.
"""

import io
import json
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from brev_pipeline.demo.defect import find_defect
from brev_pipeline.demo.items import Fault, Item, Shot
from brev_pipeline.demo.optics import HEIGHT, WIDTH

VALUES: Final[dict[Fault, int]] = {"tilted": 51, "dented": 102, "loose": 153, "stoppered": 204, "open": 255}
OBJECTS: Final = "objects.json"
TABLE: Final = "metadata.csv"
_KINDS: Final[dict[Fault, str]] = {"stoppered": "missing_cap", "open": "missing_cap"}  # others: bad_cap

Mask = NDArray[np.uint8]


def place_mask(photo: str) -> str:
    """Path of a photo's mask, from the photo's: ``{folder}/masks/{stem}.png``."""
    path = PurePosixPath(photo)
    return str(path.parent / "masks" / f"{path.stem}.png")


def mark_defect(item: Item, shot: Shot) -> Mask:
    """The mask of the photo that a shot takes of an item."""
    return np.where(find_defect(item, shot), VALUES.get(item.fault, 0), 0).astype(np.uint8)


def encode_mask(mask: Mask) -> bytes:
    """A grey PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def describe_objects(photos: Iterable[tuple[str, Mask]]) -> bytes:
    """The COCO file.

    Args:
        photos: path below the demo's folder and mask of each, in the order of the file.
    """
    categories = [
        {"id": number, "name": fault, "supercategory": _KINDS.get(fault, "bad_cap")}
        for number, fault in enumerate(VALUES, start=1)
    ]
    numbers = {value: number for number, value in enumerate(VALUES.values(), start=1)}
    images: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    for path, mask in photos:
        images.append({"id": len(images) + 1, "file_name": path, "width": WIDTH, "height": HEIGHT})
        if mask.any():
            kind = {"image_id": len(images), "category_id": numbers[int(mask.max())]}
            objects.append({"id": len(objects) + 1, **kind, **_describe_object(mask > 0), "iscrowd": 0})
    document = {
        "info": {"description": "Defects of the vials that brev-pipeline demo-data draws"},
        "categories": categories,
        "images": images,
        "annotations": objects,
    }
    return (json.dumps(document) + "\n").encode()


def describe_items(photos: Iterable[tuple[str, Item]]) -> bytes:
    """The table: CSV with the columns file_name, fill_mm and product.

    Args:
        photos: path below the demo's folder and item of each, in the order of the table.
    """
    rows = [f"{path},{item.fill:.2f},{item.product}" for path, item in photos]
    return "\n".join(["file_name,fill_mm,product", *rows, ""]).encode()


def _describe_object(seen: NDArray[np.bool_]) -> dict[str, Any]:
    rows, columns = (np.flatnonzero(seen.any(axis=axis)) for axis in (1, 0))
    left, top = int(columns[0]), int(rows[0])
    box = [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top]
    outlines = [[number for corner in outline for number in corner] for outline in trace_outlines(seen)]
    return {"bbox": box, "segmentation": outlines, "area": int(seen.sum())}


def trace_outlines(seen: NDArray[np.bool_]) -> list[list[tuple[int, int]]]:
    """Outlines of a region along the borders of its pixels: corners (x, y), pixel i lying between i and i + 1.

    Each is closed, with the region to its right: clockwise in the picture, and the other way round about a hole.
    Regions that touch at a corner only are apart.
    """
    framed = np.pad(seen, 1)
    steps: dict[tuple[int, int], list[tuple[int, int]]] = {}  # corner → directions in which an outline leaves it
    for dx, dy in ((1, 0), (0, 1), (-1, 0), (0, -1)):
        # The pixel on the left hand is out, the one on the right is in.
        y, x = np.nonzero(framed & ~np.roll(framed, (dx, -dy), (0, 1)))
        corner_x, corner_y = x - 1 + (dx - dy < 0), y - 1 + (dx + dy < 0)
        for corner in zip(corner_x.tolist(), corner_y.tolist(), strict=True):
            steps.setdefault(corner, []).append((dx, dy))
    outlines = []
    while steps:
        start = min(steps, key=lambda corner: (corner[1], corner[0]))
        outlines.append(_follow_outline(steps, start))
    return outlines


def _follow_outline(
    steps: dict[tuple[int, int], list[tuple[int, int]]], start: tuple[int, int]
) -> list[tuple[int, int]]:
    """Take one outline out of the steps; its corners."""
    corners: list[tuple[int, int]] = []
    at, before = start, (0, 0)
    while at in steps:
        # Where two regions touch, turn right: stay with the own one.
        right = (-before[1], before[0])
        step = right if right in steps[at] else steps[at][0]
        steps[at].remove(step)
        if not steps[at]:
            del steps[at]
        if step != before:
            corners.append(at)
        at, before = (at[0] + step[0], at[1] + step[1]), step
    return corners
