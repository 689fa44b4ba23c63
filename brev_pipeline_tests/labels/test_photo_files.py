"""Which label file a photo has, and what is told of those that have none, and of files without a photo."""

import pytest

from brev_pipeline.errors import LabelError
from brev_pipeline.labels.read import find_label_files
from brev_pipeline_tests.labels.datasets import column_of, configure, counts_of, list_objects, objects_of, read

MASKS = {"kind": "masks", "threshold": 1}
BOXES = {"kind": "boxes", "columns": ["x1", "y1", "x2", "y2", "label"]}
LINE = b"1 2 3 4 a\n"


def masks(files: list[str], **source: object) -> dict[str, str | None]:
    found = column_of(read(dict.fromkeys(files, b"x"), {**MASKS, **source}), "mask")
    return {key: mask if mask is None else mask["path"] for key, mask in found.items()}


@pytest.mark.parametrize(
    ("template", "photo", "mask"),
    [
        ("{path}.png", "a/b/1.x.jpg", "a/b/1.x.jpg.png"),
        ("{folder}/{stem}_m.png", "a/b/1.x.jpg", "a/b/1.x_m.png"),
        ("{folder}/{stem}_m.png", "1.jpg", "1_m.png"),
        ("{folder}/../masks/{name}.png", "a/b/1.jpg", "a/masks/1.jpg.png"),
        ("{folder}/../masks/{stem}.png", "b/1.jpg", "masks/1.png"),
        ("{folder}/./{stem}.png", "b/1.jpg", "b/1.png"),
        ("m/{stem}.png", "a/b/1.jpg", "m/1.png"),
        ("{folder}/{{x}}{stem}.png", "a/1.jpg", "a/{x}1.png"),
        ("{stem}.png", ".jpg.jpg", ".jpg.png"),
        ("{folder}/{stem}.png", "é/ü.jpg", "é/ü.png"),
    ],
)
def test_a_template_is_filled_from_the_photos_path(template: str, photo: str, mask: str) -> None:
    assert masks([photo, mask], path=template) == {photo: f"photos/{mask}"}


def test_names_are_found_in_any_of_unicodes_forms() -> None:
    assert masks(
        ["e\u0301/1.jpg", "m/e\u0301.png"], path="m/\u00e9.png{stem}".replace(".png{stem}", "{g}.png"), photos="(?P<g>)"
    ) == {"e\u0301/1.jpg": "photos/m/e\u0301.png"}


def test_named_groups_of_the_photos_stand_in_the_template_and_others_have_no_label() -> None:
    labels = read(
        {"p/1_test.jpg": b"", "p/1_temp.jpg": b"", "p_not/1.txt": LINE},
        {**BOXES, "photos": r"^/p/(?P<id>\d+)_test", "path": "{folder}_not/{id}.txt"},
    )
    assert objects_of(labels) == {"p/1_temp.jpg": None, "p/1_test.jpg": [("a", (1, 2, 3, 4))]}
    assert counts_of(labels) == {"not_asked": 1}


def test_a_template_that_leads_out_of_the_dataset_is_refused() -> None:
    with pytest.raises(LabelError, match=r"labels\[0\] \(masks\)\.path: /\.\./masks leads out of the dataset"):
        masks(["1.jpg", "masks/1.png"], path="{folder}/../masks/{stem}.png")


@pytest.mark.parametrize(("absent", "value"), [("empty", {"path": "", "source": 0}), ("unlabelled", None)])
def test_a_photo_without_its_mask_is_what_the_configuration_says(absent: str, value: dict[str, object] | None) -> None:
    labels = read({"1.jpg": b"", "2.jpg": b"", "1.png": b"x"}, {**MASKS, "path": "{stem}.png", "absent": absent})
    found = column_of(labels, "mask")
    assert found["1.jpg"]["path"] == "photos/1.png"
    mask = found["2.jpg"]
    assert (mask if mask is None else {name: value for name, value in mask.items() if value is not None}) == value
    (told,) = labels.findings.rows
    assert (told.kind, told.count, told.examples) == ("no_label", 1, ("2.jpg (looked for 2.png)",))


def test_a_photo_without_its_mask_stops_by_default() -> None:
    with pytest.raises(
        LabelError, match=r"dataset 'set': labels\[0\] \(masks\): 1 photos have no label: 2\.jpg \(looked for 2\.png\)"
    ):
        masks(["1.jpg", "2.jpg", "1.png"], path="{stem}.png")


@pytest.mark.parametrize("absent", ["error", "empty", "unlabelled"])
def test_a_template_that_finds_nothing_stops_whatever_is_said_of_absent_labels(absent: str) -> None:
    with pytest.raises(LabelError, match=r"none of the 1 photos has its label file: p/1\.jpg \(looked for q/1\.png\)"):
        masks(["p/1.jpg", "p/1.png"], path="q/{stem}.png", absent=absent)


def test_files_without_their_photo_and_shared_files_are_told() -> None:
    files = {"p/a1.jpg": b"", "p/a2.jpg": b"", "m/a.txt": LINE, "m/b.txt": LINE, "readme.txt": b"", "m/b.csv": b""}
    labels = read(files, {**BOXES, "photos": r"(?P<g>[a-z])\d", "path": "m/{g}.txt"})
    found = {told.kind: told.examples for told in labels.findings.rows}
    assert found == {"shared_file": ("m/a.txt",), "no_photo": ("m/b.txt",)}


def test_orphans_are_looked_for_in_the_folders_of_label_files_where_the_template_begins_with_the_photos() -> None:
    files = {"p/1.jpg": b"", "p/1.txt": LINE, "p/2.txt": LINE, "docs/3.txt": b"words"}
    labels = read(files, {**BOXES, "path": "{folder}/{stem}.txt"})
    assert [(told.kind, told.examples) for told in labels.findings.rows] == [("no_photo", ("p/2.txt",))]


def test_a_label_file_that_is_listed_as_a_photo_is_refused() -> None:
    with pytest.raises(
        LabelError, match=r"1 label files are listed as photos too, the first 1_m\.jpg: let listing\.sample_filter"
    ):
        read({"1.jpg": b"", "1_m.jpg": b""}, {**MASKS, "path": "{stem}_m.jpg", "absent": "unlabelled"})


def test_the_files_of_labels_are_named_without_reading_them() -> None:
    files = {"1.jpg": b"", "1.png": b"", "2.jpg": b"", "t.csv": b"", "1.txt": b"", "names.txt": b"", "other": b""}
    dataset = configure(
        {**MASKS, "path": "{stem}.png", "absent": "empty"},
        {"kind": "table", "file": "t.csv"},
        {"kind": "yolo", "path": "{stem}.txt", "classes": "names.txt"},
    )
    objects = list_objects(files)
    photos = objects.filter([key.endswith(".jpg") for key in objects["key"].to_pylist()])
    assert find_label_files(dataset, photos, objects).to_pylist() == ["1.png", "1.txt", "names.txt", "t.csv"]


def test_a_mask_is_listed_with_what_is_known_of_its_object() -> None:
    (mask,) = column_of(read({"1.jpg": b"", "1.png": b"abc"}, {**MASKS, "path": "{stem}.png"}), "mask").values()
    assert mask == {
        "path": "photos/1.png",
        "etag": "900150983cd24fb0d6963f7d28e17f72",  # MD5 of abc, RFC 1321
        "etag_source": "md5",
        "size": 3,
        "modified": None,
        "file_stamp": None,
        "source": 0,
    }
