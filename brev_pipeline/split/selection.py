"""Selection: which images take part in the split, and why the others do not."""

from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import SplitError
from brev_pipeline.split.encoding import Bools, Ints, encode_column
from brev_pipeline.tables import SAMPLE_SPLIT, conform_table
from brev_pipeline.texts import TEXT, join_texts

SELECTED_SAMPLES: Final = pa.schema(list(SAMPLE_SPLIT)[: SAMPLE_SPLIT.get_field_index("item")])

INTEGRITY_COLUMNS: Final = [*(name for name in SELECTED_SAMPLES.names if name != "pixel_id"), "duplicate_of"]
"""Columns of ``sample_integrity`` that are read."""
EVALUATED_COLUMNS: Final = ["path", "category", "content_id", "duplicate_of"]
"""Those of them by which it is told whether an image takes part."""
PREPARED_COLUMNS: Final = ["content_id", "status", "reason", "pixel_id"]
"""Columns of ``prepared_images`` that are read."""

EXCLUSIONS: Final = pa.schema(
    [
        pa.field("path", TEXT, False),
        pa.field("content_id", TEXT, False),
        pa.field("rule", TEXT, False, {"description": "quarantined, label_conflict, duplicate"}),
        pa.field("partner", TEXT, True, {"description": "path of the image that it is a copy of, or contradicts"}),
        pa.field("reason", TEXT, False, {"description": "in words"}),
    ]
)


def select_samples(
    integrity: pa.Table, prepared: pa.Table, *, duplicates: str, label_conflicts: str
) -> tuple[pa.Table, pa.Table]:
    """Say of every listed image whether it takes part: listed = usable + excluded, always.

    Args:
        integrity: `tables.SAMPLE_INTEGRITY`, one row per image.
        prepared: `tables.PREPARED_IMAGES`, one row per content.
        duplicates: ``keep_all``, or ``keep_first``: of byte copies only the first by path takes part.
        label_conflicts: ``keep``, ``quarantine`` (images whose bytes or pixels stand under two categories take no
            part), or ``fail``.

    Returns:
        The `SELECTED_SAMPLES` images with their pixel_id, and the `EXCLUSIONS`: each image under the first rule that
        applies, of quarantined, label_conflict, duplicate.

    Raises:
        SplitError: there are label conflicts, and the policy is ``fail``.
    """
    judged = evaluate_samples(integrity, prepared, duplicates=duplicates, label_conflicts=label_conflicts)
    at = judged.content_row
    pixel_id = prepared["pixel_id"].take(pa.array(at, mask=at < 0))
    usable = integrity.append_column("pixel_id", pixel_id).select(SELECTED_SAMPLES.names)
    if not judged.takes_part.all():
        usable = usable.filter(pa.array(judged.takes_part))
    return conform_table(usable, SELECTED_SAMPLES, "usable samples"), judged.excluded


class SampleSelection(NamedTuple):
    """Which images take part."""

    takes_part: Bools
    """(images,)"""
    content_row: Ints
    """(images,) row of prepared_images that holds the content; −1 for none."""
    excluded: pa.Table
    """`EXCLUSIONS`."""


def evaluate_samples(
    integrity: pa.Table, prepared: pa.Table, *, duplicates: str, label_conflicts: str
) -> SampleSelection:
    """As `select_samples`, for who wants only to know which images take part.

    Args:
        integrity: columns `EVALUATED_COLUMNS`.
        prepared: columns `PREPARED_COLUMNS`.
        duplicates: as there.
        label_conflicts: as there.

    Raises:
        SplitError: as there.
    """
    at = _find_content_rows(integrity, prepared)
    unusable = _find_unprepared(prepared, at)
    category = encode_column(integrity["category"]).codes
    partner = _find_conflict_partners(prepared, at, category, ~unusable)
    if label_conflicts == "fail":
        _refuse_conflicts(integrity, partner)
    conflict = ~unusable & (partner >= 0) if label_conflicts == "quarantine" else np.zeros(len(at), np.bool_)
    copy = ~unusable & ~conflict & _find_later_copies(integrity, duplicates)
    tables = [
        _exclude_quarantined(integrity, prepared, at, unusable),
        _exclude_conflicts(integrity, partner, conflict),
        _exclude_copies(integrity, copy),
    ]
    return SampleSelection(~(unusable | conflict | copy), at, pa.concat_tables(tables).sort_by("path"))


