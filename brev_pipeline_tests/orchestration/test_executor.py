"""A pipeline's steps work in the run's process, or each in one of its own, and the version is the same."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import dagster as dg
import pytest

from brev_pipeline.config import load_config
from brev_pipeline.orchestration.automation import PRELOADED_MODULES, build_job
from brev_pipeline.orchestration.code_location import build_pipeline_definitions
from brev_pipeline.store import PipelineStore
from brev_pipeline_tests.pipelines import SETTINGS, configure, draw_photos, run


@pytest.mark.parametrize("kind", ["in_process", "multiprocess"])
def test_the_configuration_chooses_the_executor_of_the_job(tmp_path: Path, kind: str) -> None:
    config = configure(tmp_path, executor=kind)
    assert build_pipeline_definitions(config).resolve_job_def("parts").executor_def.name == kind


def test_in_process_is_the_default(tmp_path: Path) -> None:
    assert configure(tmp_path).executor == "in_process"
    assert build_job(configure(tmp_path)).executor_def is dg.in_process_executor


def test_the_executor_is_no_part_of_what_a_version_depends_on(tmp_path: Path) -> None:
    assert configure(tmp_path).content_settings() == configure(tmp_path, executor="multiprocess").content_settings()


@pytest.mark.slow
def test_a_process_per_step_publishes_the_same_version(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        draw_photos(folder / "photos", {"good": 6, "bad": 4})
    done = run(configure(here))
    assert done.success, done.failures

    (there / "parts.yaml").write_text(SETTINGS + "executor: multiprocess\n")
    (there / "home").mkdir()
    (there / "home/dagster.yaml").write_text("telemetry: {enabled: false}\n")
    environment = os.environ | {"DAGSTER_HOME": str(there / "home"), "BREV_PIPELINE_CONFIGS": str(there)}
    dagster = str(Path(sys.executable).with_name("dagster"))
    command = [dagster, "job", "execute", "-m", "brev_pipeline.definitions", "-j", "parts"]
    executed = subprocess.run(command, env=environment, cwd=there, capture_output=True, text=True, check=False)
    assert executed.returncode == 0, executed.stderr[-3000:]

    newest, other = (
        done.store.newest_version(),
        PipelineStore.from_config(load_config(there / "parts.yaml")).newest_version(),
    )
    assert newest is not None
    assert other is not None
    assert newest[1].id == other[1].id
    with dg.DagsterInstance.from_config(str(there / "home")) as instance:
        (record,) = instance.get_runs()
        started = [
            entry.dagster_event.event_specific_data.metadata["pid"].value
            for entry in instance.all_logs(record.run_id)
            if entry.dagster_event and entry.dagster_event.event_type_value == "STEP_WORKER_STARTED"
        ]
    assert len(set(started)) == len(started) == 13


def test_what_is_imported_beforehand_can_be() -> None:
    # The forkserver would pass over a module that is not there, and every step would import for itself.
    for name in PRELOADED_MODULES:
        assert import_module(name)
