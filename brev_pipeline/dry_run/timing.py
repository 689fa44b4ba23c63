"""Timing: about how long a run would take.

What a dry run does itself as a run does it was measured just now. Decoding, writing, publishing and the checks go by
the pace of earlier runs: of those that are remembered, the one that did most of the kind of work in question, for a
run that decoded three images tells little of a thousand. Dagster's own time is no part of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from brev_pipeline.stages import VERSION, table_stages
from brev_pipeline.store.timing_log import StepTiming

CHECKS = "checks"
"""What the time of all suites stands under."""


def estimate_time(
    measured: Mapping[str, float], work: Mapping[str, int], paces: Mapping[str, Sequence[StepTiming]]
) -> dict[str, Any]:
    """About how long a run would take, JSON-safe.

    Args:
        measured: stage → seconds that it took just now.
        work: stage → how much it would have to do, of stages that were not measured.
        paces: step → paces of earlier runs, the newest first.

    Returns:
        ``seconds`` (None where no run was timed yet that did such work) and ``stages``: stage, seconds, and by what
        (``now``, or the id of a run; None: not known).
    """
    stages: list[dict[str, Any]] = []
    for stage in (*table_stages(), VERSION):
        if stage in measured:
            stages.append({"stage": stage, "seconds": round(measured[stage], 2), "by": "now"})
        elif stage in work:
            stages.append({"stage": stage, **_by_pace(work[stage], paces.get(stage, ()))})
    stages.append({"stage": CHECKS, **_of_checks(paces)})
    told = [stage["seconds"] for stage in stages]
    return {"seconds": None if None in told else round(sum(told), 1), "stages": stages}


def _by_pace(work: int, paces: Sequence[StepTiming]) -> dict[str, Any]:
    """Seconds for some work: what a run without any takes, and what each piece of it took in the run that did most."""
    idle = min((pace.seconds for pace in paces if not pace.work), default=0.0)
    most = max((pace for pace in paces if pace.work), key=lambda pace: pace.work, default=None)
    if not work:
        known = [pace for pace in paces if not pace.work] or ([most] if most else [])
        # A run that had work took as long as that at least for what is not work.
        return {"seconds": round(idle, 2), "by": known[0].run} if known else {"seconds": None, "by": None}
    if most is None:
        return {"seconds": None, "by": None}
    each = max(0.0, most.seconds - idle) / most.work
    return {"seconds": round(idle + work * each, 2), "by": most.run}


def _of_checks(paces: Mapping[str, Sequence[StepTiming]]) -> dict[str, Any]:
    """Seconds of all suites, as the newest run had them that came so far."""
    newest = [paces.get(f"{stage}.{CHECKS}", ()) for stage in table_stages()]
    if not all(newest):
        return {"seconds": None, "by": None}
    return {"seconds": round(sum(found[0].seconds for found in newest), 2), "by": newest[-1][0].run}
