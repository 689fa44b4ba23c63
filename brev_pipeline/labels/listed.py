"""Listed values: how labels stand in a listing, one photo a row, before any pixel is read.

A mask is named by where it lies (`mask.LISTED_TYPE`). Boxes and polygons stand there whole, as the file has them
(`objects.LISTED_TYPE`): in px of the photo as it is looked at (oriented), or as fractions of its sides. Pixel i covers
i..i+1, so that a box of the first pixel alone is 0, 0, 1, 1. Null is unlabelled; an empty list, and a mask with an
empty path, are labelled with nothing on it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from brev_pipeline.labels.objects import LISTED_TYPE as LISTED_OBJECTS
from brev_pipeline.texts import NAMES, TEXT

Ints = npt.NDArray[np.int64]

LISTED_OBJECT: Final = LISTED_OBJECTS.value_type
"""A box (left, top, right, bottom) or polygon (x0, y0, x1, y1, …), in px or as fractions of the photo's sides."""

BOX: Final = "box"
POLYGON: Final = "polygon"


@dataclass(frozen=True)
class ListedObject:
    """A row of `LISTED_OBJECT`."""

    label: str
    kind: str
    points: tuple[float, ...]
    relative: bool = False


def build_objects(rows: Sequence[Iterable[ListedObject] | None]) -> pa.Array:
    """(rows,) of `objects.LISTED_TYPE`, from the objects of each row, or None."""
    counts = [-1 if row is None else len(list(row)) for row in rows]
    flat = [one for row in rows if row is not None for one in row]
    points = [number for one in flat for number in one.points]
    offsets = np.cumsum([0, *(len(one.points) for one in flat)])
    values = pa.StructArray.from_arrays(
        [
            pa.array([one.label for one in flat], TEXT),
            pa.array([one.kind for one in flat], TEXT),
            pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(points, pa.float64())),
            pa.array([one.relative for one in flat], pa.bool_()),
        ],
        fields=list(LISTED_OBJECT),
    )
    return build_lists(np.array(counts, np.int64), values)


def build_lists(counts: Ints, values: pa.Array) -> pa.Array:
    """(rows,) lists of ``counts`` values each, one after the other; −1: null."""
    offsets = np.concatenate([[0], np.cumsum(np.maximum(counts, 0))]).astype(np.int32)
    null = pa.array(counts < 0)
    kind = pa.list_(values.type)
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=kind, mask=null)


def build_categories(rows: Sequence[Sequence[str] | None]) -> pa.Array:
    """(rows,) of `NAMES`."""
    return pa.array(rows, NAMES)


def repeat_empty(count: int) -> pa.Array:
    """(count,) of `objects.LISTED_TYPE`: labelled, and nothing on it."""
    return build_lists(np.zeros(count, np.int64), pa.array([], LISTED_OBJECT))
