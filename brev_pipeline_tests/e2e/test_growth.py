"""A pipeline over the years: images come, go, return and are copied; old assignments stay."""

import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from brev_pipeline.store import PipelineStore
from brev_pipeline_tests.pipelines import configure, draw_photos, has_its_files, hashes, published_versions, run

pytestmark = pytest.mark.slow

CLASSES = {"good": 10, "bad": 8}


@pytest.fixture
def folder(tmp_path: Path, published: Callable[..., Path]) -> Path:
    """A pipeline that has published once."""
    return published(tmp_path, CLASSES)


def purposes(folder: Path, *, listed: bool = True) -> dict[str, str]:
    _, version = PipelineStore.from_config(configure(folder)).newest_version() or pytest.fail("nothing was published")
    rows = version.read_table("assignments").to_pylist()
    return {row["path"]: row["purpose"] for row in rows if row["listed"] or not listed}


def test_old_items_keep_their_side_when_the_data_grows_shrinks_and_returns(folder: Path) -> None:
    tolerant = configure(folder, validation={"raw_listing": {"max_shrinkage": 1.0}})
    before = purposes(folder)

    away = folder / "away"
    gone = [folder / "photos/good" / f"{item}_{number}.png" for item in range(4) for number in range(2)]
    away.mkdir()
    for photo in gone:
        shutil.move(photo, away / photo.name)
    draw_photos(folder / "photos", {"bad": 14})
    second = run(tolerant)
    assert second.success, second.failures
    after = purposes(folder)
    assert len(second.store.publications.read_all()) == 2
    (listed, *_) = second.result.get_asset_materialization_events()
    said = {name: entry.value for name, entry in listed.materialization.metadata.items()}
    assert (said["appeared"], said["vanished"]) == (12, 8)
    assert {path: after[path] for path in before if path in after} == {
        path: purpose for path, purpose in before.items() if path in after
    }
    assert len(purposes(folder, listed=False)) == len(after) + len(gone)

    for photo in gone:
        shutil.move(away / photo.name, photo)
    third = run(tolerant)
    assert third.success, third.failures
    assert before.items() <= purposes(folder).items()
    assert len(third.store.publications.read_all()) == 3


def test_a_copy_that_joins_two_sides_fails_the_check_and_names_what_moved(folder: Path) -> None:
    sides = purposes(folder)
    train = next(path for path, purpose in sides.items() if purpose == "train" and "/good/" in path)
    test = next(path for path, purpose in sides.items() if purpose == "test" and "/good/" in path)
    # A photo of a test item under the name of a train item: now the two items hang together.
    item = Path(train).name.split("_")[0]
    shutil.copy(folder / test, folder / "photos/good" / f"{item}_99.png")

    stopped = run(configure(folder))
    assert not stopped.success
    assert "sample_split.ledger_kept" in stopped.failed_checks
    (check,) = [check for check in stopped.checks if check.check_name == "ledger_kept"]
    moved = {record.data["path"]: record.data["now"] for record in check.metadata["examples"].records}
    assert moved[train] == "test"

    settings = configure(folder).split.model_dump() | {"allow_moves": True}
    allowed = run(configure(folder, split=settings))
    assert allowed.success, allowed.failures
    assert purposes(folder)[train] == "test"


def test_a_listing_that_shrinks_too_far_is_an_error(folder: Path) -> None:
    shutil.rmtree(folder / "photos/bad")
    stopped = run(configure(folder))
    assert not stopped.success
    assert "sample_integrity.not_shrunk" in stopped.failed_checks
    (check,) = [check for check in stopped.checks if check.check_name == "not_shrunk"]
    assert (
        "16 of 36 contents are gone: photos/bad/0_0.png, photos/bad/0_1.png, photos/bad/1_0.png, …" in check.description
    )
    assert "found 44.44%" in check.description
    assert len(stopped.store.publications.read_all()) == 1


@pytest.mark.parametrize("move", ["folder", pytest.param("address", marks=pytest.mark.slow)])
def test_what_was_renamed_is_known_by_its_bytes_and_goes_on(folder: Path, move: str) -> None:
    before = purposes(folder)
    sections: dict[str, Any] = {}
    if move == "folder":
        (folder / "photos/bad").rename(folder / "photos/worse")
        sections = {"listing": {"class_mapping": {"worse": ["bad"]}}}
        # The old stratum's name is gone with its folder: strata follow the class.
        sections["split"] = configure(folder).split.model_dump() | {"stratification": ["category"]}
    else:
        (folder / "photos").rename(folder / "elsewhere")
        sections = {"datasets": [{"name": "Parts", "id": "parts", "bucket": "elsewhere"}]}
    done = run(configure(folder, **sections))
    assert done.success, done.failures
    found = {check.check_name: check for check in done.checks}
    assert found["not_shrunk"].passed
    assert not found["paths_kept"].passed
    moved = 16 if move == "folder" else 36
    assert f"{moved} images were renamed and count as there" in str(found["paths_kept"].description)
    where = (
        "photos/bad/0_0.png → photos/worse/0_0.png"
        if move == "folder"
        else "photos/bad/0_0.png → elsewhere/bad/0_0.png"
    )
    assert where in str(found["paths_kept"].description)
    now = purposes(folder)
    renamed = ("photos/worse/", "photos/bad/") if move == "folder" else ("elsewhere/", "photos/")
    assert {path.replace(*renamed): purpose for path, purpose in now.items()} == before
    assert has_its_files(done.store.newest_version()[1])


