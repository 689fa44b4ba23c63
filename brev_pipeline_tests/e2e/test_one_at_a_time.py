"""One run of a pipeline at a time, several pipelines side by side; runs that are cancelled or killed leave no trace.

One deployment (code server, webserver, daemon) serves all tests of this module, in their order.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from brev_pipeline.audit import verify_version
from brev_pipeline.store import PipelineStore
from brev_pipeline_tests.dagster_processes import Dagster, until
from brev_pipeline_tests.pipelines import SETTINGS, draw_photos

pytestmark = pytest.mark.slow

PATIENCE = 300  # s; the machine may be busy
UNDER_WAY = ("STARTING", "STARTED", "CANCELING")
WORK = SETTINGS.replace("[24, 32]", "[160, 160]").replace("workers: 1", "workers: 2")
LONG = WORK.replace("name: parts", "name: long").replace("per_shard: 8", "per_shard: 16, epochs: 60")
ENDLESS = WORK.replace("name: parts", "name: endless").replace("per_shard: 8", "per_shard: 16, epochs: 3000")
SHORT = SETTINGS.replace("name: parts", "name: short")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one-at-a-time") / "configs"
    draw_photos(folder / "photos", {"good": 8, "bad": 5})
    (folder / "endless.yaml").write_text(ENDLESS)
    (folder / "long.yaml").write_text(LONG)
    (folder / "short.yaml").write_text(SHORT)
    return folder


@pytest.fixture(scope="module")
def dagster(folder: Path) -> Iterator[Dagster]:
    with Dagster(folder.parent / "dagster", folder) as dagster:
        dagster.start_all()
        yield dagster


def store(folder: Path, name: str) -> PipelineStore:
    return PipelineStore.at_url(str(folder / "store"), name)


def temporary(folder: Path) -> list[str]:
    return [str(file.relative_to(folder)) for file in (folder / "store").rglob(".tmp-*")]


def workers(dagster: Dagster) -> set[int]:
    """The engine's worker processes, of all runs."""
    found = set()
    for process in dagster.members():
        with contextlib.suppress(OSError):  # it may have ended just now
            if b"brev_pipeline.engine.worker" in Path(f"/proc/{process}/cmdline").read_bytes():
                found.add(process)
    return found


def test_a_second_run_waits_while_another_pipeline_runs_beside_the_first(dagster: Dagster, folder: Path) -> None:
    """And cancelling the first ends its workers at once."""
    first = dagster.launch("endless")
    dagster.wait_for_step(first, "tfrecord_shards", seconds=PATIENCE)
    until(lambda: len(workers(dagster)) == 2, 60)
    by_job = dagster.launch("endless")
    # The button on the asset graph launches no job of ours, and its runs have no tags of ours.
    by_graph = dagster.launch("__ASSET_JOB", assets=[["endless", "raw_listing"]])
    beside = dagster.launch("short")
    assert dagster.wait(beside, seconds=PATIENCE) == "SUCCESS", dagster.failures(beside)
    assert [dagster.status(run) for run in (first, by_job, by_graph)] == ["STARTED", "QUEUED", "QUEUED"]
    assert dagster.terminate(by_job) == dagster.terminate(by_graph) == "TerminateRunSuccess"

    assert dagster.terminate(first) == "TerminateRunSuccess"
    assert until(lambda: not workers(dagster), 60) < 10
    assert dagster.wait(first, seconds=30) == "CANCELED"
    assert temporary(folder) == []
    assert store(folder, "endless").publications.read_all() == []


def test_a_run_that_is_killed_counts_as_failed_and_is_started_once_more(dagster: Dagster, folder: Path) -> None:
    """The power fails for everything but the webserver; what comes back finishes the work, and cleans up."""
    killed = dagster.launch("long")
    dagster.wait_for_step(killed, "tfrecord_shards", seconds=PATIENCE)
    finished = store(folder, "long").staging_area
    until(lambda: any(".tfrecord-" in name for name in finished.walk()), PATIENCE)
    dagster.kill("daemon", with_children=True)
    dagster.kill("code", with_children=True)
    assert dagster.status(killed) == "STARTED"
    assert store(folder, "long").publications.read_all() == []

    dagster.start_code_server()
    dagster.start_daemon()
    assert dagster.wait(killed, seconds=PATIENCE) == "FAILURE"
    until(lambda: any(run["tags"].get("dagster/parent_run_id") == killed for run in dagster.runs()), 60)
    (again,) = [run["runId"] for run in dagster.runs() if run["tags"].get("dagster/parent_run_id") == killed]
    assert dagster.wait(again, seconds=PATIENCE) == "SUCCESS", dagster.failures(again)
    assert verify_version(store(folder, "long")).problems == []
    assert store(folder, "long").staging_area.list_names() == []
    assert temporary(folder) == []


def test_a_daemon_that_is_killed_in_mid_run_does_not_disturb_the_run(dagster: Dagster, folder: Path) -> None:
    run = dagster.launch("short")
    dagster.wait_for_step(run, "prepared_images", seconds=PATIENCE)
    dagster.kill("daemon")
    dagster.start_daemon()
    assert dagster.wait(run, seconds=PATIENCE) == "SUCCESS", dagster.failures(run)
    time.sleep(1)
    assert temporary(folder) == []
