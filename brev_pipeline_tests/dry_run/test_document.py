"""What ``plan`` says is what the run after it does, change by change; only what it calls open may be otherwise."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from brev_pipeline.config import PipelineConfig
from brev_pipeline.dry_run import draft as planning
from brev_pipeline.dry_run import plan_run
from brev_pipeline_tests.dry_run.counted import (
    count_images,
    count_moved,
    count_rules,
    count_sides,
    numbers_of,
    sides_of,
    told_images,
    told_moved,
)
from brev_pipeline_tests.pipelines import configure, draw_photos, run

pytestmark = pytest.mark.slow

Change = Callable[[Path, dict[str, str]], Any]
"""(the pipeline's folder, path → purpose in the first version) → sections of the configuration that are others."""


@pytest.fixture
def folder(tmp_path: Path, published: Callable[..., Path]) -> Path:
    """A pipeline that has published once."""
    return published(tmp_path / "parts", {"good": 12, "bad": 8})


def unchanged(folder: Path, sides: dict[str, str]) -> None: ...


def new_items(folder: Path, sides: dict[str, str]) -> None:
    draw_photos(folder / "photos", {"good": 15, "bad": 9})


def new_photo_of_a_known_item(folder: Path, sides: dict[str, str]) -> None:
    path = next(path for path in sorted(sides) if sides[path] == "train")
    item = Path(path).name.split("_")[0]
    noise(folder / Path(path).parent / f"{item}_7.png")


def new_photo_of_a_locked_item(folder: Path, sides: dict[str, str]) -> Any:
    path = next(path for path in sorted(sides) if sides[path] == "test")
    noise(folder / Path(path).parent / f"{Path(path).name.split('_')[0]}_7.png")
    return {"split": {"locked": ["test"]}}


def few_gone(folder: Path, sides: dict[str, str]) -> Any:
    for number in range(2):
        (folder / f"photos/good/3_{number}.png").unlink()
    return {"validation": {"raw_listing": {"max_shrinkage": 0.2}}}


def a_class_gone(folder: Path, sides: dict[str, str]) -> None:
    shutil.rmtree(folder / "photos/bad")


def a_folder_renamed(folder: Path, sides: dict[str, str]) -> Any:
    (folder / "photos/good").rename(folder / "photos/fine")
    return {"validation": {"raw_listing": {"max_shrinkage": 1.0}}}


def a_file_renamed(folder: Path, sides: dict[str, str]) -> Any:
    (folder / "photos/good/4_1.png").rename(folder / "photos/good/4_9.png")
    return {"validation": {"raw_listing": {"max_shrinkage": 0.1}}}


def bytes_replaced(folder: Path, sides: dict[str, str]) -> None:
    noise(folder / "photos/bad/2_0.png")


def a_copy_joins_two_of_train(folder: Path, sides: dict[str, str]) -> None:
    join(folder, sides, "train", "train")


def a_copy_joins_two_sides(folder: Path, sides: dict[str, str]) -> None:
    join(folder, sides, "train", "test")


def a_copy_joins_two_sides_as_allowed(folder: Path, sides: dict[str, str]) -> Any:
    join(folder, sides, "train", "test")
    return {"split": {"allow_moves": True}}


def a_copy_is_left_out(folder: Path, sides: dict[str, str]) -> Any:
    shutil.copy(folder / "photos/good/1_0.png", folder / "photos/good/1_8.png")
    return {"integrity": {"duplicates": "keep_first"}}


def a_copy_in_another_class(folder: Path, sides: dict[str, str]) -> None:
    shutil.copy(folder / "photos/good/1_0.png", folder / "photos/bad/77_0.png")


def contradicting_copies_left_out(folder: Path, sides: dict[str, str]) -> Any:
    shutil.copy(folder / "photos/good/1_0.png", folder / "photos/bad/77_0.png")
    return {"integrity": {"label_conflicts": "quarantine"}}


def a_class_added(folder: Path, sides: dict[str, str]) -> None:
    draw_photos(folder / "photos", {"awry": 6})


def a_class_filtered(folder: Path, sides: dict[str, str]) -> Any:
    return {"listing": {"classes": ["good"]}, "validation": {"raw_listing": {"max_shrinkage": 1.0}}}


def another_seed(folder: Path, sides: dict[str, str]) -> Any:
    return {"sampling": {"seed": 4}}


def another_weighing(folder: Path, sides: dict[str, str]) -> Any:
    return {"sampling": {"group_weighing": "uniform"}}


def another_size(folder: Path, sides: dict[str, str]) -> Any:
    return {"image": {"target_size": [20, 20]}}


def another_augmentation(folder: Path, sides: dict[str, str]) -> Any:
    return {"augmentation": {"noise": None}}


def smaller_shards(folder: Path, sides: dict[str, str]) -> Any:
    return {"shards": {"records_per_shard": 5}}


def another_tolerance(folder: Path, sides: dict[str, str]) -> Any:
    return {"validation": {"prepared_images": {"max_quarantined": 0.5}}}


def too_few_images(folder: Path, sides: dict[str, str]) -> Any:
    return {"validation": {"raw_listing": {"min_images": 100}}}


def known_assignments(folder: Path, sides: dict[str, str]) -> Any:
    (folder / "known.csv").write_text("folder,item,purpose\ngood,20,test\nbad,20,test\n")
    draw_photos(folder / "photos", {"good": 22, "bad": 22})
    return {"split": {"ledger_csv": "known.csv"}}


def a_pattern_that_misses(folder: Path, sides: dict[str, str]) -> None:
    noise(folder / "photos/good/without_number.png")


def nothing_there(folder: Path, sides: dict[str, str]) -> None:
    shutil.rmtree(folder / "photos")


def a_damaged_file(folder: Path, sides: dict[str, str]) -> None:
    (folder / "photos/good/30_0.png").write_bytes((folder / "photos/good/1_0.png").read_bytes()[:900])


def a_pixel_copy(folder: Path, sides: dict[str, str]) -> None:
    """The same pixels under other bytes, of another item: only decoding tells."""
    pixels = cv2.imread(str(folder / "photos/good/1_0.png"))
    cv2.imwrite(str(folder / "photos/good/31_0.png"), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 0])


