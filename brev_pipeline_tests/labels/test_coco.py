"""COCO files: what each photo gets of them, compared with plain Python, and what is wrong with them, by name."""

import json
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.errors import LabelError
from brev_pipeline_tests.labels.datasets import counts_of, objects_of, read

SOURCE = {"kind": "coco", "file": "a/coco.json"}
RLE = {"counts": [3, 4], "size": [2, 4]}


def annotation(image: Any, category: Any = 1, bbox: Any = (1, 2, 3, 4), **more: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": list(bbox), **more}


def coco(*annotations: dict[str, Any], images: Any = None, categories: Any = None) -> dict[str, Any]:
    images = [{"id": 7, "file_name": "1.jpg", "width": 20, "height": 10}] if images is None else images
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}] if categories is None else categories
    return {"images": images, "annotations": list(annotations), "categories": categories}


def one(content: Any, **more: Any) -> Any:
    """What one photo gets of a file."""
    data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
    labels = read({"1.jpg": b"", "a/coco.json": data}, {**SOURCE, **more})
    return objects_of(labels)["1.jpg"], counts_of(labels)


def test_boxes_are_left_top_and_size_and_mean_the_photo_of_the_name() -> None:
    assert one(coco(annotation(7), annotation(7, 2, (0.5, 0, 1, 2)))) == (
        [("cat", (1, 2, 4, 6)), ("dog", (0.5, 0, 1.5, 2))],
        {},
    )


def test_an_image_without_annotations_is_labelled_and_empty_and_one_that_is_not_there_as_configured() -> None:
    data = json.dumps(coco()).encode()
    files = {"1.jpg": b"", "2.jpg": b"", "a/coco.json": data}
    with pytest.raises(LabelError, match=r"labels\[0\] \(coco\): 1 photos have no label: 2\.jpg: add them"):
        read(files, SOURCE)
    assert objects_of(read(files, {**SOURCE, "absent": "unlabelled"})) == {"1.jpg": [], "2.jpg": None}
    assert objects_of(read(files, {**SOURCE, "absent": "empty"})) == {"1.jpg": [], "2.jpg": []}


def test_polygons_stand_for_the_box_one_object_for_each_part() -> None:
    square, triangle = [0, 0, 4, 0, 4, 4, 0, 4], [5, 5, 6, 5, 6, 6]
    content = coco(
        annotation(7, segmentation=[square, triangle]),
        annotation(7, 2, segmentation=[]),
        annotation(7, 2, segmentation=[[0, 0, 1, 1, 2, 2]]),
    )
    found, counts = one(content)
    assert found == [("cat", tuple(square)), ("cat", tuple(triangle)), ("dog", (1, 2, 4, 6))]
    assert counts == {"several_parts": 1, "excluded_object": 1}
    assert one(content, segmentation="ignore")[0] == [
        ("cat", (1, 2, 4, 6)),
        ("dog", (1, 2, 4, 6)),
        ("dog", (1, 2, 4, 6)),
    ]


@pytest.mark.parametrize(("counts", "word"), [([3, 4], "in run lengths"), ("abc", "in compressed run lengths")])
def test_run_lengths_are_refused_by_name_and_may_be_ignored(counts: Any, word: str) -> None:
    content = coco(annotation(7), annotation(7, segmentation={"counts": counts, "size": [2, 4]}))
    with pytest.raises(LabelError, match=rf"a/coco\.json, annotations\[1\]: its segmentation is {word} \(RLE"):
        one(content)
    assert len(one(content, segmentation="ignore")[0]) == 2


def test_groups_are_told_and_left_out_or_taken() -> None:
    content = coco(annotation(7), annotation(7, 2, iscrowd=1, segmentation=RLE))
    found, counts = one(content)
    assert (found, counts["crowd"]) == ([("cat", (1, 2, 4, 6))], 1)
    found, counts = one(content, crowd="take", segmentation="ignore")
    assert ([label for label, _ in found], counts["crowd"]) == (["cat", "dog"], 1)


