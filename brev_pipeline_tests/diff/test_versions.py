"""The difference of two real versions, against a count of their tables with plain dictionaries."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from brev_pipeline.diff import compare_versions
from brev_pipeline.store import Folder, PipelineStore, Version
from brev_pipeline_tests.dry_run.counted import (
    count_images,
    count_moved,
    count_rules,
    count_sides,
    numbers_of,
    told_images,
    told_moved,
)
from brev_pipeline_tests.pipelines import configure, draw_photos, published_versions, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> PipelineStore:
    """Three versions: the second has other images and settings, the third joins items and leaves copies out."""
    folder = tmp_path_factory.mktemp("parts")
    draw_photos(folder / "photos", {"good": 12, "bad": 8})
    tolerant: dict[str, Any] = {"validation": {"raw_listing": {"max_shrinkage": 1.0}}}
    assert run(configure(folder, **tolerant)).success
    draw_photos(folder / "photos", {"awry": 5, "good": 14})
    (folder / "photos/bad").rename(folder / "photos/broken")
    (folder / "photos/good/3_0.png").unlink()
    (folder / "photos/good/4_0.png").rename(folder / "photos/good/4_5.png")
    shutil.copy(folder / "photos/good/13_0.png", folder / "photos/good/5_0.png")
    sampling = {"groupby": ["folder"], "group_weighing": "uniform", "seed": 3}
    split = configure(folder).split.model_dump() | {"allow_moves": True}
    second = run(configure(folder, **tolerant, sampling=sampling, split=split))
    assert second.success, second.failures
    for item in range(1, 12):
        # Each item is joined with the first one, whatever side it is on.
        shutil.copy(folder / "photos/good/0_0.png", folder / f"photos/good/{item}_70.png")
    keep_first = {"duplicates": "keep_first"}
    third = run(configure(folder, **tolerant, sampling=sampling, split=split, integrity=keep_first))
    assert third.success, third.failures
    return third.store


PAIRS = [(0, 1), (1, 2), (0, 2), (2, 0)]


def pair(store: PipelineStore, places: tuple[int, int]) -> tuple[Version, Version, dict[str, Any]]:
    versions = published_versions(store)
    before, after = (versions[place] for place in places)
    return before, after, json.loads(json.dumps(compare_versions(before, after)))


@pytest.mark.parametrize("places", PAIRS)
def test_images_and_sides_are_those_of_the_tables(store: PipelineStore, places: tuple[int, int]) -> None:
    before, after, found = pair(store, places)
    assert told_images(found["images"]) == count_images(before, after)
    assert told_moved(found["sides"]) == count_moved(before, after)
    for name, version in (("was", before), ("now", after)):
        assert {row["purpose"]: row[name] for row in found["sides"]["by_purpose"] if row[name]} == count_sides(version)
        assert {row["rule"]: row[name] for row in found["left_out"] if row[name]} == count_rules(version)


def test_there_is_something_of_every_kind(store: PipelineStore) -> None:
    images = pair(store, (0, 1))[2]["images"]
    assert (images["new"], images["renamed"], images["relabelled"], images["changed"], images["gone"]) == (
        14,
        17,
        16,
        1,
        1,
    )
    assert images["examples"]["changed"] == [{"path": "photos/good/5_0.png", "class": "good"}]
    assert {"was": "photos/good/4_0.png", "now": "photos/good/4_5.png"} in images["examples"]["renamed"]
    assert images["examples"]["relabelled"][0] == {"path": "photos/broken/0_0.png", "was": "bad", "now": "broken"}
    back = pair(store, (2, 0))[2]["images"]
    assert (back["gone"], back["new"]) == (25, 1)


@pytest.mark.parametrize("places", PAIRS)
def test_labels_weights_and_records_are_those_of_the_tables(store: PipelineStore, places: tuple[int, int]) -> None:
    before, after, found = pair(store, places)
    assert {one["class"]: (one["was"], one["now"]) for one in found["labels"]["changed"]} == {
        name: numbers
        for name in {*numbers_of(before), *numbers_of(after)}
        if (numbers := (numbers_of(before).get(name), numbers_of(after).get(name)))[0] != numbers[1]
    }
    groups = [
        {
            (row["purpose"], row["group"]): (row["samples"], row["probability"], row["draws"])
            for row in version.read_table("weights").to_pylist()
        }
        for version in (before, after)
    ]
    assert {
        (one["purpose"], one["group"]): tuple(side and tuple(side.values()) for side in (one["was"], one["now"]))
        for one in found["weights"]
    } == {
        key: (groups[0].get(key), groups[1].get(key))
        for key in {*groups[0], *groups[1]}
        if groups[0].get(key) != groups[1].get(key)
    }
    records = [version.read_table("records").to_pylist() for version in (before, after)]
    # A record of the same bytes has the same checksum.
    same = Counter((row["seed"], row["crc"], row["length"]) for row in records[0])
    same &= Counter((row["seed"], row["crc"], row["length"]) for row in records[1])
    assert found["records"]["kept"] == sum(same.values())
    assert (found["records"]["was"], found["records"]["now"]) == (len(records[0]), len(records[1]))
    size = sum(file.stat().st_size for file in Path(after.path).glob("*.tfrecord-*"))
    assert found["records"]["bytes"]["now"] == size


def test_settings_packages_and_checks_are_named(store: PipelineStore) -> None:
    before, after, found = pair(store, (0, 1))
    assert sorted(found["settings"], key=lambda one: one["path"]) == [
        {"path": "sampling.group_weighing", "was": "logx+1", "now": "uniform"},
        {"path": "split.allow_moves", "was": False, "now": True},
    ]
    assert found["packages"] == []
    assert found["same"] is False
    by_name = {(one["stage"], one["check"]): one for one in found["checks"]}
    copies = by_name["sample_integrity", "few_copies"]
    told = [
        next(one for one in version.read_manifest()["checks"]["sample_integrity"] if one["check"] == "few_copies")[
            "observed"
        ]
        for version in (before, after)
    ]
    assert [copies["was"]["observed"], copies["now"]["observed"]] == told
    assert by_name["sample_split", "ledger_kept"]["now"]["severity"] == "warn"
    assert ("raw_listing", "paths_unique") not in by_name


def test_a_version_differs_in_nothing_from_itself_or_its_copy(store: PipelineStore, tmp_path: Path) -> None:
    newest = store.newest_version()
    assert newest is not None
    shutil.copytree(newest[1].path, tmp_path / "copy")
    found = compare_versions(newest[1], Version(Folder(str(tmp_path / "copy")), newest[1].id))
    assert found["same"]
    assert (found["settings"], found["packages"], found["checks"], found["weights"]) == ([], [], [], [])
    assert found["labels"]["changed"] == []
    assert found["sides"]["moved"]["images"] == 0
    assert {
        name: found["images"][name] for name in ("new", "gone", "renamed", "changed", "relabelled")
    } == dict.fromkeys(("new", "gone", "renamed", "changed", "relabelled"), 0)
    assert found["records"]["kept"] == found["records"]["now"]
