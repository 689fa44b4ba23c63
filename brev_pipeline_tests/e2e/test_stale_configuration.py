"""A version is what its manifest says: tables made by another configuration are never published under the present one.

Three ways led there that people take every day: a check fails, the YAML is edited, and the run is re-executed from its
failure; the YAML is edited and only the last assets are materialized, in the UI or by ``dagster asset materialize``.
Each is tried here with a change of each section. What may go on has to come out as a whole run of the edited
configuration does in an empty store: the same version id is the same bytes, for it is the hash of the manifest.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from click.testing import CliRunner
from dagster._cli import create_dagster_cli
from dagster._core.definitions.reconstruct import ReconstructableJob

from brev_pipeline.config import load_config
from brev_pipeline.orchestration.code_location import build_folder_definitions
from brev_pipeline.stages import VERSION
from brev_pipeline.store import PipelineStore
from brev_pipeline_tests.pipelines import SETTINGS, draw_photos, work_in_this_process

LEDGER = "path,purpose\nphotos/good/0_0.png,test\n"
CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "datasets": ({"datasets": [{"name": "Parts", "id": "parts", "bucket": "photos", "reference": "DOC-7"}]}, "DOC-7"),
    "listing": ({"listing": {"class_mapping": {"bad": "defect"}}}, "listing.class_mapping.bad"),
    "integrity": ({"integrity": {"duplicates": "keep_first"}}, 'integrity.duplicates: "keep_all" → "keep_first"'),
    "image": ({"image": {"target_size": [16, 32]}}, "image.target_size: [24, 32] → [16, 32]"),
    "split": ({"split": {"uniqueness": r"/(\d)\d*_\d+\.png$"}}, "split.uniqueness"),
    "weights": ({"sampling": {"group_weighing": "uniform"}}, 'sampling.group_weighing: "logx+1" → "uniform"'),
    "sampling": ({"sampling": {"seed": 4}}, "sampling.seed: 3 → 4"),
    "augmentation": ({"augmentation": {"noise": None}}, "augmentation.noise"),
    "shards": ({"shards": {"encoding": "raw"}}, 'shards.encoding: "png" → "raw"'),
    "card": ({"card": {"license": "MIT"}}, ""),
    "validation": ({"validation": {"raw_listing": {"max_shrinkage": 0.5}}}, "paths_kept"),
    "ledger_csv": ({"ledger": LEDGER.replace("0_0", "1_0")}, "content of split.ledger_csv"),
}
"""What is edited → how, and what the refusal has to say of it."""
OF_THE_DATA = {"datasets", "listing", "integrity", "image", "split", "ledger_csv"}


def job() -> dg.JobDefinition:
    """The pipeline's job as its file says now; what Dagster loads in each process of its own."""
    return build_folder_definitions(Path(os.environ["BREV_PIPELINE_CONFIGS"])).resolve_job_def("parts")


def execute(instance: dg.DagsterInstance, **options: Any) -> Any:
    """Execute the job as a new process would: Dagster keeps a job's definition for as long as its process lives."""
    ReconstructableJob.get_definition.cache_clear()
    ReconstructableJob.get_repository_definition.cache_clear()
    with work_in_this_process():
        return dg.execute_job(dg.reconstructable(job), instance=instance, raise_on_error=False, **options)


def reexecute_from_failure(instance: dg.DagsterInstance, run_id: str) -> Any:
    """What the button of Dagster's UI does."""
    return execute(instance, reexecution_options=dg.ReexecutionOptions.from_failure(run_id, instance))


class World:
    """A folder with photos, a configuration, a store, and what Dagster recorded."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file = root / "parts.yaml"

    @property
    def store(self) -> PipelineStore:
        return PipelineStore.from_config(load_config(self.file))

    def write(self, sections: dict[str, Any]) -> None:
        """Write the configuration with keys of sections replaced."""
        settings = yaml.safe_load(SETTINGS)
        settings["split"]["ledger_csv"] = "ledger.csv"
        for name, change in sections.items():
            if name == "ledger":
                continue
            settings[name] = {**settings.get(name, {}), **change} if isinstance(change, dict) else change
        (self.root / "ledger.csv").write_text(sections.get("ledger", LEDGER))
        self.file.write_text(yaml.safe_dump(settings))

    def run(self, *stages: str, fails: bool = False) -> str:
        """Materialize some assets with their checks, or all; returns what the failures said."""
        selection = dg.AssetSelection.groups("parts") if not stages else dg.AssetSelection.assets(*keys(stages))
        return self.launch(selection, fails=fails)

    def check(self, stage: str) -> None:
        """Run the checks of a stage by themselves."""
        selection = dg.AssetSelection.checks_for_assets(dg.AssetKey(["parts", stage]))
        assert self.launch(selection, fails=False) == ""

    def launch(self, selection: dg.AssetSelection, *, fails: bool) -> str:
        definitions = dg.Definitions.merge(
            build_folder_definitions(self.root), dg.Definitions(jobs=[dg.define_asset_job("some", selection)])
        )
        with self.instance() as instance, work_in_this_process():
            result = definitions.resolve_job_def("some").execute_in_process(instance=instance, raise_on_error=False)
        said = told(result.all_events)
        assert result.success != fails, said
        return said

    def instance(self) -> dg.DagsterInstance:
        home = self.root / "home"
        home.mkdir(exist_ok=True)
        return dg.DagsterInstance.local_temp(str(home))

    def failures(self) -> str:
        """What the failed steps of the newest run said."""
        with self.instance() as instance:
            (newest,) = instance.get_runs(limit=1)
            return told(entry.dagster_event for entry in instance.all_logs(newest.run_id) if entry.dagster_event)

    def published(self) -> list[str]:
        return [entry.version for entry in self.store.publications.read_all()]


def keys(stages: tuple[str, ...]) -> list[dg.AssetKey]:
    return [dg.AssetKey(["parts", stage]) for stage in stages]


def told(events: Any) -> str:
    said = []
    for event in events:
        if event.event_type_value == "STEP_FAILURE":
            data = event.step_failure_data
            said.append(data.user_failure_data.description if data.user_failure_data else data.error.to_string())
    return "\n".join(filter(None, said))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A whole run was published."""
    world = World(tmp_path_factory.mktemp("published"))
    draw_photos(world.root / "photos", {"good": 8, "bad": 6})
    world.write({})
    world.run()
    return world


