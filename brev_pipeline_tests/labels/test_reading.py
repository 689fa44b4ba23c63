"""Several sources on one dataset, and files that were read before."""

import pytest

from brev_pipeline.errors import BrevPipelineError, LabelError
from brev_pipeline_tests.labels.datasets import Fetcher, column_of, counts_of, objects_of, read

BOXES = {"kind": "boxes", "path": "{stem}.txt", "columns": ["x1", "y1", "x2", "y2", "label"]}
OTHER = {**BOXES, "path": "{stem}.box", "separator": ","}
TABLE = {"kind": "table", "file": "t.csv", "texts": ["s"], "absent": "unlabelled"}
FILES = {"1.jpg": b"", "2.jpg": b"", "1.txt": b"1 2 3 4 a\n5 6 7 8 b\n", "2.txt": b"1 2 1 4 a\n"}


def test_sources_of_other_columns_stand_beside_each_other() -> None:
    labels = read({**FILES, "t.csv": b"file_name,s\n2.jpg,x\n"}, BOXES, TABLE)
    assert labels.rows.column_names == ["key", "objects", "s"]
    assert column_of(labels, "s") == {"1.jpg": None, "2.jpg": "x"}
    assert objects_of(labels)["1.jpg"] == [("a", (1, 2, 3, 4)), ("b", (5, 6, 7, 8))]


def test_sources_that_say_the_same_in_another_order_agree() -> None:
    labels = read({**FILES, "1.box": b"5,6,7,8,b\n1,2,3,4,a\n", "2.box": b""}, BOXES, OTHER)
    assert objects_of(labels)["1.jpg"] == [("a", (1, 2, 3, 4)), ("b", (5, 6, 7, 8))]


def test_two_sources_that_disagree_are_refused_naming_both_and_the_photo() -> None:
    with pytest.raises(LabelError) as error:
        read({**FILES, "1.box": b"5,6,7,8,b\n", "2.box": b""}, BOXES, OTHER)
    assert str(error.value).startswith(
        "dataset 'set': labels[0] (boxes) and labels[1] (boxes) disagree on 'objects' of 1 photos, the first 1.jpg: "
        "2 objects (the first a [1.0, 2.0, 3.0, 4.0]) and 1 objects (the first b [5.0, 6.0, 7.0, 8.0]): correct one"
    )


@pytest.mark.parametrize(("first", "second"), [("x", "y"), ("y", "x")])
def test_two_tables_that_disagree_are_refused(first: str, second: str) -> None:
    files = {
        "1.jpg": b"",
        "t.csv": f"file_name,s\n1.jpg,{first}".encode(),
        "u.csv": f"file_name,s\n1.jpg,{second}".encode(),
    }
    with pytest.raises(LabelError, match=rf"the first 1\.jpg: '{first}' and '{second}': correct one of them"):
        read(files, TABLE, {**TABLE, "file": "u.csv"})


def test_two_masks_of_one_photo_are_refused() -> None:
    mask = {"kind": "masks", "threshold": 1}
    with pytest.raises(
        LabelError, match=r"disagree on 'mask' of 1 photos, the first 1\.jpg: photos/1\.png and photos/1\.bmp"
    ):
        read({"1.jpg": b"", "1.png": b"", "1.bmp": b""}, {**mask, "path": "{stem}.png"}, {**mask, "path": "{stem}.bmp"})


def test_what_is_found_counts_before_what_is_empty_by_rule_and_each_mask_says_its_source() -> None:
    mask = {"kind": "masks", "threshold": 1, "absent": "empty"}
    files = {"1.jpg": b"", "2.jpg": b"", "3.jpg": b"", "1.png": b"", "2.bmp": b""}
    sources = [{**mask, "path": "{stem}.png"}, {**mask, "path": "{stem}.bmp"}]
    found = column_of(read(files, *sources), "mask")
    assert {key: (one["path"], one["source"]) for key, one in found.items()} == {
        "1.jpg": ("photos/1.png", 0),
        "2.jpg": ("photos/2.bmp", 1),
        "3.jpg": ("", 0),
    }
    boxes = read(
        {**FILES, "1.box": b"9,9,10,10,c\n", "3.jpg": b""},
        {**BOXES, "photos": "[23]", "absent": "empty"},
        {**OTHER, "absent": "empty"},
    )
    assert objects_of(boxes) == {"1.jpg": [("c", (9, 9, 10, 10))], "2.jpg": [], "3.jpg": []}


def test_files_that_have_not_changed_are_not_read_again_and_told_all_the_same() -> None:
    first = read(FILES, BOXES)
    changed = {**FILES, "2.txt": b"1 2 3 4 c\n", "3.jpg": b"", "3.txt": b""}
    fetch = Fetcher(changed)
    again = read(changed, BOXES, known=first.parsed, fetch=fetch)
    assert sorted(fetch.asked) == ["2.txt", "3.txt"]
    fresh = read(changed, BOXES)
    assert again.rows.equals(fresh.rows)
    assert again.parsed.equals(fresh.parsed)
    assert again.findings.rows == fresh.findings.rows
    fetch = Fetcher(FILES)
    assert read(FILES, BOXES, known=first.parsed, fetch=fetch).findings.rows == first.findings.rows
    assert counts_of(first) == {"excluded_object": 1}
    assert fetch.asked == []


def test_files_are_read_again_where_they_are_meant_otherwise() -> None:
    first = read(FILES, BOXES)
    fetch = Fetcher(FILES)
    labels = read(FILES, {**BOXES, "classes": {"a": "c", "b": None}}, known=first.parsed, fetch=fetch)
    assert objects_of(labels)["1.jpg"] == [("c", (1, 2, 3, 4))]
    assert len(fetch.asked) == 2
    yolo = {"kind": "yolo", "path": "{stem}.txt", "classes": "names.txt"}
    files = {"1.jpg": b"", "1.txt": b"0 .5 .5 .5 .5", "names.txt": b"a"}
    first = read(files, yolo)
    renamed = {**files, "names.txt": b"b"}
    assert objects_of(read(renamed, yolo, known=first.parsed))["1.jpg"] == [("b", (0.25, 0.25, 0.75, 0.75))]


def test_a_file_that_cannot_be_had_is_named_and_may_pass() -> None:
    def fetch(files):  # type: ignore[no-untyped-def]
        yield from ((key, BrevPipelineError("the network is down", passing=True)) for key in files["key"].to_pylist())

    with pytest.raises(LabelError, match=r"labels\[0\] \(boxes\): 1\.txt cannot be read: the network is down") as error:
        read(FILES, BOXES, fetch=fetch)
    assert error.value.may_pass


def test_a_dataset_without_labels_says_nothing() -> None:
    labels = read(FILES)
    assert labels.rows.column_names == ["key"]
    assert labels.findings.rows == []


def test_findings_are_told_in_words() -> None:
    labels = read({**FILES, "9.txt": b""}, BOXES)
    assert labels.findings.build_summary() == [
        {
            "source": "labels[0] (boxes)",
            "kind": "no_photo",
            "counts": "label files, or rows and images in them, that mean no listed photo",
            "count": 1,
            "examples": ["9.txt"],
        },
        {
            "source": "labels[0] (boxes)",
            "kind": "excluded_object",
            "counts": "objects left out, each for its reason",
            "count": 1,
            "examples": ["2.txt, line 1: a: the box has no area"],
        },
    ]
