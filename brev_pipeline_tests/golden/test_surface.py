"""What others hold on to: Dagster's specs, the commands' help, and the public names with their signatures.

Recorded in surface.json; `recorded` says how it is written anew. A name is looked up where a user imports it, so
it does not matter in which module it is defined.
"""

import importlib
import inspect
import re
import runpy
import shutil
from collections.abc import Iterator
from typing import Any

import click
import dagster as dg
import pytest
from pydantic import BaseModel

from brev_pipeline.cli import main
from brev_pipeline_tests.golden.recorded import HERE, agree

REPOSITORY = HERE.parents[1]
# Rooms of which everything in __all__ is for users, and single names that the documentation has users import.
ROOMS = ("brev_pipeline", "brev_pipeline.audit", "brev_pipeline.augmentation", "brev_pipeline.readers")
SINGLE = (
    ("brev_pipeline.cli", "main"),
    ("brev_pipeline.config", "PipelineConfig"),
    ("brev_pipeline.config", "parse_config"),
    ("brev_pipeline.definitions", "defs"),
    ("brev_pipeline.orchestration.launcher", "WatchedRunLauncher"),
    ("brev_pipeline.seeds", "seed64"),
    ("brev_pipeline.records", "feature_spec"),
)


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.Definitions]:
    """The repository's configurations, and those beside this test, as Dagster's entry point loads them."""
    folder = tmp_path_factory.mktemp("configs")
    for file in [*(REPOSITORY / "configs").glob("*.yaml"), *(HERE / "configs").iterdir()]:
        shutil.copy(file, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BREV_PIPELINE_CONFIGS", str(folder))
        yield runpy.run_module("brev_pipeline.definitions")["defs"]


def test_the_assets_are_the_recorded_ones(definitions: dg.Definitions) -> None:
    found = {}
    for spec in definitions.resolve_all_asset_specs():
        found[spec.key.to_user_string()] = {
            "deps": sorted(dep.asset_key.to_user_string() for dep in spec.deps),
            "group": spec.group_name,
            "kinds": sorted(spec.kinds),
            "tags": {key: value for key, value in sorted(spec.tags.items()) if not key.startswith("dagster/kind")},
            "owners": list(spec.owners),
            "metadata": sorted(spec.metadata),
            "automation": None if spec.automation_condition is None else spec.automation_condition.get_label(),
        }
    agree("surface.json", "assets", dict(sorted(found.items())))


def test_the_checks_are_the_recorded_ones(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    specs = [graph.get(key) for key in sorted(graph.asset_check_keys, key=str)]
    found: dict[str, list[str]] = {}
    for node in specs:
        asset = node.key.asset_key.to_user_string()
        found.setdefault(asset, []).append(f"{node.key.name}{' (blocking)' if node.blocking else ''}")
    agree("surface.json", "checks", found)


def test_the_jobs_schedules_and_sensors_are_the_recorded_ones(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    jobs = {}
    for job in repository.get_all_jobs():
        layer = job.asset_layer
        jobs[job.name] = {
            "assets": sorted(key.to_user_string() for key in layer.executable_asset_keys),
            "checks": len(layer.asset_graph.asset_check_keys),
            "tags": dict(sorted(job.tags.items())),
            "steps": sorted(node.name for node in job.nodes),
        }
    schedules = {
        one.name: [one.job_name, str(one.cron_schedule), one.execution_timezone, one.default_status.value]
        for one in repository.schedule_defs
    }
    sensors = {
        one.name: [
            type(one).__name__,
            sorted(target.job_name for target in one.targets),
            one.minimum_interval_seconds,
            one.default_status.value,
        ]
        for one in repository.sensor_defs
    }
    agree("surface.json", "jobs", dict(sorted(jobs.items())))
    agree("surface.json", "schedules", dict(sorted(schedules.items())))
    agree("surface.json", "sensors", dict(sorted(sensors.items())))
    agree("surface.json", "resources", sorted(definitions.resources or {}))


def test_the_commands_help_is_the_recorded_one() -> None:
    agree("surface.json", "help", dict(_helps(main, "brev-pipeline")))


def test_the_public_names_and_signatures_are_the_recorded_ones() -> None:
    found: dict[str, Any] = {}
    for room in ROOMS:
        module = importlib.import_module(room)
        names = sorted(module.__all__)
        assert {name: getattr(module, name) for name in names}
        found[room] = {name: _describe(getattr(module, name)) for name in names}
    for room, name in SINGLE:
        value = getattr(importlib.import_module(room), name)
        found.setdefault(room, {})[name] = _describe(value)
    agree("surface.json", "public names", found)


def _helps(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[tuple[str, list[str]]]:
    """Each command's ``--help``, 100 characters wide, by lines."""
    context = command.make_context(
        name, ["--help"], parent, resilient_parsing=True, terminal_width=100, max_content_width=100
    )
    yield context.command_path, command.get_help(context).splitlines()
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            yield from _helps(found, inner, context)


def _describe(value: Any) -> Any:
    """A signature; of a class also those of its public methods, and the names of its properties."""
    if inspect.isclass(value):
        members = {}
        for name, member in inspect.getmembers_static(value):
            owner = next(base for base in value.__mro__ if name in vars(base))
            if name.startswith(("_", "model_")) or not owner.__module__.startswith("brev_pipeline"):
                continue
            if isinstance(member, (staticmethod, classmethod)):
                members[name] = _signature(member.__func__)
            elif inspect.isfunction(member):
                members[name] = _signature(member)
            else:
                members[name] = "attribute"
        return {"()": _fields(value) if issubclass(value, BaseModel) else _signature(value), **members}
    return _signature(value) if callable(value) and not isinstance(value, click.Command) else "value"


def _fields(model: type[BaseModel]) -> dict[str, str]:
    """A model's fields with their defaults; what each may hold is pinned by configs/schema.json."""
    return {name: "" if field.is_required() else repr(field.default) for name, field in model.model_fields.items()}


def _signature(value: Any) -> str:
    """A signature without the modules in which types are defined; types that are not public are `internal`."""
    public = {name for room in ROOMS for name in importlib.import_module(room).__all__} | {name for _, name in SINGLE}
    text = str(inspect.signature(value))
    text = re.sub(
        r"\bbrev_pipeline(?:\.\w+)*\.(\w+)", lambda found: found[1] if found[1] in public else "internal", text
    )
    text = re.sub(r"\b[A-Za-z_]\w*(?:\.\w+)*\.(?=[A-Za-z_])", "", text)
    return re.sub(r" at 0x[0-9a-f]+", "", text)