def join(folder: Path, sides: dict[str, str], one: str, other: str) -> None:
    """A photo of an item of one side under the name of an item of the other."""
    own = next(path for path in sorted(sides) if sides[path] == one and "/good/" in path)
    item = Path(own).name.split("_")[0]
    theirs = [path for path in sorted(sides) if sides[path] == other and "/good/" in path]
    photo = next(path for path in theirs if Path(path).name.split("_")[0] != item)
    shutil.copy(folder / photo, folder / "photos/good" / f"{item}_99.png")


def noise(file: Path) -> None:
    pixels = np.random.default_rng(7).integers(0, 256, (40, 48, 3), np.uint8)
    cv2.imwrite(str(file), pixels)


@dataclass(frozen=True)
class Expected:
    """What is to be seen of a change, so that the comparison cannot be one of nothing with nothing."""

    would: str = "publish"
    images: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    labels: int = 0
    joined: int = 0
    moved: bool = False
    copies: str = "some"
    """of the records: all, some, none."""
    stops: tuple[str, ...] = ()


CASES: list[tuple[Change, Expected]] = [
    (unchanged, Expected("nothing", copies="stand")),
    (new_items, Expected(images={"new": 8})),
    (new_photo_of_a_known_item, Expected(images={"new": 1})),
    (new_photo_of_a_locked_item, Expected("stop", images={"new": 1}, stops=("sample_split.locks_kept",))),
    (few_gone, Expected(images={"gone": 2}, copies="all")),
    (a_class_gone, Expected("stop", images={"gone": 16}, stops=("sample_integrity.not_shrunk",))),
    (a_folder_renamed, Expected(images={"renamed": 24, "relabelled": 24}, labels=1)),
    (a_file_renamed, Expected(images={"renamed": 1})),
    (bytes_replaced, Expected(images={"changed": 1})),
    (a_copy_joins_two_of_train, Expected(images={"new": 1}, joined=1)),
    (a_copy_joins_two_sides, Expected("stop", {"new": 1}, joined=1, moved=True, stops=("sample_split.ledger_kept",))),
    (a_copy_joins_two_sides_as_allowed, Expected(images={"new": 1}, joined=1, moved=True)),
    (a_copy_is_left_out, Expected(images={"new": 1}, left_out={"duplicate": 1}, copies="all")),
    (a_copy_in_another_class, Expected("stop", images={"new": 1}, joined=0)),
    (contradicting_copies_left_out, Expected(images={"new": 1}, left_out={"label_conflict": 2}, copies="all")),
    (a_class_added, Expected(images={"new": 12}, labels=1)),
    (a_class_filtered, Expected(images={"gone": 16}, left_out={"class_filter": 16})),
    (another_seed, Expected(copies="none")),
    (another_weighing, Expected()),
    (another_size, Expected(copies="none")),
    (another_augmentation, Expected(copies="none")),
    (smaller_shards, Expected(copies="all")),
    (another_tolerance, Expected(copies="stand")),
    (too_few_images, Expected("stop", copies="stand", stops=("raw_listing.enough_images",))),
    (known_assignments, Expected(images={"new": 48})),
    (a_pattern_that_misses, Expected("stop", images={"new": 1})),
    (nothing_there, Expected("stop")),
    (a_damaged_file, Expected(images={"new": 1})),
    (a_pixel_copy, Expected(images={"new": 1})),
]
QUICK = {"unchanged", "new_items", "a_copy_joins_two_sides", "a_folder_renamed"}
OPEN = {"a_damaged_file", "a_pixel_copy"}
"""Changes whose outcome only the pixels tell."""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(*case, id=case[0].__name__, marks=[] if case[0].__name__ in QUICK else pytest.mark.slow)
        for case in CASES
    ],
)
def test_the_run_does_what_the_plan_says(change: Change, expected: Expected, folder: Path) -> None:
    before = run_before(folder)
    config = changed(folder, change(folder, sides_of(before)))
    plan = json.loads(json.dumps(plan_run(config)))
    done = run(config)
    newest = done.store.newest_version()
    assert newest is not None
    after = newest[1]

    assert plan["would"] == expected.would
    published = len(done.store.publications.read_all()) == 2
    assert (plan["would"] == "publish") == published
    assert (plan["would"] == "stop") == (not done.success)
    assert {f"{one['stage']}.{one['check']}" for one in plan["stops"] if one["check"]} >= set(expected.stops)
    compare_checks(plan, done)
    if plan["images"] is not None:
        assert {
            kind: n for kind, n in told_images(plan["images"]).items() if kind not in ("was", "now", "by_class") and n
        } == (expected.images)
    if plan["groups"] is not None:
        assert plan["groups"]["joined"] == expected.joined
        assert bool(plan["sides"]["moved"]["images"]) == expected.moved
    if published:
        compare_versions(plan, before, after, done, opened=change.__name__ in OPEN)
        assert len(plan["labels"]["changed"]) == expected.labels
        rules = {one["rule"]: one["now"] for one in plan["left_out"]}
        assert {rule: rules.get(rule, 0) for rule in expected.left_out} == expected.left_out
    if plan["records"] is not None and plan["would"] != "stop":
        told = {kind: plan["records"][kind] for kind in ("stand", "copied", "written")}
        shown = {"all": (False, True, False), "some": (False, True, True), "none": (False, False, True)}
        shown["stand"] = (True, False, False)
        assert tuple(map(bool, told.values())) == shown[expected.copies], told