def test_what_else_there_is_is_told() -> None:
    images = [{"id": 7, "file_name": "1.jpg", "width": 20, "height": 10}, {"id": 8, "file_name": "gone.jpg"}]
    content = coco(
        annotation(7, bbox=(18, 2, 3, 4)),
        annotation(7, bbox=(18, 2, 0, 4)),
        annotation(8),
        annotation(7, 2),
        images=images,
        categories=[{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}, {"id": 3, "name": "cow"}],
    )
    found, counts = one(content, mapping={"dog": None, "cat": "feline"})
    assert found == [("feline", (18, 2, 21, 6))]
    assert counts == {"no_photo": 1, "unused_class": 1, "left_out": 1, "excluded_object": 1, "beyond_photo": 1}


def test_every_object_of_no_area_is_listed_with_its_photo() -> None:
    content = json.dumps(coco(*[annotation(7, bbox=(n, 2, 0, 4)) for n in range(9)])).encode()
    labels = read({"1.jpg": b"", "a/coco.json": content}, SOURCE)
    assert objects_of(labels) == {"1.jpg": []}
    assert labels.excluded.to_pylist() == [
        {
            "key": "1.jpg",
            "source": "labels[0] (coco)",
            "what": f"a/coco.json, annotations[{n}]: cat: has no area",
        }
        for n in range(9)
    ]


def test_ids_may_be_texts_and_the_file_may_have_its_mark() -> None:
    content = coco(
        annotation("x", "c"), images=[{"id": "x", "file_name": "1.jpg"}], categories=[{"id": "c", "name": "cat"}]
    )
    assert one("\ufeff" + json.dumps(content))[0] == [("cat", (1, 2, 4, 6))]


@pytest.mark.parametrize(
    ("match", "name", "key"),
    [
        ("name", "1.jpg", "p/1.jpg"),
        ("name", "other/1.jpg", "p/1.jpg"),
        ("stem", "1.png", "p/1.jpg"),
        ("stem", "1", "p/1.jpg"),
        ("path", "p/1.jpg", "p/1.jpg"),
        ("path", "./p/1.jpg", "p/1.jpg"),
        ("path", "1.jpg", "a/1.jpg"),
        ("path", "photos/p/1.jpg", "p/1.jpg"),
        ("name", "e\u0301.jpg", "p/\u00e9.jpg"),
    ],
)
def test_file_names_mean_photos_as_configured(match: str, name: str, key: str) -> None:
    data = json.dumps(coco(annotation(7), images=[{"id": 7, "file_name": name}])).encode()
    labels = read({key: b"", "z/2.jpg": b"", "a/coco.json": data}, {**SOURCE, "match": match, "absent": "unlabelled"})
    assert objects_of(labels) == {key: [("cat", (1, 2, 4, 6))], "z/2.jpg": None}


