"""From configuration files to Dagster's definitions. A broken file shows as what it is; the others load."""

import logging
from pathlib import Path

import dagster as dg

from brev_pipeline.config import PipelineConfig, load_config
from brev_pipeline.errors import BrevPipelineError, ConfigError
from brev_pipeline.orchestration.assets import pipeline_assets
from brev_pipeline.orchestration.automation import pipeline_job, pipeline_schedule, pipeline_sensor
from brev_pipeline.orchestration.checks import pipeline_checks
from brev_pipeline.orchestration.engines import EngineResource
from brev_pipeline.orchestration.tables_io import StoreTables
from brev_pipeline.store import PipelineStore

BROKEN_GROUP = "broken_configurations"

_log = logging.getLogger(__name__)


def definitions_of_folder(folder: Path) -> dg.Definitions:
    """Definitions of every ``*.yaml`` in a folder.

    A file that cannot be used is logged and stands in the asset group ``broken_configurations``, with what is
    wrong in its description.
    """
    parts: list[dg.Definitions] = []
    names: dict[str, Path] = {}
    for file in sorted(folder.glob("*.yaml")):
        try:
            config = load_config(file)
            if config.name in names:
                raise ConfigError(f"{file}: name: {config.name} is the name of {names[config.name]} too")
            part = pipeline_definitions(config)
            dg.Definitions.validate_loadable(part)
        except (BrevPipelineError, dg.DagsterError) as error:
            _log.error("%s cannot be used, its pipeline is left out:\n%s", file, error)
            part = _broken(file, str(error))
        else:
            names[config.name] = file
        parts.append(part)
    if not parts:
        _log.warning("%s holds no *.yaml: there are no pipelines", folder)
    return dg.Definitions.merge(*parts, dg.Definitions(executor=dg.in_process_executor))


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
            f"{config.name}__tables": StoreTables(PipelineStore.of(config)),
            f"{config.name}__unchecked_tables": StoreTables(PipelineStore.of(config), unchecked=True),
            f"{config.name}__engine": EngineResource(kind=config.engine.kind, workers=str(config.engine.workers)),
        },
        loggers=loggers,
    )


def _broken(file: Path, problems: str) -> dg.Definitions:
    lines = "\n".join(f"- {line}" for line in problems.splitlines())
    spec = dg.AssetSpec(
        dg.AssetKey([BROKEN_GROUP, _identifier(file.stem)]),
        group_name=BROKEN_GROUP,
        description=f"`{file.name}` cannot be used, so its pipeline is missing:\n\n{lines}",
        kinds={"yaml"},
    )
    return dg.Definitions(assets=[spec])


def _identifier(stem: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "_-" else "_" for letter in stem)
