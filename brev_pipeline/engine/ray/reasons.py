"""Why a worker on the cluster died, from what Ray says of it."""

import re
from typing import Any

from brev_pipeline.engine.job import Death
from brev_pipeline.errors import EngineError

_SYSTEM = "the worker was killed by a signal or crashed; perhaps its machine ran out of memory"


def reason_of(ray: Any, error: Exception, place: str) -> Death:
    """What became of a worker.

    Args:
        ray: the module.
        error: what Ray raised in place of the worker's answer.
        place: where the worker was; empty if it had not begun.

    Raises:
        EngineError: workers can never start: what they need cannot be set up, or they cannot import this package.
    """
    known, text = ray.exceptions, str(error)
    where = f" ({place})" if place else ""
    if isinstance(error, known.RuntimeEnvSetupError):
        raise EngineError(f"the cluster cannot set up what workers need (engine.runtime_env): {text}") from error
    if "ModuleNotFoundError" in text or "ImportError" in text:
        raise EngineError(
            "workers of the cluster cannot import brev_pipeline: set engine.ship_package: true, or install the package "
            f"on every machine: {_last_line(text)}"
        ) from error
    if _is_of_machine(known, error, text):
        return Death(f"the machine of the worker{where} was lost", blameless=True)
    if isinstance(error, known.OutOfMemoryError) or "running low on memory" in text:
        return Death(f"the worker{where} was ended because its machine ran out of memory")
    if isinstance(error, known.ActorDiedError) and "worker process has died" in text:
        status = re.search(r"exit code (\d+)", text)
        exited = f"the worker exited with status {status[1]}" if status and "INTENDED" in text else _SYSTEM
        return Death(exited + where)
    return Death(f"the worker{where} was lost: {_last_line(text)}")


def _is_of_machine(known: Any, error: Exception, text: str) -> bool:
    lost = known.ActorUnavailableError, known.NodeDiedError, known.ObjectLostError, known.LocalRayletDiedError
    return isinstance(error, lost) or "node has died" in text or "node was terminated" in text or "node died" in text


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1].strip() if text.strip() else "Ray says nothing"
