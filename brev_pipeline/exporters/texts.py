"""Sentences about a version that several of its files carry."""

from typing import Final

from brev_pipeline.config import PipelineConfig
from brev_pipeline.exporters.facts import RECORD_TABLE, Facts, ImageShape
from brev_pipeline.records.schema import RECORD_VERSION

_COLOURS: Final = {1: "grey", 3: "RGB"}


def version(facts: Facts) -> str:
    """Semantic version: the record schema's, and as build metadata the beginning of the record table's SHA-256.

    A version's own id cannot stand in one of its files: it is the hash of all of them.
    """
    return f"{RECORD_VERSION}+{facts.files[RECORD_TABLE]['sha256'][:16]}"


def description(facts: Facts) -> str:
    """What the version holds, in a sentence."""
    counts = ", ".join(f"{purpose.records} {purpose.name}" for purpose in facts.purposes)
    images = f"; pixels: {_pixels(facts.shape)}, stored as {facts.settings.encoding}" if facts.shape else ""
    return (
        f"Images for training and evaluation from the pipeline {facts.name}, as tf.train.Example records in TFRecord "
        f"shards: {counts}; classes: {', '.join(facts.classes)}{images}."
    )


def citation(facts: Facts, config: PipelineConfig) -> str:
    """The configured citation, or one from the pipeline's and the datasets' names and references."""
    if config.card.citation:
        return config.card.citation
    sources = "; ".join(
        dataset.name if dataset.reference == "N/A" else f"{dataset.name} ({dataset.reference})"
        for dataset in config.datasets
    )
    return f"{facts.name}, version {version(facts)}. Images: {sources}."


def _pixels(shape: ImageShape) -> str:
    sides = (shape.height, shape.width)
    size = "images of various sizes," if None in sides else f"{shape.height}×{shape.width} px"
    frames = f"{shape.frames} frames one below the other, each " if shape.frames else ""
    return f"{frames}{size} {_COLOURS.get(shape.channels, f'{shape.channels} channels')}"
