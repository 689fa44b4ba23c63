"""A run's story beside its counts: pictures, the pace of each stage, the settings that it went by."""

import base64
import logging
from collections.abc import Callable
from typing import Any, Final

import dagster as dg

from brev_pipeline.config import PipelineConfig
from brev_pipeline.provenance import settings_of
from brev_pipeline.stages import SPECS

_LOG = logging.getLogger(__name__)
PUBLISHED_IMAGES: Final = "images published"
"""Metadata of the published version: its images; 0 where nothing was new."""


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
    rows, unit = getattr(made, "num_rows", None), SPECS[stage].unit
    if unit and rows is not None:
        found[unit] = rows
        if seconds > 0:
            found[f"{unit} per second"] = round(rows / seconds, 1)
    return found


def note_pace(context: Any, config: PipelineConfig, step: str, made: Any, seconds: float) -> None:
    """Keep in the store how long a step took, for `plan`: a stage, or ``<stage>.checks``."""
    from brev_pipeline.store import PipelineStore
    from brev_pipeline.store.pace import Pace
    from brev_pipeline.tables import WORK

    rows = getattr(made, "num_rows", 0)
    work: Any = rows
    if isinstance(made, dg.MaterializeResult):
        work = (made.metadata or {})[PUBLISHED_IMAGES]
    elif rows:
        work = (made.schema.metadata or {}).get(WORK, rows)
    PipelineStore.of(config).paces.note(step, Pace(context.run.run_id, seconds, rows, int(work)))


def settings(config: PipelineConfig, stage: str) -> dict[str, Any]:
    """The settings that a stage goes by."""
    return {"settings": dg.MetadataValue.json(settings_of(config, stage))}
