"""What engines refuse to be made with."""

import math

from brev_pipeline.errors import EngineError


def checked_workers(workers: int) -> int:
    """A number of workers. Raises `EngineError` below 1."""
    if workers < 1:
        raise EngineError(f"workers is {workers!r}: give 1 or more, or 'auto'")
    return workers


def checked_progress(seconds: float) -> float:
    """Seconds between reports. Raises `EngineError` below 0."""
    if not seconds >= 0:
        raise EngineError(f"progress_seconds is {seconds!r}: give 0 or more")
    return seconds


def checked_timeout(timeout: float | None) -> float | None:
    """Seconds that a task may take, or None. Raises `EngineError` for what is no time."""
    if timeout is not None and not 0 < timeout < math.inf:
        raise EngineError(f"task_timeout is {timeout!r}: give seconds above 0, or None for any time")
    return timeout
