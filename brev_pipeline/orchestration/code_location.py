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
from brev_pipeline.config.load import to_printable
from brev_pipeline.errors import BrevPipelineError, ConfigError
from brev_pipeline.orchestration.asset_checks import build_asset_checks
from brev_pipeline.orchestration.assets import build_assets
from brev_pipeline.orchestration.automation import build_job, build_schedule, build_sensor, check_cron
from brev_pipeline.orchestration.io_manager import TableIOManager
from brev_pipeline.orchestration.purge import build_purge_definitions
from brev_pipeline.orchestration.resources import EngineResource

BROKEN_GROUP = "broken_configurations"
"""Asset group of the files that cannot be used, and name of the sensor whose ticks fail because of them."""


def build_broken_definitions(problems: Mapping[Path, str]) -> dg.Definitions:
    """One asset per file, with what is wrong in its description, and the sensor; nothing where there is no problem.

    Args:
        problems: file → what is wrong with it.
    """
    if not problems:
        return dg.Definitions()
    specs: dict[str, dg.AssetSpec] = {}
    for file, said in problems.items():
        name = _to_identifier(file.stem)
        while name in specs:
            name += "_"
        specs[name] = _build_broken_spec(name, file, said)
    return dg.Definitions(assets=list(specs.values()), sensors=[_build_broken_sensor("\n".join(problems.values()))])


def _build_broken_spec(name: str, file: Path, problems: str) -> dg.AssetSpec:
    lines = "\n".join(f"- {line}" for line in problems.splitlines())
    return dg.AssetSpec(
        dg.AssetKey([BROKEN_GROUP, name]),
        group_name=BROKEN_GROUP,
        description=f"`{to_printable(Path(file.name))}` cannot be used, so its pipeline is missing:\n\n{lines}",
        kinds={"yaml"},
    )


def _build_broken_sensor(problems: str) -> dg.SensorDefinition:
    @dg.sensor(
        name=BROKEN_GROUP,
        minimum_interval_seconds=3600,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Its ticks fail while a configuration cannot be used. Mend the file, then reload the location.",
    )
    def alarm() -> None:
        # Anything else than Dagster's own would show under a title that says nothing.
        raise dg.DagsterError(problems)

    return alarm


def _to_identifier(stem: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "_-" else "_" for letter in stem)


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


def build_folder_definitions(folder: Path) -> dg.Definitions:
    """Definitions of every ``*.yaml`` and ``*.yml`` in a folder.

    A file that cannot be used is logged, stands in the asset group ``broken_configurations`` with what is wrong in
    its description, and makes the ticks of a sensor of that name fail.
    """
    loaded = load_config_files(list_config_files(folder))
    for one in loaded:
        if one.config is None:
            _log.error("%s cannot be used, its pipeline is left out:\n%s", to_printable(one.file), one.problem)
            continue
        for warning in one.config.setup_warnings:
            _log.warning("%s: %s", to_printable(one.file), warning)
    if not loaded:
        what = "holds no *.yaml" if folder.is_dir() else "does not exist"
        _log.warning("%s %s, so there are no pipelines; BREV_PIPELINE_CONFIGS names another folder", folder, what)
    broken = {one.file: one.problem for one in loaded if one.config is None}
    return dg.Definitions.merge(
        *(one.definitions for one in loaded if one.definitions is not None),
        build_broken_definitions(broken),
        build_purge_definitions([one.config for one in loaded if one.config is not None]),
        dg.Definitions(executor=dg.in_process_executor),
    )


def list_config_files(folder: Path) -> list[Path]:
    """The configuration files of a folder, in the order in which they are loaded."""
    return sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])


def load_config_files(files: Sequence[Path], wanted: Collection[Path] | None = None) -> list[LoadedFile]:
    """Load configuration files that share a code location; whatever a file raises stays with that file.

    The code location and ``brev-pipeline check`` both ask here, so that they agree.

    Args:
        files: in their order; of two files with the same pipeline's name the first that can be used has it.
        wanted: the files whose outcome is asked for; None: all. Others are looked at only for their names.

    Returns:
        The outcomes of the wanted files, in the order of ``files``.
    """
    read = {file: _load_or_explain(file, partial(_read_file, file)) for file in files}
    asked = set(read if wanted is None else wanted)
    names = {one.config.name for file, one in read.items() if file in asked and one.config is not None}
    owners: dict[str, Path] = {}
    outcomes = []
    for file, outcome in read.items():
        if outcome.config is not None and outcome.config.name in names:
            outcome = _load_or_explain(file, partial(_build_file, file, outcome.config, owners))
            if outcome.config is not None:
                owners[outcome.config.name] = file
        outcomes.append(outcome)
    return [outcome for outcome in outcomes if outcome.file in asked]


def _read_file(file: Path) -> LoadedFile:
    return LoadedFile(file, load_config(file, for_run=True, check_cron=check_cron))


def _build_file(file: Path, config: PipelineConfig, owners: Mapping[str, Path]) -> LoadedFile:
    if config.name in owners:
        owner = to_printable(owners[config.name])
        raise ConfigError(f"{to_printable(file)}: name: {config.name} is the name of {owner} too; rename one of them")
    definitions = build_pipeline_definitions(config)
    # With what stands beside every pipeline: Dagster finds equal names only when all is put together.
    dg.Definitions.validate_loadable(dg.Definitions.merge(definitions, build_purge_definitions([config])))
    return LoadedFile(file, config, definitions)


def _load_or_explain(file: Path, load: Callable[[], LoadedFile]) -> LoadedFile:
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
        return LoadedFile(file, problem=f"{to_printable(file)}: cannot be used: {said}{hint}")


def build_pipeline_definitions(
    config: PipelineConfig, *, loggers: dict[str, dg.LoggerDefinition] | None = None
) -> dg.Definitions:
    """Definitions of one pipeline: seven assets, their checks, a job, a schedule and a sensor."""
    job = build_job(config)
    return dg.Definitions(
        assets=build_assets(config),
        asset_checks=build_asset_checks(config),
        jobs=[job],
        schedules=[build_schedule(config, job)],
        sensors=[build_sensor(config, job)],
        resources={
            f"{config.name}__tables": TableIOManager(config),
            f"{config.name}__engine": EngineResource.from_settings(config.engine),
        },
        loggers=loggers,
    )
