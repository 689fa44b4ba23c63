"""Selection: which images take part in the split, and why the others do not.

An image whose own labels cannot be used has no part: it would stand there as one that nobody labelled, or with nothing
on it. Other images of the same bytes, with other labels, are not affected.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import SplitError
from brev_pipeline.labels.columns import (
    DEFECT_AREA,
    HAS_DEFECT,
    OWN_NAMES,
    find_label_fields,
    list_said_columns,
    name_label_columns,
)
from brev_pipeline.labels.identity import LABEL_ID
from brev_pipeline.labels.prepared import PREPARED_LABELS, PREPARED_LABELS_TYPE, find_prepared_labels
from brev_pipeline.split.encoding import Bools, Ints, encode_column, number_values
from brev_pipeline.tables import SAMPLE_SPLIT, Columns, conform_table, extend_schema
from brev_pipeline.texts import TEXT, join_texts

SELECTED_SAMPLES: Final = pa.schema(list(SAMPLE_SPLIT)[: SAMPLE_SPLIT.get_field_index("item")])

INTEGRITY_COLUMNS: Final = [*(name for name in SELECTED_SAMPLES.names if name != "pixel_id"), "duplicate_of"]
"""Columns of ``sample_integrity`` that are read, besides those of labels (`list_integrity_columns`)."""
EVALUATED_COLUMNS: Final = ["path", "category", "content_id", "duplicate_of", LABEL_ID]
"""Those by which it is told whether an image takes part, as far as there are such."""
PREPARED_COLUMNS: Final = ["content_id", "status", "reason", "pixel_id", PREPARED_LABELS]
"""Columns of ``prepared_images`` that are read, as far as there are such."""

RULES: Final = ("quarantined", "label_quarantined", "label_conflict", "duplicate")
"""Rules by which a listed image has no part, the first that applies."""

EXCLUSIONS: Final = pa.schema(
    [
        pa.field("path", TEXT, False),
        pa.field("content_id", TEXT, False),
        pa.field("rule", TEXT, False, {"description": ", ".join(RULES)}),
        pa.field("partner", TEXT, True, {"description": "path of the image that it is a copy of, or contradicts"}),
        pa.field("reason", TEXT, False, {"description": "in words"}),
    ]
)


def list_integrity_columns(names: Sequence[str]) -> list[str]:
    """Of the columns of ``sample_integrity`` those that the split reads."""
    labels = [LABEL_ID, *list_said_columns(names)] if LABEL_ID in names else []
    return [*INTEGRITY_COLUMNS, *labels]


def read_listed(integrity: Columns, wanted: Sequence[str] | None = None) -> pa.Table:
    """What the split reads of all that is listed, labels under the names that they have in the split.

    Args:
        integrity: ``sample_integrity``.
        wanted: columns of a split that are needed; None: all that the split reads.
    """
    columns = list_integrity_columns(integrity.names)
    if wanted is not None:
        columns = [name for name in columns if OWN_NAMES.get(name, name) in wanted]
    return name_label_columns(integrity.read(columns))


def select_samples(
    integrity: pa.Table, prepared: pa.Table, *, duplicates: str, label_conflicts: str
) -> tuple[pa.Table, pa.Table]:
    """Say of every listed image whether it takes part: listed = usable + excluded, always.

    Args:
        integrity: `tables.SAMPLE_INTEGRITY`, one row per image; with labels `labels.identity.LABEL_ID`, and what they
            say of item, purpose, numbers and texts.
        prepared: `tables.PREPARED_IMAGES`, one row per content; with labels `labels.prepared.PREPARED_LABELS`.
        duplicates: ``keep_all``, or ``keep_first``: of byte copies only the first by path takes part.
        label_conflicts: ``keep``, ``quarantine`` (images whose bytes or pixels stand under two categories, or have
            two labels, take no part), or ``fail``.

    Returns:
        The `SELECTED_SAMPLES` images with their pixel_id and, where the listing has labels, `find_label_fields`; and
        the `EXCLUSIONS`: each image under the first of `RULES` that applies.

    Raises:
        SplitError: there are label conflicts, and the policy is ``fail``.
    """
    found = evaluate_samples(integrity, prepared, duplicates=duplicates, label_conflicts=label_conflicts)
    fields = find_label_fields(integrity.schema) if LABEL_ID in integrity.column_names else []
    pixel_id = prepared["pixel_id"].take(pa.array(found.content, mask=found.content < 0))
    usable = name_label_columns(integrity).append_column("pixel_id", pixel_id)
    if found.labels is not None:
        at = pa.array(found.label_rows, mask=found.label_rows < 0)
        says = pc.if_else(found.labels["has_defect"].take(at), pa.scalar("yes", TEXT), pa.scalar("no", TEXT))
        usable = usable.append_column(HAS_DEFECT, says)
        usable = usable.append_column(DEFECT_AREA, found.labels["defect_area"].take(at))
    schema = extend_schema(SELECTED_SAMPLES, pa.schema(fields))
    usable = usable.select(schema.names)
    if not found.takes_part.all():
        usable = usable.filter(pa.array(found.takes_part))
    return conform_table(usable, schema, "usable samples"), found.excluded


class EvaluatedSamples(NamedTuple):
    """Which images take part; what holds their content and labels."""

    takes_part: Bools
    """(images,)"""
    content: Ints
    """(images,) row of ``prepared_images``; −1 for none."""
    excluded: pa.Table
    """`EXCLUSIONS`."""
    labels: pa.Table | None
    """(label ids of contents,) fields of `PREPARED_LABELS_TYPE`; None where the listing has no labels."""
    label_rows: Ints
    """(images,) row of these; −1 for none."""


def evaluate_samples(
    integrity: pa.Table, prepared: pa.Table, *, duplicates: str, label_conflicts: str
) -> EvaluatedSamples:
    """Say which images take part, by `EVALUATED_COLUMNS` and `PREPARED_COLUMNS`; the rest as of `select_samples`."""
    found = pc.index_in(integrity["content_id"], value_set=prepared["content_id"].combine_chunks())
    content = np.asarray(found.fill_null(-1).to_numpy(), np.int64)
    ok = pc.and_(pc.equal(prepared["status"], "ok"), prepared["pixel_id"].is_valid()).to_numpy()
    readable = np.append(ok, False)[content]
    labels, label_rows = _find_prepared_labels(integrity, prepared)
    unusable = readable & _find_unusable_labels(integrity, labels, label_rows)
    usable = readable & ~unusable
    partner = _find_conflict_partners(prepared, content, _number_labels(integrity), readable)
    if label_conflicts == "fail":
        _refuse_conflicts(integrity, partner)
    none = np.zeros(len(content), np.bool_)
    conflict = usable & (partner >= 0) if label_conflicts == "quarantine" else none
    kept = usable & ~conflict
    copy, original = (
        _find_copies(integrity, content, kept, unusable) if duplicates == "keep_first" else (none, pa.nulls(0, TEXT))
    )
    what = "category" if labels is None else "category, or have other labels"
    conflict_reason = f"the same bytes or pixels stand under another {what}"
    copy_reason = "the same bytes as its partner, which is used"
    paths = integrity["path"]
    tables = [
        _exclude_quarantined(integrity, prepared, content, ~readable),
        _exclude_labels(integrity, labels, label_rows, unusable),
        _build_exclusions(
            integrity, conflict, "label_conflict", paths.take(pa.array(partner[conflict])), conflict_reason
        ),
        _build_exclusions(integrity, copy, "duplicate", original, copy_reason),
    ]
    excluded = pa.concat_tables(tables).sort_by("path")
    return EvaluatedSamples(kept & ~copy, content, excluded, labels, label_rows)


def _find_prepared_labels(integrity: pa.Table, prepared: pa.Table) -> tuple[pa.Table | None, Ints]:
    """Prepared labels of all contents, and (images,) which of them are each image's own; −1 for none."""
    rows = np.full(len(integrity), -1, np.int64)
    if LABEL_ID not in integrity.column_names:
        return None, rows
    if PREPARED_LABELS not in prepared.column_names:
        return pa.Table.from_batches([], pa.schema(list(PREPARED_LABELS_TYPE.value_type))), rows
    labels, at = find_prepared_labels(prepared, integrity["content_id"], integrity[LABEL_ID])
    return labels, np.asarray(pc.fill_null(at, -1).to_numpy(), np.int64)


