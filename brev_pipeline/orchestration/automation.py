"""When and where a pipeline runs: its job and executor, its schedule with its freshness, its sensor for new images.

A pipeline has thirteen steps, one after the other, most of them short, so in the run's own process they cost next to
nothing beside the work. A process of its own costs each step an interpreter with Dagster, the code location and the
libraries of its stage, and gives two things for it: memory that is given back when the step ends, and a step that
can be killed (by the kernel, for its memory, or by a crash in a library) without the run.

Processes are forked off one that has imported beforehand what all steps need (multiprocessing's forkserver), so that
it is imported once in a run, and not thirteen times.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, pairwise, takewhile
from typing import Any, Final

import dagster as dg
from dagster._utils.schedules import CRON_RANGES, CroniterShim, schedule_execution_time_iterator

from brev_pipeline.config import PipelineConfig
from brev_pipeline.config.operations import ScheduleSettings
from brev_pipeline.errors import BrevPipelineError
from brev_pipeline.storage import Sources
from brev_pipeline.store import PipelineStore

_TAG = "brev_pipeline"
PIPELINE_TAG = f"{_TAG}/pipeline"
_CALENDAR_START: Final = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
_CRON_FIELDS: Final = ("minute", "hour", "day", "month", "weekday")
_LEAP_CYCLE: Final = timedelta(days=4 * 365 + 1)
PRELOADED_MODULES: Final = (
    "brev_pipeline.definitions",
    # Arrow imports it as soon as it makes an array.
    "pandas",
    "brev_pipeline.images",
    "brev_pipeline.integrity",
    "brev_pipeline.listing",
    "brev_pipeline.orchestration.metadata",
    "brev_pipeline.release.release_version",
    "brev_pipeline.split",
    # Six of the thirteen steps apply a suite. Before Great Expectations, what turns its usage statistics off.
    "brev_pipeline.expectations.validate",
    "great_expectations",
)
"""Modules that the forking process imports, in this order: what loading the code location must never do, and what is
then shared memory of all steps, some 300 MB once."""


def build_job(config: PipelineConfig) -> "dg.UnresolvedAssetJobDefinition":
    """The job that materializes the whole chain, checks included."""
    executor = dg.in_process_executor
    if config.executor == "multiprocess":
        start = {"forkserver": {"preload_modules": list(PRELOADED_MODULES)}}
        executor = dg.multiprocess_executor.configured({"start_method": start}, name="multiprocess")
    return dg.define_asset_job(
        config.name,
        selection=dg.AssetSelection.groups(config.name),
        description=config.description or f"The whole chain of {config.name}.",
        tags={PIPELINE_TAG: config.name},
        executor_def=executor,
    )


def build_schedule(config: PipelineConfig, job: "dg.UnresolvedAssetJobDefinition") -> dg.ScheduleDefinition:
    """The pipeline's schedule, on only if the configuration says so; skips while an earlier run still waits."""
    status = dg.DefaultScheduleStatus.RUNNING if config.schedule.enabled else dg.DefaultScheduleStatus.STOPPED

    @dg.schedule(
        name=f"{config.name}_schedule",
        job=job,
        cron_schedule=config.schedule.cron,
        execution_timezone=config.schedule.timezone,
        default_status=status,
        description=f"Runs {config.name} at '{config.schedule.cron}', {config.schedule.timezone}.",
    )
    def request_run(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return _skip_if_queued(context.instance, config) or dg.RunRequest()

    return request_run


def build_sensor(config: PipelineConfig, job: "dg.UnresolvedAssetJobDefinition") -> dg.SensorDefinition:
    """Requests one run when the datasets changed; says why it skips.

    A tick lists the datasets and reads no file. Its cursor is the fingerprint of the listing that it last saw.
    """
    settings = config.new_images_sensor
    status = dg.DefaultSensorStatus.RUNNING if settings.enabled else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        name=sensor_name(config),
        job=job,
        minimum_interval_seconds=settings.interval_seconds,
        default_status=status,
        description=f"Runs {config.name} when an image appeared, vanished or changed.",
    )
    def request_run(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        from brev_pipeline.listing import listing_state

        if waiting := _skip_if_queued(context.instance, config):
            return waiting
        try:
            state = listing_state(config.datasets, config.listing, Sources.from_config(config))
            if state.fingerprint == context.cursor:
                return dg.SkipReason(_describe_no_change(context.instance, config, state.images))
            changes = _count_changes(config, state.listing)
            if context.cursor is None and changes == {} and _are_all_known(config, state.listing):
                # The first tick: what a run by hand has published already is not new.
                reason = f"nothing new: the {state.images} images of the newest version"
                return dg.SensorResult(skip_reason=reason, cursor=state.fingerprint)
        except BrevPipelineError as error:
            if error.may_pass:
                return dg.SkipReason(f"the datasets cannot be listed now: {error}")
            # A person has to do something: a failed tick is what people see.
            raise dg.DagsterError(f"the datasets cannot be listed: {error}") from error
        counts = {"images": state.images, **({"appeared": state.images} if changes is None else changes)}
        tags = {f"{_TAG}/{name}": str(count) for name, count in counts.items()}
        # No run key: where images go and come back, the same listing is new once more.
        return dg.SensorResult(run_requests=[dg.RunRequest(tags=tags)], cursor=state.fingerprint)

    return request_run


def sensor_name(config: PipelineConfig) -> str:
    """Name of a pipeline's new-images sensor."""
    return f"{config.name}_new_images"


def _skip_if_queued(instance: dg.DagsterInstance, config: PipelineConfig) -> dg.SkipReason | None:
    """A reason to request no run: one waits already, and will find what is there when it begins."""
    statuses = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED]
    wanted = dg.RunsFilter(tags={PIPELINE_TAG: config.name}, statuses=statuses)
    runs = instance.get_runs(wanted, limit=1)
    return dg.SkipReason(f"run {runs[0].run_id} waits in the queue already, and will see it") if runs else None


