"""Old runs are forgotten, except those that something rests on; the job that does it is off until it is asked for."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from brev_pipeline.errors import StoreError
from brev_pipeline.orchestration.code_location import build_folder_definitions
from brev_pipeline.orchestration.purge import KEEP_DAYS, PURGE_JOB, build_purge_definitions, list_check_keys, purge_runs
from brev_pipeline_tests.pipelines import SETTINGS, Run, configure, draw_photos, run

pytestmark = pytest.mark.slow

LATER = datetime.now(UTC) + timedelta(days=1)
"""So late that every run of a test counts as old."""


class World:
    """A pipeline that ran three times: published, failed, and found nothing new.

    Args:
        folder: gets photos, store and Dagster's home.
        instance: where the runs are recorded.
    """

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        draw_photos(folder / "photos", {"good": 5, "bad": 4})
        self.folder = folder
        self.instance = instance
        self.config = configure(folder)
        self.first = self.run()
        self.failed = self.run(configure(folder, validation={"raw_listing": {"min_images": 1000}}))
        self.idle = self.run()
        self.stores = {"parts": self.first.store}
        self.checks = list_check_keys(self.config)

    def run(self, config: Any = None, **options: Any) -> Run:
        return run(config or self.config, instance=_Kept(self.instance), **options)

    def known(self) -> set[str]:
        return {record.run_id for record in self.instance.get_runs()}

    def purge(self, **options: Any) -> Any:
        return purge_runs(self.instance, self.stores, self.checks, **{"before": LATER, **options})


class _Kept:
    """An instance that survives the ``with`` of `run`."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance

    def __enter__(self) -> dg.DagsterInstance:
        return self._instance

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder, home = tmp_path_factory.mktemp("world"), tmp_path_factory.mktemp("home")
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        yield World(folder, instance)


def ids(*runs: Run) -> set[str]:
    return {done.result.run_id for done in runs}


def test_a_dry_run_says_what_would_be_forgotten_and_forgets_nothing(template: World) -> None:
    known = template.known()
    would = template.purge(dry_run=True)
    assert set(would.purged) == ids(template.failed)
    assert would.kept == {"published a version": 1, "an asset's newest table or check comes from it": 1}
    assert template.known() == known


def test_runs_that_ended_recently_are_not_looked_at(template: World) -> None:
    done = template.purge(before=datetime.now(UTC) - timedelta(hours=1))
    assert (done.purged, done.kept) == ([], {})


def test_a_run_of_a_pipeline_without_configuration_is_kept(template: World) -> None:
    done = purge_runs(template.instance, {}, [], before=LATER, dry_run=True)
    assert done.purged == []
    assert done.kept["belongs to no configured pipeline"] >= 1


def test_a_damaged_log_of_publications_forgets_nothing(template: World) -> None:
    entry = template.folder / "store/parts/publications/00000001.json"
    text, known = entry.read_text(), template.known()
    entry.write_text(text.replace('"number": 1', '"number": 7'))
    try:
        with pytest.raises(StoreError, match="publication 1 was expected"):
            template.purge()
    finally:
        entry.write_text(text)
    assert template.known() == known


def test_purging_forgets_the_failed_run_with_its_output_and_later_runs_go_on(template: World) -> None:
    (gone,) = ids(template.failed)
    logs = template.instance.compute_log_manager
    printed = Path(logs.get_captured_local_path([gone, "any"], "out")).parent  # type: ignore[attr-defined]
    assert printed.is_dir()
    done = template.purge()
    assert done.purged == [gone]
    assert not printed.exists()
    assert template.known() == ids(template.first, template.idle)
    assert template.instance.all_logs(gone) == []
    # The tables in the store, and what the newest run recorded, are untouched: a part can be made anew.
    later = template.run(asset_selection=[dg.AssetKey(["parts", "sampling_weights"])])
    assert later.success, later.failures
    assert template.purge().purged == []


@pytest.mark.parametrize(
    ("days", "status"),
    [
        (None, dg.DefaultScheduleStatus.STOPPED),
        ("30", dg.DefaultScheduleStatus.RUNNING),
        ("0", dg.DefaultScheduleStatus.STOPPED),
        ("a month", dg.DefaultScheduleStatus.STOPPED),
    ],
)
def test_the_schedule_is_on_where_the_environment_says_how_long_runs_are_kept(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, days: str | None, status: Any
) -> None:
    monkeypatch.delenv(KEEP_DAYS, raising=False)
    if days is not None:
        monkeypatch.setenv(KEEP_DAYS, days)
    schedule = build_purge_definitions([]).resolve_schedule_def(f"{PURGE_JOB}_schedule")
    assert schedule.default_status is status
    assert (f"{KEEP_DAYS} is '{days}'" in caplog.text) is (days in ("0", "a month"))


def test_the_job_of_the_code_location_forgets_and_says_so(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 3, "bad": 3})
    (tmp_path / "parts.yaml").write_text(SETTINGS)
    job = build_folder_definitions(tmp_path).resolve_job_def(PURGE_JOB)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        done = job.execute_in_process(instance=instance, raise_on_error=False)
        assert done.success
        said = [entry.user_message for entry in instance.all_logs(done.run_id)]
        refused = job.execute_in_process(
            instance=instance, raise_on_error=False, run_config={"ops": {"purge": {"config": {"keep_days": 0}}}}
        )
    assert "0 run(s) that ended more than 180 days ago were forgotten" in said
    assert not refused.success
