"""Images: which are new, gone, renamed, changed or of another class, by their paths and their contents.

An image keeps its path, or else its content: of the images that have no partner by path, those with the same bytes are
pairs, as `integrity.pairs` pairs them. What is left is gone, or new.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.integrity.findings import pair_renamed
from brev_pipeline.texts import join_names

COMPARED: Final = ["path", "content_id", "category"]
"""Columns of two listings that are compared."""
SHOWN: Final = 20
"""Examples of each kind of change."""

Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ImageChanges:
    """What became of the images of a listing.

    Args:
        before: columns `COMPARED` of the earlier listing.
        after: the same of the later one.
        partner: (rows of after,) row of ``before`` that is the same image; −1 for none.
        by_path: (rows of after,) whether it is the same image by its path.
        unread: (rows of after,) whether nobody has read its bytes, so that only its path is known.
    """

    before: pa.Table
    after: pa.Table
    partner: Rows
    by_path: Bools
    unread: Bools

    @cached_property
    def new(self) -> Bools:
        """(rows of after,) images that were not there."""
        return (self.partner < 0) & ~self.unread

    @cached_property
    def renamed(self) -> Bools:
        """(rows of after,) images that stood under another path."""
        return (self.partner >= 0) & ~self.by_path

    @cached_property
    def changed(self) -> Bools:
        """(rows of after,) paths that hold other bytes."""
        return self._unlike(self.before["content_id"], self.after["content_id"]) & self.by_path & ~self.unread

    @cached_property
    def relabelled(self) -> Bools:
        """(rows of after,) images, of the same path or renamed, whose classes are others."""
        return self._unlike(_classes(self.before), _classes(self.after))

    @cached_property
    def gone(self) -> Bools:
        """(rows of before,) images that are there no more, under no path."""
        left = np.ones(self.before.num_rows, np.bool_)
        left[self.partner[self.partner >= 0]] = False
        return left

    @property
    def any(self) -> bool:
        """Whether anything is otherwise."""
        return bool(self.gone.any() or any(getattr(self, kind).any() for kind in _KINDS))

    def document(self) -> dict[str, Any]:
        """The changes as JSON: counts, counts by class, and up to `SHOWN` examples of each kind."""
        counts = {kind: int(getattr(self, kind).sum()) for kind in (*_KINDS, "gone")}
        return {
            "was": self.before.num_rows,
            "now": self.after.num_rows,
            **counts,
            "by_class": self._by_class(),
            "examples": {
                "new": self._paths(self.after, self.new),
                "gone": self._paths(self.before, self.gone),
                "renamed": self._pairs(self.renamed, "path"),
                "changed": self._paths(self.after, self.changed),
                "relabelled": self._relabelled(),
                "unread": self._paths(self.after, self.unread),
            },
        }

    def _by_class(self) -> list[dict[str, Any]]:
        """One row per class; an image of several counts in each. What was renamed or relabelled counts where it is."""
        counted = {"was": _count(self.before, None), "now": _count(self.after, None)}
        counted |= {kind: _count(self.after, getattr(self, kind)) for kind in _KINDS}
        counted["gone"] = _count(self.before, self.gone)
        names = sorted({*counted["was"], *counted["now"]})
        return [{"class": name, **{kind: found.get(name, 0) for kind, found in counted.items()}} for name in names]

    def _paths(self, table: pa.Table, among: Bools) -> list[dict[str, Any]]:
        some = table.take(pa.array(_first(table, among)))
        return [
            {"path": row["path"], "class": row["class"]}
            for row in some.select(["path"]).append_column("class", _classes(some)).to_pylist()
        ]

    def _pairs(self, among: Bools, column: str) -> list[dict[str, Any]]:
        rows = _first(self.after, among)
        was = self.before[column].take(pa.array(self.partner[rows])).to_pylist()
        now = self.after[column].take(pa.array(rows)).to_pylist()
        return [{"was": old, "now": new} for old, new in zip(was, now, strict=True)]

    def _relabelled(self) -> list[dict[str, Any]]:
        rows = _first(self.after, self.relabelled)
        was = _classes(self.before.take(pa.array(self.partner[rows]))).to_pylist()
        some = self.after.take(pa.array(rows))
        told = zip(some["path"].to_pylist(), was, _classes(some).to_pylist(), strict=True)
        return [{"path": path, "was": old, "now": new} for path, old, new in told]

    def _unlike(self, before: pa.ChunkedArray, after: pa.ChunkedArray) -> Bools:
        """(rows of after,) whether an image's partner has another value."""
        was = before.take(pa.array(self.partner, mask=self.partner < 0))
        found: Bools = pc.fill_null(pc.not_equal(was, after), False).to_numpy()
        return found


_KINDS: Final = ("new", "renamed", "changed", "relabelled", "unread")
"""What may be said of an image that is there now."""


def compare_images(before: pa.Table, after: pa.Table, unread: Bools | None = None) -> ImageChanges:
    """Find each image of a listing in an earlier one: by its path, or else by its content.

    Args:
        before: columns `COMPARED`; paths are unique.
        after: the same.
        unread: (rows of after,) images whose ``content_id`` says nothing of their bytes; None: none.
    """
    open_rows = np.zeros(after.num_rows, np.bool_) if unread is None else unread
    at = pc.index_in(after["path"], value_set=before["path"]).fill_null(-1).to_numpy().astype(np.int64)
    by_path, partner = at >= 0, at.copy()
    left = np.ones(before.num_rows, np.bool_)
    left[at[by_path]] = False
    came, went = np.flatnonzero(~by_path & ~open_rows), np.flatnonzero(left)
    if len(came) and len(went):
        lost, new = before.take(pa.array(went)), after.take(pa.array(came))
        found = pair_renamed(lost, new, (lost["content_id"], new["content_id"]))
        partner[came[found >= 0]] = went[found[found >= 0]]
    return ImageChanges(before.select(COMPARED), after.select(COMPARED), partner, by_path, open_rows)


def _classes(table: pa.Table) -> pa.ChunkedArray:
    """(rows,) the class names of each image as one text."""
    return join_names(table["category"], ", ")


def _count(table: pa.Table, among: Bools | None) -> dict[str, int]:
    """Class → its images."""
    category = table["category"] if among is None else table["category"].filter(pa.array(among))
    counted = pc.value_counts(pc.list_flatten(category))
    return {row["values"]: row["counts"] for row in counted.to_pylist()}


def _first(table: pa.Table, among: Bools) -> Rows:
    """The first rows by path of some, in that order."""
    rows = np.flatnonzero(among)
    if not len(rows):
        return rows
    paths = pa.table({"path": table["path"].take(pa.array(rows))})
    chosen: Rows = pc.select_k_unstable(paths, min(SHOWN, len(rows)), [("path", "ascending")]).to_numpy()
    return np.asarray(rows[chosen])
