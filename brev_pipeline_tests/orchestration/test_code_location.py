"""The code location loads as Dagster's server loads it, with one job, schedule and sensor per configuration."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from brev_pipeline.expectations import SUITES
from brev_pipeline.orchestration.code_location import BROKEN_GROUP, build_folder_definitions, build_pipeline_definitions
from brev_pipeline.stages import VERSION
from brev_pipeline_tests.pipelines import SETTINGS, STAGES, configure

REPOSITORY = Path(__file__).resolve().parents[2]


def keys(definitions: dg.Definitions) -> set[str]:
    return {spec.key.to_user_string() for spec in definitions.resolve_all_asset_specs()}


def test_a_configuration_becomes_seven_assets_a_job_a_schedule_and_a_sensor(tmp_path: Path) -> None:
    definitions = build_pipeline_definitions(configure(tmp_path, owners=["team:quality"]))
    specs = {spec.key.path[-1]: spec for spec in definitions.resolve_all_asset_specs()}
    assert set(specs) == {*STAGES, VERSION}
    for spec in specs.values():
        assert spec.key.path[0] == spec.group_name == "parts"
        assert list(spec.owners) == ["team:quality"]
        assert spec.kinds
        assert spec.description
    assert [job.name for job in definitions.resolve_all_job_defs() if job.name == "parts"] == ["parts"]
    assert definitions.resolve_schedule_def("parts_schedule").execution_timezone == "UTC"
    assert definitions.resolve_sensor_def("parts_new_images").default_status is dg.DefaultSensorStatus.STOPPED


def test_the_assets_form_the_flow(tmp_path: Path) -> None:
    graph = build_pipeline_definitions(configure(tmp_path)).resolve_asset_graph()
    order = [key.path[-1] for level in graph.toposorted_asset_keys_by_level for key in level]
    assert order == [*STAGES, VERSION]


def test_every_rule_is_a_blocking_check_of_its_stage(tmp_path: Path) -> None:
    config = configure(tmp_path)
    graph = build_pipeline_definitions(config).resolve_asset_graph()
    checks = {(key.asset_key.path[-1], key.name) for key in graph.asset_check_keys}
    assert checks == {(stage, rule.name) for stage in STAGES for rule in SUITES[stage](config)}
    assert all(graph.get(key).blocking for key in graph.asset_check_keys)
    assert {stage for stage, _ in checks} == set(STAGES)


def test_the_job_holds_every_asset_and_check(tmp_path: Path) -> None:
    definitions = build_pipeline_definitions(configure(tmp_path))
    layer = definitions.resolve_job_def("parts").asset_layer
    assert {key.path[-1] for key in layer.executable_asset_keys} == {*STAGES, VERSION}
    assert set(layer.asset_graph.asset_check_keys) == set(definitions.resolve_asset_graph().asset_check_keys)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: [", "not YAML"),
        (SETTINGS + "nonsense: 1", "nonsense: unknown key"),
        (SETTINGS + "schedule: {cron: '99 99 * * *'}", "the minute '99' is not within"),
        (SETTINGS, "is the name of"),
    ],
)
def test_a_broken_configuration_shows_as_one_and_the_others_load(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, said: str
) -> None:
    (tmp_path / "a.yaml").write_text(SETTINGS)
    (tmp_path / "b.yaml").write_text(text)
    with caplog.at_level(logging.ERROR):
        definitions = build_folder_definitions(tmp_path)
    assert keys(definitions) == {f"parts/{stage}" for stage in (*STAGES, VERSION)} | {f"{BROKEN_GROUP}/b"}
    (broken,) = [spec for spec in definitions.resolve_all_asset_specs() if spec.group_name == BROKEN_GROUP]
    assert said in broken.description
    assert said in caplog.text
    assert "b.yaml" in caplog.text
    dg.Definitions.validate_loadable(definitions)


def test_a_folder_without_configurations_loads_empty_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    definitions = build_folder_definitions(tmp_path)
    assert keys(definitions) == set()
    assert "holds no *.yaml" in caplog.text


def test_loading_the_code_location_imports_no_heavy_module() -> None:
    heavy = ["tensorflow", "great_expectations", "ray", "pandas", "pyarrow", "cv2", "s3fs", "scipy"]
    code = f"import brev_pipeline.definitions, sys, json; print(json.dumps([m for m in {heavy} if m in sys.modules]))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(run.stdout.splitlines()[-1]) == []


@pytest.mark.slow
def test_the_workspace_file_is_accepted_by_dagster(tmp_path: Path) -> None:
    command = [Path(sys.executable).with_name("dagster"), "definitions", "validate", "-w", "workspace.yaml"]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    assert "All code locations passed validation" in run.stderr + run.stdout
