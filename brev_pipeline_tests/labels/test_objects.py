"""Boxes and polygons out of each format, by hand; and what is wrong with such files, each named with its place."""

import json
from typing import Any

import pytest

from brev_pipeline.errors import LabelError
from brev_pipeline_tests.labels.datasets import column_of, counts_of, objects_of, read

VOC = {"kind": "voc", "path": "{stem}.xml"}
YOLO = {"kind": "yolo", "path": "{stem}.txt", "classes": ["cat", "dog"]}
BOXES = {"kind": "boxes", "path": "{stem}.txt", "columns": ["x1", "y1", "x2", "y2", "label"]}
NOTES = {"kind": "annotations", "path": "{stem}.json"}


def one(data: str | bytes, source: dict[str, Any], **more: Any) -> Any:
    """The objects of one photo whose label file holds ``data``."""
    data = data.encode() if isinstance(data, str) else data
    file = source["path"].replace("{stem}", "1")
    labels = read({"1.jpg": b"", file: data}, {**source, **more})
    return objects_of(labels)["1.jpg"], counts_of(labels)


def refused(data: str | bytes, source: dict[str, Any], **more: Any) -> str:
    with pytest.raises(LabelError) as error:
        one(data, source, **more)
    return str(error.value).partition(f"labels[0] ({source['kind']}): ")[2]


def voc(*objects: str, head: str = "") -> str:
    return f"{head}<annotation><size><width>20</width><height>10</height></size>{''.join(objects)}</annotation>"


def voc_object(name: str, *box: float) -> str:
    sides = "".join(
        f"<{side}>{value}</{side}>" for side, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    return f"<object><name>{name}</name><bndbox>{sides}</bndbox></object>"


@pytest.mark.parametrize(
    ("settings", "box"),
    [
        ({}, (0, 1, 5, 8)),
        ({"origin": 0}, (1, 2, 6, 9)),
        ({"origin": 0, "inclusive": False}, (1, 2, 5, 8)),
        ({"inclusive": False}, (0, 1, 4, 7)),
    ],
)
def test_pixel_numbers_of_voc_become_corners(settings: dict[str, Any], box: tuple[float, ...]) -> None:
    assert one(voc(voc_object("a", 1, 2, 5, 8)), VOC, **settings) == ([("a", box)], {})


def test_voc_objects_are_renamed_left_out_and_told() -> None:
    data = voc(
        voc_object("a", 1, 1, 4, 4),
        voc_object("b", 1, 1, 30, 4),
        voc_object("c", 1, 1, 2, 2),
        "<object><name>d</name><polygon><x1>1</x1></polygon></object>",
    )
    found, counts = one(data, VOC, mapping={"b": "bee", "c": None})
    assert found == [("a", (0, 0, 4, 4)), ("bee", (0, 0, 30, 4))]
    assert counts == {"left_out": 1, "not_taken": 1, "beyond_photo": 1}


def test_a_box_of_no_area_is_left_out_with_its_reason_and_the_photo_stays() -> None:
    labels = read({"1.jpg": b"", "1.xml": voc(voc_object("a", 5, 2, 4, 8)).encode()}, VOC)
    assert objects_of(labels) == {"1.jpg": []}
    (told,) = labels.findings.rows
    assert (told.kind, told.count, told.examples) == (
        "excluded_object",
        1,
        ("1.xml, object 1: a: the box has no area",),
    )
    assert labels.excluded.to_pylist() == [
        {"key": "1.jpg", "source": "labels[0] (voc)", "what": "1.xml, object 1: a: the box has no area"}
    ]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "1.xml: is empty"),
        ("<annotation><object>", "1.xml, line 1, column 21: not XML, or cut short"),
        ("<annotation>\n</object>", "1.xml, line 2, column 3: not XML"),
        ("<images/>", "1.xml: its first element is <images>"),
        (voc(voc_object("", 1, 1, 2, 2)), "1.xml, object 1: has no <name>"),
        (
            voc(voc_object("a", 1, 1, 2, 2), "<object><name>b</name><bndbox/></object>"),
            "1.xml, object 2: its <bndbox> has no <xmin>",
        ),
        (voc(voc_object("a", 1, "x", 2, 2)), "1.xml, object 1, <ymin>: 'x' is no number"),  # type: ignore[arg-type]
        (voc(voc_object("a", 1, 1, float("nan"), 2)), "1.xml, object 1, <xmax>: 'nan' is no number"),
        (
            voc(voc_object("a", 9, 1, 2, 2)),
            "1.xml, object 1: the box's right or lower side lies before its left or upper one (8, 0, 2, 2",
        ),
        (voc(voc_object("a", 1, 1, 2, 99999999)), "1.xml, object 1: 0, 0, 2, 1e+08 lies beyond any photo"),
        (
            voc(head='<!DOCTYPE a [<!ENTITY b "c">]>'),
            "1.xml: declares entities or reads other files (EntitiesForbidden)",
        ),
        (
            voc(head='<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'),
            "1.xml: declares entities or reads other files",
        ),
        (voc(voc_object("\xe9", 1, 1, 2, 2)).encode("latin-1"), "1.xml, line 1: byte 0xe9 is not UTF-8, as Latin-1"),
    ],
)
def test_what_is_wrong_with_a_voc_file_is_named(data: str | bytes, said: str) -> None:
    assert refused(data, VOC).startswith(said)


