"""The label map: which number stands for which class, in this version and in all that follow it."""

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from brev_pipeline.report.ground import Ground
from brev_pipeline.report.opening import Opening
from brev_pipeline.report.text import counted, joined
from brev_pipeline.split.labels import count_labels, number_classes
from brev_pipeline.tables import AUGMENTED
from brev_pipeline.texts import TEXT

_ROWS: Final = 200


@dataclass(frozen=True)
class Label:
    """A class and its number."""

    number: int
    name: str
    images: int
    """Of this version; one of several classes counts in each."""
    records: str
    """With this label, by purpose, in words; of an image of several classes the first is the label."""
    note: str
    """``new``, ``no image any more``, or nothing."""


@dataclass(frozen=True)
class Labels:
    """The section."""

    opening: Opening
    rows: list[Label]
    more: int


def labels(ground: Ground) -> Labels:
    """Every class that has a number, in the order of the numbers."""
    classes: list[str] = ground.inputs.manifest["classes"]
    parent = ground.inputs.parent
    before: list[str] = parent.read_manifest()["classes"] if parent else []
    old = number_classes(pa.array(classes, TEXT), before).is_valid().to_pylist() if parent else [True] * len(classes)
    images = count_labels(pa.table({"category": ground.split.column("category")}), classes)
    records = _records(ground)
    rows = [
        Label(number, name, count, records.get(number, "none"), _note(count, known))
        for number, (name, count, known) in enumerate(zip(classes, images, old, strict=True))
    ]
    return Labels(_opening(rows, parent.id if parent else None), rows[:_ROWS], max(0, len(rows) - _ROWS))


def _records(ground: Ground) -> dict[int, str]:
    """Label → its records, in words: those of one purpose are never added to those of another."""
    counts: dict[int, dict[str, int]] = {}
    folds = ground.dividing.fold_names
    for row in ground.records.tally("label", "purpose", "augmented"):
        part = f"{row['purpose']}{AUGMENTED}" if row["augmented"] and row["purpose"] in folds else row["purpose"]
        counts.setdefault(row["label"], {})[part] = row["count"]
    parts = [part for purpose in ground.purposes for part in (purpose, f"{purpose}{AUGMENTED}")]
    return {
        label: joined([f"{mine[part]:,} {part}" for part in parts if part in mine], len(parts))
        for label, mine in counts.items()
    }


def _note(images: int, known: bool) -> str:
    if not images:
        return "no image any more"
    return "" if known else "new"


def _opening(rows: list[Label], parent: str | None) -> Opening:
    new, gone = ([row.name for row in rows if row.note == note] for note in ("new", "no image any more"))
    said = f"{counted(len(rows), 'class has a number', 'classes have a number each')}, kept for good"
    if parent:
        said += f"; new since version {parent}: {joined(new)}" if new else f"; none is new since version {parent}"
    if gone:
        said += f". {joined(gone)} {'has' if len(gone) == 1 else 'have'} no image any more, and the number waits for it"
    return Opening("labels", "Labels", "look" if gone else "good", said + ".")
