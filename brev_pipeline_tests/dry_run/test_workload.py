"""What a run would write, copy and take up again, and how long it would take by the paces that runs kept."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from brev_pipeline.dry_run import plan_run
from brev_pipeline.dry_run.workload import CHECKS, estimate_time
from brev_pipeline.errors import ShardError
from brev_pipeline.stages import VERSION, table_stages
from brev_pipeline.store import Folder
from brev_pipeline.store.timing_log import RUNS, StepTiming, TimingLog
from brev_pipeline_tests.pipelines import configure, draw_photos, run

pytestmark = pytest.mark.slow

SUITES = {f"{stage}.checks": [StepTiming("r", 2.0, 0, 0)] for stage in table_stages()}
MEASURED = {"raw_listing": 1.0, "sample_integrity": 0.0, "sample_split": 2.0, "sampling_weights": 0.5}


def seconds(work: dict[str, int], **paces: list[StepTiming]) -> dict[str, float | None]:
    found = estimate_time(MEASURED, work, {**SUITES, **paces})
    return {one["stage"]: one["seconds"] for one in found["stages"]}


def test_work_goes_by_the_run_that_did_most_of_it() -> None:
    paces = [StepTiming("new", 3.0, 100, 2), StepTiming("old", 100.0, 100, 1000), StepTiming("idle", 1.0, 100, 0)]
    found = seconds({"prepared_images": 200}, prepared_images=paces)
    # One second without work, and 99 for a thousand images.
    assert found["prepared_images"] == pytest.approx(1 + 200 * 0.099)
    assert found["raw_listing"] == 1.0
    assert found[CHECKS] == 2.0 * len(table_stages())


def test_no_work_takes_what_a_run_without_work_took() -> None:
    assert (
        seconds({VERSION: 0}, **{VERSION: [StepTiming("a", 9.0, 0, 50), StepTiming("b", 0.25, 0, 0)]})[VERSION] == 0.25
    )


def test_what_no_run_did_is_not_known() -> None:
    work = {"prepared_images": 10, "tfrecord_shards": 10, VERSION: 10}
    found = estimate_time(MEASURED, work, {**SUITES, "prepared_images": [StepTiming("a", 1.0, 10, 0)]})
    assert found["seconds"] is None
    assert [one["stage"] for one in found["stages"] if one["seconds"] is None] == [
        "prepared_images",
        "tfrecord_shards",
        VERSION,
    ]
    assert estimate_time(MEASURED, {}, {})["stages"][-1] == {"stage": CHECKS, "seconds": None, "by": None}


def test_the_sum_is_of_all_stages() -> None:
    paces = {name: [StepTiming("a", 10.0, 10, 10)] for name in ("prepared_images", "tfrecord_shards", VERSION)}
    found = estimate_time(MEASURED, dict.fromkeys(paces, 5), {**SUITES, **paces})
    assert found["seconds"] == pytest.approx(sum(MEASURED.values()) + 3 * 5.0 + 12.0)


def test_paces_are_kept_once_and_read_newest_first(tmp_path: Path) -> None:
    log = TimingLog(Folder(str(tmp_path)))
    assert log.read_timings() == {}
    for number in range(RUNS + 3):
        log.record_timing("sample_split", StepTiming(f"run-{number}", float(number), 5, 5))
        stamp = (1_000_000_000 + number) * 10**9
        import os

        os.utime(tmp_path / f"run-{number}/sample_split.pace.json", ns=(stamp, stamp))
    log.record_timing("sample_split", StepTiming("run-1", 99.0, 5, 5))
    found = log.read_timings()["sample_split"]
    assert [pace.run for pace in found] == [f"run-{number}" for number in range(RUNS + 2, 2, -1)]
    log.record_timing("sample_split.checks", StepTiming("run-1", 1.5, 0, 0))
    (tmp_path / "run-2/sample_split.checks.pace.json").write_text("damaged")
    assert log.read_timings()["sample_split.checks"] == [StepTiming("run-1", 1.5, 0, 0)]


def test_a_run_keeps_its_pace_and_no_version_knows_of_it(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 8, "bad": 8})
    first = run(configure(tmp_path))
    assert first.success, first.failures
    paces = first.store.timing_log.read_timings()
    assert {name: found[0].work for name, found in paces.items() if "." not in name} == {
        "raw_listing": 32,
        "sample_integrity": 32,
        "prepared_images": 32,
        "sample_split": 32,
        "sampling_weights": 6,
        "tfrecord_shards": first.store.newest_version()[1].read_table("records").num_rows,  # type: ignore[index]
        VERSION: 32,
    }
    assert set(paces) == {*table_stages(), VERSION, *(f"{stage}.checks" for stage in table_stages())}
    again = run(configure(tmp_path))
    assert again.success, again.failures
    paces = again.store.timing_log.read_timings()
    assert [paces[name][0].work for name in ("prepared_images", "tfrecord_shards", VERSION)] == [0, 0, 0]
    assert len(again.store.publications.read_all()) == 1
    for file in Path(again.store.newest_version()[1].path).rglob("*.json"):  # type: ignore[index]
        assert "seconds" not in json.loads(file.read_text())


def test_shards_that_a_stopped_run_finished_are_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_photos(tmp_path / "photos", {"good": 10, "bad": 8})

    def stop(*_: Any, **__: Any) -> Any:
        raise ShardError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr("brev_pipeline.records.write._LOG.info", stop)  # what follows the last shard
        assert not run(configure(tmp_path)).success
    (staging,) = (tmp_path / "store/parts/staging").iterdir()
    lost = sorted(staging.glob("parts-train*"))[0]
    records = plan_run(configure(tmp_path))["records"]
    assert (records["finished"], records["written"], records["now"]) == (36, 0, 36)
    (staging / ".finished" / f"{lost.name}.json").unlink()
    records = plan_run(configure(tmp_path))["records"]
    done = run(configure(tmp_path))
    assert done.success, done.failures
    assert 0 < records["written"] == done.store.timing_log.read_timings()["tfrecord_shards"][0].work
    assert records["finished"] == records["now"] - records["written"]
    assert not staging.exists()


@pytest.mark.parametrize(
    ("mapping", "copied"), [({"good": ["fine", "whole"]}, True), ({"good": ["fine", "whole", "new"]}, False)]
)
def test_vectors_of_other_classes_are_written_anew(
    tmp_path: Path, published: Callable[..., Path], mapping: dict[str, list[str]], copied: bool
) -> None:
    published(tmp_path, {"good": 10, "bad": 8}, listing={"class_mapping": {"good": ["fine", "whole"]}})
    draw_photos(tmp_path / "photos", {"good": 11})
    config = configure(tmp_path, listing={"class_mapping": mapping})
    records = plan_run(config)["records"]
    done = run(config)
    assert done.success, done.failures
    assert records["written"] == done.store.timing_log.read_timings()["tfrecord_shards"][0].work
    assert bool(records["copied"]) == copied


def test_a_store_without_prepared_pixels_decodes_and_copies(tmp_path: Path, published: Callable[..., Path]) -> None:
    published(tmp_path, {"good": 10, "bad": 8})
    shutil.rmtree(tmp_path / "store/parts/prepared")
    draw_photos(tmp_path / "photos", {"good": 11})
    plan = plan_run(configure(tmp_path))
    assert plan["decode"]["contents"] == 38
    assert [(one["what"], one["images"]) for one in plan["open"]] == [("pixels", 2)]
    done = run(configure(tmp_path))
    assert done.success, done.failures
    paces = done.store.timing_log.read_timings()
    assert plan["decode"]["contents"] == paces["prepared_images"][0].work
    assert plan["records"]["written"] == paces["tfrecord_shards"][0].work


def test_folds_and_a_given_split_are_foreseen(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 12, "bad": 9})
    (tmp_path / "held.txt").write_text("photos/good/1_0.png\nphotos/bad/2_0.png\n")
    split = configure(tmp_path).split.model_dump(mode="json", exclude={"remainder"})
    split |= {"purposes": {"test": 0.1}, "folds": 3, "given": {"lists": {"test": "held.txt"}}}
    config = configure(tmp_path, split=split, sampling={"groupby": ["category"], "seed": 3})
    for classes in ({}, {"good": 14}):
        draw_photos(tmp_path / "photos", classes)
        plan = plan_run(config)
        done = run(config)
        assert done.success, done.failures
        assert plan["would"] == "publish"
        manifest = done.store.newest_version()[1].read_manifest()  # type: ignore[index]
        assert {row["part"]: row["now"] for row in plan["records"]["by_part"]} == manifest["counts"]["records"]
        assert {row["purpose"]: row["now"] for row in plan["sides"]["by_purpose"]} == manifest["counts"]["images"]
        assert plan["records"]["written"] == done.store.timing_log.read_timings()["tfrecord_shards"][0].work
    assert plan["records"]["copied"] > 0
    assert plan_run(config)["would"] == "nothing"
    others = configure(tmp_path, split=split | {"folds": 4}, sampling={"groupby": ["category"], "seed": 3})
    stopped = plan_run(others)
    assert stopped["would"] == "stop"
    assert "folds" in stopped["stops"][0]["says"]
