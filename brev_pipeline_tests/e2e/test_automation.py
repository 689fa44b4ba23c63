"""Automation with real processes: a schedule and a sensor publish versions while nobody looks on.

One deployment (code server, webserver, daemon) serves all tests of this module, in their order.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from brev_pipeline.store import PipelineStore
from brev_pipeline_tests.dagster_processes import Dagster, until
from brev_pipeline_tests.pipelines import SETTINGS, draw_photos

pytestmark = pytest.mark.slow

PATIENCE = 240  # s; the machine may be busy


def settings(name: str, photos: str, more: str) -> str:
    return SETTINGS.replace("name: parts", f"name: {name}").replace("bucket: photos", f"bucket: {photos}") + more


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("automation") / "configs"
    draw_photos(folder / "still", {"good": 5, "bad": 4})
    draw_photos(folder / "growing", {"good": 5, "bad": 4})
    (folder / "clock.yaml").write_text(settings("clock", "still", "schedule: {cron: '* * * * *', enabled: true}\n"))
    watching = "new_images_sensor: {interval_seconds: 10, enabled: true}\n"
    (folder / "watch.yaml").write_text(settings("watch", "growing", watching))
    (folder / "wrong.yaml").write_text(settings("wrong", "still", "schedule:\n  cron: '0 30 * * *'\n"))
    return folder


@pytest.fixture(scope="module")
def dagster(folder: Path) -> Iterator[Dagster]:
    with Dagster(folder.parent / "dagster", folder) as dagster:
        dagster.start_all()
        yield dagster


def runs_of(dagster: Dagster, job: str, *statuses: str) -> list[dict[str, Any]]:
    """Oldest first."""
    found = [run for run in dagster.runs() if run["jobName"] == job]
    return [run for run in reversed(found) if not statuses or run["status"] in statuses]


def published(folder: Path, name: str) -> list[Any]:
    return PipelineStore.at_url(str(folder / "store"), name).publications.read_all()


def wait(dagster: Dagster, there: Callable[[], bool]) -> None:
    until(there, PATIENCE, lambda: "\n".join(str(run) for run in dagster.runs()))


def test_a_schedule_of_every_minute_publishes_a_version(dagster: Dagster, folder: Path) -> None:
    wait(dagster, lambda: bool(runs_of(dagster, "clock", "SUCCESS", "FAILURE")))
    first = runs_of(dagster, "clock")[0]
    assert first["status"] == "SUCCESS", dagster.failures(first["runId"])
    assert first["tags"]["dagster/schedule_name"] == "clock_schedule"
    (entry,) = published(folder, "clock")
    assert entry.run_id == first["runId"]


def test_the_next_tick_finds_nothing_new_and_publishes_nothing(dagster: Dagster, folder: Path) -> None:
    wait(dagster, lambda: len(runs_of(dagster, "clock", "SUCCESS", "FAILURE")) >= 2)
    second = runs_of(dagster, "clock")[1]
    assert second["status"] == "SUCCESS", dagster.failures(second["runId"])
    assert len(published(folder, "clock")) == 1
    assert any("nothing new:" in event["message"] for event in dagster.events(second["runId"]))
    assert stale(dagster, "clock") == {}


def test_the_sensor_publishes_what_is_there_and_then_skips_with_the_reason(dagster: Dagster, folder: Path) -> None:
    wait(dagster, lambda: bool(runs_of(dagster, "watch", "SUCCESS", "FAILURE")))
    first = runs_of(dagster, "watch")[0]
    assert first["status"] == "SUCCESS", dagster.failures(first["runId"])
    assert first["tags"]["brev_pipeline/appeared"] == "18"
    wait(dagster, lambda: dagster.ticks("watch_new_images")[0]["status"] == "SKIPPED")
    assert dagster.ticks("watch_new_images")[0]["skipReason"] == "nothing new: the same 18 images as before"
    assert len(published(folder, "watch")) == 1


def test_a_photo_that_is_added_is_published_by_the_sensor(dagster: Dagster, folder: Path) -> None:
    draw_photos(folder / "growing", {"good": 6}, photos_per_item=1)
    wait(dagster, lambda: len(published(folder, "watch")) == 2)
    second = runs_of(dagster, "watch")[1]
    assert second["tags"]["brev_pipeline/appeared"] == "1"
    assert second["tags"]["brev_pipeline/images"] == "19"
    dagster.wait(second["runId"], seconds=PATIENCE)
    wait(dagster, lambda: (dagster.ticks("watch_new_images")[0]["skipReason"] or "").startswith("nothing new"))
    assert len(runs_of(dagster, "watch")) == 2


def test_a_configuration_that_cannot_be_used_makes_ticks_fail_that_say_where(dagster: Dagster) -> None:
    wait(dagster, lambda: any(tick["status"] == "FAILURE" for tick in dagster.ticks("broken_configurations")))
    said = dagster.ticks("broken_configurations")[0]["error"]["message"]
    assert "wrong.yaml:17: schedule.cron: '0 30 * * *': the hour '30' is not within 0..23" in said


def test_a_configuration_that_is_removed_while_its_schedule_is_on_stops_quietly(dagster: Dagster, folder: Path) -> None:
    (folder / "clock.yaml").unlink()
    dagster.stop("code")
    dagster.start_code_server()
    dagster.reload()
    removed_at = time.time()
    # The others go on, and the daemon is well.
    draw_photos(folder / "growing", {"good": 7}, photos_per_item=1)
    wait(dagster, lambda: len(published(folder, "watch")) == 3)
    next_tick = (removed_at // 60 + 1) * 60
    until(lambda: time.time() > next_tick + 10, 90)
    assert dagster.daemon_is_healthy()
    assert not [run for run in runs_of(dagster, "clock") if (run["startTime"] or 0) >= next_tick]


def stale(dagster: Dagster, pipeline: str) -> dict[str, Any]:
    """Assets of a pipeline that the UI shows as stale, with the causes."""
    query = "{ assetNodes { assetKey { path } staleStatus staleCauses { reason } } }"
    nodes = dagster.graphql(query)["assetNodes"]
    return {
        node["assetKey"]["path"][-1]: [cause["reason"] for cause in node["staleCauses"]]
        for node in nodes
        if node["assetKey"]["path"][0] == pipeline and node["staleStatus"] != "FRESH"
    }
