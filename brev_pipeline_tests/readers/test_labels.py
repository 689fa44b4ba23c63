"""Labels are read as they were written, whichever way: masks, boxes, numbers and texts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brev_pipeline import read
from brev_pipeline.errors import ReadError
from brev_pipeline.readers import Records
from brev_pipeline_tests.readers.labelled import MASK_CLASSES, OBJECT_CLASSES, Flip, expected_labels, label_source
from brev_pipeline_tests.readers.worlds import World

WORLDS: dict[str, dict[str, Any]] = {
    "photos": {},
    "series": {"shapes": ((3, 12, 16, 3),)},
    "raw": {"shards": {"encoding": "raw", "compression": "gzip"}},
    "sizes": {"shapes": ((12, 16, 3), (5, 7, 3))},
}
PARTS = ("objects/area", "objects/bbox", "objects/label", "objects/count")
ROOM = 5


def labelled(root: Path, name: str = "photos") -> World:
    return World(root, augmenter=Flip(), labels=label_source(), **WORLDS[name])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return labelled(tmp_path_factory.mktemp("labelled"))


@pytest.fixture(scope="module")
def records(world: World) -> Records:
    return read(world.publish(), "train")


def wanted(world: World, records: Records) -> list[dict[str, Any]]:
    return [expected_labels(world, row) for row in records.records.to_pylist()]


def padded(values: np.ndarray, fill: int) -> np.ndarray:
    return np.concatenate([values, np.full((ROOM - len(values), *values.shape[1:]), fill, values.dtype)])


@pytest.mark.parametrize("name", WORLDS)
def test_a_record_holds_the_labels_of_its_photo_moved_as_its_pixels_are(name: str, tmp_path: Path) -> None:
    world = labelled(tmp_path, name)
    records = read(world.publish(), "train", verify=True)
    kept = [name for name in records.fields if name not in ("image", "label")]
    assert kept[-5:] == ["mask", "objects", "mask/labelled", "target/weight", "text/remark"]
    parts = {"area", "bbox", "label"} | ({"frame"} if name == "series" else set())
    for sample, row, expected in zip(records, records.records.to_pylist(), wanted(world, records), strict=True):
        np.testing.assert_array_equal(sample["image"], world.image(row))
        np.testing.assert_array_equal(sample["mask"], expected["mask"])
        assert sample["mask"].dtype == np.uint8
        assert set(sample["objects"]) == parts
        for part, values in sample["objects"].items():
            np.testing.assert_array_equal(values, expected[f"objects/{part}"])
            assert values.dtype == expected[f"objects/{part}"].dtype
        np.testing.assert_array_equal(np.float32(sample["target/weight"]), expected["target/weight"])
        assert sample["mask/labelled"] == expected["mask/labelled"]
        assert sample["text/remark"] == expected["text/remark"]


def test_classes_of_masks_and_objects_are_told_by_number(records: Records) -> None:
    assert records.label_classes == {"mask": list(MASK_CLASSES), "objects": list(OBJECT_CLASSES)}


def test_arrays_are_ragged_where_photos_have_different_numbers_of_objects(world: World, records: Records) -> None:
    masks, boxes, counts, weights, remarks, flags = records.to_numpy(
        fields=("mask", "objects/bbox", "objects/count", "target/weight", "text/remark", "mask/labelled")
    )
    expected = wanted(world, records)
    np.testing.assert_array_equal(masks, [one["mask"] for one in expected])
    assert (masks.dtype, masks.shape) == (np.uint8, (23, 12, 16))
    assert isinstance(boxes, list)
    for found, one in zip(boxes, expected, strict=True):
        np.testing.assert_array_equal(found, one["objects/bbox"])
    assert counts.tolist() == [one["objects/count"] for one in expected]
    assert {0, 1, 2, 3} == set(counts.tolist())
    np.testing.assert_array_equal(weights, [one["target/weight"] for one in expected])
    assert weights.dtype == np.float32
    assert np.isnan(weights).any()
    assert remarks.tolist() == [one["text/remark"] for one in expected]
    assert flags.tolist() == [one["mask/labelled"] for one in expected]


def test_padded_objects_have_no_class_and_their_count(world: World, records: Records) -> None:
    (objects,) = records.to_numpy(fields=["objects"], pad_objects=ROOM)
    expected = wanted(world, records)
    assert list(objects) == ["area", "bbox", "label", "count"]
    for part, fill in {"area": 0, "bbox": 0, "label": -1}.items():
        np.testing.assert_array_equal(objects[part], [padded(one[f"objects/{part}"], fill) for one in expected])
    assert objects["count"].tolist() == [one["objects/count"] for one in expected]


def test_the_notebooks_name_of_the_image_is_understood(records: Records) -> None:
    images, masks = records.to_numpy(fields=("img", "mask"))
    assert (images.shape, masks.shape) == ((23, 12, 16, 3), (23, 12, 16))
    assert list(records.to_numpy(fields=("img",), as_dict=True)) == ["image"]


def test_without_fields_image_and_label_are_read_as_ever(records: Records) -> None:
    images, labels = records.to_numpy()
    assert (images.dtype, labels.dtype) == (np.uint8, np.int64)


@pytest.mark.parametrize("way", ["to_numpy", "to_torch"])
def test_more_objects_than_there_is_room_for_are_an_error(records: Records, way: str) -> None:
    if way == "to_torch":
        pytest.importorskip("torch")
    with pytest.raises(ReadError, match="a record has 3 objects, and pad_objects=2 leaves no room for them"):
        list(getattr(records, way)(fields=["objects/label"], pad_objects=2))


def test_what_makes_no_sense_is_refused(records: Records, tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"no field 'masks'; they have image, .*objects/bbox"):
        records.to_numpy(fields=["masks"])
    with pytest.raises(ReadError, match="or None; got -1"):
        records.to_numpy(fields=["objects"], pad_objects=-1)
    sizes = read(labelled(tmp_path, "sizes").publish(), "train")
    for way in (sizes.to_numpy, sizes.to_tf):
        with pytest.raises(ReadError, match="differ in size and make no"):
            way(fields=["mask"])


def test_labels_of_another_package_are_refused_by_name(world: World) -> None:
    version = world.publish()
    records = read(version, "train")
    records._contents.manifest["label_features"] = [{"name": "a", "kind": "sound", "description": "", "pitch": 1}]
    with pytest.raises(ReadError, match=r"labels that this package does not know .*pitch"):
        records.to_numpy()


@pytest.mark.parametrize("name", ["photos", "series", "raw"])
def test_batches_of_tensorflow_hold_what_numpy_reads(tf: Any, name: str, tmp_path: Path) -> None:
    world = labelled(tmp_path, name)
    records = read(world.publish(), "train")
    fields = ("mask", "mask/labelled", *PARTS, "target/weight", "text/remark")
    ragged = records.to_tf(4, fields=fields, as_dict=True)
    filled = records.to_tf(4, fields=("objects", *PARTS), pad_objects=ROOM, as_dict=True)
    assert ragged.element_spec["mask"] == tf.TensorSpec((None, *records.shape.array_shape[:-1]), tf.uint8)
    assert filled.element_spec["objects"]["bbox"] == tf.TensorSpec((None, ROOM, 4), tf.float32)
    expected = wanted(world, records)
    for number, (one, other) in enumerate(zip(ragged, filled, strict=True)):
        of_batch = expected[4 * number : 4 * number + 4]
        for field in ("mask", "mask/labelled", "objects/count", "target/weight"):
            np.testing.assert_array_equal(one[field].numpy(), [row[field] for row in of_batch])
        assert [text.decode() for text in one["text/remark"].numpy()] == [row["text/remark"] for row in of_batch]
        for field, fill in {"objects/area": 0, "objects/bbox": 0, "objects/label": -1}.items():
            assert isinstance(one[field], tf.RaggedTensor)
            assert one[field].to_list() == [row[field].tolist() for row in of_batch]
            part = field.removeprefix("objects/")
            np.testing.assert_array_equal(other[field].numpy(), [padded(row[field], fill) for row in of_batch])
            np.testing.assert_array_equal(other["objects"][part].numpy(), other[field].numpy())
        np.testing.assert_array_equal(other["objects"]["count"].numpy(), one["objects/count"].numpy())


@pytest.mark.parametrize("name", WORLDS)
def test_single_records_of_tensorflow_hold_what_numpy_reads(tf: Any, name: str, tmp_path: Path) -> None:
    world = labelled(tmp_path, name)
    records = read(world.publish(), "train")
    ragged = records.to_tf(None, fields=("mask", "objects", "objects/count"))
    filled = records.to_tf(None, fields=("objects/bbox", "objects/label", "objects/count"), pad_objects=ROOM)
    for (mask, objects, count), other, expected in zip(ragged, filled, wanted(world, records), strict=True):
        np.testing.assert_array_equal(mask.numpy(), expected["mask"])
        for part, values in objects.items():
            np.testing.assert_array_equal(values.numpy(), expected[f"objects/{part}"])
        assert count == other[2] == expected["objects/count"]
        np.testing.assert_array_equal(other[0].numpy(), padded(expected["objects/bbox"], 0))
        np.testing.assert_array_equal(other[1].numpy(), padded(expected["objects/label"], -1))


@pytest.mark.parametrize("batch_size", [4, None])
def test_tensorflow_refuses_more_objects_than_there_is_room_for(tf: Any, records: Records, batch_size: Any) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="more objects, and pad_objects=2 leaves no room"):
        list(records.to_tf(batch_size, fields=["objects/bbox"], pad_objects=2))


def test_plain_tensorflow_parses_the_records_by_their_feature_spec(tf: Any, world: World, records: Records) -> None:
    files = [f"{records.path}/{file}" for file in records.records["file"].unique().to_pylist()]
    (batch,) = tf.data.TFRecordDataset(files).batch(100)
    parsed = tf.io.parse_example(batch, records.feature_spec())
    expected = wanted(world, records)
    assert parsed["objects/bbox"].shape == (23, 3, 4)
    for row, one in enumerate(expected):
        count = one["objects/count"]
        np.testing.assert_array_equal(parsed["objects/bbox"][row, :count].numpy(), one["objects/bbox"])
        np.testing.assert_array_equal(parsed["objects/label"][row, :count].numpy(), one["objects/label"])
        np.testing.assert_array_equal(tf.io.decode_png(parsed["mask/encoded"][row])[..., 0].numpy(), one["mask"])


@pytest.mark.torch
@pytest.mark.parametrize("iterable", [False, True])
def test_batches_of_pytorch_hold_what_numpy_reads(world: World, records: Records, iterable: bool) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed here: make test-torch")
    expected = wanted(world, records)
    data = records.to_torch(
        fields=("img", "mask", "objects", "objects/label", "target/weight"), pad_objects=ROOM, iterable=iterable
    )
    (batch,) = torch.utils.data.DataLoader(data, batch_size=23)
    images, masks, objects, labels, weights = batch
    assert (tuple(images.shape), tuple(masks.shape), masks.dtype) == ((23, 3, 12, 16), (23, 12, 16), torch.uint8)
    np.testing.assert_array_equal(masks.numpy(), [one["mask"] for one in expected])
    np.testing.assert_array_equal(labels.numpy(), [padded(one["objects/label"], -1) for one in expected])
    np.testing.assert_array_equal(objects["bbox"].numpy(), [padded(one["objects/bbox"], 0) for one in expected])
    assert objects["count"].tolist() == [one["objects/count"] for one in expected]
    np.testing.assert_array_equal(weights.numpy().astype(np.float32), [one["target/weight"] for one in expected])
    ragged = records.to_torch(fields=["objects/area"])[7][0]
    np.testing.assert_array_equal(ragged.numpy(), expected[7]["objects/area"])
