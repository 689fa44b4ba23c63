"""Forgetting old runs: Dagster's database grows with every run, and its own retention covers ticks only.

What is forgotten is Dagster's record of a run: its events and its printed output. Tables, check results and versions in
the store are not touched. Four kinds of runs are kept whatever their age: one that a publication names, since an
auditor may ask what happened in it; one that an asset's newest table or check comes from, since later runs start
from it; one that has not ended; and one that belongs to no configured pipeline, since nobody can tell then whether
something was published by it.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.storage.dagster_run import FINISHED_STATUSES

from brev_pipeline.config import PipelineConfig
from brev_pipeline.errors import BrevPipelineError
from brev_pipeline.expectations import SUITES
from brev_pipeline.orchestration.steps import asset_key
from brev_pipeline.stages import table_stages
from brev_pipeline.store import PipelineStore

PURGE_JOB = "purge_old_runs"
RUNS_PER_PAGE = 200
"""Runs that are fetched from the database at a time."""
KEEP_DAYS = "BREV_PIPELINE_KEEP_RUNS_DAYS"
"""Environment variable: days that runs are kept. Setting it turns the schedule of the purge on."""
DEFAULT_DAYS = 180

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PurgeResult:
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
) -> PurgeResult:
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
    published = {entry.run_id for store in stores.values() for entry in store.publications.read_all()}
    current = set(_iterate_current_runs(instance, checks))
    purged: list[str] = []
    kept: Counter[str] = Counter()
    # All are fetched before the first is deleted: the cursor of a page is a run that must still be there.
    for run in list(_iterate_ended_runs(instance, before)):
        if run.run_id in published:
            kept["published a version"] += 1
        elif run.run_id in current:
            kept["an asset's newest table or check comes from it"] += 1
        elif run.job_name != PURGE_JOB and not _list_pipelines(run) <= set(stores):
            kept["belongs to no configured pipeline"] += 1
        else:
            purged.append(run.run_id)
            if not dry_run:
                instance.compute_log_manager.delete_logs(prefix=[run.run_id])
                instance.delete_run(run.run_id)
    return PurgeResult(purged, kept)


def _list_pipelines(run: dg.DagsterRun) -> set[str]:
    """Names of the pipelines whose assets a run was about; of a whole job, the job's name."""
    keys = set(run.asset_selection or ()) | {check.asset_key for check in run.asset_check_selection or ()}
    return {key.path[0] for key in keys} or {run.job_name}


def _iterate_ended_runs(instance: dg.DagsterInstance, before: datetime) -> Iterator[dg.DagsterRun]:
    # The database cannot filter by the end of a run; one that ended before was created before.
    filters = dg.RunsFilter(statuses=list(FINISHED_STATUSES), created_before=before)
    cursor = None
    while records := instance.get_run_records(filters, limit=RUNS_PER_PAGE, cursor=cursor):
        cursor = records[-1].dagster_run.run_id
        yield from (record.dagster_run for record in records if (record.end_time or 0.0) < before.timestamp())


def _iterate_current_runs(instance: dg.DagsterInstance, checks: Sequence[dg.AssetCheckKey]) -> Iterator[str]:
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


class PurgeConfig(dg.Config):
    """What to forget."""

    keep_days: int = DEFAULT_DAYS
    """Runs that ended longer ago than this are forgotten."""
    dry_run: bool = False
    """Only say which runs would be."""


def build_purge_definitions(configs: Sequence[PipelineConfig]) -> dg.Definitions:
    """The job ``purge_old_runs`` and its weekly schedule, which is on where ``BREV_PIPELINE_KEEP_RUNS_DAYS`` is set.

    ``configs`` are those of every configured pipeline: a run that belongs to none of them is kept.
    """
    days = _read_keep_days()
    job = _build_purge_job(configs)
    schedule = dg.ScheduleDefinition(
        name=f"{PURGE_JOB}_schedule",
        job=job,
        cron_schedule="40 2 * * 0",
        run_config={"ops": {"purge": {"config": {"keep_days": days or DEFAULT_DAYS}}}},
        default_status=dg.DefaultScheduleStatus.RUNNING if days else dg.DefaultScheduleStatus.STOPPED,
        description=f"Every Sunday at 02:40 UTC. Off unless {KEEP_DAYS} is set.",
    )
    return dg.Definitions(jobs=[job], schedules=[schedule])


def _build_purge_job(configs: Sequence[PipelineConfig]) -> dg.JobDefinition:
    @dg.op(description="Forgets Dagster's record of old runs; never that of a run which published a version.")
    def purge(context: dg.OpExecutionContext, config: PurgeConfig) -> None:
        if config.keep_days < 1:
            raise dg.Failure(f"keep_days is {config.keep_days}: at least one day must be kept", allow_retries=False)
        before = datetime.now(UTC) - timedelta(days=config.keep_days)
        stores = {config.name: PipelineStore.from_config(config) for config in configs}
        checks = [key for config in configs for key in list_check_keys(config)]
        try:
            done = purge_runs(context.instance, stores, checks, before=before, dry_run=config.dry_run)
        except BrevPipelineError as error:
            raise dg.Failure(f"nothing was forgotten: {error}", allow_retries=False) from error
        context.log.info(describe_purge(done, config.keep_days, dry_run=config.dry_run))

    @dg.job(
        name=PURGE_JOB,
        executor_def=dg.in_process_executor,
        description="Forgets runs that ended long ago, except those that published a version or that assets rest on.",
    )
    def purge_job() -> None:
        purge()

    return purge_job


def list_check_keys(config: PipelineConfig) -> list[dg.AssetCheckKey]:
    """Keys of a pipeline's asset checks."""
    return [
        dg.AssetCheckKey(asset_key(config.name, stage), rule.name)
        for stage in table_stages()
        for rule in SUITES[stage](config)
    ]


def describe_purge(done: PurgeResult, days: int, *, dry_run: bool) -> str:
    """One line: what was forgotten, and what was kept for which reason."""
    verb = "would be forgotten" if dry_run else "were forgotten"
    kept = "".join(f"; {count} kept: {reason}" for reason, count in sorted(done.kept.items()))
    return f"{len(done.purged)} run(s) that ended more than {days} days ago {verb}{kept}"


def _read_keep_days() -> int | None:
    text = os.environ.get(KEEP_DAYS, "").strip()
    if text and not (text.isdecimal() and int(text)):
        _log.error("%s is %r, not a number of days: the schedule of %s stays off", KEEP_DAYS, text, PURGE_JOB)
        return None
    return int(text) if text else None