def refused(content: Any, *photos: str, **more: Any) -> str:
    data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
    with pytest.raises(LabelError) as error:
        read({"1.jpg": b"", **dict.fromkeys(photos, b""), "a/coco.json": data}, {**SOURCE, "absent": "empty", **more})
    return str(error.value).partition("labels[0] (coco): a/coco.json")[2]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", ": is empty"),
        ('{"images": [', ", line 1, column 13: not JSON: Expecting value; the file seems to be cut short"),
        (json.dumps(coco(annotation(7)))[:-1], ": not JSON: Expecting ',' delimiter; the file seems to be cut short"),
        (json.dumps(coco(annotation(7))) * 2, "not JSON: Extra data"),
        ([], ": is no COCO file: it has no list of images"),
        ({"images": []}, ": is no COCO file: it has no list of annotations, categories"),
        (coco(images=[3]), ", images[0]: is no object, but 3"),
        (coco(annotation(7), images=[]), ": has no images"),
        (coco(annotation(7), images=[{"id": 7}]), ", images[0]: has no file_name"),
        (coco(annotation(7), annotation(9)), ", annotations[1]: its image_id 9 is the id of none of its images"),
        (coco(annotation(7, 5)), ", annotations[0]: its category_id 5 is the id of none of its categories"),
        (coco(annotation(7, None)), ", annotations[0]: its category_id None"),
        (coco(annotation(7), {"image_id": 7, "category_id": 1}), ", annotations[1]: has no bbox"),
        (coco(annotation(7, bbox=(1, 2, 3))), ", annotations[0]: has a bbox of 3 numbers"),
        (coco(annotation(7, bbox=(1, 2, None, 3))), ", annotations[0]: its bbox holds null"),
        (coco(annotation(7, bbox=(1, 2, "x", 3))), ", annotations[0]: its bbox is \"[1, 2, 'x', 3]\", and not list"),
        (
            coco(annotation(7, bbox=(1, 2, -3, 3))),
            ", annotations[0]: its bbox [1.0, 2.0, -3.0, 3.0] has a negative width",
        ),
        (
            coco(annotation(7), annotation(7, bbox=(1e300, 2, 3, 3))),
            ", annotations[1]: holds 1e+300, which is no place",
        ),
        (
            coco(annotation(7, bbox=(1, float("nan"), 3, 3))),
            ", annotations[0]: holds nan, which is no place in a photo",
        ),
        (
            coco(annotation(7, segmentation=[[1, 2, 3, 4]])),
            ", annotations[0]: its segmentation has a polygon of 4 numbers",
        ),
        (
            coco(images=[{"id": 7, "file_name": "1.jpg"}, {"id": 7, "file_name": "2.jpg"}]),
            ": images[0] and images[1] have the same id",
        ),
        (
            coco(images=[{"id": 7, "file_name": "1.jpg"}, {"id": 8, "file_name": "1.jpg"}]),
            ": images[0] and images[1] both mean the photo 1.jpg",
        ),
        (
            coco(images=[{"id": 7, "file_name": "x.jpg"}]),
            ": none of its 1 names means a photo by name: they are 'x.jpg'; the photos are '1.jpg'",
        ),
        (coco(categories=[{"id": 1}]), ", categories[0]: has no name"),
    ],
)
def test_what_is_wrong_with_a_coco_file_is_named(content: Any, said: str) -> None:
    assert said in refused(content)


def test_a_name_of_several_photos_is_refused_with_what_tells_them_apart() -> None:
    assert refused(coco(annotation(7)), "b/1.jpg") == (
        ", images[0]: '1.jpg' means several photos by name: 1.jpg, b/1.jpg (1 such names); match: path tells "
        "them apart by their folders"
    )


NUMBERS = st.integers(0, 400).map(lambda number: number / 4)
BOXES = st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), BOXES), max_size=30),
    st.permutations(range(6)),
    st.booleans(),
)
def test_what_is_written_is_read(rows: list[tuple[int, int, Any]], ids: list[int], as_texts: bool) -> None:
    identify = str if as_texts else int
    images = [{"id": identify(ids[n] * 10), "file_name": f"{n}.jpg", "width": 1000, "height": 1000} for n in range(6)]
    categories = [{"id": identify(n), "name": f"class {n}"} for n in range(4)]
    annotations = [annotation(identify(ids[image] * 10), identify(kind), box) for image, kind, box in rows]
    data = json.dumps({"images": images, "annotations": annotations, "categories": categories}).encode()
    expected = defaultdict(list)
    for image, kind, (x, y, width, height) in rows:
        if width and height:
            expected[f"{image}.jpg"].append((f"class {kind}", (x, y, x + width, y + height)))
    labels = read({"coco.json": data, **{f"{n}.jpg": b"" for n in range(6)}}, {"kind": "coco", "file": "coco.json"})
    assert objects_of(labels) == {f"{n}.jpg": expected[f"{n}.jpg"] for n in range(6)}
    assert counts_of(labels).get("excluded_object", 0) == len(rows) - sum(map(len, expected.values()))