def _find_unusable_labels(integrity: pa.Table, labels: pa.Table | None, label_rows: Ints) -> Bools:
    """(images,) whether each has labels, and they are not there to be used."""
    if labels is None:
        return np.zeros(len(label_rows), np.bool_)
    ok = np.append(pc.equal(labels["status"], "ok").to_numpy(), False)[label_rows]
    return np.asarray(integrity[LABEL_ID].is_valid().to_numpy() & ~ok, np.bool_)


def _number_labels(integrity: pa.Table) -> Ints:
    """(images,) a number of what each is said to be: category, and its own labels where the listing has any."""
    category = encode_column(integrity["category"]).codes
    if LABEL_ID not in integrity.column_names:
        return category
    labels = encode_column(integrity[LABEL_ID]).codes + 1
    size = int(labels.max(initial=0)) + 1
    return number_values(category * size + labels, (int(category.max(initial=-1)) + 1) * size)[0]


def _find_copies(integrity: pa.Table, content: Ints, kept: Bools, unusable: Bools) -> tuple[Bools, pa.ChunkedArray]:
    """(images,) whether each is a copy of one that is kept; and of these copies, the path of that one."""
    first = integrity["duplicate_of"]
    if unusable.any():
        # The first by path may be one whose labels cannot be used: then the next one stands for the content.
        rows = np.flatnonzero(kept & np.isin(content, content[unusable]))
        rows = rows[pc.sort_indices(integrity["path"].take(pa.array(rows))).to_numpy()]
        leader = np.full(int(content.max(initial=-1)) + 1, -1, np.int64)
        leader[content[rows[::-1]]] = rows[::-1]
        own = np.full(len(content), -1, np.int64)
        own[rows] = leader[content[rows]]
        paths = integrity["path"].take(pa.array(own, mask=(own < 0) | (own == np.arange(len(own)))))
        first = pc.if_else(pa.array(own >= 0), paths, first)
    copy = kept & first.is_valid().to_numpy()
    return copy, first.filter(pa.array(copy))


