"""Layouts of public sets with labels: a run of each, its records against the label files as they are read here.

`shared/layouts` draws small made-up files at the paths of the originals, with labels in the formats of the originals.
"""

import re
from collections.abc import Callable
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from brev_pipeline_tests.e2e.test_layouts import draw
from brev_pipeline_tests.e2e.test_photo_labels import examples, newest
from brev_pipeline_tests.labels.test_layouts import voc_boxes
from brev_pipeline_tests.pipelines import configure, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

TARGET = (24, 32)
"""Height and width of the prepared photos, px."""


class Wanted(NamedTuple):
    """What a photo's label files say."""

    mask: np.ndarray | None = None
    objects: list[tuple[str, tuple[float, ...]]] | None = None
    """Class, and left, top, right, bottom in px."""
    category: str | None = None
    numbers: dict[str, float] | None = None


def read_mask(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        mask = np.asarray(image.convert("L")) >= 128
    # The pixel under each new pixel's centre; Pillow's own floats miss some that lie on a border.
    rows, columns = (
        [int(Fraction(2 * at + 1, 2) * Fraction(old, new)) for at in range(new)]
        for old, new in zip(mask.shape, TARGET, strict=True)
    )
    return mask[np.ix_(rows, columns)].astype(np.uint8)


def want_kolektorsdd(folder: Path, photo: str) -> Wanted:
    return Wanted(mask=read_mask(folder / photo.replace(".jpg", "_label.bmp")))


def want_magnetic_tile(folder: Path, photo: str) -> Wanted:
    return Wanted(mask=read_mask(folder / photo.replace(".jpg", ".png")), category=photo.split("/")[0])


def want_neu_det(folder: Path, photo: str) -> Wanted:
    stem = Path(photo).stem
    objects = voc_boxes((folder / f"ANNOTATIONS/{stem}.xml").read_bytes())
    return Wanted(objects=objects, category=stem.rpartition("_")[0])


def want_bccd(folder: Path, photo: str) -> Wanted:
    return Wanted(objects=voc_boxes((folder / f"BCCD/Annotations/{Path(photo).stem}.xml").read_bytes()))


PCB = {"1": "open", "2": "short", "3": "mousebite", "4": "spur", "5": "copper", "6": "pin-hole"}


def want_deeppcb(folder: Path, photo: str) -> Wanted:
    parent, group, name = re.fullmatch(r"PCBData/([^/]+)/([^/]+)/(\d+)_test\.jpg", photo).groups()  # type: ignore[union-attr]
    lines = (folder / f"PCBData/{parent}/{group}_not/{name}.txt").read_text().splitlines()
    rows = [line.split() for line in lines if line.strip()]
    return Wanted(objects=[(PCB[row[4]], tuple(map(float, row[:4]))) for row in rows])


def want_elpv(folder: Path, photo: str) -> Wanted:
    for line in (folder / "src/elpv_dataset/data/labels.csv").read_text().splitlines():
        path, probability, kind = line.split()
        if photo.endswith(path):
            return Wanted(category=kind, numbers={"probability": float(np.float32(float(probability)))})
    raise KeyError(photo)


SETS: dict[str, tuple[Callable[[Path, str], Wanted], dict[str, Any], dict[str, Any]]] = {
    "kolektorsdd": (
        want_kolektorsdd,
        {"kind": "masks", "path": "{folder}/{stem}_label.bmp", "threshold": 128},
        {"listing": {"category": "none"}, "integrity": {"label_conflicts": "quarantine"}},
    ),
    "magnetic_tile": (
        want_magnetic_tile,
        {"kind": "masks", "path": "{folder}/{stem}.png", "threshold": 128},
        {"listing": {"category": {"folder": 0}, "sample_filter": r"^exp.*\.jpg$"}},
    ),
    "neu_det": (
        want_neu_det,
        {"kind": "voc", "path": "ANNOTATIONS/{stem}.xml"},
        {"listing": {"category": r"/(?P<category>[^/]+)_\d+\.jpg$"}},
    ),
    "bccd": (
        want_bccd,
        {"kind": "voc", "path": "BCCD/Annotations/{stem}.xml"},
        {"listing": {"category": "none", "sample_filter": r"^BloodImage.*\.jpg$"}},
    ),
    "deeppcb": (
        want_deeppcb,
        {
            "kind": "boxes",
            "photos": r"(?P<parent>[^/]+)/(?P<group>[^/]+)/(?P<id>\d+)_test\.jpg$",
            "path": "PCBData/{parent}/{group}_not/{id}.txt",
            "columns": ["x1", "y1", "x2", "y2", "label"],
            "classes": PCB,
        },
        {"listing": {"category": "none", "sample_filter": r"_test\.jpg$"}},
    ),
    "elpv": (
        want_elpv,
        {
            "kind": "table",
            "file": "src/elpv_dataset/data/labels.csv",
            "separator": "whitespace",
            "header": False,
            "columns": ["path", "probability", "type"],
            "key": "path",
            "category": "type",
            "numbers": ["probability"],
        },
        {"listing": {"category": "none"}},
    ),
}


@pytest.mark.parametrize("name", SETS)
def test_records_hold_the_labels_of_their_files(shared: Path, tmp_path: Path, name: str) -> None:
    want, source, sections = SETS[name]
    folder = tmp_path / "photos"
    draw(shared, name, folder)
    dataset = {"name": name, "id": name, "bucket": "photos", "labels": [source]}
    split = {"purposes": {"train": 0.2, "test": 0.4}}
    image = {"target_size": list(TARGET)}
    sampling = {"groupby": ["dataset"], "max_epoch_samples": 20}
    done = run(configure(tmp_path, datasets=[dataset], split=split, image=image, sampling=sampling, **sections))
    assert done.success, done.failures
    version = newest(done)
    features = {one["name"]: one for one in version.read_manifest()["label_features"]}
    classes = version.read_manifest()["classes"]
    compared = 0
    for one in examples(version):
        if one["row"]["augmented"]:
            continue
        photo = one["path"][0].decode().removeprefix("photos/")
        wanted = want(folder, photo)
        compared += 1
        assert one["label"] == [-1 if wanted.category is None else classes.index(wanted.category)]
        if wanted.mask is not None:
            np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(one["mask/encoded"][0]))), wanted.mask)
        if wanted.objects is not None:
            compare_objects(one, wanted.objects, features["objects/label"]["classes"], folder / photo)
        for number, value in (wanted.numbers or {}).items():
            assert one[f"target/{number}"] == [value]
    assert compared > 40


def compare_objects(one: dict[str, Any], wanted: list[Any], classes: list[str], photo: Path) -> None:
    with Image.open(photo) as image:
        width, height = image.size
    boxes = [
        (label, np.clip([left / width, top / height, right / width, bottom / height], 0, 1))
        for label, (left, top, right, bottom) in wanted
    ]
    seen = sorted((label, *box) for label, box in boxes if box[2] > box[0] and box[3] > box[1])
    found = np.reshape(one["objects/bbox"], (-1, 4))[:, [1, 0, 3, 2]]
    named = sorted((classes[label], *box) for label, box in zip(one["objects/label"], found, strict=True))
    assert [row[0] for row in named] == [row[0] for row in seen]
    # Corners lie on a grid of 1/256 px of the prepared photo.
    np.testing.assert_allclose([row[1:] for row in named], [row[1:] for row in seen], atol=1 / 256 / min(TARGET))
