"""When a pipeline runs: its job, its schedule, and its sensor for new images."""

import dagster as dg

from brev_pipeline.config import PipelineConfig
from brev_pipeline.errors import BrevPipelineError

PIPELINE_TAG = "brev_pipeline/pipeline"


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
        from brev_pipeline.source import Sources

        try:
            state = Sources.of(config).state(config.listing)
        except BrevPipelineError as error:
            return dg.SkipReason(f"the datasets cannot be listed: {error}")
        if state.fingerprint == context.cursor:
            return dg.SkipReason(f"nothing new: the same {state.images} images as before")
        request = dg.RunRequest(
            run_key=state.fingerprint,
            tags={PIPELINE_TAG: config.name, "brev_pipeline/images": str(state.images)},
        )
        return dg.SensorResult(run_requests=[request], cursor=state.fingerprint)

    return new_images
