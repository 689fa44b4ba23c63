"""From configuration files to Dagster's definitions. A broken file shows as what it is; the others load."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import dagster as dg
from dagster._check import CheckError

from brev_pipeline.config import PipelineConfig, load_config
from brev_pipeline.config.credentials import redact
from brev_pipeline.config.load import printable
from brev_pipeline.errors import BrevPipelineError, ConfigError
from brev_pipeline.orchestration.assets import pipeline_assets
from brev_pipeline.orchestration.automation import pipeline_job, pipeline_schedule, pipeline_sensor
from brev_pipeline.orchestration.broken import broken_definitions
from brev_pipeline.orchestration.checks import pipeline_checks
from brev_pipeline.orchestration.engines import EngineResource
from brev_pipeline.orchestration.tables_io import StoreTables
from brev_pipeline.orchestration.upkeep import upkeep_definitions

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedFile:
    """What became of one configuration file."""

    file: Path
    config: PipelineConfig | None = None
    """None where the file cannot be used."""
    definitions: dg.Definitions | None = None
    """None where the file cannot be used."""
    problem: str = ""
    """Why the file cannot be used: one line for each thing that is wrong with it."""


def definitions_of_folder(folder: Path) -> dg.Definitions:
    """Definitions of every ``*.yaml`` and ``*.yml`` in a folder.

    A file that cannot be used is logged, stands in the asset group ``broken_configurations`` with what is wrong in
    its description, and makes the ticks of a sensor of that name fail.
    """
    loaded = load_files(files_in(folder))
    for one in loaded:
        if one.config is None:
            _log.error("%s cannot be used, its pipeline is left out:\n%s", printable(one.file), one.problem)
            continue
        for warning in one.config.warnings:
            _log.warning("%s: %s", printable(one.file), warning)
    if not loaded:
        what = "holds no *.yaml" if folder.is_dir() else "does not exist"
        _log.warning("%s %s, so there are no pipelines; BREV_PIPELINE_CONFIGS names another folder", folder, what)
    broken = {one.file: one.problem for one in loaded if one.config is None}
    return dg.Definitions.merge(
        *(one.definitions for one in loaded if one.definitions is not None),
        broken_definitions(broken),
        upkeep_definitions([one.config for one in loaded if one.config is not None]),
        dg.Definitions(executor=dg.in_process_executor),
    )


def files_in(folder: Path) -> list[Path]:
    """The configuration files of a folder, in the order in which they are loaded."""
    return sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])


def load_files(files: Sequence[Path], wanted: Collection[Path] | None = None) -> list[LoadedFile]:
    """Load configuration files that share a code location; whatever a file raises stays with that file.

    The code location and ``brev-pipeline check`` both ask here, so that they agree.

    Args:
        files: in their order; of two files with the same pipeline's name the first that can be used has it.
        wanted: the files whose outcome is asked for; None: all. Others are looked at only for their names.

    Returns:
        The outcomes of the wanted files, in the order of ``files``.
    """
    read = {file: _attempt(file, partial(_read, file)) for file in files}
    asked = set(read if wanted is None else wanted)
    names = {one.config.name for file, one in read.items() if file in asked and one.config is not None}
    owners: dict[str, Path] = {}
    outcomes = []
    for file, outcome in read.items():
        if outcome.config is not None and outcome.config.name in names:
            outcome = _attempt(file, partial(_build, file, outcome.config, owners))
            if outcome.config is not None:
                owners[outcome.config.name] = file
        outcomes.append(outcome)
    return [outcome for outcome in outcomes if outcome.file in asked]


def _read(file: Path) -> LoadedFile:
    return LoadedFile(file, load_config(file, for_run=True))


def _build(file: Path, config: PipelineConfig, owners: Mapping[str, Path]) -> LoadedFile:
    if config.name in owners:
        owner = printable(owners[config.name])
        raise ConfigError(f"{printable(file)}: name: {config.name} is the name of {owner} too; rename one of them")
    definitions = pipeline_definitions(config)
    # With what stands beside every pipeline: Dagster finds equal names only when all is put together.
    dg.Definitions.validate_loadable(dg.Definitions.merge(definitions, upkeep_definitions([config])))
    return LoadedFile(file, config, definitions)


def _attempt(file: Path, load: Callable[[], LoadedFile]) -> LoadedFile:
    """What ``load`` returns, or the file with what was raised."""
    try:
        return load()
    except ConfigError as error:
        return LoadedFile(file, problem=str(error))
    except Exception as error:  # noqa: BLE001 (whatever it is, the other files are not to blame)
        _log.debug("%s", file, exc_info=True)
        said = redact(f"{type(error).__name__}: {error}")[:1000]
        ours = isinstance(error, BrevPipelineError | dg.DagsterError | CheckError)
        hint = "" if ours else "; it was not foreseen that a configuration does this: please report it"
        return LoadedFile(file, problem=f"{printable(file)}: cannot be used: {said}{hint}")


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
