"""What all files for other readers tell of: counts, shapes, shards; and the sentences they share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from brev_pipeline.config import PipelineConfig, ShardSettings
from brev_pipeline.records.schema import ImageShape, RecordLayout
from brev_pipeline.tables import LABEL_ID

RECORD_TABLE: Final = "records.parquet"
RECORD_COLUMNS: Final = [
    *("purpose", "epoch", "shard", "file", "path", "content_id", "label", "augmented", "ordinal"),
    LABEL_ID.name,
]
"""Columns of the record table that are read, those of them that it has."""


@dataclass(frozen=True)
class ShardFacts:
    """A file of records."""

    file: str
    records: int
    epoch: int
    bytes: int
    """Size of the file."""


@dataclass(frozen=True)
class PurposeFacts:
    """A side of the split; of a fold, its photos as they are, or the draws of them."""

    name: str
    shards: tuple[ShardFacts, ...]
    """In the order of their numbers; empty where nothing was drawn."""
    classes: tuple[int, ...]
    """Records of each class, by label."""
    augmented: int
    """Records that were augmented."""

    @property
    def record_count(self) -> int:
        """Records of all epochs."""
        return sum(shard.records for shard in self.shards)

    @property
    def epoch_records(self) -> tuple[int, ...]:
        """Records of each written epoch; the shards are numbered through the epochs."""
        written = max((shard.epoch for shard in self.shards), default=-1) + 1
        return tuple(sum(s.records for s in self.shards if s.epoch == epoch) for epoch in range(written))


@dataclass(frozen=True)
class VersionFacts:
    """Of a version."""

    name: str
    shard_settings: ShardSettings
    classes: tuple[str, ...]
    layout: RecordLayout
    """What a record holds."""
    shape: ImageShape | None
    """None: there are no records."""
    purposes: tuple[PurposeFacts, ...]
    """In the configuration's order, those without records included."""
    files: Mapping[str, Mapping[str, Any]]
    """Name → bytes and sha256."""
    has_label_ids: bool = False
    """Whether the record table has the column `tables.LABEL_ID`."""


_COLOURS: Final = {1: "grey", 3: "RGB"}


def record_version(facts: VersionFacts) -> str:
    """Semantic version: the record schema's, and as build metadata the beginning of the record table's SHA-256.

    A version's own id cannot stand in one of its files: it is the hash of all of them.
    """
    return f"{facts.layout.version}+{facts.files[RECORD_TABLE]['sha256'][:16]}"


def describe_version(facts: VersionFacts) -> str:
    """What the version holds, in a sentence."""
    counts = ", ".join(f"{purpose.record_count} {purpose.name}" for purpose in facts.purposes)
    images = (
        f"; pixels: {_describe_pixels(facts.shape)}, stored as {facts.shard_settings.encoding}" if facts.shape else ""
    )
    return (
        f"Images for training and evaluation from the pipeline {facts.name}, as tf.train.Example records in TFRecord "
        f"shards: {counts}; classes: {', '.join(facts.classes)}{images}{_describe_labels(facts.layout)}."
    )


def cite_version(facts: VersionFacts, config: PipelineConfig) -> str:
    """The configured citation, or one from the pipeline's and the datasets' names and references."""
    if config.card.citation:
        return config.card.citation
    sources = "; ".join(
        dataset.name if dataset.reference == "N/A" else f"{dataset.name} ({dataset.reference})"
        for dataset in config.datasets
    )
    return f"{facts.name}, version {record_version(facts)}. Images: {sources}."


def _describe_labels(layout: RecordLayout) -> str:
    return f"; labels: {', '.join(feature.name for feature in layout.labels)}" if layout.labels else ""


def _describe_pixels(shape: ImageShape) -> str:
    sides = (shape.height, shape.width)
    size = "images of various sizes," if None in sides else f"{shape.height}×{shape.width} px"
    frames = f"{shape.frames} frames one below the other, each " if shape.frames else ""
    return f"{frames}{size} {_COLOURS.get(shape.channels, f'{shape.channels} channels')}"
