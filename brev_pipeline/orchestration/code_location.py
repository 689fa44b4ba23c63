"""From configuration files to Dagster's definitions. A broken file shows as what it is; the others load."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._check import CheckError

from brev_pipeline.config import EngineSettings, PipelineConfig, load_config
from brev_pipeline.config.credentials import redact
from brev_pipeline.config.load import to_printable
from brev_pipeline.errors import BrevPipelineError, ConfigError
from brev_pipeline.orchestration.asset_checks import build_asset_checks
from brev_pipeline.orchestration.assets import build_assets
from brev_pipeline.orchestration.automation import build_job, build_schedule, build_sensor, check_cron
from brev_pipeline.orchestration.io_manager import TableIOManager
from brev_pipeline.orchestration.purge import build_purge_definitions

if TYPE_CHECKING:
    from brev_pipeline.engine import Engine, Progress

BROKEN_GROUP = "broken_configurations"
"""Asset group of the files that cannot be used, and name of the sensor whose ticks fail because of them."""

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
    problems: dict[Path, str] = {}
    configs: list[PipelineConfig] = []
    for outcome in loaded:
        if outcome.config is None:
            problems[outcome.file] = outcome.problem
            _log.error("%s cannot be used, its pipeline is left out:\n%s", to_printable(outcome.file), outcome.problem)
            continue
        configs.append(outcome.config)
        for warning in outcome.config.setup_warnings:
            _log.warning("%s: %s", to_printable(outcome.file), warning)
    if not loaded:
        what = "holds no *.yaml" if folder.is_dir() else "does not exist"
        _log.warning("%s %s, so there are no pipelines; BREV_PIPELINE_CONFIGS names another folder", folder, what)
    return dg.Definitions.merge(
        *(outcome.definitions for outcome in loaded if outcome.definitions is not None),
        _build_broken_definitions(problems),
        build_purge_definitions(configs),
        dg.Definitions(executor=dg.in_process_executor),
    )


def _build_broken_definitions(problems: Mapping[Path, str]) -> dg.Definitions:
    """One asset per file, with what is wrong in its description, and the sensor; nothing where there is no problem."""
    if not problems:
        return dg.Definitions()
    specs: dict[str, dg.AssetSpec] = {}
    for file, problem in problems.items():
        name = "".join(letter if letter.isalnum() or letter in "_-" else "_" for letter in file.stem)
        while name in specs:
            name += "_"
        lines = "\n".join(f"- {line}" for line in problem.splitlines())
        specs[name] = dg.AssetSpec(
            dg.AssetKey([BROKEN_GROUP, name]),
            group_name=BROKEN_GROUP,
            description=f"`{to_printable(Path(file.name))}` cannot be used, so its pipeline is missing:\n\n{lines}",
            kinds={"yaml"},
        )

    @dg.sensor(
        name=BROKEN_GROUP,
        minimum_interval_seconds=3600,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Its ticks fail while a configuration cannot be used. Mend the file, then reload the location.",
    )
    def alarm() -> None:
        # Anything else than Dagster's own would show under a title that says nothing.
        raise dg.DagsterError("\n".join(problems.values()))

    return dg.Definitions(assets=list(specs.values()), sensors=[alarm])


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
    names = {outcome.config.name for file, outcome in read.items() if file in asked and outcome.config is not None}
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
        reason = redact(f"{type(error).__name__}: {error}")[:1000]
        ours = isinstance(error, BrevPipelineError | dg.DagsterError | CheckError)
        hint = "" if ours else "; it was not foreseen that a configuration does this: please report it"
        return LoadedFile(file, problem=f"{to_printable(file)}: cannot be used: {reason}{hint}")


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


class EngineResource(dg.ConfigurableResource[Any]):
    """Runs tasks on this machine's cores, or on a Ray cluster.

    Attributes:
        kind: ``local`` or ``ray``.
        workers: number of processes, or ``auto``.
        address: of the Ray cluster; empty for ``local``.
        settings: ``engine`` of the configuration in full, which the others are taken from.
    """

    kind: str
    workers: str
    address: str
    settings: dict[str, Any]

    @classmethod
    def from_settings(cls, settings: EngineSettings) -> "EngineResource":
        """The resource of a configuration."""
        return cls(
            kind=settings.kind,
            workers=str(settings.workers),
            address=settings.address or "",
            settings=settings.model_dump(mode="json", exclude_unset=True, exclude_none=True),
        )

    def make_engine(self, context: Any) -> "Engine":
        """An engine whose progress goes to the log of the run."""
        from brev_pipeline.engine import create_engine
        from brev_pipeline.engine.progress import LOG_SECONDS, describe_progress

        def report(progress: "Progress") -> None:
            context.log.info(describe_progress(progress))

        return create_engine(EngineSettings.model_validate(self.settings), report, LOG_SECONDS)
