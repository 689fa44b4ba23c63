"""A version that was honestly made verifies green, whatever its settings: red on sound data is wrong."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from brev_pipeline.audit import remake, verify_folder, verify_store
from brev_pipeline.audit.verify import Verification
from brev_pipeline.cli.audit import verify_versions as verify_as_the_command
from brev_pipeline.readers.find_version import open_version_folder
from brev_pipeline.split import read_known_assignments
from brev_pipeline.table_metadata import KNOWN
from brev_pipeline_tests.audit.worlds import World
from brev_pipeline_tests.pipelines import configure, draw_photos, published_versions

Settings = dict[str, Any]


def split(folder: Path, **changed: Any) -> Settings:
    return configure(folder).split.model_dump() | changed


def copies(folder: Path) -> None:
    """A byte copy in the class, one in another class, and a file that is no photo."""
    shutil.copy(folder / "photos/good/1_0.png", folder / "photos/good/1_7.png")
    shutil.copy(folder / "photos/good/2_0.png", folder / "photos/bad/7_7.png")
    (folder / "photos/good/8_8.png").write_bytes(b"no photo")


def second_dataset(folder: Path) -> None:
    draw_photos(folder / "more line", {"good": 4, "bad": 4, "æ ø": 3}, photos_per_item=1)


def nested(folder: Path) -> None:
    draw_photos(folder / "photos", {"line 1/good": 3, "line 2/good": 4, "line 2/bad/worse": 4})


def known(folder: Path) -> None:
    (folder / "known.csv").write_bytes(b"folder,item,purpose\ngood,3,test\n")


MORE = [
    {"name": "Parts", "id": "parts", "bucket": "photos"},
    {"name": "More", "id": "more", "bucket": "more line", "reference": "SOP 7"},
]
CASES: dict[str, tuple[list[Callable[[Path], None]], Callable[[Path], Settings]]] = {
    "several datasets, addresses, columns": (
        [second_dataset],
        lambda folder: {
            "datasets": MORE,
            "listing": {"url_template": "https://x/{bucket}?k={quoted_key}&p={path}"},
            "split": split(folder, stratification=["dataset", "folder"], uniqueness_scope="global"),
            "sampling": {"groupby": ["dataset", "category"], "group_weighing": "square root", "max_epoch_samples": 9},
        },
    ),
    "copies kept": ([copies], lambda _: {"integrity": {"duplicates": "keep_all", "label_conflicts": "keep"}}),
    "copies quarantined": (
        [copies],
        lambda _: {"integrity": {"duplicates": "keep_first", "label_conflicts": "quarantine"}},
    ),
    "several classes, gzip": (
        [nested],
        lambda folder: {
            "listing": {"class_mapping": {"bad": ["bad", "b"], "line 1": ["good", "one"], "worse": ["bad", "w"]}},
            "shards": {"compression": "gzip", "records_per_shard": 5, "epochs": 2},
            "sampling": {"groupby": ["category"]},
            "split": split(folder, stratification=["category"], seed=1),
        },
    ),
    "classes wanted": (
        [nested],
        lambda _: {"listing": {"class_mapping": {"line 2": ["two", "bad"]}, "classes": ["two", "good"]}},
    ),
    "jpeg, sizes kept, one item per photo": (
        [],
        lambda folder: {
            "image": {"target_size": None},
            "shards": {"encoding": "jpeg", "jpeg_quality": 80, "target_shard_mb": 0.02},
            "split": split(folder, uniqueness=r"/(0)_\d+\.png$", unmatched="own_item", method="murmurhash3"),
        },
    ),
    "time series, raw, permuted": (
        [],
        lambda folder: {
            "image": {"rois": [[[0, 0], [20, 20]], [[20, 0], [40, 20]]], "roi_mode": "as_timeseries"},
            "shards": {"encoding": "raw"},
            "split": split(folder, method="sorted_permutation", seed=7, stratification=None),
        },
    ),
    "rois below each other, grey, contents as items": (
        [copies],
        lambda folder: {
            "image": {"rois": [[[0, 0], [20, 20]], [[20, 0], [40, 10]]], "color_mode": "greyscale"},
            "integrity": {"label_conflicts": "keep"},
            "split": split(folder, uniqueness=None, uniqueness_scope="global"),
        },
    ),
    "locked and logged": (
        [],
        lambda folder: {
            "split": split(folder, locked=["test"], access_log=["test"], purposes={"test": 0.3, "train": 0.5}),
            "card": {"license": "CC0-1.0", "citation": "none", "published": "2026-11-30"},
        },
    ),
    "known assignments": ([known], lambda folder: {"split": split(folder, ledger_csv="known.csv")}),
}
TOLERANT = {
    "raw_listing": {"max_shrinkage": 1.0},
    "prepared_images": {"max_quarantined": 0.9},
    "sample_split": {"max_fraction_error": 1.0},
}


def assert_well(one: Verification) -> None:
    assert one.problems == []
    # That test images came and went is told of every version, and is no fault.
    assert [note for note in one.notes if not note.startswith("LOCK: ")] == []


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_sound_version_is_well_before_and_after_growth_and_loss(tmp_path: Path, case: str) -> None:
    world = World(tmp_path)
    draw_photos(tmp_path / "photos", {"good": 7, "bad": 5})
    prepare, settings = CASES[case]
    for make in prepare:
        make(tmp_path)
    sections = {"listing": {}, "integrity": {}, "split": split(tmp_path), "validation": TOLERANT}
    sections |= settings(tmp_path)
    file = tmp_path / "known.csv"
    assignments = {}
    if file.exists():
        data = file.read_bytes()
        digest = {KNOWN: hashlib.sha256(data).hexdigest()}
        assignments["split.ledger_csv"] = read_known_assignments(data, "known.csv").replace_schema_metadata(digest)

    def verify() -> None:
        config = world.configured(**sections)
        found = verify_store(world.store, every=True, config=config, assignments=assignments)
        assert (found.problems, found.notes) == ([], [])
        for one in found.versions:
            assert_well(one)
            assert one.unchecked == []
            assert_well(verify_folder(open_version_folder(one.version.path)))

    world.run(**sections)
    verify()
    draw_photos(tmp_path / "photos", {"good": 10, "bad": 7}, photos_per_item=1)
    world.run(**sections)
    for photo in ("good/3_0.png", "good/3_1.png", "bad/2_0.png", "good/0_0.png"):
        (tmp_path / "photos" / photo).unlink()
    world.run(**sections)
    verify()
    assert len(published_versions(world.store)) == 3
    again = remake(world.configured(**sections), world.newest, records=None)
    assert (again.problems, again.gone) == ([], [])
    assert again.asked == again.records == again.same
    _, made = verify_as_the_command(world.configured(**sections), None, deep=1)
    assert made[0].problems == []


@pytest.mark.slow
def test_a_version_made_with_another_configuration_before_it_is_well(tmp_path: Path) -> None:
    # The ledger is of other items and strata than the present configuration's.
    world = World(tmp_path)
    draw_photos(tmp_path / "photos", {"good": 7, "bad": 6})
    world.run(validation=TOLERANT)
    other = split(
        tmp_path, uniqueness=["content_id"], stratification=None, purposes={"test": 0.5, "train": 0.3}, allow_moves=True
    )
    world.run(split=other, validation=TOLERANT)
    world.run(split=split(tmp_path, seed=5), validation=TOLERANT)
    found = verify_store(world.store, every=True)
    assert len(found.versions) == 3
    for one in found.versions:
        assert (one.problems, one.unchecked) == ([], [])
        assert_well(verify_folder(open_version_folder(one.version.path)))


@pytest.mark.slow
def test_a_locked_image_that_comes_back_is_no_new_one(tmp_path: Path) -> None:
    # It leaves for one version, and returns together with a new photo that trains.
    world = World(tmp_path)
    draw_photos(tmp_path / "photos", {"good": 7, "bad": 5})
    sections = {"split": split(tmp_path, locked=["test"]), "listing": {}, "integrity": {}, "validation": TOLERANT}
    world.run(**sections)
    path = next(row["path"] for row in world.newest.read_table("assignments").to_pylist() if row["purpose"] == "test")
    photo = tmp_path / path
    kept = photo.read_bytes()
    photo.unlink()
    world.run(**sections)
    photo.write_bytes(kept)
    draw_photos(tmp_path / "photos", {"good": 8, "bad": 5})
    photo.write_bytes(kept)
    world.run(**sections)
    assert path in {
        row["path"] for row in world.newest.read_table("assignments").to_pylist() if row["purpose"] == "test"
    }
    found = verify_store(world.store, every=True)
    assert len(found.versions) == 3
    for one in found.versions:
        assert_well(one)
