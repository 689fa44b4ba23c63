"""When a pipeline runs: its job, its schedule, and its sensor for new images."""

from typing import Any

import dagster as dg

from brev_pipeline.config import PipelineConfig
from brev_pipeline.errors import BrevPipelineError
from brev_pipeline.orchestration.executors import executor_of

_TAG = "brev_pipeline"
PIPELINE_TAG = f"{_TAG}/pipeline"


def pipeline_job(config: PipelineConfig) -> "dg.UnresolvedAssetJobDefinition":
    """The job that materializes the whole chain, checks included."""
    return dg.define_asset_job(
        config.name,
        selection=dg.AssetSelection.groups(config.name),
        description=config.description or f"The whole chain of {config.name}.",
        tags={PIPELINE_TAG: config.name},
        executor_def=executor_of(config.executor),
    )


def pipeline_schedule(config: PipelineConfig, job: "dg.UnresolvedAssetJobDefinition") -> dg.ScheduleDefinition:
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
    def scheduled(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return _waiting(context.instance, config) or dg.RunRequest()

    return scheduled


def pipeline_sensor(config: PipelineConfig, job: "dg.UnresolvedAssetJobDefinition") -> dg.SensorDefinition:
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
    def new_images(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        from brev_pipeline.listing import listing_state
        from brev_pipeline.storage import Sources

        if waiting := _waiting(context.instance, config):
            return waiting
        try:
            state = listing_state(config.datasets, config.listing, Sources.of(config))
            if state.fingerprint == context.cursor:
                return dg.SkipReason(_nothing_new(context.instance, config, state.images))
            changes = _changes(config, state.listing)
            if context.cursor is None and changes == {} and _all_known(config, state.listing):
                # The first tick: what a run by hand has published already is not new.
                said = f"nothing new: the {state.images} images of the newest version"
                return dg.SensorResult(skip_reason=said, cursor=state.fingerprint)
        except BrevPipelineError as error:
            if error.may_pass:
                return dg.SkipReason(f"the datasets cannot be listed now: {error}")
            # A person has to do something: a failed tick is what people see.
            raise dg.DagsterError(f"the datasets cannot be listed: {error}") from error
        found = {"appeared": state.images} if changes is None else changes
        tags = {f"{_TAG}/{name}": str(count) for name, count in {"images": state.images, **found}.items()}
        # No run key: where images go and come back, the same listing is new once more.
        return dg.SensorResult(run_requests=[dg.RunRequest(tags=tags)], cursor=state.fingerprint)

    return new_images


def sensor_name(config: PipelineConfig) -> str:
    """Name of a pipeline's new-images sensor."""
    return f"{config.name}_new_images"


def _waiting(instance: dg.DagsterInstance, config: PipelineConfig) -> dg.SkipReason | None:
    """A reason to request no run: one waits already, and will find what is there when it begins."""
    statuses = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED]
    wanted = dg.RunsFilter(tags={PIPELINE_TAG: config.name}, statuses=statuses)
    runs = instance.get_runs(wanted, limit=1)
    return dg.SkipReason(f"run {runs[0].run_id} waits in the queue already, and will see it") if runs else None


def _nothing_new(instance: dg.DagsterInstance, config: PipelineConfig, images: int) -> str:
    """Why nothing is to be done, and whether what was last requested came to a bad end."""
    said = f"nothing new: the same {images} images as before"
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/sensor_name": sensor_name(config)}), limit=1)
    if runs and runs[0].status in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED):
        ended = runs[0].status.value.lower()
        said += f"; the run for them, {runs[0].run_id}, ended as {ended}: see its log, then launch it again"
    return said


def _changes(config: PipelineConfig, listing: Any) -> dict[str, int] | None:
    """How many images appeared, vanished and were replaced since the newest published version; None before it."""
    import pyarrow.compute as pc

    from brev_pipeline.integrity.findings import COMPARED, compare_listings
    from brev_pipeline.store import PipelineStore

    newest = PipelineStore.of(config).newest()
    if newest is None:
        return None
    changes = compare_listings(newest[1].table("listing", COMPARED), listing)
    return {row["values"]: row["counts"] for row in pc.value_counts(changes["change"]).to_pylist()}


def _all_known(config: PipelineConfig, listing: Any) -> bool:
    """Whether an earlier run saw each image as it is now: local files by size and stamp, objects by size and time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from brev_pipeline.store import PipelineStore
    from brev_pipeline.texts import TEXT, joined

    def seen(table: pa.Table) -> pa.ChunkedArray:
        size, modified = (table[name].cast(pa.int64()).cast(TEXT) for name in ("size", "modified"))
        stamps = pc.coalesce(table["file_stamp"], modified) if "file_stamp" in table.column_names else modified
        return joined(table["path"], size, stamps, by="\x1f")

    known = PipelineStore.of(config).memory.recall()
    return known is not None and bool(pc.all(pc.is_in(seen(listing), value_set=seen(known))).as_py())