@pytest.fixture
def copy(published: World, tmp_path: Path) -> World:
    shutil.copytree(published.root, tmp_path / "copy")
    return World(tmp_path / "copy")


@pytest.fixture(scope="module")
def afresh(published: World, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """The version that a whole run of a configuration with one of `CHANGES` publishes in an empty store."""

    @cache
    def publish(change: str) -> str:
        world = World(tmp_path_factory.mktemp("afresh"))
        shutil.copytree(published.root / "photos", world.root / "photos")
        world.write(CHANGES[change][0])
        world.run()
        (version,) = world.published()
        return version

    return publish


class TestOnlyTheVersion:
    """The YAML is edited, and only dataset_version is materialized."""

    @pytest.mark.parametrize("change", [name for name in CHANGES if name != "card"])
    def test_what_was_made_otherwise_is_refused_by_key_with_old_and_new_value(
        self, published: World, change: str
    ) -> None:
        before = published.published()
        sections, said = CHANGES[change]
        published.write(sections)
        refusal = published.run(VERSION, fails=True)
        assert said in refusal
        assert "launch the whole job" in refusal or "run the checks of " in refusal
        assert published.published() == before

    @pytest.mark.slow
    def test_what_stands_in_the_version_alone_goes_on_as_a_whole_run_would(
        self, copy: World, afresh: Callable[[str], str]
    ) -> None:
        copy.write(CHANGES["card"][0])
        copy.run(VERSION)
        assert copy.published()[1:] == [afresh("card")]

    @pytest.mark.slow
    def test_a_changed_tolerance_needs_only_its_checks(self, copy: World, afresh: Callable[[str], str]) -> None:
        copy.write(CHANGES["validation"][0])
        copy.check("raw_listing")
        copy.check("sample_integrity")
        copy.run(VERSION)
        (new,) = copy.published()[1:]
        assert new == afresh("validation")
        manifest = copy.store.find_version(new).read_manifest()
        (check,) = [check for check in manifest["checks"]["sample_integrity"] if check["check"] == "not_shrunk"]
        assert (
            check["arguments"]["max_value"] == manifest["configuration"]["validation"]["raw_listing"]["max_shrinkage"]
        )


class TestTheShardsAndTheVersion:
    """The YAML is edited, and only tfrecord_shards and dataset_version are materialized."""

    @pytest.mark.slow
    @pytest.mark.parametrize("change", ["sampling", "augmentation", "shards"])
    def test_what_these_are_made_by_goes_on_as_a_whole_run_would(
        self, copy: World, afresh: Callable[[str], str], change: str
    ) -> None:
        copy.write(CHANGES[change][0])
        copy.run("tfrecord_shards", VERSION)
        assert copy.published()[1:] == [afresh(change)]

    @pytest.mark.slow
    @pytest.mark.parametrize("change", sorted(OF_THE_DATA | {"weights"}))
    def test_what_comes_before_is_refused(self, published: World, change: str) -> None:
        before = published.published()
        sections, said = CHANGES[change]
        published.write(sections)
        assert said in published.run("tfrecord_shards", VERSION, fails=True)
        assert published.published() == before


@pytest.mark.slow
class TestReexecutionFromFailure:
    """A check fails, the YAML is edited, and the run is re-executed from its failure."""

    @pytest.fixture(scope="class")
    def failed(self, tmp_path_factory: pytest.TempPathFactory) -> tuple[World, str]:
        """A run of which a check of sample_split failed."""
        world = World(tmp_path_factory.mktemp("failed"))
        draw_photos(world.root / "photos", {"good": 8, "bad": 6})
        world.write({})
        with pytest.MonkeyPatch.context() as patch, world.instance() as instance:
            patch.setenv("BREV_PIPELINE_CONFIGS", str(world.root))
            patch.setattr("brev_pipeline.expectations.frames.build_strata", _never_met)
            result = execute(instance)
        assert not result.success
        return world, result.run_id

    @pytest.fixture
    def again(
        self, failed: tuple[World, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[[dict[str, Any]], tuple[World, bool, str]]:
        world, run_id = failed
        shutil.copytree(world.root, tmp_path / "again")
        other = World(tmp_path / "again")
        monkeypatch.setenv("BREV_PIPELINE_CONFIGS", str(other.root))

        def reexecute(sections: dict[str, Any]) -> tuple[World, bool, str]:
            other.write(sections)
            with other.instance() as instance:
                result = reexecute_from_failure(instance, run_id)
            return other, result.success, told(result.all_events)

        return reexecute

    @pytest.mark.parametrize("change", sorted(OF_THE_DATA))
    def test_an_edit_of_what_the_old_tables_were_made_by_is_refused(self, again: Any, change: str) -> None:
        sections, said = CHANGES[change]
        world, success, refusal = again(sections)
        assert not success
        assert said in refusal
        assert "Re-execution from failure takes up the old tables" in refusal
        assert world.published() == []

    @pytest.mark.parametrize("change", ["weights", "sampling", "augmentation", "shards", "card", "validation"])
    def test_an_edit_of_what_was_still_to_be_made_comes_out_as_a_whole_run(
        self, again: Any, afresh: Callable[[str], str], change: str
    ) -> None:
        world, success, said = again(CHANGES[change][0])
        if change == "validation":
            # The other stages' checks passed by the old tolerance: they have to be run by the new one. Those of the
            # split read what sample_integrity made, so they come after, and what they held back after them.
            assert not success
            assert "run the checks of sample_integrity" in said
            for stage in ("raw_listing", "sample_integrity", "sample_split"):
                world.check(stage)
            world.run("sampling_weights", "tfrecord_shards", VERSION)
        else:
            assert success, said
        assert world.published() == [afresh(change)]

    def test_a_repair_of_the_data_is_not_seen_and_the_check_says_so(self, tmp_path: Path) -> None:
        world = World(tmp_path)
        draw_photos(world.root / "photos", {"good": 8, "bad": 6})
        for number in range(2):
            (world.root / f"photos/good/5_{number}.png").write_bytes(f"no image {number}".encode())
        world.write({})
        with pytest.MonkeyPatch.context() as patch, world.instance() as instance:
            patch.setenv("BREV_PIPELINE_CONFIGS", str(world.root))
            failed = execute(instance)
            draw_photos(world.root / "photos", {"good": 8, "bad": 6})
            again = reexecute_from_failure(instance, failed.run_id)
        (check,) = [check for check in again.get_asset_check_evaluations() if check.check_name == "few_quarantined"]
        assert not check.passed
        assert f"This is the table of run {failed.run_id}, as the data were then" in check.description
        assert "launch the whole job" in check.description


def _never_met(split: Any, group: Any, config: Any) -> Any:
    """As the strata of a split that missed its shares."""
    import pandas as pd

    return pd.DataFrame([{"stratum": "good", "excess_error": 0.5, "on_every_side": True}])


@pytest.mark.slow
class TestDagstersOwnCommand:
    """``dagster asset materialize --select``, in a process of its own once, and in this one for every change."""

    SELECT = f"parts/tfrecord_shards,parts/{VERSION}"

    def test_it_is_refused_in_a_process_of_its_own(self, copy: World) -> None:
        """Once, ``uniqueness`` was added so, and items stood in train and test of a version that verified green."""
        copy.write(CHANGES["split"][0])
        environment = {
            **os.environ,
            "DAGSTER_HOME": str(copy.root / "home"),
            "BREV_PIPELINE_CONFIGS": str(copy.root),
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        }
        command = [Path(sys.executable).with_name("dagster"), "asset", "materialize", "-m", "brev_pipeline.definitions"]
        done = subprocess.run(
            [*command, "--select", self.SELECT],
            env=environment,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode != 0
        assert "split.uniqueness" in done.stderr + done.stdout
        assert len(copy.published()) == 1

    # One of each kind: that the rule is the same for every change, the classes above show.
    @pytest.mark.parametrize("change", ["split", "validation", "weights", "shards"])
    def test_it_refuses_what_was_made_otherwise_and_makes_what_it_is_asked_for(
        self, copy: World, change: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sections, said = CHANGES[change]
        copy.write(sections)
        monkeypatch.setenv("DAGSTER_HOME", str(copy.root / "home"))
        monkeypatch.setenv("BREV_PIPELINE_CONFIGS", str(copy.root))
        monkeypatch.delitem(sys.modules, "brev_pipeline.definitions", raising=False)
        ReconstructableJob.get_definition.cache_clear()
        ReconstructableJob.get_repository_definition.cache_clear()
        arguments = ["asset", "materialize", "-m", "brev_pipeline.definitions", "--select", self.SELECT]
        done = CliRunner().invoke(create_dagster_cli(), arguments)
        before, told_by_dagster = copy.published(), copy.failures()
        if change == "shards":
            assert done.exit_code == 0, told_by_dagster
            assert len(before) == 2
        else:
            assert done.exit_code != 0
            assert said in told_by_dagster
            assert len(before) == 1
