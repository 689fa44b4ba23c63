"""The examples' configurations of labels load, and mean the demo's labels."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from brev_pipeline.config import ImageSettings, PipelineConfig, load_config
from brev_pipeline.config.labels import MaskSource
from brev_pipeline.demo.folder import DemoFile, draw_file, draw_objects, draw_table, list_demo_files
from brev_pipeline.demo.labels import OBJECTS, TABLE, VALUES, place_mask
from brev_pipeline.images.masks import MaskClasses, read_mask
from brev_pipeline_tests.labels.datasets import column_of, counts_of, objects_of, read

EXAMPLES = Path(__file__).parents[2] / "examples"
PHOTOS: list[DemoFile] = [list_demo_files(flaws=False)[number] for number in (0, 6, 146, 148, 150, 168, 170)]
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def files() -> Files:
    """Some of the demo's files: two sound vials, and one with each fault; their photos are not looked into here."""
    masks = {place_mask(photo.path): draw_file(replace(photo, kind="mask"), 0) for photo in PHOTOS}
    photos = {photo.path: b"BM" for photo in PHOTOS}
    return {**photos, **masks, OBJECTS: draw_objects(PHOTOS, 0), TABLE: draw_table(PHOTOS, 0)}


def load(name: str) -> PipelineConfig:
    return load_config(EXAMPLES / f"{name}.yaml")


def read_sources(config: PipelineConfig, files: Files) -> Any:
    sources = [source.model_dump() for source in config.datasets[0].labels]
    return read(files, *sources, photos=[photo.path for photo in PHOTOS])


def classes_of(files: Files, photo: str, meaning: MaskClasses) -> np.ndarray:
    return read_mask(files[place_mask(photo)], ImageSettings(), meaning, (320, 240))


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_example_loads_under_its_own_name_and_takes_photos_only(file: Path) -> None:
    config = load_config(file)
    assert config.name == file.stem
    assert file.read_text().startswith("# yaml-language-server: $schema=../configs/schema.json\n")
    assert config.listing.sample_filter == r"\.bmp$"


def test_the_masks_for_segmentation_have_the_classes_of_the_folders(files: Files) -> None:
    config = load("segmentation")
    labels = read_sources(config, files)
    (source,) = config.datasets[0].labels
    assert isinstance(source, MaskSource)
    names = ["background", *source.class_names]
    meaning = MaskClasses({value: names.index(name) for value, name in source.value_classes.items()})
    for photo, mask in column_of(labels, "mask").items():
        assert mask["path"] == f"photos/{place_mask(photo)}"
        seen = {names[value] for value in np.unique(classes_of(files, photo, meaning))}
        assert seen == {"background", photo.partition("/")[0]} - {"good"}
    assert counts_of(labels) == {}


def test_the_cut_leaves_no_defect_out(files: Files) -> None:
    for name in ("segmentation", "anomaly"):
        ((left_top, (right, bottom)),) = load(name).image.rois
        for photo in PHOTOS:
            found = Image.open(io.BytesIO(files[place_mask(photo.path)])).getbbox()
            if found:
                assert left_top[0] <= found[0]
                assert left_top[1] <= found[1]
                assert found[2] <= right
                assert found[3] <= bottom


def test_the_numbers_for_regression_are_those_of_the_table(files: Files) -> None:
    labels = read_sources(load("regression"), files)
    rows = {row["file_name"]: row for row in csv.DictReader(io.StringIO(files[TABLE].decode()))}
    assert column_of(labels, "fill_mm") == {photo.path: float(rows[photo.path]["fill_mm"]) for photo in PHOTOS}
    assert column_of(labels, "product") == {photo.path: rows[photo.path]["product"] for photo in PHOTOS}
    assert counts_of(labels) == {}
    assert not load("regression").listing.finds_classes


def test_only_faulty_vials_have_masks_for_anomaly_detection_and_all_of_them_are_tested(files: Files) -> None:
    config = load("anomaly")
    masks = column_of(read_sources(config, files), "mask")
    assert {photo for photo, mask in masks.items() if mask is None} == {
        photo.path for photo in PHOTOS if photo.view.folder == "good"
    }
    given = config.split.given
    assert given is not None
    assert given.words == {"bad_cap": "test", "missing_cap": "test"}
    assert not config.listing.finds_classes


def test_the_demos_coco_file_is_read_as_outlines_that_cover_the_masks(files: Files) -> None:
    labels = read(files, {"kind": "coco", "file": OBJECTS, "match": "path"}, photos=[photo.path for photo in PHOTOS])
    for photo, objects in objects_of(labels).items():
        mask = np.asarray(Image.open(io.BytesIO(files[place_mask(photo)])))
        assert objects is not None
        assert len(objects) == mask.any()
        for fault, points in objects:
            assert mask.max() == dict(VALUES)[fault]  # type: ignore[index]
            x, y = np.array(points).reshape(-1, 2).T
            assert abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2 == (mask > 0).sum()  # the surveyor's formula
