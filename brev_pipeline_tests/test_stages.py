"""The table of the stages: it says all that is to be said of them, and to add one is to add an entry in four files."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from brev_pipeline.config import PipelineConfig
from brev_pipeline.expectations import SUITES
from brev_pipeline.expectations.frames import FRAMES
from brev_pipeline.expectations.rules import rule_all_true, rule_between
from brev_pipeline.orchestration.assets import STAGE_FUNCTIONS
from brev_pipeline.orchestration.code_location import build_pipeline_definitions
from brev_pipeline.provenance import settings_of
from brev_pipeline.stages import SPECS, VERSION, StageSpec, inputs_of, table_stages
from brev_pipeline_tests.pipelines import configure, draw_photos, run, work_in_this_process

# By these a check is red, or what is remembered is looked at; no row of any table is made by them.
OF_CHECKS = {"validation", "split.allow_moves", "integrity.recheck"}


def leaves(contents: dict[str, Any], path: str = "") -> set[str]:
    """Keys of the configuration down to the second level, where those of `StageSpec.settings` end."""
    found = set()
    for key, value in contents.items():
        inner = f"{path}.{key}" if path else key
        found |= leaves(value, inner) if isinstance(value, dict) and not path else {inner}
    return found


def test_every_setting_makes_the_rows_of_a_stage_or_is_one_of_checks(tmp_path: Path) -> None:
    config = configure(tmp_path)
    known = {key for spec in SPECS.values() for key in spec.settings} | OF_CHECKS
    for leaf in leaves(config.content_settings()):
        assert leaf in known or leaf.partition(".")[0] in known, f"{leaf}: by which stage's rows is it read?"
    for stage in SPECS:
        assert set(settings_of(config, stage)) == set(SPECS[stage].settings)


def test_a_stage_reads_only_what_comes_before_it_and_the_version_reads_all() -> None:
    seen: set[str] = set()
    for name in SPECS:
        assert set(inputs_of(name)) <= seen
        seen.add(name)
    assert inputs_of(VERSION) == table_stages() == tuple(SUITES)
    assert set(STAGE_FUNCTIONS) == set(SPECS)
    assert set(FRAMES) == set(SUITES)


# What follows is a stage of its own package: what it computes, and what its rules look at.
def judge_brightness(context: Any, config: PipelineConfig, upstream: Any) -> pa.Table:
    images = upstream["prepared_images"].read(["content_id", "mean"])
    return images.append_column("dark", pa.array([mean < 10 for mean in images["mean"].to_pylist()]))


def brightness_rules(config: PipelineConfig) -> list[Any]:
    return [
        rule_all_true("not_dark", "no image is dark", "bright"),
        rule_between("nothing_lost", "every content has a row", "rows_lost", low=0, high=0),
    ]


def brightness_frames(tables: Any, config: PipelineConfig, published: Any) -> dict[str, Any]:
    import pandas as pd

    rows = tables["brightness"].read(["content_id", "dark"]).to_pandas()
    rows["bright"] = ~rows["dark"]
    lost = tables["prepared_images"].read(["content_id"]).num_rows - len(rows)
    return {"rows": rows, "summary": pd.DataFrame([{"rows_lost": lost}])}


TOY = StageSpec(
    "brightness",
    title="Judging the light",
    about="which images are dark",
    description="Which images are dark.",
    inputs=("prepared_images",),
    settings=("image.target_size",),
    unit="images",
    shown=("images",),
    kinds=frozenset({"pyarrow"}),
)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """One entry in each of four files: stages, orchestration.assets, expectations.suites, expectations.frames."""
    monkeypatch.setitem(SPECS, TOY.name, TOY)
    monkeypatch.setitem(STAGE_FUNCTIONS, TOY.name, judge_brightness)
    monkeypatch.setitem(SUITES, TOY.name, brightness_rules)
    monkeypatch.setitem(FRAMES, TOY.name, brightness_frames)


@pytest.mark.usefixtures("toy")
def test_a_stage_that_is_added_runs_is_checked_and_stands_in_the_version(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 6, "bad": 5})
    config = configure(tmp_path)
    (spec,) = [
        spec
        for spec in build_pipeline_definitions(config).resolve_all_asset_specs()
        if spec.key.path[-1] == "brightness"
    ]
    assert (spec.description, spec.kinds, [dep.asset_key.path[-1] for dep in spec.deps]) == (
        "Which images are dark.",
        {"pyarrow"},
        ["prepared_images"],
    )
    done = run(config)
    assert done.success, done.failures
    assert set(done.materialized) == set(SPECS)
    newest = done.store.newest_version()
    assert newest is not None
    manifest = newest[1].read_manifest()
    assert [check["check"] for check in manifest["checks"]["brightness"]] == ["not_dark", "nothing_lost"]
    assert manifest["stages"]["brightness"]["code"] == "1"
    page = newest[1].folder.read("report/index.html").decode()
    assert "Judging the light" in page
    assert "no image is dark" in page


@pytest.mark.usefixtures("toy")
def test_a_stage_that_is_added_is_refused_when_it_was_made_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_photos(tmp_path / "photos", {"good": 6, "bad": 5})
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_pipeline_definitions(configure(tmp_path)).resolve_job_def("parts")
        stages = [dg.AssetKey(["parts", stage]) for stage in table_stages()]
        with work_in_this_process():
            assert job.execute_in_process(instance=instance, asset_selection=stages).success
        monkeypatch.setitem(SPECS, TOY.name, replace(TOY, code="2"))
        version = [dg.AssetKey(["parts", VERSION])]
        later = build_pipeline_definitions(configure(tmp_path)).resolve_job_def("parts")
        result = later.execute_in_process(instance=instance, asset_selection=version, raise_on_error=False)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert 'brightness: version of code: "1" → "2"' in failure.step_failure_data.user_failure_data.description
