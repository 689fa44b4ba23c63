"""Whole runs over small sets: each fault of names and labels turns its own check red, an unusual but sound set none."""

import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from brev_pipeline.audit import verify_store
from brev_pipeline_tests.pipelines import Run, configure, draw_photos, run, table_name

pytestmark = pytest.mark.slow

UNIQUENESS = r"/([^/]+/\d+)_\d+\.png$"


def ran(folder: Path, classes: dict[str, int], listing: dict[str, Any], **split: Any) -> Run:
    draw_photos(folder / "photos", classes)
    config = configure(folder)
    settings = config.split.model_dump() | {"stratification": ["category"], "uniqueness": UNIQUENESS} | split
    settings |= {"uniqueness_scope": "global", "purposes": {"train": 0.6}}
    return run(configure(folder, listing=listing, split=settings, sampling={"groupby": ["category"]}))


@pytest.mark.parametrize(
    ("check", "classes", "listing"),
    [
        ("names_matched", {"good": 4, "bad": 4}, {"class_mapping": {"good": ["ok"], "baad": ["nok"]}}),
        ("names_matched", {"good": 4, "bad": 4}, {"classes": ["good", "bad", "worse"]}),
        ("names_distinct", {"good": 4, "Good": 4}, {}),
        ("names_distinct", {"\u00e9": 4, "e\u0301": 4, "bad": 4}, {}),
        ("labels_useful", {"scratch/Imgs": 4, "good/Imgs": 4}, {}),
        ("category_known", {"line/good": 4, "line/bad": 4, "lost": 1}, {"category": {"folder": 1}}),
    ],
)
def test_a_fault_of_names_turns_its_own_check_red(
    tmp_path: Path, check: str, classes: dict[str, int], listing: dict[str, Any]
) -> None:
    found = ran(tmp_path, classes, listing)
    assert [name for name in found.failed_checks if name.startswith("raw_listing.")] == [f"raw_listing.{check}"]
    assert found.success == (check != "category_known")


def test_an_unusual_set_that_is_sound_is_green_and_verifies(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/notes.txt").write_text("not an image")
    (tmp_path / "photos/.hidden.png").write_bytes(b"x")
    classes = {"MT_Blow hole/Imgs": 4, "MT_\u00e6/Imgs": 5, "MT_data/Imgs": 4}
    listing = {"category": "/MT_(?P<category>[^/]+)/", "class_mapping": {"data": ["data", "seen"]}}
    found = ran(tmp_path, classes, listing)
    assert found.success, found.failures
    assert found.failed_checks == []
    table = pq.read_table(found.store.tables.file_url(table_name(found.store, found.result.run_id, "raw_listing")))
    assert {tuple(names) for names in table["category"].to_pylist()} == {("Blow hole",), ("\u00e6",), ("data", "seen")}
    facts = json.loads(table.schema.metadata[b"brev_pipeline.found"])
    assert facts["names"] == [{"setting": "listing.class_mapping", "name": "data", "images": 8, "closest": ""}]
    assert {(row["ending"], row["reason"], row["files"]) for row in facts["unlisted"]} == {
        (".txt", "filter", 1),
        (".png", "hidden", 1),
    }
    _, version = found.store.newest_version() or pytest.fail("nothing was published")
    page = version.folder.read("report/index.html").decode()
    assert "Files that are not listed" in page
    assert "no image by its name (listing.sample_filter)" in page
    assert b"brev_pipeline.found" not in version.folder.read("manifest.json")
    verified = verify_store(found.store)
    assert [verified.problems, *(one.problems for one in verified.versions)] == [[], []]


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ({"uniqueness": r"/(\d+)_0\.png$"}, "uniqueness: the pattern .* does not match 8 of 16 paths"),
        ({"uniqueness": ["folderr"]}, "uniqueness: the samples have no column 'folderr'"),
        ({"uniqueness": ["dataset"]}, "puts all 16 images into one item"),
        ({"stratification": "/(goo)d/"}, "stratification: the pattern .* does not match 8 of 16 paths"),
        ({"ledger_csv": "known.csv"}, "known.csv"),
        ({"ledger_csv": "missing.csv"}, "missing.csv cannot be read"),
    ],
)
def test_what_the_split_would_refuse_is_told_before_a_pixel_is_read(
    tmp_path: Path, split: dict[str, Any], said: str
) -> None:
    (tmp_path / "known.csv").write_text("path,side\nx,train\n")
    found = ran(tmp_path, {"good": 4, "bad": 4}, {}, **split)
    assert not found.success
    assert found.materialized == []
    assert re.search(said, found.failures), found.failures
