"""A pipeline whose photos have no class: nothing is made up for them, from the listing to the reader."""

from pathlib import Path
from typing import Any

import pytest

import brev_pipeline
from brev_pipeline.audit import remake, trace_image, verify_version
from brev_pipeline.config import PipelineConfig
from brev_pipeline.engine import SerialEngine
from brev_pipeline_tests.pipelines import Run, configure, draw_photos, run

SPLIT = {"uniqueness": r"/([^/]+/\d+)_\d+\.png$", "purposes": {"train": 0.6, "test": 0.2}}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> PipelineConfig:
    folder = tmp_path_factory.mktemp("parts")
    draw_photos(folder / "photos", {"line_1": 6, "line_2": 4})
    return configure(folder, listing={"category": "none"}, split=SPLIT, sampling={"seed": 3})


@pytest.fixture(scope="module")
def done(config: PipelineConfig) -> Run:
    done = run(config)
    assert done.success, done.failures
    assert done.failed_checks == []
    return done


def newest(done: Run) -> Any:
    found = done.store.newest_version()
    assert found is not None
    return found[1]


def test_all_photos_are_divided_and_drawn_as_one_group(done: Run) -> None:
    version = newest(done)
    assert version.read_manifest()["classes"] == []
    rows = version.read_table("assignments").to_pylist()
    assert len(rows) == 20
    assert all(row["category"] == [] for row in rows)
    assert {row["purpose"] for row in rows} == {"train", "devel", "test"}
    records = version.read_table("records")
    assert set(records["label"].to_pylist()) == {-1}
    assert len(set(records["path"].to_pylist())) == 20


def test_the_version_is_whole_and_is_made_again_bit_for_bit(done: Run, config: PipelineConfig) -> None:
    assert verify_version(done.store).problems == []
    again = remake(config, newest(done), records=None, engine=SerialEngine())
    assert again.is_whole


def test_a_photo_is_traced_without_a_class(done: Run) -> None:
    facts = trace_image(done.store, newest(done), path="photos/line_1/0_0.png")
    assert {record["class"] for record in facts["records"]} == {None}


def test_readers_give_the_label_minus_one(done: Run) -> None:
    records = brev_pipeline.read(done.store.folder.url, "train")
    assert records.classes == []
    assert set(records.to_numpy()[1].tolist()) == {-1}


def test_tfds_opens_the_version(done: Run) -> None:
    tfds = pytest.importorskip("tensorflow_datasets")
    builder = tfds.builder_from_directory(newest(done).path.removeprefix("file://"))
    labels = [int(example["label"]) for example in tfds.as_numpy(builder.as_dataset(split="test"))]
    assert labels == [-1] * len(labels)
    assert labels


def test_the_report_says_that_there_is_no_class(done: Run) -> None:
    page = (Path(newest(done).path.removeprefix("file://")) / "report/index.html").read_text()
    assert "For images without a class: images as prepared" in page
    assert "The images have no class: the label of every record is -1." in page
