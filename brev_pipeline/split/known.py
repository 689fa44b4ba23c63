"""Known: what became of the rows of a file of known assignments, for people; counted anew from the tables."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from brev_pipeline.config import SplitSettings
from brev_pipeline.split.keys import KeySpec, fill_missing_items, find_key
from brev_pipeline.split.ledger import list_key_columns
from brev_pipeline.split.match_rows import describe_closest, match_rows

_SHOWN = 20
_WHAT = "the file of known assignments"


@dataclass(frozen=True)
class KnownMatches:
    """What became of the rows of a file of known assignments.

    Attributes:
        rows: with a purpose.
        matched: of them, those that mean an image of the split.
        left_out: those that mean only images that are listed and take no part in the split.
        unmatched: the others, the first 20: key, purpose, closest (the image's key that is most like it, or null).
        unmatched_count: how many others there are.
    """

    rows: int
    matched: int
    left_out: int
    unmatched: pa.Table
    unmatched_count: int

    @property
    def unmatched_text(self) -> str:
        """In words, which rows mean no image and what they are most like; empty where all mean one."""
        if not self.unmatched_count:
            return ""
        some = describe_closest(self.unmatched, self.unmatched_count)
        return f"{self.unmatched_count:,} of {self.rows:,} rows mean no listed image: {some}"

    def build_summary(self) -> dict[str, int | list[dict[str, str | None]]]:
        """The same as JSON takes it."""
        return {
            "rows": self.rows,
            "matched": self.matched,
            "left_out": self.left_out,
            "unmatched": self.unmatched_count,
            "examples": self.unmatched.to_pylist(),
        }


def count_known_matches(
    known: pa.Table | None, split: pa.Table, listing: pa.Table, settings: SplitSettings
) -> KnownMatches | None:
    """Count what became of the rows of a file of known assignments; None where there is none, or nothing in it.

    Args:
        known: as from `read_known_assignments`.
        split: `tables.SAMPLE_SPLIT`: the columns that ``known`` names, path and bucket.
        listing: the listed images (`tables.SAMPLE_INTEGRITY`), in the split or not: `list_known_columns`.
        settings: of the split.
    """
    if known is None:
        return None
    known = known.filter(known["purpose"].is_valid())
    if not len(known):
        return None
    keys = [column for column in known.column_names if column != "purpose"]
    match = match_rows(known, keys, split, None, _WHAT)
    lost = np.flatnonzero(~match.found)
    listing = _append_keys(listing, settings)
    if len(lost) and set(keys) <= set(listing.column_names):
        elsewhere = match_rows(known.take(pa.array(lost)), keys, listing, None, _WHAT)
        lost = lost[~elsewhere.found]
    shown = pa.array(lost[:_SHOWN])
    closest = match.find_closest(lost[:_SHOWN])
    unmatched = closest.add_column(1, "purpose", known["purpose"].take(shown))
    return KnownMatches(
        rows=len(known),
        matched=int(match.found.sum()),
        left_out=len(known) - int(match.found.sum()) - len(lost),
        unmatched=unmatched,
        unmatched_count=len(lost),
    )


def list_known_columns(known: pa.Table | None, settings: SplitSettings) -> list[str]:
    """The columns of a listing that `count_known_matches` reads, as far as there are such."""
    own = [] if known is None else known.column_names
    return list(dict.fromkeys(["path", "bucket", *list_key_columns(settings), *own]))


def _append_keys(listing: pa.Table, settings: SplitSettings) -> pa.Table:
    """The listing with item and stratum, where its columns give them."""
    for name, spec in (("item", settings.uniqueness), ("stratum", settings.stratification)):
        needs = ["path"] if isinstance(spec, str) else spec or []
        if spec and name not in listing.column_names and set(needs) <= set(listing.column_names):
            listing = listing.append_column(name, _key_texts(listing, spec, name))
    return listing


def _key_texts(listing: pa.Table, spec: KeySpec, name: str) -> pa.LargeStringArray:
    key = find_key(listing, spec, name)
    return (fill_missing_items(key, listing["path"]) if name == "item" else key).row_labels()