def _find_conflict_partners(prepared: pa.Table, content: Ints, category: Ints, usable: Bools) -> Ints:
    """(images,) an image that is said to be something else, with the same bytes or pixels; −1 where there is none."""
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
        what = ", or with other labels" if LABEL_ID in integrity.column_names else ""
        raise SplitError(
            f"{len(rows)} images have the same bytes or pixels as one of another category{what}: {some}. "
            "Correct the labels, or set integrity.label_conflicts to quarantine or keep"
        )


def _exclude_quarantined(integrity: pa.Table, prepared: pa.Table, content: Ints, rows: Bools) -> pa.Table:
    image = prepared.select(["status", "reason"]).take(pa.array(content[rows], mask=content[rows] < 0))
    reason = join_texts(image["status"], pc.fill_null(image["reason"], "no reason was recorded"), by=": ")
    reason = pc.fill_null(reason, "missing: its content was not prepared")
    return _build_exclusions(integrity, rows, "quarantined", pa.nulls(len(image), TEXT), reason)


def _exclude_labels(integrity: pa.Table, labels: pa.Table | None, label_rows: Ints, rows: Bools) -> pa.Table:
    if labels is None:
        return EXCLUSIONS.empty_table()
    own = labels.select(["status", "reason"]).take(pa.array(label_rows[rows], mask=label_rows[rows] < 0))
    reason = join_texts(own["status"], pc.fill_null(own["reason"], "no reason was recorded"), by=": ")
    reason = pc.fill_null(reason, "missing: its labels were not prepared")
    return _build_exclusions(integrity, rows, "label_quarantined", pa.nulls(len(own), TEXT), reason)


def _build_exclusions(integrity: pa.Table, rows: Bools, rule: str, partner: Any, reason: Any) -> pa.Table:
    table = integrity.select(["path", "content_id"]).filter(pa.array(rows))
    table = table.append_column("rule", pa.repeat(pa.scalar(rule, TEXT), len(table)))
    reasons = pa.repeat(pa.scalar(reason, TEXT), len(table)) if isinstance(reason, str) else reason
    table = table.append_column("partner", partner).append_column("reason", reasons)
    return conform_table(table, EXCLUSIONS, "exclusions")
