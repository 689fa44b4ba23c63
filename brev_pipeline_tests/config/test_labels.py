"""The key `labels` of a dataset: what it takes, what it refuses and says, and that without it nothing is otherwise."""

from typing import Any

import pytest
import yaml

from brev_pipeline.config import PipelineConfig, parse_config
from brev_pipeline.config.labels import LABEL_KINDS
from brev_pipeline.errors import ConfigError


def configure(*labels: dict[str, Any]) -> PipelineConfig:
    dataset = {"name": "a", "id": "a", "bucket": "a", **({"labels": list(labels)} if labels else {})}
    return parse_config(yaml.safe_dump({"name": "any", "store": "store", "datasets": [dataset]}))


def test_without_labels_a_configuration_says_what_it_said_before_there_were_any() -> None:
    (dataset,) = configure().content_settings()["datasets"]
    assert list(dataset) == ["name", "id", "bucket", "reference", "storage", "inventory"]


@pytest.mark.parametrize(
    "source",
    [
        {"kind": "masks", "path": "{stem}.png", "values": {"255": "a", "7": "b"}},
        {"kind": "masks", "path": "{folder}/../m/{id}.png", "photos": "(?P<id>x)", "threshold": 3, "resize": True},
        {"kind": "table", "file": "metadata.csv"},
        {"kind": "table", "file": "t.txt", "header": False, "columns": ["a", "b"], "key": "a", "numbers": ["b"]},
        {"kind": "coco", "file": "a/b.json", "match": "path", "segmentation": "ignore"},
        {"kind": "voc", "path": "{stem}.xml", "origin": 0, "mapping": {"a": "b", "c": None}},
        {"kind": "yolo", "path": "{stem}.txt", "classes": ["a"]},
        {"kind": "yolo", "path": "{stem}.txt", "classes": "data.yaml"},
        {"kind": "boxes", "path": "{stem}.txt", "columns": ["x", "y", "w", "h", "label", "other"]},
        {"kind": "annotations"},
    ],
)
def test_a_source_is_kept_as_it_is_written(source: dict[str, Any]) -> None:
    (dataset,) = configure(source).content_settings()["datasets"]
    (kept,) = dataset["labels"]
    assert {name: kept[name] for name in source} == source
    (again,) = configure(kept).datasets[0].labels
    assert again == configure(source).datasets[0].labels[0]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"kind": "mask"}, f": kind is none of {', '.join(LABEL_KINDS)}"),
        ({"path": "{stem}.png"}, ": lacks the key kind, which says what the files are: one of masks"),
        ({"kind": "masks", "pth": "{stem}.png"}, ".pth: unknown key; did you mean path?"),
        ({"kind": "masks", "path": "a.png", "threshold": 1}, ".path: 'a.png' names one file for all photos"),
        ({"kind": "masks", "path": "/{stem}.png", "threshold": 1}, ".path: '/{stem}.png' begins with a slash"),
        ({"kind": "masks", "path": "{stem", "threshold": 1}, ".path: '{stem' is no template"),
        (
            {"kind": "masks", "path": "{stem:>9}", "threshold": 1},
            ".path: '{stem:>9}' is no template: '{stem:>9}': {stem} is no placeholder",
        ),
        ({"kind": "masks", "path": "{stem.x}", "threshold": 1}, ".path: '{stem.x}' is no template"),
        (
            {"kind": "masks", "path": "{id}.png", "threshold": 1},
            ": path: 'id' is no placeholder; known are {path}, {folder}, {name}, {stem}",
        ),
        ({"kind": "masks", "path": "{stem}*.png", "threshold": 1}, ": path: holds *, and a photo has one file here"),
        (
            {"kind": "masks", "path": "{stem}.png"},
            ": says the classes by one of values: {'255': defect} and threshold: 1",
        ),
        (
            {"kind": "masks", "path": "{stem}.png", "values": {"1": "a"}, "threshold": 1},
            ": says the classes by one of values",
        ),
        (
            {"kind": "masks", "path": "{stem}.png", "values": {"70000": "a"}},
            ".values: '70000': a value is a whole number 0..65535",
        ),
        ({"kind": "masks", "path": "{stem}.png", "values": {"1": "a", "01": "b"}}, ".values: names 1 twice"),
        (
            {"kind": "masks", "path": "{stem}.png", "values": {"1": "a", "#010203": "b"}},
            ".values: holds both numbers and colours",
        ),
        (
            {"kind": "masks", "path": "{stem}.png", "values": {str(n): str(n) for n in range(1, 256)}},
            ": names 255 classes; a mask has at most 254",
        ),
        ({"kind": "table", "file": "../t.csv"}, ".file: '../t.csv': name a file of the dataset by its path within it"),
        ({"kind": "table", "file": "s3://a/t.csv"}, ".file: 's3://a/t.csv': name a file of the dataset"),
        ({"kind": "table", "file": "t.csv", "separator": ";;"}, ".separator: ';;': takes one character"),
        (
            {"kind": "table", "file": "t.csv", "columns": ["a"]},
            ": columns names the columns of a table without a head line",
        ),
        (
            {"kind": "table", "file": "t.csv", "header": False},
            ": a table without a head line (header: false) has its columns named",
        ),
        ({"kind": "table", "file": "t.csv", "header": False, "columns": ["a"]}, ": 'file_name' is none of columns: a"),
        (
            {"kind": "table", "file": "t.csv", "numbers": ["a"], "texts": ["a"]},
            ": numbers and texts: 'a' stands there twice",
        ),
        ({"kind": "table", "file": "t.csv", "absent": "empty"}, ".absent: Input should be 'error' or 'unlabelled'"),
        (
            {"kind": "boxes", "path": "{stem}.txt", "columns": ["x1", "y", "w", "h"]},
            ": columns: name x1, y1, x2, y2, or x, y, w, h among them",
        ),
        (
            {"kind": "boxes", "path": "{stem}.txt", "columns": ["x", "y", "w", "h", "x"]},
            ": columns: 'x' stands there twice",
        ),
        ({"kind": "annotations", "path": ".annotations/*/{name}.json"}, ": path: takes one *, in the file name"),
        ({"kind": "voc", "path": "{stem}.xml", "photos": "("}, ".photos: not a regular expression"),
        ({"kind": "yolo", "path": "{stem}.txt", "classes": []}, ".classes"),
    ],
)
def test_what_a_source_may_not_say_is_refused_at_its_key(source: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        configure(source)
    assert f"datasets[0].labels[0]{said}" in str(error.value)


VOC = {"kind": "voc", "path": "boxes/{stem}.xml"}
MASKS = {"kind": "masks", "path": "masks/{stem}.png", "threshold": 1}


def configure_padding(source: dict[str, object], mode: str, **image: object) -> PipelineConfig:
    dataset = {"name": "Parts", "id": "parts", "bucket": "photos", "labels": [source]}
    settings = {"target_size": [8, 8], "keep_aspect_ratio": True, "padding_mode": mode} | image
    return PipelineConfig.model_validate({"name": "parts", "store": "store", "datasets": [dataset], "image": settings})


@pytest.mark.parametrize("mode", ["reflect", "symmetric"])
def test_mirrored_padding_is_refused_with_boxes_where_there_is_padding(mode: str) -> None:
    with pytest.raises(ValueError, match="write padding_mode: constant"):
        configure_padding(VOC, mode)
    assert configure_padding(MASKS, mode).border == "mirror"
    assert configure_padding(VOC, mode, keep_aspect_ratio=False).border == "constant"
    assert configure_padding(VOC, mode, target_size=None).border == "constant"
    assert configure_padding(VOC, "constant").border == "constant"
