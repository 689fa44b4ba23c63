"""Forgetting old runs: Dagster's database grows with every run, and its own retention covers ticks only.

What is forgotten is Dagster's record of a run: its events and its printed output. Tables, verdicts and versions in
the store are not touched. Four kinds of runs are kept whatever their age: one that a publication names, since an
auditor may ask what happened in it; one that an asset's newest table or check comes from, since later runs start
from it; one that has not ended; and one that belongs to no configured pipeline, since nobody can tell then whether
something was published by it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import dagster as dg
from dagster._core.storage.dagster_run import FINISHED_STATUSES, RunRecord

from brev_pipeline.store import PipelineStore

PURGE_JOB = "purge_old_runs"
PAGE = 200
"""Runs that are fetched from the database at a time."""


@dataclass(frozen=True)
class Purge:
    """What a purge did, or would do."""

    purged: Sequence[str]
    """Ids of the runs that are forgotten."""
    kept: Mapping[str, int]
    """Why old runs were kept → how many."""


def purge_runs(
    instance: dg.DagsterInstance,
    stores: Mapping[str, PipelineStore],
    checks: Sequence[dg.AssetCheckKey],
    *,
    before: datetime,
    dry_run: bool = False,
) -> Purge:
    """Forget the runs that ended before a time and that nothing rests on.

    Args:
        instance: Dagster's instance.
        stores: pipeline → its store, for every configured pipeline.
        checks: keys of the asset checks of these pipelines.
        before: time with a zone; a run that ended later is not looked at.
        dry_run: only say what would be forgotten.

    Raises:
        StoreError: a store's log of publications cannot be read, or its chain is broken; nothing is forgotten then.
    """
    published = {entry.run_id for store in stores.values() for entry in store.publications.all()}
    current = set(_current(instance, checks))
    purged: list[str] = []
    kept: dict[str, int] = {}
    for record in list(_ended(instance, before)):
        reason = _reason(record.dagster_run, published, current, stores)
        if reason:
            kept[reason] = kept.get(reason, 0) + 1
            continue
        purged.append(record.dagster_run.run_id)
        if not dry_run:
            _forget(instance, record.dagster_run.run_id)
    return Purge(purged, kept)


def _reason(run: dg.DagsterRun, published: set[str], current: set[str], stores: Mapping[str, PipelineStore]) -> str:
    if run.run_id in published:
        return "published a version"
    if run.run_id in current:
        return "an asset's newest table or check comes from it"
    if run.job_name != PURGE_JOB and not _pipelines(run) <= set(stores):
        return "belongs to no configured pipeline"
    return ""


def _pipelines(run: dg.DagsterRun) -> set[str]:
    """Names of the pipelines whose assets a run was about; of a whole job, the job's name."""
    keys = set(run.asset_selection or ()) | {check.asset_key for check in run.asset_check_selection or ()}
    return {key.path[0] for key in keys} or {run.job_name}


def _ended(instance: dg.DagsterInstance, before: datetime) -> Iterator[RunRecord]:
    filters = dg.RunsFilter(statuses=list(FINISHED_STATUSES), created_before=before)
    cursor = None
    while records := instance.get_run_records(filters, limit=PAGE, cursor=cursor):
        cursor = records[-1].dagster_run.run_id
        yield from (record for record in records if (record.end_time or 0.0) < before.timestamp())


def _current(instance: dg.DagsterInstance, checks: Sequence[dg.AssetCheckKey]) -> Iterator[str]:
    """Runs that the newest materializations and check results of all assets come from."""
    storage = instance.event_log_storage
    keys = list(instance.all_asset_keys())
    for record in storage.get_asset_records(keys) if keys else ():
        entry = record.asset_entry
        if entry.last_run_id:
            yield entry.last_run_id
        if entry.last_materialization_record:
            yield entry.last_materialization_record.run_id
    for summary in storage.get_asset_check_summary_records(list(checks)).values():
        if summary.last_completed_check_execution_record:
            yield summary.last_completed_check_execution_record.run_id


def _forget(instance: dg.DagsterInstance, run_id: str) -> None:
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    instance.delete_run(run_id)
