"""Which images of a listing are new, gone, renamed, changed or of another class, by their paths and their contents.

An image keeps its path, or else its content: of the images that have no partner by path, those with the same bytes are
pairs, as `integrity.findings` pairs them. What is left is gone, or new.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.integrity.findings import pair_renamed
from brev_pipeline.tables import count_values, to_mask
from brev_pipeline.texts import join_names

LISTING_COLUMNS: Final = ["path", "content_id", "category"]
"""Columns of two listings that are compared."""
MAX_EXAMPLES: Final = 20
"""Examples of each kind of change."""

# What may be said of an image that is there now.
_KINDS: Final = ("new", "renamed", "changed", "relabelled", "unread")

Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ImageChanges:
    """What became of the images of a listing.

    Args:
        before: columns `LISTING_COLUMNS` of the earlier listing.
        after: the same of the later one.
        partner: (rows of after,) row of ``before`` that is the same image; −1 for none.
        masks: kind of change → (rows of after,) whether the image is ``new``, was ``renamed`` (its partner has another
            path), ``changed`` (the same path, other bytes), ``relabelled`` (its partner has other classes), or is
            ``unread`` (nobody has read its bytes, so that only its path is known); and ``gone``: (rows of before,)
            whether it is there no more, under no path.
    """

    before: pa.Table
    after: pa.Table
    partner: Rows
    masks: Mapping[str, Bools]

    def to_dict(self) -> dict[str, Any]:
        """The changes as JSON: counts, counts by class, and up to `MAX_EXAMPLES` examples of each kind."""
        return {
            "was": self.before.num_rows,
            "now": self.after.num_rows,
            **{kind: int(mask.sum()) for kind, mask in self.masks.items()},
            "by_class": self._count_by_class(),
            "examples": {
                "new": self._list_paths(self.after, "new"),
                "gone": self._list_paths(self.before, "gone"),
                "renamed": [{"was": was["path"], "now": now["path"]} for was, now in self._list_pairs("renamed")],
                "changed": self._list_paths(self.after, "changed"),
                "relabelled": [
                    {"path": now["path"], "was": was["class"], "now": now["class"]}
                    for was, now in self._list_pairs("relabelled")
                ],
                "unread": self._list_paths(self.after, "unread"),
            },
        }

    def _count_by_class(self) -> list[dict[str, Any]]:
        """One row per class; an image of several counts in each. What was renamed or relabelled counts where it is."""
        counts = {"was": _count_classes(self.before, None), "now": _count_classes(self.after, None)}
        counts |= {kind: _count_classes(self.after, self.masks[kind]) for kind in _KINDS}
        counts["gone"] = _count_classes(self.before, self.masks["gone"])
        names = sorted({*counts["was"], *counts["now"]})
        return [{"class": name, **{kind: found.get(name, 0) for kind, found in counts.items()}} for name in names]

    def _list_paths(self, table: pa.Table, kind: str) -> list[dict[str, str]]:
        return _name_rows(table, pa.array(_find_first_rows(table, self.masks[kind])))

    def _list_pairs(self, kind: str) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
        """The first images of a kind: path and class of their partners, and their own."""
        rows = _find_first_rows(self.after, self.masks[kind])
        partners = _name_rows(self.before, pa.array(self.partner[rows]))
        return zip(partners, _name_rows(self.after, pa.array(rows)), strict=True)


def compare_images(before: pa.Table, after: pa.Table, unread: Bools | None = None) -> ImageChanges:
    """Find each image of a listing in an earlier one: by its path, or else by its content.

    Args:
        before: columns `LISTING_COLUMNS`; paths are unique.
        after: the same.
        unread: (rows of after,) images whose ``content_id`` says nothing of their bytes; None: none.
    """
    before, after = before.select(LISTING_COLUMNS), after.select(LISTING_COLUMNS)
    unread = np.zeros(after.num_rows, np.bool_) if unread is None else unread
    partner = pc.index_in(after["path"], value_set=before["path"]).fill_null(-1).to_numpy().astype(np.int64)
    by_path = partner >= 0
    left = np.ones(before.num_rows, np.bool_)
    left[partner[by_path]] = False
    # By content only what has no partner by path, and whose bytes are known.
    came, went = np.flatnonzero(~by_path & ~unread), np.flatnonzero(left)
    if len(came) and len(went):
        lost, fresh = before.take(pa.array(went)), after.take(pa.array(came))
        pairs = pair_renamed(lost, fresh, (lost["content_id"], fresh["content_id"]))
        partner[came[pairs >= 0]] = went[pairs[pairs >= 0]]
        left[partner[partner >= 0]] = False

    def differs(old: pa.ChunkedArray, new: pa.ChunkedArray) -> Bools:
        """(rows of after,) whether an image's partner has another value."""
        return to_mask(pc.not_equal(old.take(pa.array(partner, mask=partner < 0)), new))

    masks = {
        "new": (partner < 0) & ~unread,
        "renamed": (partner >= 0) & ~by_path,
        "changed": differs(before["content_id"], after["content_id"]) & by_path & ~unread,
        "relabelled": differs(_class_texts(before), _class_texts(after)),
        "unread": unread,
        "gone": left,
    }
    return ImageChanges(before, after, partner, masks)


def _name_rows(table: pa.Table, rows: pa.Array) -> list[dict[str, str]]:
    taken = table.take(rows)
    named: list[dict[str, str]] = pa.table({"path": taken["path"], "class": _class_texts(taken)}).to_pylist()
    return named


def _class_texts(table: pa.Table) -> pa.ChunkedArray:
    """(rows,) the class names of each image as one text."""
    return join_names(table["category"], ", ")


def _count_classes(table: pa.Table, among: Bools | None) -> dict[str, int]:
    """Class → its images."""
    category = table["category"] if among is None else table["category"].filter(pa.array(among))
    return count_values(pc.list_flatten(category))


def _find_first_rows(table: pa.Table, among: Bools) -> Rows:
    """The first rows by path of some, in that order."""
    rows = np.flatnonzero(among)
    if not len(rows):
        return rows
    # A listing may have millions: it is not sorted for the sake of a few.
    paths = pa.table({"path": table["path"].take(pa.array(rows))})
    first: Rows = pc.select_k_unstable(paths, min(MAX_EXAMPLES, len(rows)), [("path", "ascending")]).to_numpy()
    return np.asarray(rows[first])
