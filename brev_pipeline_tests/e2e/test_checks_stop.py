"""A failing check stops everything after its stage, in the same run; a later run is stopped too.

The first three stages are made to fail by bad data. The last three keep their promises whatever the data, so
there the stage's own result is tampered with on its way out, as a fault in the stage would.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from brev_pipeline.orchestration.code_location import build_pipeline_definitions
from brev_pipeline.stages import VERSION
from brev_pipeline_tests.pipelines import STAGES, configure, draw_photos, run

pytestmark = pytest.mark.slow

CLASSES = {"good": 8, "bad": 5}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw_photos(tmp_path / "photos", CLASSES)
    return tmp_path


def replace(table: pa.Table, column: str, values: list[Any]) -> pa.Table:
    place = table.column_names.index(column)
    return table.set_column(place, table.schema.field(column), pa.array(values, table.schema.field(column).type))


def leak(table: pa.Table) -> pa.Table:
    """Put one photo of an item on the other side."""
    purposes = table["purpose"].to_pylist()
    purposes[0] = next(name for name in ("train", "test") if name != purposes[0])
    return replace(table, "purpose", purposes)


def forget_a_group(table: pa.Table) -> pa.Table:
    return replace(table, "probability", [0.0, *table["probability"].to_pylist()[1:]])


def confuse_labels(table: pa.Table) -> pa.Table:
    return replace(table, "label", [99, *table["label"].to_pylist()[1:]])


def test_an_undisturbed_run_reaches_the_end(folder: Path) -> None:
    done = run(configure(folder))
    assert done.success, done.failures
    assert done.materialized == [*STAGES, VERSION]
    assert done.failed_checks == []


def test_too_few_images_stop_the_run_at_the_listing(folder: Path) -> None:
    done = run(configure(folder, validation={"raw_listing": {"min_images": 27}}))
    assert_stopped_at(done, "raw_listing", "enough_images")


def test_a_label_conflict_stops_the_run_at_integrity(folder: Path) -> None:
    (folder / "photos/bad/77_0.png").write_bytes((folder / "photos/good/0_0.png").read_bytes())
    done = run(configure(folder))
    assert_stopped_at(done, "sample_integrity", "no_label_conflict")
    (check,) = [check for check in done.checks if not check.passed]
    (row,) = [record.data for record in check.metadata["examples"].records]
    assert all(text in str(row) for text in ("photos/bad/77_0.png", "photos/good/0_0.png", "bad", "good"))


def test_too_many_unusable_images_stop_the_run_at_preparation(folder: Path) -> None:
    for number in range(2):
        (folder / f"photos/good/5_{number}.png").write_bytes(f"no image {number}".encode())
    done = run(configure(folder))
    assert_stopped_at(done, "prepared_images", "few_quarantined")


@pytest.mark.parametrize(
    ("stage", "function", "tamper", "check"),
    [
        ("sample_split", "brev_pipeline.split.assign_purposes", leak, "leak_groups_whole"),
        ("sampling_weights", "brev_pipeline.sampling.compute_sampling_weights", forget_a_group, "weights_positive"),
        ("tfrecord_shards", "brev_pipeline.release.shards.make_shards", confuse_labels, "label_known"),
    ],
)
def test_a_fault_of_a_stage_stops_the_run_there(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    function: str,
    tamper: Callable[[pa.Table], pa.Table],
    check: str,
) -> None:
    from importlib import import_module

    module, _, name = function.rpartition(".")
    original = getattr(import_module(module), name)
    monkeypatch.setattr(function, lambda *args, **kwargs: tamper(original(*args, **kwargs)))
    assert_stopped_at(run(configure(folder)), stage, check)


def test_a_later_run_is_refused_by_the_asset_with_the_failed_check_named(folder: Path) -> None:
    config = configure(folder, validation={"raw_listing": {"min_images": 27}})
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_pipeline_definitions(config).resolve_job_def(config.name)
        assert not job.execute_in_process(instance=instance, raise_on_error=False).success
        selection = [dg.AssetKey([config.name, "sample_integrity"])]
        later = job.execute_in_process(instance=instance, raise_on_error=False, asset_selection=selection)
        assert not later.success
        said = "\n".join(
            event.step_failure_data.user_failure_data.description
            for event in later.all_events
            if event.event_type_value == "STEP_FAILURE" and event.step_failure_data.user_failure_data
        )
    assert "failed its check(s) enough_images" in said


def assert_stopped_at(done: Any, stage: str, check: str) -> None:
    assert not done.success
    assert f"{stage}.{check}" in done.failed_checks
    assert done.materialized == list(STAGES[: STAGES.index(stage) + 1])
    assert done.store.publications.read_all() == []
