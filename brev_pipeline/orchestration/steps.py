"""What all steps of a run share: retries, the log of the run, the pace that they tell of.

A network that is down and a store that is busy come back, and are tried again; a failed check, a corrupt setting or a
table that was recorded and is gone do not, and a run that kept trying would only bury the first message under hundreds
more. Dagster's own `RetryPolicy` is not used: it would also try again what is a bug, and what a person cancelled.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import dagster as dg

from brev_pipeline.config import PipelineConfig
from brev_pipeline.config.operations import RetrySettings
from brev_pipeline.errors import BrevPipelineError
from brev_pipeline.stages import SPECS
from brev_pipeline.store import PipelineStore
from brev_pipeline.store.timing_log import StepTiming


@contextmanager
def retry_or_fail(context: Any, settings: RetrySettings) -> Iterator[None]:
    """Turn an error of ours into Dagster's: a retry if it may pass and tries are left, otherwise a failure.

    The failure's description is the error's message; the traceback, which would bury it, stays behind. The context is
    that of an asset, of a check, or of an IO manager.

    Raises:
        dg.RetryRequested: the step is to be tried again.
        dg.Failure: the step failed for good.
    """
    try:
        yield
    except BrevPipelineError as error:
        message = f"{type(error).__name__}: {error}"
        # An IO manager's context has the step's, those of assets and checks have the number itself.
        step = getattr(context, "step_context", None)
        tried = int(step.previous_attempt_count if step is not None else context.retry_number)
        if not error.may_pass:
            raise dg.Failure(message, allow_retries=False) from error
        if tried >= settings.times:
            raise dg.Failure(f"{message} (tried {tried + 1} times)", allow_retries=False) from error
        wait = settings.wait_seconds * 2**tried
        next_try = f"trying again in {wait:g} s ({tried + 1} of {settings.times})"
        context.log.warning("%s\nThis may pass: %s", message, next_try)
        raise dg.RetryRequested(max_retries=settings.times, seconds_to_wait=wait) from error


PACKAGE_LOGGER: Final = "brev_pipeline"
"""The logger above those of all rooms."""


@contextmanager
def forward_logs(context: Any) -> Iterator[None]:
    """Send what this thread logs below `PACKAGE_LOGGER`, at INFO and above, to ``context.log`` too.

    So what the stages log reaches Dagster's UI and the terminal of ``brev-pipeline run``.
    """
    logger, handler = logging.getLogger(PACKAGE_LOGGER), _RunLogHandler(context)
    level = logger.level
    logger.addHandler(handler)
    # A logger drops what is below its own level before any handler sees it.
    logger.setLevel(min(level, logging.INFO) if level else logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _RunLogHandler(logging.Handler):
    def __init__(self, context: Any) -> None:
        super().__init__(logging.INFO)
        self._context = context
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        # Another thread may belong to another run; and not every store of events takes writes of many threads.
        if record.thread == self._thread:
            self._context.log.log(record.levelno, record.getMessage())


def asset_key(pipeline: str, stage: str) -> dg.AssetKey:
    """Key of a stage's asset: the pipeline's name is its prefix."""
    return dg.AssetKey([pipeline, stage])


PUBLISHED_IMAGES: Final = "images published"
"""Metadata of the published version: its images; 0 where nothing was new."""


def pace_metadata(stage: str, output: Any, seconds: float) -> dict[str, Any]:
    """How long a stage took, and its images (or records) per second: numbers that plot over time."""
    pace: dict[str, Any] = {"seconds": round(seconds, 3)}
    rows, unit = getattr(output, "num_rows", None), SPECS[stage].unit
    if unit and rows is not None:
        pace[unit] = rows
        if seconds > 0:
            pace[f"{unit} per second"] = round(rows / seconds, 1)
    return pace


def record_pace(context: Any, config: PipelineConfig, step: str, output: Any, seconds: float) -> None:
    """Keep in the store how long a step took, for `plan`: a stage, or ``<stage>.checks``."""
    from brev_pipeline.table_metadata import WORK

    rows = getattr(output, "num_rows", 0)
    work: Any = rows
    if isinstance(output, dg.MaterializeResult):
        work = (output.metadata or {})[PUBLISHED_IMAGES]
    elif rows:
        work = (output.schema.metadata or {}).get(WORK, rows)
    PipelineStore.from_config(config).timing_log.record_timing(
        step, StepTiming(context.run.run_id, seconds, rows, int(work))
    )
