"""Which failures of a step are tried again: those that pass by themselves, and no others.

A network that is down and a store that is busy come back; a failed check, a corrupt setting or a table that was
recorded and is gone do not, and a run that kept trying would only bury the first message under hundreds more.

Dagster's own `RetryPolicy` is not used: it would also try again what is a bug, and what a person cancelled.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from brev_pipeline.config.models import RetrySettings
from brev_pipeline.errors import BrevPipelineError


@contextmanager
def failures_for_people(context: Any, settings: RetrySettings) -> Iterator[None]:
    """Turn an error of ours into Dagster's: a retry if it may pass and tries are left, otherwise a failure.

    The failure's description is the error's message; the traceback, which would bury it, stays behind.

    Args:
        context: of an asset, of a check, or of an IO manager.
        settings: how often, and how long to wait.

    Raises:
        dg.RetryRequested: the step is to be tried again.
        dg.Failure: the step failed for good.
    """
    try:
        yield
    except BrevPipelineError as error:
        said = f"{type(error).__name__}: {error}"
        tried = _tries(context)
        if not error.may_pass:
            raise dg.Failure(said, allow_retries=False) from error
        if tried >= settings.times:
            raise dg.Failure(f"{said} (tried {tried + 1} times)", allow_retries=False) from error
        wait = settings.wait_seconds * 2**tried
        next_try = f"trying again in {wait:g} s ({tried + 1} of {settings.times})"
        context.log.warning("%s\nThis may pass: %s", said, next_try)
        raise dg.RetryRequested(max_retries=settings.times, seconds_to_wait=wait) from error


def _tries(context: Any) -> int:
    """How often the step failed before."""
    # An IO manager's context has the step's, those of assets and checks have the number itself.
    step = getattr(context, "step_context", None)
    return int(step.previous_attempt_count if step is not None else context.retry_number)
