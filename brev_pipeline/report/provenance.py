"""Provenance: what the version was made from and with, how anyone can check it, and which label means which class."""

import json
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from brev_pipeline.config import PipelineConfig
from brev_pipeline.report.context import ReportContext, SectionSummary
from brev_pipeline.report.text import count_noun, format_size, join_words, order_names
from brev_pipeline.split.label_map import count_labels, number_classes
from brev_pipeline.tables import AUGMENTED
from brev_pipeline.texts import TEXT

_FILES: Final = 400  # rows


@dataclass(frozen=True)
class ProvenanceSection:
    """The section."""

    opening: SectionSummary
    facts: list[tuple[str, str]]
    configuration: str  # YAML
    packages: list[tuple[str, str]]
    files: list[dict[str, Any]]  # name, bytes, sha256
    more_files: int
    command: str


def provenance_section(context: ReportContext) -> ProvenanceSection:
    """The manifest, told."""
    manifest, inputs = context.inputs.manifest, context.inputs
    files = [{"name": name, **facts} for name, facts in sorted(manifest["files"].items())]
    facts = [
        ("Version", inputs.version),
        ("Publication", f"number {inputs.number}" if inputs.number is not None else ""),
        ("Version before", inputs.parent.id if inputs.parent else "none"),
        ("Fingerprint of the listing", manifest["listing_fingerprint"]),
        ("Fingerprint of the plan", manifest.get("plan", "")),
    ]
    return ProvenanceSection(
        _summarize_provenance(inputs.version, files),
        [(name, value) for name, value in facts if value],
        _dump_configuration(dict(context.configuration)),
        sorted(manifest.get("packages", {}).items()),
        files[:_FILES],
        max(0, len(files) - _FILES),
        f"brev-pipeline verify {manifest['pipeline']}.yaml {inputs.version}",
    )


def _dump_configuration(configuration: dict[str, Any]) -> str:
    """Sections in the order of the documentation; keys in them sorted, as a manifest that was read has them."""
    import yaml

    sections = order_names(configuration, PipelineConfig.model_fields)
    # A way through JSON makes lists of tuples.
    plain = json.loads(json.dumps(configuration, sort_keys=True))
    ordered = {name: plain[name] for name in sections}
    return str(yaml.safe_dump(ordered, allow_unicode=True, sort_keys=False, width=100, default_flow_style=None))


def _summarize_provenance(version: str, files: list[dict[str, Any]]) -> SectionSummary:
    size = format_size(sum(file["bytes"] for file in files))
    said = (
        f"{count_noun(len(files), 'file')} ({size}) and the manifest make up this version; its name, {version}, begins "
        "the manifest's checksum, so nothing in it can change unnoticed."
    )
    return SectionSummary("provenance", "Where it comes from", "good", said)


_LABELS: Final = 200  # rows
_GONE: Final = "no image any more"


@dataclass(frozen=True)
class LabelRow:
    """A class and its number."""

    number: int
    name: str
    images: int  # of this version; one of several classes counts in each
    records: str  # with this label, by purpose, in words; of an image of several classes the first is the label
    note: str  # ``new``, ``no image any more``, or nothing


@dataclass(frozen=True)
class LabelsSection:
    """The section."""

    opening: SectionSummary
    rows: list[LabelRow]
    more: int


def labels_section(context: ReportContext) -> LabelsSection:
    """Every class that has a number, in the order of the numbers."""
    classes: list[str] = context.inputs.manifest["classes"]
    parent = context.inputs.parent
    before: list[str] = parent.read_manifest()["classes"] if parent else []
    old = number_classes(pa.array(classes, TEXT), before).is_valid().to_pylist() if parent else [True] * len(classes)
    images = count_labels(pa.table({"category": context.split.read_column("category")}), classes)
    records = _count_records(context)
    rows = [
        LabelRow(number, name, count, records.get(number, "none"), ("" if known else "new") if count else _GONE)
        for number, (name, count, known) in enumerate(zip(classes, images, old, strict=True))
    ]
    opening = _summarize_labels(rows, parent.id if parent else None)
    return LabelsSection(opening, rows[:_LABELS], max(0, len(rows) - _LABELS))


def _count_records(context: ReportContext) -> dict[int, str]:
    """Label → its records, in words: those of one purpose are never added to those of another."""
    counts: dict[int, dict[str, int]] = {}
    folds = context.split_settings.fold_names
    for row in context.records.count_values("label", "purpose", "augmented"):
        part = f"{row['purpose']}{AUGMENTED}" if row["augmented"] and row["purpose"] in folds else row["purpose"]
        counts.setdefault(row["label"], {})[part] = row["count"]
    parts = [part for purpose in context.purposes for part in (purpose, f"{purpose}{AUGMENTED}")]
    return {
        label: join_words([f"{mine[part]:,} {part}" for part in parts if part in mine], len(parts))
        for label, mine in counts.items()
    }


def _summarize_labels(rows: list[LabelRow], parent: str | None) -> SectionSummary:
    new, gone = ([row.name for row in rows if row.note == note] for note in ("new", _GONE))
    if not rows:
        return SectionSummary("labels", "Labels", "good", "The images have no class: the label of every record is -1.")
    said = f"{count_noun(len(rows), 'class has a number', 'classes have a number each')}, kept for good"
    if parent:
        said += f"; new since version {parent}: {join_words(new)}" if new else f"; none is new since version {parent}"
    if gone:
        has = "has" if len(gone) == 1 else "have"
        said += f". {join_words(gone)} {has} no image any more, and the number waits for it"
    return SectionSummary("labels", "Labels", "look" if gone else "good", said + ".")
