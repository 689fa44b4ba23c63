"""Checks that users add beside ours: a blocking one holds back everything after its stage, in later runs too.

Dagster itself stops what comes after a failed blocking check in the same run only. So whoever loads a stage's table
asks Dagster's instance what such a check last said of this very materialization. One that was never evaluated on it
holds back as well: nobody knows what it would say.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster._check import CheckError
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from brev_pipeline.orchestration.names import asset_key
from brev_pipeline.orchestration.verdicts import NotValidatedError
from brev_pipeline.provenance import Lineage
from brev_pipeline.stages import SPECS

TABLE = "table"
"""Metadata key of a materialization: where the table lies, below the pipeline's ``tables`` folder."""

_LOOKED_AT = 100
"""Newest materializations of an asset, and evaluations of a check, that are looked through."""
_EVALUATED = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}


def require_own_checks(
    step: Any, pipeline: str, ours: Mapping[str, set[str]], stage: str, table: str, lineage: Lineage
) -> list[dict[str, Any]]:
    """Demand that users' blocking checks let a table be used: those of its stage, and of the stages before it.

    Args:
        step: context of the step that loads the table.
        pipeline: its name.
        ours: stage → names of the suite's own checks, which have their verdicts in the store.
        stage: whose table it is.
        table: name of the table, as its materialization tells it.
        lineage: of the table.

    Returns:
        For each check of the stage itself: ``check``, ``severity`` and ``passed``.

    Raises:
        NotValidatedError: one failed, or was never evaluated on this materialization.
    """
    graph = _asset_graph(step)
    found: list[dict[str, Any]] = []
    for name in (name for name in SPECS if name in lineage):
        key = asset_key(pipeline, name)
        checks = [check for check in _blocking_checks(graph, key) if check.name not in ours.get(name, set())]
        if not checks:
            continue
        targets = set(_materializations(step.instance, key, table if name == stage else None, lineage[name].id))
        for check in sorted(checks, key=lambda check: check.name):
            evaluation = _newest_evaluation(step.instance, check, targets)
            _demand_passed(evaluation, name, check.name, stage)
            if name == stage:
                found.append(
                    {"check": check.name, "severity": evaluation.severity.value.lower(), "passed": evaluation.passed}
                )
    return found


def _demand_passed(evaluation: Any, of: str, check: str, stage: str) -> None:
    behind = "" if of == stage else f", of which {stage} came,"
    if evaluation is None:
        raise NotValidatedError(
            f"the check {check} of {of}{behind} blocks, and was never evaluated on the table that is to be used: run "
            "it, then run again"
        )
    if not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR:
        why = f": {evaluation.description}" if evaluation.description else ""
        raise NotValidatedError(
            f"the check {check} of {of}{behind} failed{why}. Mend what it found and launch the whole job, or run the "
            "check again"
        )


def _asset_graph(step: Any) -> Any:
    """Of the whole repository, where the run knows it; else of the job."""
    try:
        return step.repository_def.asset_graph
    except CheckError:
        return step.job_def.asset_layer.asset_graph


def _blocking_checks(graph: Any, key: dg.AssetKey) -> list[dg.AssetCheckKey]:
    return [check for check in graph.asset_check_keys if check.asset_key == key and graph.get(check).blocking]


def _materializations(
    instance: dg.DagsterInstance, key: dg.AssetKey, table: str | None, table_id: str
) -> Iterator[int]:
    """Storage ids of the materializations that stand for a table: by its name, or by its identity."""
    for record in instance.fetch_materializations(key, limit=_LOOKED_AT).records:
        event = record.asset_materialization
        if event is None:
            continue
        if table is None:
            same = (event.tags or {}).get("dagster/data_version") == table_id
        else:
            same = TABLE in event.metadata and event.metadata[TABLE].value == table
        if same:
            yield record.storage_id


def _newest_evaluation(instance: dg.DagsterInstance, check: dg.AssetCheckKey, targets: set[int]) -> Any:
    """What a check last said of one of these materializations; None if it never did."""
    history = instance.event_log_storage.get_asset_check_execution_history(check, limit=_LOOKED_AT, status=_EVALUATED)
    for record in history:
        evaluation = record.evaluation
        target = evaluation.target_materialization_data if evaluation else None
        if target is not None and target.storage_id in targets:
            return evaluation
    return None