def test_rows_that_mean_no_image_are_warned_of_and_none_at_all_stops_the_run(tmp_path: Path) -> None:
    folder = tmp_path
    draw_photos(folder / "photos", CLASSES)
    (folder / "known.csv").write_bytes("\ufeffpath;purpose\r\ngood/3_0.png;test\r\ngood/4-0.png;train\r\n".encode())
    settings = configure(folder).split.model_dump() | {"ledger_csv": "known.csv"}
    done = run(configure(folder, split=settings))
    assert done.success, done.failures
    assert purposes(folder)["photos/good/3_1.png"] == "test"
    (check,) = [check for check in done.checks if check.check_name == "known_matched"]
    assert not check.passed
    assert "1 of 2 rows mean no listed image: 'good/4-0.png' (the closest is 'photos/good/4_0.png')" in str(
        check.description
    )
    (folder / "known.csv").write_text("path,purpose\n/old/place/good/0_0.png,test\n")
    refused = run(configure(folder, split=settings, store="other"))
    assert not refused.success
    assert "none of its 1 rows means an image" in refused.failures


def test_known_assignments_are_kept(tmp_path: Path) -> None:
    folder = tmp_path
    draw_photos(folder / "photos", CLASSES)
    (folder / "known.csv").write_text("folder,item,purpose\ngood,3,test\nbad,1,test\n")
    settings = configure(folder).split.model_dump() | {"ledger_csv": "known.csv"}
    done = run(configure(folder, split=settings))
    assert done.success, done.failures
    found = purposes(folder)
    assert {found[f"photos/good/3_{n}.png"] for n in range(2)} == {"test"}
    assert {found[f"photos/bad/1_{n}.png"] for n in range(2)} == {"test"}


def test_a_run_with_nothing_new_writes_no_shard_and_reads_no_pixel(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("this should not be needed")

    monkeypatch.setattr("brev_pipeline.records.write_shards", refuse)
    monkeypatch.setattr("brev_pipeline.images.pixel_reader.read_prepared_pixels", refuse)
    again = run(configure(folder))
    assert again.success, again.failures
    assert len(again.store.publications.read_all()) == 1


def test_a_version_with_the_same_records_takes_the_shards_of_the_one_before(folder: Path) -> None:
    # One more file, which is no image, changes what is listed and excluded, and no record.
    (folder / "photos/good/99_0.png").write_bytes(b"no image")
    second = run(configure(folder))
    assert second.success, second.failures
    one, two = published_versions(second.store)
    assert one.id != two.id
    shards = [name for name in one.read_manifest()["files"] if ".tfrecord-" in name]
    assert [two.read_manifest()["files"][name] for name in shards] == [
        one.read_manifest()["files"][name] for name in shards
    ]
    assert has_its_files(one)
    assert has_its_files(two)


def test_new_photos_cost_their_own_records_and_the_version_is_that_of_a_run_from_scratch(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    draw_photos(folder / "photos", {"good": 40})
    assert run(configure(folder)).success
    shutil.copytree(folder / "store", folder / "scratch")
    draw_photos(folder / "photos", {"good": 41})
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="brev_pipeline.records"):
        grown = run(configure(folder))
    assert grown.success, grown.failures
    found = re.search(r"(\d+) of (\d+) records copied from the newest version", caplog.text)
    assert found
    copied, records = map(int, found.groups())
    assert 0.8 * records < copied < records
    # The other store remembers who was assigned where, and nothing else: no pixels, no shards.
    for gone in ("prepared", "memory"):
        shutil.rmtree(folder / "scratch" / "parts" / gone)
    for shard in (folder / "scratch").rglob("*.tfrecord-*"):
        shard.unlink()
    scratch = run(configure(folder, store="scratch"))
    assert scratch.success, scratch.failures
    versions = [one.store.newest_version()[1] for one in (grown, scratch)]
    assert versions[0].id == versions[1].id
    assert hashes(Path(versions[0].path)) == hashes(Path(versions[1].path))


@pytest.mark.parametrize("change", ["shrunk", pytest.param("renamed", marks=pytest.mark.slow)])
def test_what_was_compared_with_history_makes_no_version_by_itself(folder: Path, change: str) -> None:
    """The first run after a change compares with another version than the second: both find the same data."""
    tolerant = configure(folder, validation={"raw_listing": {"max_shrinkage": 0.5}})
    photo = folder / "photos/good/3_0.png"
    photo.unlink() if change == "shrunk" else photo.rename(folder / "photos/good/3_7.png")
    changed = run(tolerant)
    assert changed.success, changed.failures
    assert len(changed.store.publications.read_all()) == 2
    _, version = changed.store.newest_version()
    (shrinkage,) = [
        one for one in version.read_manifest()["checks"]["sample_integrity"] if one["check"] == "not_shrunk"
    ]
    assert shrinkage["history"]
    assert not {"passed", "observed", "offending"} & set(shrinkage)
    assert b"2.8" in version.folder.read("report/index.html") or change == "renamed"
    again = run(tolerant)
    assert again.success, again.failures
    assert len(again.store.publications.read_all()) == 2
