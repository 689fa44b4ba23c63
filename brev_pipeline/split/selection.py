"""Selection: which images take part in the split, and why the others do not."""

from typing import Any, Final

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
    takes_part, content, excluded = evaluate_samples(
        integrity, prepared, duplicates=duplicates, label_conflicts=label_conflicts
    )
    pixel_id = prepared["pixel_id"].take(pa.array(content, mask=content < 0))
    usable = integrity.append_column("pixel_id", pixel_id).select(SELECTED_SAMPLES.names)
    if not takes_part.all():
        usable = usable.filter(pa.array(takes_part))
    return conform_table(usable, SELECTED_SAMPLES, "usable samples"), excluded


def evaluate_samples(
    integrity: pa.Table, prepared: pa.Table, *, duplicates: str, label_conflicts: str
) -> tuple[Bools, Ints, pa.Table]:
    """Say which images take part, by `EVALUATED_COLUMNS` and `PREPARED_COLUMNS`; the rest as of `select_samples`.

    Returns:
        (images,) whether each takes part; (images,) row of prepared_images that holds its content, −1 for none; and the
        `EXCLUSIONS`.
    """
    found = pc.index_in(integrity["content_id"], value_set=prepared["content_id"].combine_chunks())
    content = np.asarray(found.fill_null(-1).to_numpy(), np.int64)
    ok = pc.and_(pc.equal(prepared["status"], "ok"), prepared["pixel_id"].is_valid()).to_numpy()
    usable = np.append(ok, False)[content]
    partner = _find_conflict_partners(prepared, content, encode_column(integrity["category"]).codes, usable)
    if label_conflicts == "fail":
        _refuse_conflicts(integrity, partner)
    none = np.zeros(len(content), np.bool_)
    conflict = usable & (partner >= 0) if label_conflicts == "quarantine" else none
    repeated = integrity["duplicate_of"].is_valid().to_numpy() if duplicates == "keep_first" else none
    copy = usable & ~conflict & repeated
    conflict_reason = "the same bytes or pixels stand under another category"
    copy_reason = "the same bytes as its partner, which is used"
    tables = [
        _exclude_quarantined(integrity, prepared, content, ~usable),
        _build_exclusions(
            integrity, conflict, "label_conflict", integrity["path"].take(pa.array(partner[conflict])), conflict_reason
        ),
        _build_exclusions(integrity, copy, "duplicate", integrity["duplicate_of"].filter(pa.array(copy)), copy_reason),
    ]
    return usable & ~conflict & ~copy, content, pa.concat_tables(tables).sort_by("path")


def _find_conflict_partners(prepared: pa.Table, content: Ints, category: Ints, usable: Bools) -> Ints:
    """(images,) an image of another category with the same bytes or pixels; −1 where there is none."""
    partner = np.full(len(content), -1, np.int64)
    pixels = np.append(encode_column(prepared["pixel_id"]).codes, -1)[content]
    for codes in (pixels, content):  # the last writer wins: the same bytes say more than the same pixels
        rows = np.flatnonzero(usable & (codes >= 0))
        first, last = _find_extremes(codes[rows], category[rows], rows)
        differs = category[first[codes[rows]]] != category[last[codes[rows]]]
        row, low, high = rows[differs], first[codes[rows]][differs], last[codes[rows]][differs]
        partner[row] = np.where(category[low] == category[row], high, low)
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
    rows, paths = np.flatnonzero(partner >= 0), integrity["path"]
    if len(rows):
        pairs = {tuple(sorted((paths[int(row)].as_py(), paths[int(partner[row])].as_py()))) for row in rows[:20]}
        some = "; ".join(" and ".join(pair) for pair in sorted(pairs)[:5])
        raise SplitError(
            f"{len(rows)} images have the same bytes or pixels as one of another category: {some}. Correct the labels, "
            "or set integrity.label_conflicts to quarantine or keep"
        )


def _exclude_quarantined(integrity: pa.Table, prepared: pa.Table, content: Ints, rows: Bools) -> pa.Table:
    image = prepared.select(["status", "reason"]).take(pa.array(content[rows], mask=content[rows] < 0))
    reason = join_texts(image["status"], pc.fill_null(image["reason"], "no reason was recorded"), by=": ")
    reason = pc.fill_null(reason, "missing: its content was not prepared")
    return _build_exclusions(integrity, rows, "quarantined", pa.nulls(len(image), TEXT), reason)


def _build_exclusions(integrity: pa.Table, rows: Bools, rule: str, partner: Any, reason: Any) -> pa.Table:
    table = integrity.select(["path", "content_id"]).filter(pa.array(rows))
    table = table.append_column("rule", pa.repeat(pa.scalar(rule, TEXT), len(table)))
    reasons = pa.repeat(pa.scalar(reason, TEXT), len(table)) if isinstance(reason, str) else reason
    table = table.append_column("partner", partner).append_column("reason", reasons)
    return conform_table(table, EXCLUSIONS, "exclusions")
