"""Label files that are cut, or whose bytes are changed: read, or refused with the file's name, and nothing else."""

import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brev_pipeline.errors import LabelError
from brev_pipeline_tests.labels.datasets import read


def parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"file_name": ["1.jpg", "2.jpg"], "n": [1.5, None], "s": ["a", "b"]}), out)
    return out.getvalue()


COCO = {
    "images": [{"id": 1, "file_name": "1.jpg", "width": 9, "height": 9}, {"id": 2, "file_name": "2.jpg"}],
    "annotations": [
        {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "segmentation": [[1, 2, 3, 4, 5, 9]]},
        {"image_id": 2, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 1},
    ],
    "categories": [{"id": 1, "name": "cat"}],
}
NOTES = {
    "annotations": [
        {"type": "polygon", "label": "a", "points": [{"x": 1, "y": 2}, {"x": 3, "y": 4}, {"x": 5, "y": 9}]},
        {"type": "rectangle", "label": "b", "points": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]},
    ],
    "image": {"width": 9, "height": 9},
}
VOC = (
    "<annotation><size><width>9</width><height>9</height></size><object><name>a</name><bndbox><xmin>1</xmin>"
    "<ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox></object></annotation>"
)
TABLE = {"kind": "table", "numbers": ["n"], "texts": ["s"], "absent": "unlabelled"}
FORMATS: dict[str, tuple[dict[str, Any], bytes]] = {
    "f.csv": ({**TABLE, "file": "f.csv"}, b'file_name,n,s\n1.jpg,1.5,"a,b"\n2.jpg,,c\n'),
    "f.txt": ({**TABLE, "file": "f.txt", "separator": "whitespace"}, b"file_name n s\n1.jpg 1.5 a\n2.jpg 2 c\n"),
    "f.jsonl": ({**TABLE, "file": "f.jsonl"}, b'{"file_name": "1.jpg", "n": 1, "s": "a"}\n{"file_name": "2.jpg"}\n'),
    "f.parquet": ({**TABLE, "file": "f.parquet"}, parquet()),
    "coco.json": ({"kind": "coco", "file": "coco.json", "absent": "empty"}, json.dumps(COCO).encode()),
    "1.xml": ({"kind": "voc", "path": "{stem}.xml", "absent": "empty"}, VOC.encode()),
    "1.json": ({"kind": "annotations", "path": "{stem}.json", "absent": "empty"}, json.dumps(NOTES).encode()),
    "1.yolo": (
        {"kind": "yolo", "path": "{stem}.yolo", "classes": ["a", "b"], "absent": "empty"},
        b"0 .5 .5 .25 .25\n1 0 0 1 0 1 1\n",
    ),
    "1.box": (
        {"kind": "boxes", "path": "{stem}.box", "columns": ["x1", "y1", "x2", "y2", "label"], "absent": "empty"},
        b"1 2 3 4 a\n5 6 7 8 b\n",
    ),
}
CHANGES = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=3)
SNIPPETS = st.sampled_from(
    [b"", b"\0", b"\xff", b"null", b"-1", b"1e999", b"NaN", b'"', b"[", b"{", b"\n", b",", b"true"]
)


@pytest.mark.parametrize("file", FORMATS)
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(end=st.floats(0, 1), changes=CHANGES, at=st.floats(0, 1), taken=st.integers(0, 4), snippet=SNIPPETS)
def test_damaged_files_are_read_or_refused_by_name(
    file: str, end: float, changes: list[tuple[int, int]], at: float, taken: int, snippet: bytes
) -> None:
    source, data = FORMATS[file]
    damaged = bytearray(data[: round(end * len(data))] if end < 0.5 else data)
    for place, value in changes:
        if damaged:
            damaged[place % len(damaged)] = value
    place = round(at * len(damaged))
    damaged[place : place + taken] = snippet
    try:
        labels, said = read({"1.jpg": b"", "2.jpg": b"", file: bytes(damaged)}, source), file
    except LabelError as error:
        labels, said = None, str(error)
    assert file in said
    if labels is not None:
        assert labels.rows.num_rows == 2
        labels.rows.validate(full=True)


@pytest.mark.parametrize("file", FORMATS)
def test_letters_that_are_not_utf_8_are_refused_in_every_format(file: str) -> None:
    source, data = FORMATS[file]
    place = data.rindex(b"cat" if file == "coco.json" else b"a" if file != "1.yolo" else b"1")
    damaged = data[:place] + b"\xff" + data[place + 1 :]
    if file == "f.parquet":
        damaged = data.replace(b"1.jpg", b"1.jp\xff")
    with pytest.raises(LabelError, match=file):
        read({"1.jpg": b"", "2.jpg": b"", file: damaged}, source)


@pytest.mark.parametrize("data", [b"null", b" null {}", b"null" * 9, b"[null]", b"{} null", b"{}{}"])
def test_a_coco_file_of_other_values_is_refused(data: bytes) -> None:
    """Arrow's reader of JSON dies of a text that begins with null: it is not given one."""
    with pytest.raises(LabelError, match=r"coco\.json"):
        read({"1.jpg": b"", "coco.json": data}, {"kind": "coco", "file": "coco.json"})


@pytest.mark.parametrize("file", FORMATS)
def test_sound_files_are_read(file: str) -> None:
    source, data = FORMATS[file]
    assert read({"1.jpg": b"", "2.jpg": b"", file: data}, source).rows.num_rows == 2
