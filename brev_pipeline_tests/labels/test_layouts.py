"""The labels of layouts of public sets, compared with what plain Python reads out of the same files."""

import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.dom import minidom

import numpy as np
import pytest
from PIL import Image

from brev_pipeline.config import ImageSettings
from brev_pipeline.config.labels import MaskSource
from brev_pipeline.errors import LabelError
from brev_pipeline.images.masks import MaskClasses, read_mask
from brev_pipeline_tests.labels.datasets import column_of, counts_of, objects_of, read, read_folder

DRAWN: dict[str, dict[str, bytes]] = {}


@pytest.fixture
def layout(shared: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> dict[str, bytes]:
    name = request.param
    if name not in DRAWN:
        folder = tmp_path_factory.mktemp(name)
        script = shared / "layouts" / "make_layout.py"
        subprocess.run(
            [sys.executable, str(script), name, str(folder), "--side", "24"], check=True, capture_output=True
        )
        DRAWN[name] = read_folder(folder)
    return DRAWN[name]


def voc_boxes(data: bytes) -> list[tuple[str, tuple[float, ...]]]:
    """As the standard says: pixels counted from 1, the last one inside."""
    found = []
    for element in minidom.parseString(data).getElementsByTagName("object"):
        texts = {
            tag: element.getElementsByTagName(tag)[0].firstChild.data
            for tag in ("name", "xmin", "ymin", "xmax", "ymax")
        }
        x1, y1, x2, y2 = (int(texts[side]) for side in ("xmin", "ymin", "xmax", "ymax"))
        found.append((texts["name"], (x1 - 1.0, y1 - 1.0, float(x2), float(y2))))
    return found


@pytest.mark.parametrize("layout", ["kolektorsdd"], indirect=True)
def test_each_photo_of_kolektorsdd_has_the_mask_beside_it(layout: dict[str, bytes]) -> None:
    source = {"kind": "masks", "path": "{folder}/{stem}_label.bmp", "threshold": 1}
    labels = read(layout, source)
    masks = column_of(labels, "mask")
    assert len(masks) == 408
    meaning = MaskClasses({}, threshold=MaskSource.model_validate(source).threshold)
    defects = 0
    for photo, mask in masks.items():
        key = re.sub(r"\.jpg$", "_label.bmp", photo)
        assert mask["path"] == f"photos/{key}"
        assert mask["size"] == len(layout[key])
        assert mask["etag_source"] == "md5"
        pixels = np.asarray(Image.open(io.BytesIO(layout[key])))
        classes = read_mask(layout[key], ImageSettings(), meaning, pixels.shape)
        assert classes.tolist() == (pixels > 0).astype(int).tolist()
        defects += bool(classes.any())
    assert 0 < defects < 408
    assert counts_of(labels) == {}


@pytest.mark.parametrize("layout", ["magnetic_tile"], indirect=True)
def test_each_photo_of_magnetic_tile_has_the_mask_of_its_name(layout: dict[str, bytes]) -> None:
    photos = [key for key in layout if key.startswith("MT_") and key.endswith(".jpg")]
    labels = read(layout, {"kind": "masks", "path": "{folder}/{stem}.png", "values": {"255": "defect"}}, photos=photos)
    found = {photo: mask["path"] for photo, mask in column_of(labels, "mask").items()}
    assert found == {photo: f"photos/{photo[:-4]}.png" for photo in photos}
    assert len(found) == sum(key.startswith("MT_") and key.endswith(".png") for key in layout)


@pytest.mark.parametrize("layout", ["neu_det"], indirect=True)
def test_the_boxes_of_neu_det_are_those_of_its_xml(layout: dict[str, bytes]) -> None:
    labels = read(layout, {"kind": "voc", "path": "{folder}/../ANNOTATIONS/{stem}.xml"})
    expected = {key: voc_boxes(layout[f"ANNOTATIONS/{Path(key).stem}.xml"]) for key in layout if key.endswith(".jpg")}
    assert len(expected) == 297
    assert objects_of(labels) == expected


@pytest.mark.parametrize("layout", ["bccd"], indirect=True)
def test_the_boxes_of_bccd_are_those_of_its_xml(layout: dict[str, bytes]) -> None:
    photos = [key for key in layout if key.startswith("BCCD/JPEGImages/")]
    labels = read(
        layout,
        {"kind": "voc", "path": "BCCD/Annotations/{stem}.xml", "mapping": {"RBC": "red", "Platelets": None}},
        photos=photos,
    )
    expected, platelets, beyond = {}, 0, 0
    for key in photos:
        boxes = voc_boxes(layout[f"BCCD/Annotations/{Path(key).stem}.xml"])
        platelets += sum(label == "Platelets" for label, _ in boxes)
        beyond += sum(min(points) < 0 or max(points) > 48 for _, points in boxes)
        expected[key] = [("red" if label == "RBC" else label, box) for label, box in boxes if label != "Platelets"]
    assert len(expected) == 364
    assert objects_of(labels) == expected
    counts = counts_of(labels)
    assert counts["left_out"] == platelets > 0
    assert counts["beyond_photo"] == beyond > 0
    assert counts.get("no_photo", 0) == 0


@pytest.mark.parametrize("layout", ["bccd"], indirect=True)
def test_a_picture_about_bccd_has_no_boxes_and_is_told(layout: dict[str, bytes]) -> None:
    with pytest.raises(LabelError, match=r"1 photos have no label: example\.jpg \(looked for BCCD/Annotations/example"):
        read(layout, {"kind": "voc", "path": "BCCD/Annotations/{stem}.xml"})


@pytest.mark.parametrize("layout", ["deeppcb"], indirect=True)
def test_only_the_tested_boards_of_deeppcb_have_boxes(layout: dict[str, bytes]) -> None:
    classes = {"1": "open", "2": "short", "3": "mousebite", "4": "spur", "5": "copper", "6": "pin-hole"}
    labels = read(
        layout,
        {
            "kind": "boxes",
            "photos": r"(?P<id>\d+)_test\.jpg$",
            "path": "{folder}_not/{id}.txt",
            "columns": ["x1", "y1", "x2", "y2", "label"],
            "classes": classes,
        },
    )
    expected: dict[str, Any] = {}
    for key in layout:
        if key.endswith("_temp.jpg"):
            expected[key] = None
        elif key.endswith("_test.jpg"):
            folder, name = key.rsplit("/", 1)
            lines = [line.split() for line in layout[f"{folder}_not/{name[:-9]}.txt"].decode().splitlines()]
            expected[key] = [(classes[line[4]], tuple(map(float, line[:4]))) for line in lines]
    assert len(expected) == 2 * counts_of(labels)["not_asked"] > 1000
    assert objects_of(labels) == expected


@pytest.mark.parametrize("layout", ["elpv"], indirect=True)
def test_the_numbers_of_elpv_are_those_of_its_table(layout: dict[str, bytes]) -> None:
    photos = [key for key in layout if key.endswith(".png")]
    labels = read(
        layout,
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
        photos=photos,
    )
    lines = [line.split() for line in layout["src/elpv_dataset/data/labels.csv"].decode().splitlines()]
    expected = {f"src/elpv_dataset/data/{path}": (float(number), [kind]) for path, number, kind in lines}
    found = {row["key"]: (row["probability"], row["category"]) for row in labels.rows.to_pylist()}
    assert len(found) == 300
    assert found == expected