def _find_content_rows(integrity: pa.Table, prepared: pa.Table) -> Ints:
    """(images,) row of ``prepared`` that holds each image's content; −1 for none."""
    found = pc.index_in(integrity["content_id"], value_set=prepared["content_id"].combine_chunks())
    return np.asarray(found.fill_null(-1).to_numpy(), np.int64)


def _find_unprepared(prepared: pa.Table, at: Ints) -> Bools:
    ok = pc.and_(pc.equal(prepared["status"], "ok"), prepared["pixel_id"].is_valid()).to_numpy()
    return np.asarray(~np.append(ok, False)[at])


def _find_conflict_partners(prepared: pa.Table, at: Ints, category: Ints, usable: Bools) -> Ints:
    """(images,) an image of another category with the same bytes or pixels; −1 where there is none."""
    partner = np.full(len(at), -1, np.int64)
    pixels = np.append(encode_column(prepared["pixel_id"]).codes, -1)[at]
    for codes in (pixels, np.where(at >= 0, at, -1)):
        rows = np.flatnonzero(usable & (codes >= 0))
        first, last = _find_extremes(codes[rows], category[rows], rows)
        differs = category[first[codes[rows]]] != category[last[codes[rows]]]
        mine, low, high = rows[differs], first[codes[rows]][differs], last[codes[rows]][differs]
        partner[mine] = np.where(category[low] == category[mine], high, low)
    return partner


def _find_extremes(codes: Ints, category: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """For each code a row with its least category and one with its greatest, the first of their kind."""
    size = int(codes.max(initial=-1)) + 1
    first, last = np.full(size, -1, np.int64), np.full(size, -1, np.int64)
    up, down = np.lexsort((-rows, -category)), np.lexsort((-rows, category))
    first[codes[up]] = rows[up]  # the last writer wins
    last[codes[down]] = rows[down]
    return first, last


def _refuse_conflicts(integrity: pa.Table, partner: Ints) -> None:
    rows = np.flatnonzero(partner >= 0)
    if len(rows):
        paths = integrity["path"]
        pairs = {tuple(sorted((paths[int(row)].as_py(), paths[int(partner[row])].as_py()))) for row in rows[:20]}
        some = "; ".join(" and ".join(pair) for pair in sorted(pairs)[:5])
        raise SplitError(
            f"{len(rows)} images have the same bytes or pixels as one of another category: {some}. Correct the labels, "
            "or set integrity.label_conflicts to quarantine or keep"
        )


def _find_later_copies(integrity: pa.Table, duplicates: str) -> Bools:
    if duplicates != "keep_first":
        return np.zeros(len(integrity), np.bool_)
    return np.asarray(integrity["duplicate_of"].is_valid().to_numpy(), np.bool_)


def _exclude_quarantined(integrity: pa.Table, prepared: pa.Table, at: Ints, rows: Bools) -> pa.Table:
    found = prepared.select(["status", "reason"]).take(pa.array(at[rows], mask=at[rows] < 0))
    own = join_texts(found["status"], pc.fill_null(found["reason"], "no reason was recorded"), by=": ")
    return _build_exclusions(
        integrity, rows, "quarantined", None, pc.fill_null(own, "missing: its content was not prepared")
    )


def _exclude_conflicts(integrity: pa.Table, partner: Ints, rows: Bools) -> pa.Table:
    others = integrity["path"].take(pa.array(partner[rows]))
    reason = "the same bytes or pixels stand under another category"
    return _build_exclusions(integrity, rows, "label_conflict", others, reason)


def _exclude_copies(integrity: pa.Table, rows: Bools) -> pa.Table:
    others = integrity["duplicate_of"].filter(pa.array(rows))
    return _build_exclusions(integrity, rows, "duplicate", others, "the same bytes as its partner, which is used")


def _build_exclusions(integrity: pa.Table, rows: Bools, rule: str, partner: Any, reason: Any) -> pa.Table:
    own = integrity.select(["path", "content_id"]).filter(pa.array(rows))
    own = own.append_column("rule", pa.array([rule] * len(own), TEXT))
    own = own.append_column("partner", pa.nulls(len(own), TEXT) if partner is None else partner)
    reasons = pa.array([reason] * len(own), TEXT) if isinstance(reason, str) else reason
    return conform_table(own.append_column("reason", reasons), EXCLUSIONS, "exclusions")