def test_yolo_boxes_and_polygons_are_fractions() -> None:
    data = "0 0.5 0.5 0.25 0.5\n\n1 0 0 0.5 0 0.5 0.5\n1 0.5 0.5 0 0.5\n0 0.9375 0.5 0.25 0.5\n"
    labels = read({"1.jpg": b"", "1.txt": data.encode()}, YOLO)
    (row,) = labels.rows.to_pylist()
    assert [(item["label"], item["kind"], item["points"], item["relative"]) for item in row["objects"]] == [
        ("cat", "box", [0.375, 0.25, 0.625, 0.75], True),
        ("dog", "polygon", [0, 0, 0.5, 0, 0.5, 0.5], True),
        ("cat", "box", [0.8125, 0.25, 1.0625, 0.75], True),
    ]
    assert counts_of(labels) == {"excluded_object": 1, "beyond_photo": 1}


@pytest.mark.parametrize(
    ("file", "data"),
    [
        ("classes.txt", "\ufeffcat\r\ndog\r\n"),
        ("data.yaml", "train: x\nnames: [cat, dog]\n"),
        ("data.yml", "names: {0: cat, 1: dog}"),
    ],
)
def test_class_names_of_yolo_come_from_a_file_too(file: str, data: str) -> None:
    labels = read({"1.jpg": b"", "1.txt": b"1 0.5 0.5 0.5 0.5", file: data.encode()}, {**YOLO, "classes": file})
    assert objects_of(labels) == {"1.jpg": [("dog", (0.25, 0.25, 0.75, 0.75))]}


@pytest.mark.parametrize("data", ["names: [", "- a", "names: {1: a}", "", "names: []"])
def test_a_file_that_names_no_classes_is_refused(data: str) -> None:
    with pytest.raises(LabelError, match=r"labels\[0\] \(yolo\)|data\.yaml: (is no YAML|has no names|is empty)"):
        read(
            {"1.jpg": b"", "1.txt": b"1 0.5 0.5 0.5 0.5", "data.yaml": data.encode()}, {**YOLO, "classes": "data.yaml"}
        )


def test_what_six_digits_round_away_is_not_beyond_the_photo() -> None:
    assert one("0 0.833334 0.5 0.333334 1.000001\n", YOLO)[1] == {}
    assert one("0 0.84 0.5 0.333334 1.000001\n", YOLO)[1] == {"beyond_photo": 1}


@pytest.mark.parametrize("source", [YOLO, BOXES])
def test_an_empty_text_is_a_photo_with_nothing_on_it(source: dict[str, Any]) -> None:
    assert one("", source) == ([], {})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("0 1 1 1", "1.txt, line 1: has 4 fields; a box has 5"),
        ("0 1 1 1 1 1", "1.txt, line 1: has 6 fields"),
        ("\n2 .5 .5 .5 .5", "1.txt, line 2: class 2 has no name: labels.classes names 2, from 0 to 1"),
        ("cat .5 .5 .5 .5", "1.txt, line 1: begins with 'cat'; a line begins with the number of the class"),
        ("0 .5 .5 .5 nan", "1.txt, line 1: 'nan' is no number"),
        ("0 .5 .5 .5 -1", "1.txt, line 1: the box's right or lower side"),
        ("0 0,5 0,5 1 1", "1.txt, line 1: '0,5' is no number; write a decimal point, not a comma"),
    ],
)
def test_what_is_wrong_with_a_yolo_file_is_named(data: str, said: str) -> None:
    assert refused(data, YOLO).startswith(said)


def test_boxes_of_any_text_are_read_by_their_columns() -> None:
    source = {
        "path": "{stem}.csv",
        "columns": ["label", "score", "x", "y", "w", "h"],
        "header": True,
        "separator": None,
    }
    found, counts = one('class;s;x;y;w;h\n"a;b";9;1;2;3;4\n', {**BOXES, **source})
    assert (found, counts) == ([("a;b", (1, 2, 4, 6))], {})


