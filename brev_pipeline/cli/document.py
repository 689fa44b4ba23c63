"""What a run did, as one JSON document for programs: ``brev-pipeline run --json``."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from brev_pipeline.stages import SPECS, VERSION

_ROWS = "dagster/row_count"


def run_document(
    pipeline: str, events: Sequence[dg.DagsterEvent], seconds: Mapping[str, float], *, success: bool, total: float
) -> dict[str, Any]:
    """What a run did, JSON-safe.

    Args:
        pipeline: its name.
        events: Dagster's events of the run.
        seconds: step → wall seconds; ``<stage>: checks`` for a stage's checks.
        success: whether all steps and blocking checks passed.
        total: wall seconds of the whole run.

    Returns:
        ``pipeline``, ``published`` (whether a version stands published and all blocking checks passed), ``version``
        (None where nothing was published), ``stages``, ``checks`` (those that did not pass), ``failures``, ``seconds``.
    """
    metadata = {
        event.asset_key.path[-1]: {name: entry.value for name, entry in event.materialization.metadata.items()}
        for event in events
        if event.event_type_value == "ASSET_MATERIALIZATION" and event.asset_key
    }
    checks = [event.asset_check_evaluation_data for event in events if event.event_type_value == _EVALUATION]
    version = metadata.get(VERSION)
    return {
        "pipeline": pipeline,
        "published": success and version is not None,
        "version": None if version is None else _version(version),
        "stages": [_stage(stage, metadata.get(stage), checks, seconds) for stage in SPECS],
        "checks": [_check(check) for check in checks if not check.passed],
        "failures": [_failure(event) for event in events if event.event_type_value == "STEP_FAILURE"],
        "seconds": round(total, 3),
    }


_EVALUATION = "ASSET_CHECK_EVALUATION"


def _version(said: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": said["version"], "path": said["path"], "is_new": said["published"] == "new"}


def _stage(
    stage: str, said: Mapping[str, Any] | None, checks: Sequence[Any], seconds: Mapping[str, float]
) -> dict[str, Any]:
    own = [check for check in checks if check.asset_key.path[-1] == stage]
    failed = [check for check in own if not check.passed]
    warned = sum(check.severity == dg.AssetCheckSeverity.WARN for check in failed)
    counts = {name: value for name, value in (said or {}).items() if isinstance(value, int) and name != _ROWS}
    return {
        "stage": stage,
        "done": said is not None,
        "rows": (said or {}).get(_ROWS),
        "counts": counts,
        "passed": len(own) - len(failed),
        "failed": len(failed) - warned,
        "warned": warned,
        "seconds": _rounded(seconds.get(stage)),
        "seconds_of_checks": _rounded(seconds.get(f"{stage}: checks")),
    }


def _check(check: Any) -> dict[str, Any]:
    examples = check.metadata.get("examples")
    observed, offending = (check.metadata.get(name) for name in ("observed", "offending rows"))
    return {
        "stage": check.asset_key.path[-1],
        "check": check.check_name,
        "severity": check.severity.value.lower(),
        "says": check.description,
        "observed": observed.value if observed else None,
        "offending": offending.value if offending else 0,
        "examples": [dict(record.data) for record in examples.records] if examples else [],
    }


def _failure(event: dg.DagsterEvent) -> dict[str, Any]:
    data = event.step_failure_data
    reason = data.user_failure_data.description if data.user_failure_data else None
    return {"step": event.step_key, "reason": reason or (data.error.to_string() if data.error else "")}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
