"""The test set is locked by a hash that anyone can compute, and what became of it since the version before is told."""

import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from brev_pipeline.audit import verify_version
from brev_pipeline.audit.table_checks import find_lock_changes
from brev_pipeline.config import SplitSettings
from brev_pipeline.release.exclusions import locked_purposes, purpose_locks
from brev_pipeline_tests.audit.test_table_checks import first, put
from brev_pipeline_tests.audit.worlds import World


def test_the_lock_is_what_sort_and_sha256sum_say(world: World, tmp_path: Path) -> None:
    split = world.newest.read_table("assignments")
    ids = split["content_id"].filter(pc.equal(split["purpose"], "test")).to_pylist()
    (tmp_path / "ids.txt").write_text("".join(f"{content}\n" for content in reversed(ids)))
    command = "LC_ALL=C sort -u ids.txt | sha256sum"
    digest = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True).stdout[:64]
    assert world.newest.read_manifest()["test_lock"] == {"test": {"contents": len(set(ids)), "sha256": digest}}


@pytest.mark.parametrize(
    ("settings", "locked"),
    [
        ({"purposes": {"train": 0.8}}, []),
        ({"purposes": {"train": 0.6, "test": 0.2}}, ["test"]),
        ({"purposes": {"train": 0.6, "exam": 0.2}, "locked": ["exam"]}, ["exam"]),
        ({"purposes": {"train": 0.6, "exam": 0.2}, "access_log": ["devel"]}, ["devel"]),
    ],
)
def test_held_out_purposes_are_locked(settings: dict[str, object], locked: list[str]) -> None:
    assert locked_purposes(SplitSettings.model_validate(settings)) == locked


def test_the_lock_does_not_depend_on_the_order_of_the_rows_and_on_nothing_but_the_test_set(world: World) -> None:
    split, settings = world.newest.read_table("assignments"), world.config.split
    assert purpose_locks(split.sort_by([("path", "descending")]), settings) == purpose_locks(split, settings)
    row = first(split, purpose="train")
    assert purpose_locks(put(split, "content_id", row, "f" * 32), settings) == purpose_locks(split, settings)
    row = first(split, purpose="test")
    assert purpose_locks(put(split, "content_id", row, "f" * 32), settings) != purpose_locks(split, settings)


@pytest.mark.slow
def test_a_test_image_that_is_no_longer_listed_is_noted(copy: World) -> None:
    split = copy.newest.read_table("assignments")
    gone = split["path"][first(split, purpose="test", listed=True)].as_py()
    before = copy.newest.id
    (copy.folder / gone).unlink()
    copy.run()
    found = verify_version(copy.store)
    assert found.problems == []
    assert any(f"LOCK: 1 images of test are no longer listed since version {before}" in note for note in found.notes)


@pytest.mark.parametrize("allowed", [False, True])
def test_a_test_image_that_changed_sides_is_a_problem_unless_moves_are_allowed(copy: World, allowed: bool) -> None:
    # Published by hand: a run would not do it.
    parent = copy.newest
    split = parent.read_table("assignments")
    moved = put(split, "purpose", first(split, purpose="test", listed=True), "train")
    configuration = parent.read_manifest()["configuration"]
    configuration["split"] |= {"allow_moves": allowed, "locked": ["test"]}
    version = copy.republish({"assignments": moved}, configuration=configuration, test_lock={})
    settings = SplitSettings.model_validate(configuration["split"])
    problems, notes = find_lock_changes(
        version.read_table("assignments"), parent.read_table("assignments"), settings, parent.id
    )
    said = [line for line in (notes if allowed else problems) if "1 images of test changed sides" in line]
    assert len(said) == 1
    assert len(problems) == (0 if allowed else 1)


@pytest.mark.parametrize("locked", [False, True])
def test_a_new_test_image_is_noted_and_a_problem_where_the_purpose_is_locked(copy: World, locked: bool) -> None:
    parent = copy.newest
    split = parent.read_table("assignments")
    row = first(split, purpose="devel", listed=True)
    more = put(put(split, "purpose", row, "test"), "content_id", row, "f" * 32)
    configuration = parent.read_manifest()["configuration"]
    configuration["split"] |= {"locked": ["test"] if locked else []}
    version = copy.republish({"assignments": more}, configuration=configuration, test_lock={})
    settings = SplitSettings.model_validate(configuration["split"])
    problems, notes = find_lock_changes(
        version.read_table("assignments"), parent.read_table("assignments"), settings, parent.id
    )
    assert len(problems) == locked
    assert any("LOCK: 1 images of test are new since version" in line for line in (problems if locked else notes))


Rows = list[tuple[str, str, bool]]
A_TEST, A_AWAY, A_TRAIN = ("a", "test", True), ("a", "test", False), ("a", "train", True)
B_TEST, B_AWAY = ("b", "test", True), ("b", "test", False)
B_TRAIN, B_TRAIN_AWAY = ("b", "train", True), ("b", "train", False)
NEW, MOVED, LEFT = (
    "1 images of test are new",
    "1 images of test changed sides",
    "1 images of test are no longer listed",
)
# (content, purpose, whether it is listed) before and now; what is wrong, and what is told.
HISTORIES: list[tuple[Rows, Rows, str | None, str | None]] = [
    ([A_TEST, B_AWAY], [A_TEST, B_TEST], None, None),
    ([A_TEST], [A_TEST, B_TEST], NEW, None),
    ([A_AWAY], [A_AWAY, B_TEST], NEW, None),
    ([A_TRAIN], [A_TRAIN, B_TEST], None, NEW),
    ([A_TEST, B_TRAIN], [A_TEST, B_TEST], MOVED, None),
    ([A_TEST, B_TRAIN_AWAY], [A_TEST, B_TEST], MOVED, None),
    ([A_AWAY], [A_TRAIN], MOVED, None),
    ([A_TEST], [A_AWAY], None, LEFT),
]


@pytest.mark.parametrize(("before", "now", "wrong", "told"), HISTORIES)
def test_who_came_left_and_changed_sides_in_a_locked_test_set(
    before: Rows, now: Rows, wrong: str | None, told: str | None
) -> None:
    def table(rows: Rows) -> pa.Table:
        names = ("content_id", "purpose", "listed")
        return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows])

    settings = SplitSettings.model_validate({"purposes": {"train": 0.6, "test": 0.2}, "locked": ["test"]})
    problems, notes = find_lock_changes(table(now), table(before), settings, "v")
    for found, said in ((problems, wrong), (notes, told)):
        assert len(found) == (said is not None)
        assert all(said is not None and said in line for line in found)