def test_a_version_published_meanwhile_is_what_the_plan_is_compared_with(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not half of it with the one, and half with the other."""
    draw_photos(folder / "photos", {"good": 14})
    config, divide = configure(folder), planning.divide_samples
    runs = []

    def divide_after_a_run(*given: Any) -> Any:
        if not runs:
            runs.append(run(config))
        return divide(*given)

    monkeypatch.setattr(planning, "divide_samples", divide_after_a_run)
    plan = plan_run(config)
    assert runs[0].success
    assert plan["compared_with"]["number"] == 2
    assert (plan["would"], plan["because"]) == ("nothing", [])
    assert plan["records"]["stand"] == plan["records"]["now"] == plan["records"]["was"]


def run_before(folder: Path) -> Any:
    from brev_pipeline.store import PipelineStore

    newest = PipelineStore.from_config(configure(folder)).newest_version()
    assert newest is not None
    return newest[1]


def changed(folder: Path, sections: Any) -> PipelineConfig:
    config = configure(folder).model_dump(mode="json")
    merged: dict[str, Any] = {name: {**config[name], **section} for name, section in (sections or {}).items()}
    return configure(folder, **merged)


def compare_checks(plan: dict[str, Any], done: Any) -> None:
    """Checks that fail, of the stages that the run came to; errors of a stage stand under its name alone."""
    reached = {check.asset_key.path[-1] for check in done.checks}
    told = {(one["stage"], one["check"]) for one in [*plan["stops"], *plan["warnings"]]}
    # What is told of stages behind the one that stops, no run says.
    of_checks = {(stage, check) for stage, check in told if check and stage in reached}
    assert {f"{stage}.{check}" for stage, check in of_checks} == set(done.failed_checks)
    errors = [one for one in plan["stops"] if one["check"] is None]
    if plan["stops"] and plan["stops"][0]["check"] is None:
        assert errors[0]["says"].partition(": ")[2] in done.failures
    # Behind a check that stops the run, nobody comes to what else would.
    assert len(errors) <= 1


def compare_versions(plan: dict[str, Any], before: Any, after: Any, done: Any, *, opened: bool) -> None:
    assert told_images(plan["images"]) == count_images(before, after)
    numbers = numbers_of(before), numbers_of(after)
    names = {*numbers[0], *numbers[1]}
    assert {one["class"]: (one["was"], one["now"]) for one in plan["labels"]["changed"]} == {
        name: (numbers[0].get(name), numbers[1].get(name))
        for name in names
        if numbers[0].get(name) != numbers[1].get(name)
    }
    assert plan["decode"]["contents"] == done.store.timing_log.read_timings()["prepared_images"][0].work
    if opened:
        assert plan["open"][0]["what"] == "pixels"
        assert plan["open"][0]["images"] == 1
        return
    assert told_moved(plan["sides"]) == count_moved(before, after)
    sides = {one["purpose"]: one for one in plan["sides"]["by_purpose"]}
    assert {name: one["now"] for name, one in sides.items() if one["now"]} == count_sides(after)
    assert {one["rule"]: one["now"] for one in plan["left_out"] if one["now"]} == count_rules(after)
    records = plan["records"]
    assert records["now"] == after.read_table("records").num_rows
    assert records["written"] == done.store.timing_log.read_timings()["tfrecord_shards"][0].work
    assert records["copied"] + records["written"] + records["stand"] + records["finished"] == records["now"]
    size = sum(facts["bytes"] for name, facts in after.read_manifest()["files"].items() if ".tfrecord-" in name)
    assert plan["bytes"]["shards"] == pytest.approx(size, rel=0.25)
