"""Records that a stopped run had finished, and labels of several classes, which are copied only as they are."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from brev_pipeline.dry_run import plan_run
from brev_pipeline.errors import ShardError
from brev_pipeline_tests.pipelines import configure, draw_photos, run


def test_shards_that_a_stopped_run_finished_are_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_photos(tmp_path / "photos", {"good": 10, "bad": 8})

    def stop(*_: Any, **__: Any) -> Any:
        raise ShardError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr("brev_pipeline.records.write._record_table", stop)
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
def test_vectors_of_other_classes_are_written_anew(tmp_path: Path, mapping: dict[str, list[str]], copied: bool) -> None:
    draw_photos(tmp_path / "photos", {"good": 10, "bad": 8})
    first: dict[str, Any] = {"listing": {"class_mapping": {"good": ["fine", "whole"]}}}
    assert run(configure(tmp_path, **first)).success
    draw_photos(tmp_path / "photos", {"good": 11})
    config = configure(tmp_path, listing={"class_mapping": mapping})
    records = plan_run(config)["records"]
    done = run(config)
    assert done.success, done.failures
    assert records["written"] == done.store.timing_log.read_timings()["tfrecord_shards"][0].work
    assert bool(records["copied"]) == copied


def test_a_store_without_prepared_pixels_decodes_and_copies(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 10, "bad": 8})
    assert run(configure(tmp_path)).success
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