def test_boxes_without_a_label_have_the_class_that_is_configured_and_may_be_relative() -> None:
    found = (
        read(
            {"1.jpg": b"", "1.txt": b".25 .5 .75 1"},
            {**BOXES, "columns": ["x1", "y1", "x2", "y2"], "class_name": "hole", "relative": True},
        )
        .rows["objects"][0]
        .as_py()
    )
    assert found == [{"label": "hole", "kind": "box", "points": [0.25, 0.5, 0.75, 1], "relative": True}]


def test_labels_of_boxes_are_renamed_and_left_out() -> None:
    found = one("1 2 3 4 1\n1 2 3 4 2\n", BOXES, classes={"1": "open", "2": None})
    assert found == ([("open", (1, 2, 3, 4))], {"left_out": 1})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("1 2 3 4", "1.txt, line 1: has 4 fields, and labels.columns names 5 (x1, y1, x2, y2, label)"),
        ("1 2 3 4 9", "1.txt, line 1: the label '9' is none of labels.classes (1)"),
        ("1 2 3 x 1", "1.txt, line 1: 'x' is no number"),
        ("1 2 3 4 1\n5 2 3 4 1", "1.txt, line 2: the box's right or lower side"),
        ("1 2 3 1e400 1", "1.txt, line 1: holds a number that is none (1, 2, 3, inf)"),
        ("1 2 3 4 \xe9".encode("latin-1"), "1.txt, line 1: byte 0xe9 is not UTF-8, as Latin-1 and Windows-1252 write"),
        ("1 2 3 4 1".encode("utf-16"), "1.txt: is UTF-16"),
        ("1 2 3 4 1".encode("utf-16-le"), "1.txt: holds zero bytes"),
    ],
)
def test_what_is_wrong_with_a_file_of_boxes_is_named(data: str | bytes, said: str) -> None:
    assert refused(data, BOXES, classes={"1": "open"}).startswith(said)


def test_what_is_wrong_with_many_files_is_told_at_once() -> None:
    files = {f"{n}.jpg": b"" for n in range(8)} | {f"{n}.txt": b"1 2" for n in range(8)}
    with pytest.raises(LabelError, match=r"\.txt, line 1: has 2 fields.*; and 3 more files$"):
        read(files, BOXES)


ANNOTATIONS = """{"annotations": [
 {"type": "polygon", "label": "scratch", "color": "#ff0000", "severity": 2, "points":
  [{"x": 10.5, "y": 4.25}, {"x": 30, "y": 6}, {"x": 22.75, "y": 19.5}, {"x": 9, "y": 15}]},
 {"type": "rectangle", "label": "dent", "color": "hsla(120,50%,50%,0.5)", "points":
  [{"x": 40.5, "y": 32.25}, {"x": 12, "y": 8}]},
 {"type": "point", "label": "dust", "color": "#00ff00", "points": [{"x": 3, "y": 7}]},
 {"type": "line", "label": "crack", "color": "#00ff00", "points": [{"x": 1, "y": 2}, {"x": 5, "y": 9}]},
 {"type": "class", "label": "Tilted", "color": "#00ff00"},
 {"type": "rectangle", "label": "dent", "color": "#00ff00", "severity": null, "points":
  [{"x": 2, "y": 3}, {"x": 6.5, "y": 4.5}]}
], "image": {"fileName": "good/1.bmp", "height": 48, "width": 64, "sampleId": "a", "etag": "b"}, "source": null}"""
# What brevettiai 2.0.0 reads out of it: `ImageAnnotation.parse_raw(…).annotations`, with `bounds` of the geometries.
RECORDED = [
    ("polygon", "scratch", [[10.5, 4.25], [30.0, 6.0], [22.75, 19.5], [9.0, 15.0]], [9.0, 4.25, 30.0, 19.5]),
    ("rectangle", "dent", [[12.0, 8.0], [40.5, 32.25]], [12.0, 8.0, 40.5, 32.25]),
    ("point", "dust", [[3.0, 7.0]], [3.0, 7.0, 3.0, 7.0]),
    ("line", "crack", [[1.0, 2.0], [5.0, 9.0]], [1.0, 2.0, 5.0, 9.0]),
    ("rectangle", "dent", [[2.0, 3.0], [6.5, 4.5]], [2.0, 3.0, 6.5, 4.5]),
]