def _describe_no_change(instance: dg.DagsterInstance, config: PipelineConfig, images: int) -> str:
    """Why nothing is to be done, and whether what was last requested came to a bad end."""
    reason = f"nothing new: the same {images} images as before"
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/sensor_name": sensor_name(config)}), limit=1)
    if runs and runs[0].status in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED):
        ended = runs[0].status.value.lower()
        reason += f"; the run for them, {runs[0].run_id}, ended as {ended}: see its log, then launch it again"
    return reason


def _count_changes(config: PipelineConfig, listing: Any) -> dict[str, int] | None:
    """How many images appeared, vanished and were replaced since the newest published version; None before it."""
    import pyarrow.compute as pc

    from brev_pipeline.integrity.findings import COMPARED, compare_listings

    newest = PipelineStore.from_config(config).newest_version()
    if newest is None:
        return None
    changes = compare_listings(newest[1].read_table("listing", COMPARED), listing)
    return {row["values"]: row["counts"] for row in pc.value_counts(changes["change"]).to_pylist()}


def _are_all_known(config: PipelineConfig, listing: Any) -> bool:
    """Whether an earlier run saw each image as it is now: local files by size and stamp, objects by size and time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from brev_pipeline.texts import TEXT, join_texts

    def seen(table: pa.Table) -> pa.ChunkedArray:
        size, modified = (table[name].cast(pa.int64()).cast(TEXT) for name in ("size", "modified"))
        stamps = pc.coalesce(table["file_stamp"], modified) if "file_stamp" in table.column_names else modified
        return join_texts(table["path"], size, stamps, by="\x1f")

    known = PipelineStore.from_config(config).identity_cache.load_newest()
    return known is not None and bool(pc.all(pc.is_in(seen(listing), value_set=seen(known))).as_py())


def build_freshness_policy(schedule: ScheduleSettings) -> dg.FreshnessPolicy | None:
    """Warns when one run of the schedule is overdue, fails when a second one is; None where the schedule is off.

    The longest time between two ticks counts, so that the weekend of a schedule for working days is not late.
    On top comes the time that a run may take longer than the one before: a tenth of that, at least a quarter of an
    hour, and an hour (that of daylight saving) where the ticks are that far apart.
    """
    if not schedule.enabled:
        return None
    gap = find_longest_gap(schedule.cron)
    slack = max(gap / 10, min(gap, timedelta(hours=1)), timedelta(minutes=15))
    return dg.FreshnessPolicy.time_window(fail_window=2 * gap + slack, warn_window=gap + slack)


def check_cron(cron: str) -> str:
    """Return ``cron`` if Dagster can use it, and uses it the same way in every process.

    Raises:
        ValueError: it cannot be parsed, has other than five fields, would never come, or is drawn at random.
    """
    fields = cron.split()
    # Dagster draws R anew in every process, so each would run the pipeline at another time.
    if any(re.match(r"r([(/]|$)", field, re.IGNORECASE) for field in fields):
        raise ValueError(f"{cron!r}: R is drawn at random, anew by every process; write the numbers themselves")
    if cron.startswith("@") and _is_cron(cron):
        return cron
    if len(fields) != len(_CRON_FIELDS):
        raise ValueError(
            f"{cron!r}: a cron has five fields (minute hour day month weekday), as in '0 3 * * *', or is one of "
            "@hourly, @daily, @weekly, @monthly and @yearly"
        )
    for name, field, (low, high) in zip(
        _CRON_FIELDS, fields, CRON_RANGES, strict=False
    ):  # the sixth range is of seconds
        if not _is_cron(" ".join(field if other == name else "*" for other in _CRON_FIELDS)):
            raise ValueError(f"{cron!r}: the {name} {field!r} is not within {low}..{high}")
    try:
        next(schedule_execution_time_iterator(_CALENDAR_START, cron, "UTC"))
    except Exception as error:
        raise ValueError(f"{cron!r}: no month has such a day, so it would never come") from error
    return cron


def _is_cron(cron: str) -> bool:
    """Whether Dagster's parser takes it."""
    try:
        return bool(CroniterShim.is_valid(cron))  # type: ignore[no-untyped-call]
    except Exception:  # noqa: BLE001 (it lets through what int and range raise)
        return False


@cache
def find_longest_gap(cron: str) -> timedelta:
    """The longest time between two ticks of a good cron, as UTC has them: daylight saving is left out."""
    ticks = schedule_execution_time_iterator(_CALENDAR_START, cron, "UTC")
    if cron.startswith("@"):
        return _find_longest_step(list(islice(ticks, 60)))  # five years of months, and of years more than one leap year
    # The times of day are the same on all days that have ticks: those of the first are enough. Walking through every
    # tick would take millions of steps where there is one a minute.
    first = next(ticks)
    times = [first, *takewhile(lambda tick: tick.date() == first.date(), ticks)]
    midnights = schedule_execution_time_iterator(_CALENDAR_START, " ".join(["0 0", *cron.split()[2:]]), "UTC")
    days = [next(midnights), next(midnights)]
    days += takewhile(lambda day: day < days[0] + _LEAP_CYCLE, midnights)
    return max(_find_longest_step(times), _find_longest_step(days) - (times[-1] - times[0]))


def _find_longest_step(times: Sequence[datetime]) -> timedelta:
    return max((later - earlier for earlier, later in pairwise(times)), default=timedelta())
