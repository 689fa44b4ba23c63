"""Changes: what is gone since the newest published version, in the words of a check, with examples."""

from dataclasses import dataclass
from functools import cache
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.integrity.findings import (
    COMPARED,
    LISTING_CHANGES,
    compare_contents,
    compare_listings,
    find_gone_contents,
)
from brev_pipeline.tables import Columns

_EXAMPLE_ROWS: Final = 10  # rows of each kind of change
_NAMED_PATHS: Final = 3


@dataclass(frozen=True)
class Disappeared:
    """What is gone.

    Attributes:
        share: of what there was, 0..1.
        description: the same in words, with what was only renamed; empty where nothing is gone.
        examples: change, class, path (where it was) and now.
    """

    share: float
    description: str
    examples: pa.Table


def find_path_changes(old: pa.Table | None, listing: Columns) -> Disappeared:
    """Share of the paths that are gone; whether their contents are elsewhere is told as far as entity tags say.

    Args:
        old: columns `COMPARED` of the newest version's listing; None before the first.
        listing: table of raw_listing.
    """
    if old is None or not len(old):
        return _nothing_gone()
    gone = len(old) - int(pc.sum(pc.is_in(old["path"], value_set=listing.read(["path"])["path"])).as_py() or 0)
    if not gone:
        return _nothing_gone()
    changes = compare_listings(old, listing.read(COMPARED))
    lost = _select_changes(changes, "vanished")
    text = f"{gone:,} of {len(old):,} paths are gone. {_describe_renamed(changes)}"
    if len(lost):
        text += f"No image with the entity tag of {len(lost):,} of them has come: {_format_paths(lost['path'])}"
    return Disappeared(gone / len(old), text.strip(), _build_examples(lost, changes))


def find_content_changes(old: pa.Table | None, new: pa.Table) -> Disappeared:
    """Share of the known contents that are gone.

    Args:
        old: columns `COMPARED_CONTENTS` of the newest version's listing; None before the first.
        new: the same of the present table of integrity.
    """
    if old is None or not len(old):
        return _nothing_gone()
    gone, known = find_gone_contents(old, new)
    if not len(gone):
        return _nothing_gone()
    changes, count = compare_contents(old, new), len(pc.unique(gone["content_id"]))
    lost = changes.filter(pc.is_in(changes["path"], value_set=gone["path"]))
    replaced = _select_changes(lost, "replaced")
    text = f"{count:,} of {known:,} contents are gone: {_format_paths(lost['path'])}. "
    if len(replaced):
        text += f"{len(replaced):,} paths of them hold other bytes now: {_format_paths(replaced['path'])}. "
    text += f"{_describe_renamed(changes)}Bring them back; or, if they shall go, raise the tolerance for one run"
    return Disappeared(count / known, text, _build_examples(lost, changes))


def _select_changes(changes: pa.Table, *kinds: str) -> pa.Table:
    return changes.filter(pc.is_in(changes["change"], value_set=pa.array(kinds, changes["change"].type)))


def _describe_renamed(changes: pa.Table) -> str:
    """How many images were only renamed, and how many of them into another class."""
    renamed, relabelled = _select_changes(changes, "renamed", "relabelled"), _select_changes(changes, "relabelled")
    if not len(renamed):
        return ""
    text = f"{len(renamed):,} images were renamed and count as there: {_format_pairs(renamed)}. "
    if len(relabelled):
        text += f"{len(relabelled):,} of them are of another class now: {_format_pairs(relabelled, classes=True)}. "
    return text


def _format_pairs(rows: pa.Table, *, classes: bool = False) -> str:
    form = "{was} ({category_was}) → {path} ({category})" if classes else "{was} → {path}"
    pairs = [form.format(**row) for row in rows.slice(0, _NAMED_PATHS).to_pylist()]
    return ", ".join(pairs) + (", …" if len(rows) > _NAMED_PATHS else "")


def _format_paths(paths: pa.ChunkedArray) -> str:
    return ", ".join(paths[:_NAMED_PATHS].to_pylist()) + (", …" if len(paths) > _NAMED_PATHS else "")


def _build_examples(lost: pa.Table, changes: pa.Table) -> pa.Table:
    """Some of what is gone, of what changed its class, and of what was renamed, for people."""
    kinds = [lost, _select_changes(changes, "relabelled"), _select_changes(changes, "renamed")]
    rows = pa.concat_tables([kind.slice(0, _EXAMPLE_ROWS) for kind in kinds])
    gone = pc.is_null(rows["was"])
    kind = pc.replace_substring(rows["change"], "vanished", "gone")
    now = pc.if_else(gone, pa.scalar(None, rows["path"].type), rows["path"])
    columns = [kind, pc.coalesce(rows["was"], rows["path"]), now, pc.coalesce(rows["category_was"], rows["category"])]
    return pa.table(
        [*columns, pc.if_else(gone, now, rows["category"])], ["change", "path", "now", "class", "class_now"]
    )


# Made when it is asked for: `to_pandas` and what builds its examples load pandas, a second of the audit's start.
@cache
def _nothing_gone() -> Disappeared:
    return Disappeared(0.0, "", _build_examples(LISTING_CHANGES.empty_table(), LISTING_CHANGES.empty_table()))
