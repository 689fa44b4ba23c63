"""What is written by hand as VOC, YOLO, boxes or annotations is read back, object for object."""

import json
from typing import Any
from xml.sax.saxutils import escape

from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline_tests.labels.datasets import read

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1).filter(
    lambda name: name == name.strip()
)
WHOLE = st.tuples(*[st.integers(0, 5000)] * 4).filter(lambda box: box[0] < box[2] and box[1] < box[3])
EXACT = st.integers(0, 1 << 20).map(lambda number: number / (1 << 10))
"""Numbers that decimal and binary texts both hold exactly."""
FRACTIONS = st.integers(0, 256).map(lambda number: number / 256)


def read_one(file: str, data: str, source: dict[str, Any]) -> list[tuple[str, str, list[float]]]:
    labels = read({"1.jpg": b"", file: data.encode()}, source)
    return [(one["label"], one["kind"], one["points"]) for one in labels.rows["objects"][0].as_py()]


@given(st.lists(st.tuples(NAMES, WHOLE), max_size=6), st.booleans())
def test_voc(objects: list[tuple[str, tuple[int, int, int, int]]], with_size: bool) -> None:
    body = "".join(
        f"<object><name>{escape(name)}</name><pose>Left</pose><bndbox><ymin>{y1 + 1}</ymin><xmin>{x1 + 1}</xmin>"
        f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox><part><name>head</name></part></object>"
        for name, (x1, y1, x2, y2) in objects
    )
    size = "<size><width>9</width><height>9</height></size>" if with_size else ""
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<annotation><folder>x</folder>{size}{body}</annotation>'
    found = read_one("1.xml", text, {"kind": "voc", "path": "{stem}.xml"})
    assert found == [(name, "box", list(map(float, box))) for name, box in objects]


@given(st.lists(st.tuples(st.integers(0, 2), st.tuples(*[FRACTIONS] * 4)), max_size=6), st.sampled_from("\t "))
def test_yolo_boxes(objects: list[tuple[int, tuple[float, ...]]], separator: str) -> None:
    objects = [(kind, box) for kind, box in objects if box[0] < box[2] and box[1] < box[3]]
    lines = [
        separator.join(map(str, (kind, (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)))
        for kind, (x1, y1, x2, y2) in objects
    ]
    source = {"kind": "yolo", "path": "{stem}.txt", "classes": ["a", "b", "c"]}
    assert read_one("1.txt", "\r\n".join(lines), source) == [("abc"[kind], "box", list(box)) for kind, box in objects]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(3, 9), st.randoms(use_true_random=False)), max_size=4))
def test_yolo_polygons(rows: list[Any]) -> None:
    # A staircase: every corner further to the right, so that there is an area.
    objects = [
        (kind, [number for at in range(corners) for number in (at / 16, (at * at) / 128)]) for kind, corners, _ in rows
    ]
    lines = [" ".join(map(str, [kind, *points])) for kind, points in objects]
    source = {"kind": "yolo", "path": "{stem}.txt", "classes": ["a", "b", "c"]}
    assert read_one("1.txt", "\n".join(lines), source) == [("abc"[kind], "polygon", points) for kind, points in objects]


@given(st.lists(st.tuples(NAMES, st.tuples(*[EXACT] * 4)), max_size=6), st.booleans())
def test_boxes_of_any_text(objects: list[tuple[str, tuple[float, ...]]], by_size: bool) -> None:
    objects = [(name, box) for name, box in objects if box[0] < box[2] and box[1] < box[3] and "\x85" not in name]
    lines = [
        f'"{name.replace(chr(34), chr(34) * 2)}";{x1};{y1};{x2 - x1 if by_size else x2};{y2 - y1 if by_size else y2};9'
        for name, (x1, y1, x2, y2) in objects
    ]
    columns = ["label", *("xywh" if by_size else ("x1", "y1", "x2", "y2")), "score"]
    source = {"kind": "boxes", "path": "{stem}.csv", "columns": columns, "separator": ";"}
    assert read_one("1.csv", "\n".join(lines), source) == [(name, "box", list(box)) for name, box in objects]


@given(st.lists(st.tuples(NAMES, st.tuples(*[EXACT] * 4), st.booleans()), max_size=6))
def test_annotations(objects: list[tuple[str, tuple[float, ...], bool]]) -> None:
    expected, notes = [], []
    for name, (x1, y1, x2, y2), as_polygon in objects:
        if x1 == x2 or y1 == y2:
            continue
        corners = [(x1, y1), (x2, y1), (x2, y2)] if as_polygon else [(x1, y1), (x2, y2)]
        kind = "polygon" if as_polygon else "rectangle"
        notes.append({"type": kind, "label": name, "points": [{"x": x, "y": y} for x, y in corners]})
        box = [min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)]
        expected.append((name, kind if as_polygon else "box", [*sum(corners, ())] if as_polygon else box))
    text = json.dumps({"annotations": notes, "image": {"width": 9, "height": 9}})
    assert read_one("1.json", text, {"kind": "annotations", "path": "{stem}.json"}) == expected
