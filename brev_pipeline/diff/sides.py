"""Sides: how many images stand on each side of the split, and which of them changed sides."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.diff.images import SHOWN, ImageChanges

OF_SPLIT: Final = ["path", "item", "purpose"]
"""Columns of a split that are compared."""


def compare_sides(changes: ImageChanges, before: pa.Table, after: pa.Table, order: Sequence[str]) -> dict[str, Any]:
    """The sides of two splits as JSON: images of each purpose, and those that changed sides.

    Args:
        changes: of the two listings; an image that was renamed is followed.
        before: columns `OF_SPLIT` of the earlier split, of images that are listed.
        after: the same of the later one.
        order: of the purposes.

    Returns:
        ``by_purpose`` (purpose, was, now, new: how many of those now were not there before) and ``moved`` (images,
        by_sides, examples).
    """
    was = _purpose_of(changes.before["path"], before)
    now = _purpose_of(changes.after["path"], after)
    old = was.take(pa.array(changes.partner, mask=changes.partner < 0))
    moved = pc.fill_null(pc.not_equal(old, now), False).to_numpy()
    rows = np.flatnonzero(moved)
    pairs = pa.table({"was": old.take(pa.array(rows)), "now": now.take(pa.array(rows))})
    paths = changes.after["path"].take(pa.array(rows))
    shown = pa.table({"path": paths, **{name: pairs[name] for name in ("was", "now")}}).sort_by("path").slice(0, SHOWN)
    counted = (
        pairs.group_by(["was", "now"])
        .aggregate([([], "count_all")])
        .sort_by([("was", "ascending"), ("now", "ascending")])
    )
    fresh = now.filter(pa.array(changes.partner < 0))
    counts = {"was": count(before["purpose"]), "now": count(after["purpose"]), "new": count(fresh)}
    return {
        "by_purpose": by_name("purpose", counts, order),
        "moved": {
            "images": len(rows),
            "by_sides": [
                {"was": row["was"], "now": row["now"], "images": row["count_all"]} for row in counted.to_pylist()
            ],
            "examples": shown.to_pylist(),
        },
    }


def by_name(title: str, counts: Mapping[str, Mapping[str, int]], order: Sequence[str]) -> list[dict[str, Any]]:
    """One row per name, in an order and then by name: its counts of each kind."""
    there = {name for found in counts.values() for name in found}
    names = [*(name for name in order if name in there), *sorted(there - set(order))]
    return [{title: name, **{kind: found.get(name, 0) for kind, found in counts.items()}} for name in names]


def count(column: pa.ChunkedArray) -> dict[str, int]:
    """Value → how often it stands in a column; nulls are not counted."""
    return {row["values"]: row["counts"] for row in pc.value_counts(column.drop_null()).to_pylist()}


def _purpose_of(paths: pa.ChunkedArray, split: pa.Table) -> pa.ChunkedArray:
    """(paths,) the purpose of each image; null for one that takes no part."""
    return split["purpose"].take(pc.index_in(paths, value_set=split["path"]))
