"""From configuration files to Dagster's definitions. A broken file shows as what it is; the others load."""

import logging
from pathlib import Path

import dagster as dg
from dagster._check import CheckError

from brev_pipeline.config import PipelineConfig, load_config
from brev_pipeline.errors import BrevPipelineError, ConfigError
from brev_pipeline.orchestration.assets import pipeline_assets
from brev_pipeline.orchestration.automation import pipeline_job, pipeline_schedule, pipeline_sensor
from brev_pipeline.orchestration.broken import BROKEN_GROUP, broken_definitions
from brev_pipeline.orchestration.checks import pipeline_checks
from brev_pipeline.orchestration.engines import EngineResource
from brev_pipeline.orchestration.purge import PURGE_JOB
from brev_pipeline.orchestration.tables_io import StoreTables
from brev_pipeline.orchestration.upkeep import upkeep_definitions

_log = logging.getLogger(__name__)


def definitions_of_folder(folder: Path) -> dg.Definitions:
    """Definitions of every ``*.yaml`` and ``*.yml`` in a folder.

    A file that cannot be used is logged, stands in the asset group ``broken_configurations`` with what is wrong in
    its description, and makes the ticks of a sensor of that name fail.
    """
    parts: list[dg.Definitions] = []
    broken: dict[Path, str] = {}
    names: dict[str, Path] = {}
    configs: list[PipelineConfig] = []
    for file in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        try:
            config = load_config(file)
            if config.name in names:
                raise ConfigError(
                    f"{file}: name: {config.name} is the name of {names[config.name]} too; rename one of them"
                )
            if config.name in (PURGE_JOB, BROKEN_GROUP) or "__" in config.name:
                # Dagster's names of steps are <pipeline>__<stage>; two that are equal would take everything down.
                raise ConfigError(f"{file}: name: {config.name} is kept for Dagster's own use; choose another")
            for warning in config.warnings:
                _log.warning("%s: %s", file, warning)
            part = pipeline_definitions(config)
            dg.Definitions.validate_loadable(part)
        except (BrevPipelineError, dg.DagsterError, CheckError) as error:
            _log.error("%s cannot be used, its pipeline is left out:\n%s", file, error)
            broken[file] = str(error)
        else:
            parts.append(part)
            names[config.name] = file
            configs.append(config)
    if not configs and not broken:
        what = "holds no *.yaml" if folder.is_dir() else "does not exist"
        _log.warning("%s %s, so there are no pipelines; BREV_PIPELINE_CONFIGS names another folder", folder, what)
    parts.append(broken_definitions(broken))
    return dg.Definitions.merge(*parts, upkeep_definitions(configs), dg.Definitions(executor=dg.in_process_executor))


def pipeline_definitions(
    config: PipelineConfig, *, loggers: dict[str, dg.LoggerDefinition] | None = None
) -> dg.Definitions:
    """Definitions of one pipeline: seven assets, their checks, a job, a schedule and a sensor."""
    job = pipeline_job(config)
    return dg.Definitions(
        assets=pipeline_assets(config),
        asset_checks=pipeline_checks(config),
        jobs=[job],
        schedules=[pipeline_schedule(config, job)],
        sensors=[pipeline_sensor(config, job)],
        resources={
            f"{config.name}__tables": StoreTables(config),
            f"{config.name}__engine": EngineResource.of(config.engine),
        },
        loggers=loggers,
    )