def test_annotations_are_read_as_the_reference_reads_them() -> None:
    labels = read({"1.jpg": b"", "1.json": ANNOTATIONS.encode()}, NOTES)
    expected = [
        (label, tuple(bounds) if kind == "rectangle" else tuple(number for point in points for number in point))
        for kind, label, points, bounds in RECORDED
        if kind in ("rectangle", "polygon")
    ]
    assert objects_of(labels)["1.jpg"] == expected
    (told,) = labels.findings.rows
    assert (told.kind, told.count) == ("not_taken", 3)
    assert [text.split(": ", 2)[2] for text in told.examples] == [
        "a point has no area",
        "a line has no area",
        "is about the photo as a whole; category: true takes it as the photo's class",
    ]


def test_annotations_of_type_class_are_the_photos_classes_where_configured() -> None:
    labels = read(
        {"1.jpg": b"", "1.json": ANNOTATIONS.encode()}, {**NOTES, "category": True, "mapping": {"Tilted": "tilt"}}
    )
    assert column_of(labels, "category") == {"1.jpg": ["tilt"]}


def test_the_newest_annotation_by_name_counts_and_the_others_are_told() -> None:
    def note(x: int) -> bytes:
        points = [{"x": 0, "y": 0}, {"x": x, "y": 1}]
        return json.dumps({"annotations": [{"type": "rectangle", "label": "a", "points": points}]}).encode()

    files = {
        "good/1.jpg": b"",
        ".annotations/good/1.jpg/1600000000001.json": note(1),
        ".annotations/good/1.jpg/1700000000001.json": note(2),
        ".annotations/good/1.jpg/1500000000001.json": note(3),
        ".annotations/good/1.jpg/old/1800000000001.json": note(4),
        ".annotations/good/2.jpg/1500000000001.json": note(5),
    }
    labels = read(files, {"kind": "annotations"})
    assert objects_of(labels) == {"good/1.jpg": [("a", (0, 0, 2, 1))]}
    assert counts_of(labels) == {"older_file": 2, "no_photo": 2}


def test_a_photos_own_star_is_no_pattern() -> None:
    note = json.dumps({"annotations": []}).encode()
    files = {"a*.jpg": b"", "ab.jpg": b"", ".annotations/a*.jpg/1.json": note, ".annotations/ab.jpg/2.json": note}
    labels = read(files, {"kind": "annotations"})
    assert objects_of(labels) == {"a*.jpg": [], "ab.jpg": []}
    assert counts_of(labels) == {}


def test_an_annotation_file_without_annotations_is_a_photo_with_nothing_on_it() -> None:
    assert one('{"annotations": null, "image": null}', NOTES) == ([], {})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ('{"annotations": [', "1.json, line 1, column 18: not JSON: Expecting value; the file seems to be cut short"),
        ("{\n'a'}", "1.json, line 2, column 1: not JSON"),
        ('{"annotations": [NaN]}', "1.json: holds NaN, which is no number of JSON's"),
        ("[]", "1.json: holds a list; an annotation file holds image and annotations"),
        ('{"annotations": [1]}', "1.json, annotation 1: is no annotation, but 1"),
        ('{"annotations": [{"type": "line"}]}', "1.json, annotation 1: has no label"),
        (
            '{"annotations": [{"type": "polygon", "label": "a", "points": [{"x": 1}]}]}',
            '1.json, annotation 1: a point is {"x": 1}',
        ),
        ('{"annotations": [{"type": "polygon", "label": "a"}]}', "1.json, annotation 1: has no list of points"),
        ("[" * 100_000, "1.json: its lists are nested too deeply"),
    ],
)
def test_what_is_wrong_with_an_annotation_file_is_named(data: str, said: str) -> None:
    assert refused(data, NOTES).startswith(said)


def test_holes_flat_polygons_and_unknown_types_are_told() -> None:
    square = [{"x": 0, "y": 0}, {"x": 2, "y": 0}, {"x": 2, "y": 2}]
    flat = [{"x": 0, "y": 0}, {"x": 1, "y": 1}, {"x": 2, "y": 2}]
    notes = [
        {"type": "polygon", "label": "a", "points": square},
        {"type": "polygon", "label": "hole", "points": square, "is_hole": True},
        {"type": "polygon", "label": "flat", "points": flat},
        {"type": "polygon", "label": "two", "points": square[:2]},
        {"type": "sphere", "label": "b", "points": square},
    ]
    found, counts = one(json.dumps({"annotations": notes}), NOTES)
    assert found == [("a", (0, 0, 2, 0, 2, 2))]
    assert counts == {"not_taken": 2, "excluded_object": 2}
