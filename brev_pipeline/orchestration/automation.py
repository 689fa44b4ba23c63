"""When a pipeline runs: its job, its schedule, and its sensor for new images."""

from typing import Any

import dagster as dg

from brev_pipeline.config import PipelineConfig
from brev_pipeline.errors import BrevPipelineError

_TAG = "brev_pipeline"
PIPELINE_TAG = f"{_TAG}/pipeline"


def pipeline_job(config: PipelineConfig) -> "dg.UnresolvedAssetJobDefinition":
    """The job that materializes the whole chain, checks included."""
    return dg.define_asset_job(
        config.name,
        selection=dg.AssetSelection.groups(config.name),
        description=config.description or f"The whole chain of {config.name}.",
        tags={PIPELINE_TAG: config.name},
    )


def pipeline_schedule(config: PipelineConfig, job: "dg.UnresolvedAssetJobDefinition") -> dg.ScheduleDefinition:
    """The pipeline's schedule, on only if the configuration says so."""
    status = dg.DefaultScheduleStatus.RUNNING if config.schedule.enabled else dg.DefaultScheduleStatus.STOPPED
    return dg.ScheduleDefinition(
        name=f"{config.name}_schedule",
        job=job,
        cron_schedule=config.schedule.cron,
        execution_timezone=config.schedule.timezone,
        default_status=status,
        description=f"Runs {config.name} at '{config.schedule.cron}', {config.schedule.timezone}.",
    )


def pipeline_sensor(config: PipelineConfig, job: "dg.UnresolvedAssetJobDefinition") -> dg.SensorDefinition:
    """Requests one run for each new state of the datasets; says why it skips."""
    settings = config.new_images_sensor
    status = dg.DefaultSensorStatus.RUNNING if settings.enabled else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        name=f"{config.name}_new_images",
        job=job,
        minimum_interval_seconds=settings.interval_seconds,
        default_status=status,
        description=f"Runs {config.name} when an image appeared, vanished or changed.",
    )
    def new_images(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        from brev_pipeline.listing import listing_state
        from brev_pipeline.source import Sources

        try:
            state = listing_state(config.datasets, config.listing, Sources.of(config))
        except BrevPipelineError as error:
            return dg.SkipReason(f"the datasets cannot be listed: {error}")
        if state.fingerprint == context.cursor:
            return dg.SkipReason(f"nothing new: the same {state.images} images as before")
        tags = {PIPELINE_TAG: config.name, f"{_TAG}/images": str(state.images), **_changes(config, state.listing)}
        request = dg.RunRequest(run_key=state.fingerprint, tags=tags)
        return dg.SensorResult(run_requests=[request], cursor=state.fingerprint)

    return new_images


def _changes(config: PipelineConfig, listing: Any) -> dict[str, str]:
    """Tags that say what is new since the newest published version."""
    import pyarrow.compute as pc

    from brev_pipeline.integrity import compare_listings
    from brev_pipeline.store import PipelineStore

    newest = PipelineStore.of(config).newest()
    if newest is None:
        return {f"{_TAG}/appeared": str(listing.num_rows)}
    changes = compare_listings(newest[1].table("listing"), listing)
    return {f"{_TAG}/{row['values']}": str(row["counts"]) for row in pc.value_counts(changes["change"]).to_pylist()}
