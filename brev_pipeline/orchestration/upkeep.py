"""The code location's own housekeeping: the job that forgets old runs, and its schedule."""

import logging
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from brev_pipeline.config import PipelineConfig
from brev_pipeline.errors import BrevPipelineError
from brev_pipeline.expectations import SUITES
from brev_pipeline.orchestration.names import asset_key
from brev_pipeline.orchestration.purge import PURGE_JOB, Purge, purge_runs
from brev_pipeline.stages import table_stages
from brev_pipeline.store import PipelineStore

KEEP_DAYS = "BREV_PIPELINE_KEEP_RUNS_DAYS"
"""Environment variable: days that runs are kept. Setting it turns the schedule of the purge on."""

DEFAULT_DAYS = 180

_log = logging.getLogger(__name__)


class PurgeConfig(dg.Config):
    """What to forget."""

    keep_days: int = DEFAULT_DAYS
    """Runs that ended longer ago than this are forgotten."""
    dry_run: bool = False
    """Only say which runs would be."""


def upkeep_definitions(configs: Sequence[PipelineConfig]) -> dg.Definitions:
    """The job ``purge_old_runs`` and its weekly schedule, which is on where ``BREV_PIPELINE_KEEP_RUNS_DAYS`` is set.

    Args:
        configs: every configured pipeline.
    """
    days = _days()
    job = _purge_job(configs)
    schedule = dg.ScheduleDefinition(
        name=f"{PURGE_JOB}_schedule",
        job=job,
        cron_schedule="40 2 * * 0",
        run_config={"ops": {"purge": {"config": {"keep_days": days or DEFAULT_DAYS}}}},
        default_status=dg.DefaultScheduleStatus.RUNNING if days else dg.DefaultScheduleStatus.STOPPED,
        description=f"Every Sunday at 02:40 UTC. Off unless {KEEP_DAYS} is set.",
    )
    return dg.Definitions(jobs=[job], schedules=[schedule])


def _purge_job(configs: Sequence[PipelineConfig]) -> dg.JobDefinition:
    @dg.op(description="Forgets Dagster's record of old runs; never that of a run which published a version.")
    def purge(context: dg.OpExecutionContext, config: PurgeConfig) -> None:
        if config.keep_days < 1:
            raise dg.Failure(f"keep_days is {config.keep_days}: at least one day must be kept", allow_retries=False)
        before = datetime.now(UTC) - timedelta(days=config.keep_days)
        stores = {config.name: PipelineStore.of(config) for config in configs}
        checks = [key for config in configs for key in check_keys(config)]
        try:
            done = purge_runs(context.instance, stores, checks, before=before, dry_run=config.dry_run)
        except BrevPipelineError as error:
            raise dg.Failure(f"nothing was forgotten: {error}", allow_retries=False) from error
        context.log.info(describe(done, config.keep_days, dry_run=config.dry_run))

    @dg.job(
        name=PURGE_JOB,
        executor_def=dg.in_process_executor,
        description="Forgets runs that ended long ago, except those that published a version or that assets rest on.",
    )
    def purge_job() -> None:
        purge()

    return purge_job


def check_keys(config: PipelineConfig) -> list[dg.AssetCheckKey]:
    """Keys of a pipeline's asset checks."""
    return [
        dg.AssetCheckKey(asset_key(config.name, stage), rule.name)
        for stage in table_stages()
        for rule in SUITES[stage](config)
    ]


def describe(done: Purge, days: int, *, dry_run: bool) -> str:
    """One line: what was forgotten, and what was kept for which reason."""
    verb = "would be forgotten" if dry_run else "were forgotten"
    kept = "".join(f"; {count} kept: {reason}" for reason, count in sorted(done.kept.items()))
    return f"{len(done.purged)} run(s) that ended more than {days} days ago {verb}{kept}"


def _days() -> int | None:
    text = os.environ.get(KEEP_DAYS, "").strip()
    if text and not (text.isdecimal() and int(text)):
        _log.error("%s is %r, not a number of days: the schedule of %s stays off", KEEP_DAYS, text, PURGE_JOB)
        return None
    return int(text) if text else None
