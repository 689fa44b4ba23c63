"""mlcroissant accepts a version's description, and iterates its record table."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from brev_pipeline.config import PipelineConfig
from brev_pipeline_tests.exporters.folders import folder_of
from brev_pipeline_tests.readers.labelled import MASK_CLASSES, OBJECT_CLASSES, Flip, label_source
from brev_pipeline_tests.readers.worlds import World

CARD = {"license": "https://spdx.org/licenses/CC-BY-4.0.html", "published": "2026-11-30"}
WORLDS = {
    "png": {},
    "gzip": {"shards": {"compression": "gzip"}},
    "series": {"shapes": ((3, 8, 16, 1),), "several": True, "shards": {"encoding": "raw"}},
}


def with_card(world: World) -> World:
    # The configuration is made once, and kept where a cached property keeps it.
    merged = world.config.model_dump(mode="json") | {"card": CARD}
    world.__dict__["config"] = PipelineConfig.model_validate(merged).with_base(world.root)
    return world


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    counts = {("train", 0): 130, ("train", 1): 20, ("devel", 0): 5, ("test", 0): 4}
    return folder_of(with_card(World(root, counts)), root / "copy")


def rows_of(dataset: Any, name: str = "records") -> list[dict]:
    def plain(value: Any) -> Any:
        return value.decode() if isinstance(value, bytes) else value

    return [{key.split("/")[1]: plain(value) for key, value in row.items()} for row in dataset.records(name)]


@pytest.mark.parametrize("kind", WORLDS)
def test_a_version_with_a_card_has_no_errors_and_no_warnings(mlc: Any, tmp_path: Path, kind: str) -> None:
    folder = folder_of(with_card(World(tmp_path, **WORLDS[kind])), tmp_path / "copy")
    issues = mlc.Dataset(str(folder / "croissant.json")).metadata.ctx.issues
    assert (issues.errors, issues.warnings) == (set(), set())


def test_without_a_card_only_what_it_would_state_is_missed(mlc: Any, tmp_path: Path) -> None:
    issues = mlc.Dataset(str(folder_of(World(tmp_path), tmp_path / "copy") / "croissant.json")).metadata.ctx.issues
    assert issues.errors == set()
    missed = {warning.split('"')[1].rsplit("/")[-1] for warning in issues.warnings}
    assert missed == {"license", "datePublished"}


def test_its_records_are_the_rows_of_the_record_table(mlc: Any, folder: Path) -> None:
    dataset = mlc.Dataset(str(folder / "croissant.json"))
    assert rows_of(dataset) == pq.read_table(folder / "records.parquet").to_pylist()


def test_labels_and_purposes_have_names(mlc: Any, folder: Path) -> None:
    dataset = mlc.Dataset(str(folder / "croissant.json"))
    assert [row["name"] for row in rows_of(dataset, "classes")] == ["bad", "good", "odd"]
    assert [row["label"] for row in rows_of(dataset, "classes")] == [0, 1, 2]
    named = {row["name"]: row["url"] for row in rows_of(dataset, "purposes")}
    assert named == {"train": "cr:TrainingSplit", "test": "cr:TestSplit", "devel": "cr:ValidationSplit"}


def test_it_can_be_written_again_unchanged_in_meaning(mlc: Any, folder: Path) -> None:
    once = mlc.Dataset(str(folder / "croissant.json")).metadata.to_json()
    assert len(once["recordSet"]) == 3
    assert {node["@id"] for node in once["distribution"]} >= {"records.parquet", "train-shards", "devel-shards"}
    assert mlc.Dataset(once).metadata.to_json() == once


def test_an_altered_record_table_is_noticed(mlc: Any, tmp_path: Path) -> None:
    folder = folder_of(World(tmp_path), tmp_path / "copy")
    data = bytearray((folder / "records.parquet").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "records.parquet").write_bytes(data)
    with pytest.raises(mlc.GenerationError):
        rows_of(mlc.Dataset(str(folder / "croissant.json")))


def test_classes_of_masks_and_objects_have_names(mlc: Any, tmp_path: Path) -> None:
    world = with_card(World(tmp_path, augmenter=Flip(), labels=label_source()))
    dataset = mlc.Dataset(str(folder_of(world, tmp_path / "copy") / "croissant.json"))
    issues = dataset.metadata.ctx.issues
    assert (issues.errors, issues.warnings) == (set(), set())
    for name, classes in {"mask_encoded_classes": MASK_CLASSES, "objects_label_classes": OBJECT_CLASSES}.items():
        assert [(row["label"], row["name"]) for row in rows_of(dataset, name)] == list(enumerate(classes))
    assert "labels: mask/encoded, mask/labelled, objects/area" in dataset.metadata.description
