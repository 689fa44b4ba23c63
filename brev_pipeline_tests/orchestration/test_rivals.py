"""Two runs of one pipeline at once: Dagster's queue keeps them apart, and so does the store where there is no queue."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from brev_pipeline.orchestration.code_location import build_pipeline_definitions
from brev_pipeline.stages import VERSION
from brev_pipeline_tests.pipelines import STAGES, Run, configure, draw_photos, run

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("settings", ["local", "production"])
def test_every_delivered_instance_lets_a_pool_have_one_run(settings: str) -> None:
    sections = yaml.safe_load((REPOSITORY / "deploy" / settings / "dagster.yaml").read_text())
    assert sections["concurrency"]["pools"] == {"granularity": "run", "default_limit": 1}
    assert sections["run_monitoring"]["enabled"]
    assert sections["run_retries"] == {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False}


def test_all_steps_of_a_pipeline_are_in_its_pool(tmp_path: Path) -> None:
    job = build_pipeline_definitions(configure(tmp_path)).resolve_job_def("parts")
    assert {node.definition.pool for node in job.nodes} == {"parts"}


class TestSplitsThatDoNotKnowOfEachOther:
    """A run that split before another one published must not publish after it: an item could be on two sides."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        draw_photos(tmp_path / "photos", {"good": 6, "bad": 5})
        return tmp_path

    def part(self, config: Any, instance: dg.DagsterInstance, *stages: str) -> Run:
        keys = [dg.AssetKey([config.name, stage]) for stage in stages]
        return run(config, instance=Kept(instance), asset_selection=keys)

    def test_the_later_one_is_told(self, folder: Path) -> None:
        config = configure(folder)
        with dg.DagsterInstance.ephemeral() as instance:
            assert self.part(config, instance, *STAGES).success
            draw_photos(folder / "photos", {"good": 8, "bad": 7})
            assert run(config).success
            late = self.part(config, instance, VERSION)
        assert not late.success
        assert (
            "another run published while this one worked (publication 1; this split was made after publication 0)"
            in (late.failures)
        )
        assert len(late.store.publications.read_all()) == 1

    def test_checks_about_history_that_compared_with_another_version_are_run_again(self, folder: Path) -> None:
        """Images went between two publications: the check of a listing that was made before saw nothing of it."""
        tolerant = {"sample_split": {"max_fraction_error": 0.9}}
        # Without a test set, which the few items that are left by then might not fill.
        split = configure(folder).split.model_copy(update={"purposes": {"train": 0.6}})
        config = configure(folder, validation=tolerant, split=split.model_dump(mode="json"))
        with dg.DagsterInstance.ephemeral() as instance:
            assert self.part(config, instance, *STAGES[:3]).success
            draw_photos(folder / "photos", {"good": 16, "bad": 15})
            assert run(config).success
            late = self.part(config, instance, *STAGES[3:], VERSION)
            assert not late.success
            assert "the checks of raw_listing and sample_integrity compared with what stood before" in late.failures
            assert len(late.store.publications.read_all()) == 1
            again = self.part(config, instance, *STAGES, VERSION)
            assert again.success, again.failures

    def test_new_shards_of_the_published_split_are_no_rival(self, folder: Path) -> None:
        with dg.DagsterInstance.ephemeral() as instance:
            assert self.part(configure(folder), instance, *STAGES, VERSION).success
            config = configure(folder, sampling={"groupby": ["folder"], "seed": 99})
            again = self.part(config, instance, *STAGES[4:], VERSION)
        assert again.success, again.failures
        assert len(again.store.publications.read_all()) == 2


class Kept:
    """An instance that outlives the run."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance

    def __enter__(self) -> dg.DagsterInstance:
        return self.instance

    def __exit__(self, *_: object) -> None:
        pass
