"""Known assignments: a table of purposes that people keep beside the ledger, and what became of its rows.

Such as the reference's sample identification file. Its rows are counted anew from the tables, for people.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import SplitSettings
from brev_pipeline.errors import SplitError
from brev_pipeline.labels.columns import list_listed_names, name_label_columns
from brev_pipeline.split.encoding import Ints, Key
from brev_pipeline.split.keys import fill_missing_items, find_key, has_key_columns
from brev_pipeline.split.leak_groups import list_key_columns
from brev_pipeline.split.matching import BASE_FOLDER, RowMatch, describe_closest, match_rows
from brev_pipeline.split.purposes import OPEN, number_purposes
from brev_pipeline.split.text_tables import read_text_table

_SHOWN = 20
_WHAT = "the file of known assignments"


def read_known_assignments(data: bytes, name: str, base: str | None = None) -> pa.Table:
    """Read a CSV of known assignments.

    Args:
        data: the file's bytes: a head line, key columns, and ``purpose``; see `read_text_table`. Empty fields are no
            value.
        name: the file's place, for messages.
        base: folder that relative paths in it may be meant from.

    Returns:
        Its columns, all text; the schema's metadata has ``base`` as `BASE_FOLDER`.

    Raises:
        SplitError: it is no CSV, lacks ``purpose`` or any other column, or has no purpose in any row.
    """
    table = read_text_table(data, name)
    if "purpose" not in table.column_names or table.num_columns < 2:
        raise SplitError(
            f"{name}: a file of known assignments has the columns of a key, such as etag or path, and 'purpose'; this "
            f"one has {', '.join(table.column_names)}"
        )
    if len(table) and not table["purpose"].is_valid().to_numpy().any():
        raise SplitError(f"{name}: none of its {len(table)} rows has a purpose: fill the column 'purpose'")
    return table.replace_schema_metadata({BASE_FOLDER: base} if base else None)


def match_known_purposes(
    known: pa.Table | None,
    samples: pa.Table,
    found_keys: Mapping[str, Key],
    names: list[str],
    ledger: pa.Table | None = None,
) -> Ints:
    """(images,) the purpose that a file of known assignments gives each image, or −1.

    ``found_keys`` are item and stratum of the samples. What the ledger remembers may have left the listing: a file that
    means only such images is no mistake.

    Raises:
        SplitError: a key column is not known, a key stands there with two purposes, a purpose is unknown, or no row
            means an image.
    """
    if known is None or not len(known):
        return np.full(len(samples), OPEN)
    keys = [column for column in known.column_names if column != "purpose"]
    known = known.filter(known["purpose"].is_valid())
    purposes = number_purposes(known["purpose"], names, _WHAT)
    match = match_rows(known, keys, samples, found_keys, _WHAT)
    _refuse_contradictions(match.texts, known["purpose"])
    if len(known) and not match.found.any() and not _is_remembered(known, keys, ledger):
        _refuse_no_match(match, keys)
    return np.append(purposes, OPEN)[match.row]


def _is_remembered(known: pa.Table, keys: list[str], ledger: pa.Table | None) -> bool:
    """Whether a row means an image of the ledger, as far as the ledger's columns tell."""
    if ledger is None or not len(ledger):
        return False
    if not set(keys) <= set(ledger.column_names):
        return True
    return bool(match_rows(known, keys, ledger, {}, _WHAT).found.any())


def _refuse_no_match(match: RowMatch, keys: list[str]) -> None:
    own, other = (
        ", ".join(pc.unique(texts).drop_null().slice(0, 3).to_pylist()).replace("\x1f", " / ")
        for texts in (match.texts, match.names)
    )
    raise SplitError(
        f"the file of known assignments (split.ledger_csv): none of its {len(match.found)} rows means an image. By "
        f"{', '.join(keys)}, its rows are: {own}; the images are: {other}. Its keys may be path (as listed, within the "
        "dataset, from the configuration's folder, or whole), etag, content_id, item, or any column of uniqueness"
    )


def _refuse_contradictions(texts: pa.ChunkedArray, purposes: pa.ChunkedArray) -> None:
    # A row without a key means nothing.
    texts, purposes = texts.drop_null(), purposes.filter(texts.is_valid())
    pairs = pa.table({"key": texts, "purpose": purposes}).group_by(["key", "purpose"]).aggregate([])
    counts = pairs.group_by("key").aggregate([("purpose", "count")])
    twice = counts.filter(pc.greater(counts["purpose_count"], 1))["key"]
    if len(twice):
        some = ", ".join(sorted(twice.to_pylist())[:5]).replace("\x1f", " / ")
        raise SplitError(
            f"the file of known assignments gives {len(twice)} keys more than one purpose: {some}; keep one line of "
            "each"
        )


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

    ``split`` has the columns that ``known`` names, path and bucket; the listing is of all images, in the split or not
    (`tables.SAMPLE_INTEGRITY`), with the columns `list_known_columns`.
    """
    if known is None:
        return None
    known = known.filter(known["purpose"].is_valid())
    if not len(known):
        return None
    keys = [column for column in known.column_names if column != "purpose"]
    match = match_rows(known, keys, split, {}, _WHAT)
    lost = np.flatnonzero(~match.found)
    listing = _append_keys(name_label_columns(listing), settings)
    if len(lost) and set(keys) <= set(listing.column_names):
        elsewhere = match_rows(known.take(pa.array(lost)), keys, listing, {}, _WHAT)
        lost = lost[~elsewhere.found]
    shown, matched = lost[:_SHOWN], int(match.found.sum())
    unmatched = match.find_closest(shown).add_column(1, "purpose", known["purpose"].take(pa.array(shown)))
    return KnownMatches(len(known), matched, len(known) - matched - len(lost), unmatched, len(lost))


def list_known_columns(known: pa.Table | None, settings: SplitSettings) -> list[str]:
    """The columns of a listing that `count_known_matches` reads, as far as there are such."""
    own = [] if known is None else known.column_names
    return list_listed_names(["path", "bucket", *list_key_columns(settings), *own])


def _append_keys(listing: pa.Table, settings: SplitSettings) -> pa.Table:
    """The listing with item and stratum, where its columns give them."""
    for name, spec in (("item", settings.uniqueness), ("stratum", settings.stratification)):
        if spec and name not in listing.column_names and has_key_columns(listing, spec):
            key = find_key(listing, spec, name)
            key = fill_missing_items(key, listing["path"]) if name == "item" else key
            listing = listing.append_column(name, key.row_labels())
    return listing
