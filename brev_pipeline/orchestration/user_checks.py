"""Checks that users add beside ours: a blocking one holds back everything after its stage, in later runs too.

Dagster itself stops what comes after a failed blocking check in the same run only. So whoever loads a stage's table
asks Dagster's instance what such a check last said of this very materialization. One that was never evaluated on it
holds back as well: nobody knows what it would say.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import dagster as dg
from dagster._check import CheckError
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from brev_pipeline.orchestration.asset_checks import NotValidatedError
from brev_pipeline.orchestration.steps import asset_key
from brev_pipeline.provenance import Lineage
from brev_pipeline.stages import SPECS
from brev_pipeline.store import Folder
from brev_pipeline.store.hashed_files import short_sha256

TABLE_KEY = "table"
"""Metadata key of a materialization: where the table lies, below the pipeline's ``tables`` folder."""

_HISTORY_LIMIT = 100  # newest materializations of an asset, and evaluations of a check, that are looked through
_EVALUATED_STATUSES = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}


def require_user_checks(
    step: Any, pipeline: str, tables: Folder, ours: Mapping[str, set[str]], stage: str, table: str, lineage: Lineage
) -> list[dict[str, Any]]:
    """Demand that users' blocking checks let a table be used: those of its stage, and of the stages before it.

    ``ours`` are the names of each stage's own checks, which have their results in the store; ``table`` is the table's
    name as its materialization tells it.

    Returns:
        For each check of the stage itself: ``check``, ``severity`` and ``passed``.

    Raises:
        NotValidatedError: one failed, or was never evaluated on this materialization.
    """
    try:
        graph = step.repository_def.asset_graph
    except CheckError:
        graph = step.job_def.asset_layer.asset_graph  # a run that knows no repository: of its job
    results: list[dict[str, Any]] = []
    for name in (name for name in SPECS if name in lineage):
        key = asset_key(pipeline, name)
        theirs = [check for check in graph.asset_check_keys if check.asset_key == key and graph.get(check).blocking]
        checks = [check for check in theirs if check.name not in ours.get(name, set())]
        if not checks:
            continue
        targets = set(_iterate_materializations(step.instance, key, table if name == stage else None, lineage[name].id))
        for check in sorted(checks, key=lambda check: check.name):
            evaluation = _find_newest_evaluation(step.instance, tables, check, targets)
            _require_passed(evaluation, name, check.name, stage)
            if name == stage:
                results.append(
                    {"check": check.name, "severity": evaluation.severity.value.lower(), "passed": evaluation.passed}
                )
    return results


def _require_passed(evaluation: Any, of: str, check: str, stage: str) -> None:
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


class MaterializedTable(NamedTuple):
    """A materialization of an asset, and the table that it stands for."""

    run_id: str
    storage_id: int
    """Not enough by itself: a database may give it again after a run was deleted."""
    table: str


def _iterate_materializations(
    instance: dg.DagsterInstance, key: dg.AssetKey, table: str | None, table_id: str
) -> Iterator[MaterializedTable]:
    """The materializations that stand for a table: by its name, or by its identity."""
    for record in instance.fetch_materializations(key, limit=_HISTORY_LIMIT).records:
        event = record.asset_materialization
        if event is None or TABLE_KEY not in event.metadata:
            continue
        name = str(event.metadata[TABLE_KEY].value)
        if (event.tags or {}).get("dagster/data_version") == table_id if table is None else name == table:
            yield MaterializedTable(record.run_id, record.storage_id, name)


def _find_newest_evaluation(
    instance: dg.DagsterInstance, tables: Folder, check: dg.AssetCheckKey, targets: set[MaterializedTable]
) -> Any:
    """What a check last said of one of these materializations; None if it never did."""
    history = instance.event_log_storage.get_asset_check_execution_history(
        check, limit=_HISTORY_LIMIT, status=_EVALUATED_STATUSES
    )
    for record in history:
        evaluation = record.evaluation
        aimed = evaluation.target_materialization_data if evaluation else None
        if evaluation is None or aimed is None:
            continue
        # Names of the tables that its step loaded; none where the check looks elsewhere.
        step_key = (record.event.step_key if record.event else None) or ""
        prefix, folder = _record_prefix(check.asset_key.path[-1], step_key), tables / record.run_id
        records = [folder.read(name) for name in folder.list_names() if name.startswith(prefix)]
        loaded = {json.loads(data)["table"] for data in records}
        for target in targets:
            # What it loaded says more than Dagster, which notes the newest materialization at that moment.
            same = (aimed.run_id, aimed.storage_id) == (target.run_id, target.storage_id)
            if target.table in loaded if loaded else same:
                return evaluation
    return None


def record_checked_table(tables: Folder, step: Any, table: str) -> None:
    """Note which table a step with users' checks loads, by its name in the ``tables`` folder.

    Metadata of the step's input would be an observation of the asset. Raises `StoreError`: the store cannot be written.
    """
    stage = table.rpartition("/")[2].partition(".")[0]
    data = json.dumps({"table": table}).encode()
    (tables / step.run_id).create_file(
        f"{_record_prefix(stage, step.step.key)}{short_sha256(data)}.json", data, exist_ok=True
    )


def _record_prefix(stage: str, step_key: str) -> str:
    return f"{stage}.looked_at.{re.sub(r'[^A-Za-z0-9_]', '_', step_key)}."


def refuse_unknown_checks(context: Any, newest: tuple[Any, Any] | None) -> None:
    """Refuse to publish behind a version that quotes users' checks, where nobody can tell which ones there are now.

    That is so for a run outside of a code location, as ``brev-pipeline run`` is.

    Raises:
        NotValidatedError: the newest version quotes some; the message names them.
    """
    try:
        context.repository_def  # noqa: B018 - asked for what it raises
    except CheckError:
        quoted = newest[1].read_manifest().get("user_checks", {}) if newest else {}
        names = [f"{stage}.{check['check']}" for stage, checks in quoted.items() for check in checks]
        if names:
            raise NotValidatedError(
                f"the newest version was held to checks of your own, {', '.join(names)}, of which this run does not "
                "know: launch the job in Dagster, from the code location that has them"
            ) from None
