"""Checks that users add beside ours: a blocking one holds back what comes after its stage, in later runs too."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository

from brev_pipeline.orchestration.code_location import build_pipeline_definitions
from brev_pipeline.stages import VERSION, table_stages
from brev_pipeline.store import PipelineStore
from brev_pipeline_tests.pipelines import configure, draw_photos, run, work_in_this_process

pytestmark = pytest.mark.slow

AFTER_THE_SPLIT = ("sampling_weights", "tfrecord_shards", VERSION)


LOADED: list[dg.Definitions] = []


def load_location() -> dg.Definitions:
    """The code location as it is loaded by name."""
    return LOADED[0]


class Location:
    """A pipeline with a check of the user's own on sample_split, and what Dagster recorded of it."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.config = configure(folder)
        self.instance = instance
        self.store = PipelineStore.from_config(self.config)
        self.least = 1
        self.severity = dg.AssetCheckSeverity.ERROR
        self.with_check = True

    def definitions(self, *jobs: Any) -> dg.Definitions:
        @dg.asset_check(asset=dg.AssetKey(["parts", "sample_split"]), blocking=True)
        def enough_photos(sample_split: Any) -> dg.AssetCheckResult:
            found = sample_split.read(["path"]).num_rows
            said = f"{found} photos, {self.least} wanted"
            return dg.AssetCheckResult(passed=found >= self.least, severity=self.severity, description=said)

        checks = [enough_photos] if self.with_check else []
        return dg.Definitions.merge(
            build_pipeline_definitions(self.config), dg.Definitions(asset_checks=checks, jobs=jobs)
        )

    def launch(self, selection: dg.AssetSelection) -> tuple[bool, str]:
        """As Dagster launches a run: the job is found in its code location again."""
        LOADED[:] = [self.definitions(dg.define_asset_job("some", selection, executor_def=dg.in_process_executor))]
        ReconstructableJob.get_definition.cache_clear()
        ReconstructableJob.get_repository_definition.cache_clear()
        repository = ReconstructableRepository.for_module(__name__, "load_location")
        job = repository.get_reconstructable_job("some")
        with work_in_this_process():
            result = dg.execute_job(job, instance=self.instance, raise_on_error=False)
        failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
        said = [failure.user_failure_data.description for failure in failures if failure.user_failure_data]
        return result.success, "\n".join(said)

    def run(self, *stages: str) -> tuple[bool, str]:
        """All assets, or some, with their checks."""
        keys = [dg.AssetKey(["parts", stage]) for stage in stages]
        return self.launch(dg.AssetSelection.assets(*keys) if keys else dg.AssetSelection.groups("parts"))

    def check(self) -> bool:
        """The user's check by itself."""
        key = dg.AssetCheckKey(dg.AssetKey(["parts", "sample_split"]), "enough_photos")
        return self.launch(dg.AssetSelection.checks(key))[0]

    def manifest(self) -> dict[str, Any]:
        newest = self.store.newest_version()
        assert newest is not None
        return newest[1].read_manifest()


@pytest.fixture
def location(tmp_path: Path) -> Iterator[Location]:
    draw_photos(tmp_path / "photos", {"good": 6, "bad": 5})
    with dg.DagsterInstance.ephemeral() as instance:
        yield Location(tmp_path, instance)


def test_one_that_passes_stands_in_the_manifest_and_in_the_report(location: Location) -> None:
    success, said = location.run()
    assert success, said
    own = {"check": "enough_photos", "severity": "error", "passed": True}
    assert location.manifest()["user_checks"] == {"sample_split": [own]}
    newest = location.store.newest_version()
    assert newest is not None
    assert b"enough_photos" in newest[1].folder.read("report/index.html")


def test_one_that_fails_holds_back_this_run_and_later_ones_until_it_passes(location: Location) -> None:
    location.least = 1000
    assert not location.run()[0]
    for stages in (AFTER_THE_SPLIT, ("sampling_weights",)):
        success, said = location.run(*stages)
        assert not success
        assert "the check enough_photos of sample_split failed: 22 photos, 1000 wanted" in said
    assert location.store.publications.read_all() == []
    location.least = 20
    assert location.check()
    success, said = location.run(*AFTER_THE_SPLIT)
    assert success, said


def test_one_that_was_never_evaluated_on_this_table_holds_back(location: Location) -> None:
    location.with_check = False
    assert location.run(*table_stages())[0]
    location.with_check = True
    success, said = location.run(VERSION)
    assert not success
    assert "the check enough_photos of sample_split blocks, and was never evaluated" in said
    # It passes on this table; then the stage is materialized anew without it.
    assert location.check()
    location.with_check = False
    assert location.run("sample_split", "sampling_weights", "tfrecord_shards")[0]
    location.with_check = True
    assert not location.run(VERSION)[0]
    assert location.check()
    assert location.run(VERSION)[0]


def test_what_comes_later_still_is_held_back_too(location: Location) -> None:
    """tfrecord_shards does not read sample_integrity, but came of it."""
    location.with_check = False
    assert location.run(*table_stages())[0]
    location.with_check, location.least = True, 1000
    assert not location.check()
    success, said = location.run("tfrecord_shards")
    assert not success
    assert "the check enough_photos of sample_split" in said


def test_one_that_only_warns_holds_nothing_back(location: Location) -> None:
    location.least, location.severity = 1000, dg.AssetCheckSeverity.WARN
    success, said = location.run()
    assert success, said
    own = {"check": "enough_photos", "severity": "warn", "passed": False}
    assert location.manifest()["user_checks"] == {"sample_split": [own]}


def test_a_pass_on_another_runs_table_does_not_count(location: Location) -> None:
    assert location.run(*table_stages())[0]
    location.with_check = False
    draw_photos(Path(location.config.base_folder) / "photos", {"good": 9})
    assert location.run(*table_stages())[0]
    location.with_check = True
    success, said = location.run(VERSION)
    assert not success
    assert "was never evaluated" in said


def test_a_run_that_knows_no_checks_does_not_publish_behind_a_version_that_was_held_to_some(location: Location) -> None:
    assert location.run()[0]
    draw_photos(Path(location.config.base_folder) / "photos", {"good": 9})
    done = run(location.config)
    assert not done.success
    assert "held to checks of your own, sample_split.enough_photos" in done.failures
