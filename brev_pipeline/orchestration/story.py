"""A run's story beside its counts: pictures, the pace of each stage, the settings that it went by."""

import base64
import logging
from collections.abc import Callable
from typing import Any, Final

import dagster as dg

from brev_pipeline.config import PipelineConfig

_LOG = logging.getLogger(__name__)
_UNITS: Final = {
    "raw_listing": "images",
    "sample_integrity": "images",
    "prepared_images": "images",
    "sample_split": "images",
    "tfrecord_shards": "records",
}
_SECTIONS: Final = {
    "raw_listing": ("datasets", "listing"),
    "sample_integrity": ("integrity",),
    "prepared_images": ("image",),
    "sample_split": ("integrity", "split"),
    "sampling_weights": ("sampling",),
    "tfrecord_shards": ("sampling", "augmentation", "shards"),
}


def pictured(title: str, draw: Callable[[], bytes]) -> dict[str, Any]:
    """A picture under ``title``, as a PNG inside of markdown.

    A picture that cannot be drawn is told of in its place and in the log; it never ends a run.
    """
    try:
        data = base64.b64encode(draw()).decode("ascii")
    # Whatever it is: the stage's result stands without its picture.
    except Exception as error:  # noqa: BLE001
        _LOG.warning("the picture %r could not be drawn: %s: %s", title, type(error).__name__, error)
        return {title: f"could not be drawn: {type(error).__name__}: {error}"}
    return {title: dg.MetadataValue.md(f"![{title}](data:image/png;base64,{data})")}


def pace(stage: str, made: Any, seconds: float) -> dict[str, Any]:
    """How long a stage took, and its images (or records) per second: numbers that plot over time."""
    found: dict[str, Any] = {"seconds": round(seconds, 3)}
    rows = getattr(made, "num_rows", None)
    if stage in _UNITS and rows is not None:
        found[_UNITS[stage]] = rows
        if seconds > 0:
            found[f"{_UNITS[stage]} per second"] = round(rows / seconds, 1)
    return found


def settings(config: PipelineConfig, stage: str) -> dict[str, Any]:
    """The sections of the configuration that a stage goes by, as far as they differ from the defaults."""
    if stage not in _SECTIONS:
        return {}
    said = config.model_dump(mode="json", include=set(_SECTIONS[stage]), exclude_defaults=True)
    return {"settings": dg.MetadataValue.json(said)}
