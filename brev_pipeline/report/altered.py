"""Altered: what happened to the images since the version before."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.integrity.findings import COMPARED_CONTENTS, compare_contents
from brev_pipeline.report.ground import Ground
from brev_pipeline.report.rows import Codes, Mask, Numbers, Rows, first
from brev_pipeline.table_metadata import LEFT_OUT_RULES
from brev_pipeline.texts import TEXT

_PATHS: Final = 40
_PIECE: Final = 1_000_000  # rows


@dataclass(frozen=True)
class Change:
    """A kind of change and the images that it happened to."""

    title: str
    says: str
    images: int
    examples: list[tuple[str, str]]
    """Paths, and what happened to each."""


def altered_images(ground: Ground, old: Rows, old_split: Rows, old_exclusions: pa.Table) -> list[Change]:
    """New images, those that left, what the listing leaves out since or does no more, renamed, replaced, relabelled and
    moved ones, in this order.

    An image is found when it is listed or left out by the listing: what ``listing.classes`` hides has not left. Nor has
    one whose bytes stand under another path now: it is renamed, and keeps its class or is relabelled.

    Args:
        ground: of this version.
        old: listing of the version before.
        old_split: its assignments.
        old_exclusions: path and rule of its exclusions.
    """
    new = ground.listing
    at, before = _places(old, new)
    left = np.ones(before, bool)
    left[at[at >= 0]] = False
    was, now = _unread(old_exclusions), _unread(ground.inputs.exclusions)
    back, hidden = _among(new, at < 0, was), _among(old, left, now)
    come, gone = _without(now, was, old), _without(was, now, new)
    came, lost = (at < 0) & ~back, left & ~hidden
    renamed = _renamed(old, lost, new, came)
    came &= ~_among(new, came, renamed["path"].combine_chunks())
    lost &= ~_among(old, lost, renamed["was"].combine_chunks())
    return [
        _found("New images", "found now, not before", new, came, come, ground),
        _found("Images that left", "found before, not now", old, lost, gone, None),
        _found("No longer read", "the listing left them out this time", old, hidden, None, ground),
        _found("Read again", "the listing left them out before", new, back, None, ground),
        _told(renamed, "Renamed images", "the same bytes, another path", "was"),
        _altered(old, new, at, "content_id", "Replaced images", "the same path, other bytes"),
        _both(
            _altered(old, new, at, "class", "Relabelled images", "the same path, or renamed; another class"),
            _told(renamed.filter(pc.equal(renamed["change"], "relabelled")), "", "", "category_was", "category"),
        ),
        _altered(
            old_split,
            ground.split,
            _places(old_split, ground.split)[0],
            "purpose",
            "Moved images",
            "they changed sides of the split",
        ),
    ]


def _unread(exclusions: pa.Table) -> pa.Array:
    """Paths that the listing left out."""
    rules = pa.array(LEFT_OUT_RULES, TEXT)
    return exclusions["path"].filter(pc.is_in(exclusions["rule"], value_set=rules)).combine_chunks()


def _among(table: Rows, rows: Mask, paths: pa.Array) -> Mask:
    """(rows of the table,) those of some rows whose path is one of some."""
    found = np.zeros(len(rows), bool)
    if len(paths) and rows.any():
        found[rows] = pc.is_in(table.column("path", rows), value_set=paths).to_numpy()
    return found


def _without(paths: pa.Array, others: pa.Array, listing: Rows) -> pa.Array:
    """Those of some paths that are neither among others nor listed."""
    for known in (others, listing.column("path") if len(paths) else others):
        paths = paths.filter(pc.invert(pc.is_in(paths, value_set=known)))
    return paths


def _found(title: str, says: str, table: Rows, among: Mask, unread: pa.Array | None, ground: Ground | None) -> Change:
    """A change of listed images, and of some that the listing left out."""
    examples = _examples(table, among, ground)
    if unread is not None and len(unread):
        paths = unread.take(pc.bottom_k_unstable(unread, min(_PATHS, len(unread)))).to_pylist()
        fates = ground.fates(paths) if ground else {}
        examples += [(path, fates.get(path, "left out by the listing")) for path in paths[: _PATHS - len(examples)]]
    return Change(title, says, int(among.sum()) + (0 if unread is None else len(unread)), examples)


def _renamed(old: Rows, lost: Mask, new: Rows, came: Mask) -> pa.Table:
    """What has the bytes of an image that is gone: schema `LISTING_CHANGES`, sorted by path."""
    sides = (
        pa.table({name: rows.column(name, among) for name in COMPARED_CONTENTS})
        for rows, among in ((old, lost), (new, came))
    )
    found = compare_contents(*sides)
    return found.filter(found["was"].is_valid())


def _told(renamed: pa.Table, title: str, says: str, was: str, now: str = "path") -> Change:
    """A change of images that were renamed."""
    shown = renamed.slice(0, _PATHS).to_pylist()
    arrow = [(row["path"], f"was {row[was]}" if now == "path" else f"{row[was]} → {row[now]}") for row in shown]
    return Change(title, says, len(renamed), arrow)


def _both(one: Change, other: Change) -> Change:
    """A change that happened to these images and to those."""
    return Change(one.title, one.says, one.images + other.images, sorted([*one.examples, *other.examples])[:_PATHS])


def _places(old: Rows, new: Rows) -> tuple[Codes, int]:
    """(new rows,) the row of the same path in the old table, or −1; and the rows of that."""
    was, now = old.column("path"), new.column("path")
    if len(was) == len(now) and pc.all(pc.equal(was, now), min_count=0).as_py():
        return np.arange(len(now), dtype=np.int32), len(was)  # as a rule, and far cheaper
    return pc.index_in(now, value_set=was).fill_null(-1).to_numpy(), len(was)


def _first(table: Rows, among: Mask) -> Numbers:
    """The rows that are shown of some."""
    if not among.any():
        return np.zeros(0, np.int64)
    return np.flatnonzero(among)[first(pa.table({"path": table.column("path", among)}), _PATHS)]


def _examples(table: Rows, among: Mask, ground: Ground | None) -> list[tuple[str, str]]:
    if not len(rows := _first(table, among)):
        return []
    shown = table.at(["path", "class"], rows).to_pylist()
    fates = ground.fates(row["path"] for row in shown) if ground else {}
    return [(row["path"], ", ".join(filter(None, [row["class"], fates.get(row["path"], "")]))) for row in shown]


def _altered(old: Rows, new: Rows, at: Codes, column: str, title: str, says: str) -> Change:
    unlike = _unlike(old.column(column), new.column(column), at)
    if not len(rows := _first(new, unlike)):
        return Change(title, says, 0, [])
    was, shown = old.at([column], at[rows])[column].to_pylist(), new.at(["path", column], rows).to_pylist()
    told = [(row["path"], f"{before} → {row[column]}") for row, before in zip(shown, was, strict=True)]
    return Change(title, says, int(unlike.sum()), told)


def _unlike(old: pa.ChunkedArray, new: pa.ChunkedArray, at: Codes) -> Mask:
    """(new rows,) whether there was another value at the old row; in pieces, for what is taken is a copy."""
    old, unlike = old.combine_chunks(), np.zeros(len(new), bool)
    for start in range(0, len(new), _PIECE):
        places = at[start : start + _PIECE]
        was = old.take(pa.array(places, mask=places < 0))
        other = pc.not_equal(was, new.slice(start, _PIECE).combine_chunks())
        unlike[start : start + _PIECE] = other.fill_null(False).to_numpy(zero_copy_only=False)
    return unlike
