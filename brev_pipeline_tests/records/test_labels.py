"""What records hold of labels: read back by Pillow and by hand, before and after augmentation."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from brev_pipeline.augmentation import ImageAugmenter
from brev_pipeline.config import ShardSettings
from brev_pipeline.engine import LocalEngine
from brev_pipeline.errors import ShardError
from brev_pipeline.labels import KINDS
from brev_pipeline.labels.objects import PlacedObject
from brev_pipeline.records import PreviousRecords, RecordBuilder, RecordLayout, decode_example, iterate_records
from brev_pipeline.records.label_encoder import LabelEncoder, LabelSource, PhotoLabels
from brev_pipeline.table_metadata import WORK, read_label_features, read_note
from brev_pipeline.tables import LABEL_ID, TFRECORD_SHARDS
from brev_pipeline_tests.records.worlds import World, build

ROW = {"content_id": "c", "epoch": 0, "item": "i", "label": 1, "path": "p", "seed": 7, "multi_hot": None}
CLASSES = {"mask": ("background", "scratch"), "objects": ("scratch", "chip")}
ENCODER = LabelEncoder(tuple(KINDS.values()), CLASSES, ("weight",), ("remark",))
TURNS = ImageAugmenter(
    transform={"chance": 0.5, "rotate_chance": 0.0, "scale": 0, "translate_horizontal": 0, "translate_vertical": 0}
    | {"shear": 0},
    deformation=None,
    filtering=None,
    noise=None,
    salt_and_pepper=None,
)


def placed(label: str, places: list[tuple[int, int]], frame: int = 0) -> PlacedObject:
    """An outline in 1/256 px; of its area the shoelace formula in fractions."""
    pairs = zip(places, places[1:] + places[:1], strict=True)
    area = abs(sum(Fraction(a[0] * b[1] - b[0] * a[1]) for a, b in pairs))
    return PlacedObject(label, frame, tuple(places), int(area))


def make(image: np.ndarray, labels: PhotoLabels, seed: int | None = None) -> dict[str, Any]:
    """The features of a record; of an augmented one by a seed."""
    row = ROW | {"augmented": seed is not None, "seed": seed or 0}
    return decode_example(RecordBuilder(ShardSettings(), TURNS, ENCODER)(row, image, labels))


def made(labels: PhotoLabels, size: tuple[int, ...], seed: int | None = None) -> dict[str, Any]:
    return make(np.zeros((*size, 1), np.uint8), labels, seed)


def pixels(record: dict[str, Any], name: str) -> np.ndarray:
    with Image.open(io.BytesIO(record[name][0])) as image:
        return np.asarray(image)


masks = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda size: st.lists(st.integers(0, 255), min_size=size[0] * size[1], max_size=size[0] * size[1]).map(
        lambda values: np.array(values, np.uint8).reshape(size)
    )
)


@given(masks)
def test_a_mask_is_a_grey_png_of_class_numbers(mask: np.ndarray) -> None:
    found = made(PhotoLabels({"mask": mask}), mask.shape)
    (data,) = found["mask/encoded"]
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.mode) == ("PNG", "L")
        np.testing.assert_array_equal(np.asarray(image), mask)
    assert found["mask/labelled"] == [1]


corners = st.tuples(st.integers(0, 20 * 256), st.integers(0, 10 * 256))


@given(st.lists(st.tuples(st.sampled_from(["scratch", "chip", "hair"]), st.lists(corners, min_size=3, max_size=6))))
def test_boxes_areas_and_classes_are_those_of_the_outlines(outlines: list[tuple[str, list[tuple[int, int]]]]) -> None:
    objects = tuple(placed(*one) for one in outlines)
    found = made(PhotoLabels({"objects": objects}), (10, 20))
    boxes = []
    for _, places in outlines:
        x, y = zip(*places, strict=True)
        sides = ((min(y), 10), (min(x), 20), (max(y), 10), (max(x), 20))
        boxes += [float(np.float32(float(Fraction(value, 256 * side)))) for value, side in sides]
    assert found["objects/bbox"] == boxes
    assert all(0 <= side <= 1 for side in boxes)
    assert found["objects/label"] == [{"scratch": 0, "chip": 1}.get(label, -1) for label, _ in outlines]
    assert found["objects/area"] == [float(np.float32(one.area / 131072)) for one in objects]


def test_a_box_of_3_by_2_px_has_6_px() -> None:
    box = placed("chip", [(256, 512), (1024, 512), (1024, 1024), (256, 1024)])
    found = made(PhotoLabels({"objects": (box,)}), (8, 8))
    assert found["objects/area"] == [6.0]
    assert found["objects/bbox"] == [0.25, 0.125, 0.5, 0.5]


def test_what_nobody_labelled_has_every_feature_too() -> None:
    found = made(PhotoLabels(), (4, 6), seed=7)
    assert pixels(found, "mask/encoded").tolist() == [[255] * 6] * 4
    assert found["mask/labelled"] == [0]
    assert [found[f"objects/{part}"] for part in ("bbox", "label", "area")] == [[], [], []]
    assert np.isnan(found["target/weight"])
    assert found["text/remark"] == [b""]
    layout = RecordLayout(labels=ENCODER.features(is_time_series=False))
    assert list(found) == [feature.name for feature in layout.features]


def test_a_mask_without_anything_is_labelled() -> None:
    found = made(PhotoLabels({"mask": np.zeros((4, 6), np.uint8), "objects": ()}), (4, 6))
    assert found["mask/labelled"] == [1]
    assert not pixels(found, "mask/encoded").any()


def test_numbers_and_texts_are_stored_as_they_are() -> None:
    found = made(PhotoLabels(numbers={"weight": 0.1}, texts={"remark": "Prüfer"}), (4, 6))
    assert found["target/weight"] == [float(np.float32(0.1))]
    assert found["text/remark"] == ["Prüfer".encode()]


@given(masks, st.integers(0, 2**64 - 1))
def test_a_mask_moves_with_the_photo_that_is_its_copy(mask: np.ndarray, seed: int) -> None:
    row = ROW | {"seed": seed, "augmented": True}
    record = decode_example(
        RecordBuilder(ShardSettings(), TURNS, ENCODER)(row, mask[..., None], PhotoLabels({"mask": mask}))
    )
    photo, moved = (np.asarray(Image.open(io.BytesIO(record[name][0]))) for name in ("image/encoded", "mask/encoded"))
    np.testing.assert_array_equal(photo, moved)


def test_the_boxes_of_a_photo_turned_round_are_turned_round() -> None:
    # One pixel is white: where it lies tells how the photo was turned.
    photo = np.zeros((8, 8, 1), np.uint8)
    photo[1, 2] = 255
    box = placed("chip", [(512, 256), (768, 256), (768, 512), (512, 512)])
    seen = set()
    for seed in range(40):
        record = make(photo, PhotoLabels({"objects": (box,)}), seed)
        ((y, x),) = np.argwhere(pixels(record, "image/encoded"))
        assert record["objects/bbox"] == [y / 8, x / 8, (y + 1) / 8, (x + 1) / 8]
        seen.add((int(y), int(x)))
    assert seen == {(1, 2), (6, 2), (1, 5), (6, 5)}


def test_frames_of_a_time_series_stand_one_below_the_other_and_objects_name_theirs() -> None:
    mask = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    objects = (placed("chip", [(0, 0), (256, 0), (256, 1024)]), placed("scratch", [(0, 0), (512, 0), (0, 512)], 2))
    found = made(PhotoLabels({"mask": mask, "objects": objects}), (3, 4, 5))
    np.testing.assert_array_equal(pixels(found, "mask/encoded"), mask.reshape(12, 5))
    assert found["objects/frame"] == [0, 2]
    assert found["objects/bbox"][2] == 1.0  # of the frame's height, not of all frames'
    assert [feature.name for feature in ENCODER.features(is_time_series=True)][-3] == "objects/frame"


def test_without_labels_a_record_has_the_bytes_that_it_had() -> None:
    row, image = ROW | {"augmented": True}, np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    plain = RecordBuilder(ShardSettings(), TURNS)(row, image)
    assert RecordBuilder(ShardSettings(), TURNS, LabelEncoder())(row, image) == plain


@dataclass(frozen=True)
class Known:
    """A mask and a number for each photo, by its name."""

    lost: int = 0

    def read(self, rows: pa.Table) -> Iterator[PhotoLabels]:
        for row in rows.slice(self.lost).to_pylist():
            number = int(row["content_id"][:2], 16)
            yield PhotoLabels({"mask": np.full((12, 16), number, np.uint8)}, {"weight": number / 4})


def source(classes: tuple[str, ...] = ("background", "scratch"), lost: int = 0) -> LabelSource:
    return LabelSource(Known(lost), LabelEncoder((KINDS["mask"],), {"mask": classes}, ("weight",)))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return build(tmp_path, {"good": 9, "bad_cap": 4})


def test_each_record_of_a_shard_has_the_labels_of_its_own_photo(world: World) -> None:
    settings = ShardSettings(records_per_shard=4)
    table = world.write(settings, augmenter=TURNS, labels=source())
    features = source().encoder.features(is_time_series=False)
    assert read_label_features(table) == [
        *(feature for feature in read_label_features(table) if feature["name"].startswith("mask/")),
        {"name": "target/weight", "kind": "float32", "description": "weight; NaN where it is not known"}
        | {"stored": "labels", "tfds": "Scalar"},
    ]
    assert read_label_features(table)[0]["classes"] == ["background", "scratch"]
    for row, record in iterate_records(world.folder(), table, labels=features):
        number = int(row["content_id"][:2], 16)
        assert record["target/weight"] == number / 4
        assert np.asarray(Image.open(io.BytesIO(record["mask/encoded"]))).tolist() == [[number] * 16] * 12
    with pytest.raises(ShardError, match="feature 'mask/encoded' that this version of the package does not know"):
        next(iterate_records(world.folder(), table))


def test_labels_come_out_the_same_of_every_worker(world: World) -> None:
    settings = ShardSettings(records_per_shard=4)
    world.write(settings, "one", augmenter=TURNS, labels=source())
    world.write(settings, "two", augmenter=TURNS, labels=source(), engine=LocalEngine(workers=2))
    assert world.files("one") == world.files("two")


def test_a_finished_shard_is_made_anew_where_classes_have_other_names(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    settings = ShardSettings(records_per_shard=4)
    for labels, finished in ((source(), 0), (source(), 6), (source(("background", "chip")), 0), (None, 0)):
        caplog.clear()
        world.write(settings, augmenter=TURNS, labels=labels)
        assert f"shards, {finished} of them finished" in caplog.text


def test_a_reader_that_gives_too_few_labels_is_refused(world: World) -> None:
    with pytest.raises(ShardError, match=r"the labels of .* images were asked for, more or fewer came"):
        world.write(ShardSettings(), augmenter=TURNS, labels=source(lost=1))


def with_ids(world: World, ids: dict[str, str | None]) -> World:
    """The world, its split with a label id for each photo: by content id, else "a"."""
    values = [ids.get(content, "a") for content in world.split["content_id"].to_pylist()]
    return World(world.root, world.split.append_column(LABEL_ID, pa.array(values, LABEL_ID.type)), world.prepared)


def copied(world: World, previous: PreviousRecords | None, **asked: Any) -> tuple[pa.Table, int]:
    """The record table, and how many records were copied."""
    table = world.write(ShardSettings(records_per_shard=4), augmenter=TURNS, previous=previous, **asked)
    return table, table.num_rows - int(read_note(table, WORK) or 0)


def test_label_ids_go_from_the_split_to_the_record_table(world: World) -> None:
    *_, first, second = world.split["content_id"].to_pylist()
    table, _ = copied(with_ids(world, {first: None, second: "b"}), None, labels=source())
    assert table.schema.equals(TFRECORD_SHARDS.append(LABEL_ID))
    found = dict(zip(table["content_id"].to_pylist(), table["label_id"].to_pylist(), strict=True))
    assert {label_id for content, label_id in found.items() if content not in (first, second)} == {"a"}
    assert (found[first], found[second]) == (None, "b")


def test_exactly_the_records_of_photos_with_other_labels_are_made_anew(world: World) -> None:
    *_, first, second = world.split["content_id"].to_pylist()
    before, _ = copied(with_ids(world, {first: None}), None, labels=source())
    previous = PreviousRecords(world.folder(), before, "none", source().encoder.features(is_time_series=False))
    for changes, other in (({first: None}, set()), ({first: "z", second: "b"}, {first, second}), ({}, {first})):
        table, kept = copied(with_ids(world, changes), previous, where=f"again {len(other)}", labels=source())
        assert kept == sum(content not in other for content in table["content_id"].to_pylist())
        assert world.files(f"again {len(other)}") == world.files()


@pytest.mark.parametrize(
    ("classes", "numbers", "is_copied"),
    [
        (("background", "scratch"), ("weight",), True),
        (("background", "scratch", "chip"), ("weight",), True),
        (("background", "chip"), ("weight",), False),
        (("background",), ("weight",), False),
        (("background", "scratch"), ("weight", "length"), False),
        (("background", "scratch"), (), False),
    ],
)
def test_records_are_copied_where_they_have_the_features_that_are_wanted(
    world: World, classes: tuple[str, ...], numbers: tuple[str, ...], is_copied: bool
) -> None:
    before, _ = copied(world, None, labels=source())
    previous = PreviousRecords(world.folder(), before, "none", source().encoder.features(is_time_series=False))
    asked = LabelSource(Known(), LabelEncoder((KINDS["mask"],), {"mask": classes}, numbers))
    table, kept = copied(world, previous, where="again", labels=asked)
    assert kept == (table.num_rows if is_copied else 0)


def test_records_with_labels_are_not_copied_into_a_version_without(world: World) -> None:
    before, _ = copied(world, None, labels=source())
    previous = PreviousRecords(world.folder(), before, "none", source().encoder.features(is_time_series=False))
    assert copied(world, previous, where="again")[1] == 0
