"""Whole runs that divide and draw by labels: masks and a table; what changes in them changes that photo's records."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from brev_pipeline.audit import verify_store
from brev_pipeline.store import PipelineStore
from brev_pipeline.table_metadata import WORK, read_note
from brev_pipeline_tests.pipelines import configure, draw_photos, published_versions, run, table_name

pytestmark = pytest.mark.slow

LABELS = [
    {
        "kind": "masks",
        "path": "{folder}/masks/{stem}.bmp",
        "threshold": 1,
        "class_name": "dent",
        "absent": "unlabelled",
    },
    {"kind": "table", "file": "metadata.csv", "texts": ["line"], "purpose": "side", "item": "part"},
]
SPLIT = {
    "stratification": ["has_defect"],
    "uniqueness": ["item"],
    "area_bins": [0.01, 0.5],
    "purposes": {"train": 0.6, "test": 0},
    "given": {"labels": True, "words": {"held": "test", "": None, "open": None}},
}
CHECKS = {"raw_listing": {"max_shrinkage": 1.0}, "sample_split": {"max_fraction_error": 1.0}}


def draw_mask(folder: Path, stem: str, rows: int, size: tuple[int, int] = (40, 48)) -> None:
    """A mask whose first rows are a dent."""
    mask = np.zeros(size, np.uint8)
    mask[:rows] = 255
    (folder / "masks").mkdir(exist_ok=True)
    cv2.imwrite(str(folder / f"masks/{stem}.bmp"), mask)


def draw_labels(folder: Path) -> None:
    """Of four photos the masks: none, empty, a row of 40, all 40 rows; every fourth part is held back."""
    lines = ["file_name,line,side,part"]
    for number, photo in enumerate(sorted(folder.rglob("*.png"))):
        if number % 4:
            draw_mask(photo.parent, photo.stem, (0, 0, 1, 40)[number % 4])
        part = int(photo.stem.split("_")[0])
        line = "" if number % 5 == 0 else f"line {number % 2}"
        lines.append(f"{photo.parent.name}/{photo.name},{line},{'open' if part % 4 else 'held'},part {part}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")


def publish(folder: Path) -> pa.Table:
    """The record table that a run publishes, its metadata as the stage left it."""
    labelled = [{**configure(folder).model_dump(mode="json")["datasets"][0], "labels": LABELS}]
    listing = {"sample_filter": r"\.png$"}
    drawn = {"groupby": ["category", "line"]}
    done = run(configure(folder, datasets=labelled, listing=listing, split=SPLIT, sampling=drawn, validation=CHECKS))
    assert done.success, done.failures
    return pq.read_table(done.store.tables.file_url(table_name(done.store, done.result.run_id, "tfrecord_shards")))


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[pa.Table]]:
    """Four versions: as drawn; one mask edited; one of another size than its photo; a photo gone."""
    folder = tmp_path_factory.mktemp("life")
    photos = folder / "photos"
    draw_photos(photos, {"good": 8, "bad": 8})
    draw_labels(photos)
    records = [publish(folder)]
    draw_mask(photos / "bad", "1_0", 7)
    records.append(publish(folder))
    draw_mask(photos / "bad", "1_1", 1, (10, 12))
    records.append(publish(folder))
    (photos / "good/5_0.png").unlink()
    publish(folder)
    return folder, records


def store_of(life: tuple[Path, list[pa.Table]]) -> PipelineStore:
    return PipelineStore.from_config(configure(life[0]))


def assignments_of(life: tuple[Path, list[pa.Table]], version: int) -> Mapping[str, dict[str, Any]]:
    table = published_versions(store_of(life))[version].read_table("assignments")
    return {row["path"].removeprefix("photos/"): row for row in table.to_pylist()}


def test_photos_are_divided_and_drawn_by_what_their_labels_say(life: tuple[Path, list[pa.Table]]) -> None:
    rows = assignments_of(life, 0)
    # Sorted by path: four photos of two parts after each other.
    known = ["has_defect", "defect_area_bin", "stratum", "item", "line"]
    assert [[rows[f"bad/{name}.png"][key] for key in known] for name in ("0_0", "0_1", "1_0", "1_1")] == [
        [None, None, "unlabelled", "part 0", None],
        ["no", "0", "no", "part 0", "line 1"],
        ["yes", "0.01..0.5", "yes", "part 1", "line 0"],
        ["yes", ">0.5", "yes", "part 1", "line 1"],
    ]
    for row in rows.values():
        held = int(row["item"].split()[-1]) % 4 == 0
        assert (row["purpose"] == "test") == held
        assert row["label_purpose"] == ("held" if held else "open")
    weights = published_versions(store_of(life))[0].read_table("weights").to_pylist()
    assert {row["line"] for row in weights} == {"line 0", "line 1", "unlabelled"}


def test_an_edited_mask_makes_the_records_of_its_photo_anew_and_no_others(life: tuple[Path, list[pa.Table]]) -> None:
    first, second, _ = life[1]
    own = sum(path.endswith("bad/1_0.png") for path in second["path"].to_pylist())
    assert own > 0
    assert int(read_note(second, WORK) or 0) == own
    before, now = (dict(zip(table["seed"].to_pylist(), table["crc"].to_pylist(), strict=True)) for table in life[1][:2])
    changed = {seed for seed in now if before.get(seed) != now[seed]}
    seeds = zip(second["seed"].to_pylist(), second["path"].to_pylist(), strict=True)
    assert changed == {seed for seed, path in seeds if path.endswith("bad/1_0.png")}
    assert set(first["label_id"].to_pylist()) != set(second["label_id"].to_pylist())


def test_a_mask_that_does_not_fit_takes_its_photo_out_with_the_reason(life: tuple[Path, list[pa.Table]]) -> None:
    version = published_versions(store_of(life))[2]
    (row,) = (row for row in version.read_table("exclusions").to_pylist() if row["rule"] != "not_drawn")
    assert (row["path"], row["rule"], row["partner"]) == ("photos/bad/1_1.png", "label_quarantined", None)
    assert row["reason"].startswith("wrong: ")
    assert "10" in row["reason"]
    assert "40" in row["reason"]
    remembered = assignments_of(life, 2)["bad/1_1.png"]
    assert (remembered["listed"], remembered["has_defect"], remembered["item"]) == (False, "yes", "part 1")


def test_what_labels_said_of_a_photo_that_left_is_remembered(life: tuple[Path, list[pa.Table]]) -> None:
    before, now = (assignments_of(life, version)["good/5_0.png"] for version in (2, 3))
    assert (before.pop("listed"), now.pop("listed")) == (True, False)
    assert now == before


def test_every_version_with_labels_verifies(life: tuple[Path, list[pa.Table]]) -> None:
    found = verify_store(store_of(life), every=True)
    assert found.is_well, [*found.problems, *(one.problems for one in found.versions)]
    manifests = [version.read_manifest() for version in published_versions(store_of(life))]
    assert len({json.dumps(one["files"]["assignments.parquet"]) for one in manifests}) == 4
