"""What is read is what was written, in every encoding, one by one and all at once."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from brev_pipeline import read
from brev_pipeline.errors import ReadError
from brev_pipeline.readers import FIELDS
from brev_pipeline.records import decode_record_pixels, read_record
from brev_pipeline.store import Folder
from brev_pipeline_tests.readers.worlds import World

WORLDS: dict[str, dict[str, Any]] = {
    "png": {},
    "raw": {"shards": {"encoding": "raw"}},
    "gzip": {"shards": {"compression": "gzip"}},
    "grey": {"shapes": ((12, 16, 1),)},
    "grey raw": {"shapes": ((12, 16, 1),), "shards": {"encoding": "raw"}},
    "several labels": {"several": True},
    "series": {"shapes": ((3, 12, 16, 3),)},
    "raw series": {"shapes": ((3, 12, 16, 3),), "shards": {"encoding": "raw"}},
    "sizes": {"shapes": ((12, 16, 3), (5, 7, 3))},
    "raw sizes": {"shapes": ((12, 16, 3), (5, 7, 3)), "shards": {"encoding": "raw"}},
    "series of sizes": {"shapes": ((2, 12, 16, 3), (2, 5, 7, 3))},
}


@pytest.mark.parametrize("name", WORLDS)
def test_every_record_holds_the_pixels_that_were_drawn(name: str, tmp_path: Path) -> None:
    world = World(tmp_path, **WORLDS[name])
    records = read(world.publish(), "train", verify=True)
    assert len(records) == 23
    for row, sample in zip(records.records.to_pylist(), records, strict=True):
        np.testing.assert_array_equal(sample["image"], world.image(row))
        assert sample["image"].dtype == np.uint8
        assert sample["image"].flags.writeable
        for field in ("path", "content_id", "item", "label", "epoch", "seed"):
            assert sample[field] == row[field]
            assert type(sample[field]) is type(row[field])


@pytest.mark.parametrize("name", [name for name in WORLDS if "sizes" not in name])
def test_arrays_hold_what_single_records_hold(name: str, tmp_path: Path) -> None:
    records = read(World(tmp_path, **WORLDS[name]).publish(), "train")
    arrays = records.to_numpy(fields=None, as_dict=True)
    assert (list(arrays), arrays["label"].dtype, arrays["seed"].dtype) == (list(records[0]), np.int64, np.uint64)
    for i, sample in enumerate(records):
        for field, value in sample.items():
            np.testing.assert_array_equal(arrays[field][i], value)


def test_a_field_that_is_asked_for_twice_is_given_twice(world: World) -> None:
    first, labels, second = read(world.publish(), "train").to_numpy(fields=("image", "label", "image"))
    assert first.dtype == second.dtype == np.uint8
    np.testing.assert_array_equal(first, second)
    assert len(labels) == len(first)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_pixels_are_those_that_opencv_decodes(channels: int, tmp_path: Path) -> None:
    world = World(tmp_path, shapes=((21, 30, channels),), shards={"encoding": "jpeg"})
    version = world.publish()
    records = read(version, "train")
    for row, sample in zip(records.records.to_pylist(), records, strict=True):
        stored = read_record(version.folder, row)
        np.testing.assert_array_equal(sample["image"], decode_record_pixels(stored))
        assert cv2.PSNR(sample["image"], world.image(row)) > 20


def test_multi_hot_labels_name_every_category(tmp_path: Path) -> None:
    records = read(World(tmp_path, several=True).publish(), "train")
    assert records.classes == ["bad", "good", "odd"]
    hot = records.to_numpy(fields=["label/multi_hot"])[0]
    assert hot.shape == (23, 3)
    assert sorted(map(tuple, set(map(tuple, hot.tolist())))) == [(0, 0, 1), (1, 0, 0), (1, 1, 0)]
    assert all(row[label] == 1 for row, label in zip(hot, records.to_numpy(fields=["label"])[0], strict=True))


def test_records_are_numbered_through_the_epochs_like_a_sequence(world: World) -> None:
    records = read(world.store, "train")
    assert (len(records), records.epochs, records.purpose) == (43, 2, "train")
    assert records[-1]["path"] == records.records["path"][42].as_py() == records[np.int64(42)]["path"]
    for outside in (43, -44):
        with pytest.raises(IndexError, match="of 43"):
            records[outside]
    assert repr(records) == f"<Records parts {records.version} train: 43 records in 2 epochs>"
    assert records.classes == ["bad", "good", "odd"]
    assert records.shape == (None, 12, 16, 3)


def test_an_epoch_is_read_by_its_number(world: World) -> None:
    records = read(world.store, "train")
    for epoch, size in enumerate([23, 20]):
        images, labels = records.to_numpy(epoch)
        assert (images.shape, images.dtype, labels.shape) == ((size, 12, 16, 3), np.uint8, (size,))
        assert set(records.to_numpy(epoch, fields=["epoch"])[0].tolist()) == {epoch}
    with pytest.raises(ReadError, match=r"there is no epoch 2: 2 written \(0..1\)"):
        records.to_numpy(2)


def test_rescaling_is_done_when_reading(world: World) -> None:
    records = read(world.store, "devel")
    images, _ = records.to_numpy()
    for rescale, expected in (
        ("unit", images / 255),
        ("imagenet", images / 127.5 - 1),
        ("imagenet_stats", (images / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]),
    ):
        found, _ = records.to_numpy(rescale=rescale)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_fields_are_given_in_the_order_and_form_that_was_asked_for(world: World) -> None:
    records = read(world.store, "devel")
    paths, labels = records.to_numpy(fields=("path", "label"))
    assert paths.tolist() == records.records["path"].to_pylist()
    assert labels.tolist() == records.records["label"].to_pylist()
    assert list(records.to_numpy(fields=None, as_dict=True)) == [name for name in FIELDS if name != "label/multi_hot"]


@pytest.mark.parametrize("fields", [["labels"], ["image", "label/multi_hot"]])
def test_fields_that_there_are_not_are_named(world: World, fields: list[str]) -> None:
    with pytest.raises(ReadError, match=f"no field '{fields[-1]}'; they have image, label, path"):
        read(world.store, "devel").to_numpy(fields=fields)


@pytest.mark.parametrize("way", ["to_numpy", "to_tf"])
def test_a_rescaling_that_there_is_not_is_named(world: World, way: str) -> None:
    with pytest.raises(ReadError, match="'imagenet' or 'imagenet_stats', not 'half'"):
        getattr(read(world.store, "devel"), way)(rescale="half")


@pytest.mark.parametrize("fields", ["image", []])
def test_fields_are_a_sequence_of_names(world: World, fields: Any) -> None:
    with pytest.raises(ReadError, match="sequence of names"):
        read(world.store, "devel").to_numpy(fields=fields)


def test_images_of_several_sizes_make_no_array_but_their_labels_do(tmp_path: Path) -> None:
    records = read(World(tmp_path, **WORLDS["sizes"]).publish(), "train")
    assert records.shape == (None, None, None, 3)
    with pytest.raises(ReadError, match=r"differ in size and make no array: set image.target_size"):
        records.to_numpy()
    assert records.to_numpy(fields=["label"])[0].shape == (23,)


def test_a_file_is_kept_open_no_longer_than_it_is_used(tmp_path: Path) -> None:
    world = World(tmp_path, {("train", 0): 200}, shards={"records_per_shard": 1})
    records = read(world.publish(), "train")
    opened = len(list(Path("/proc/self/fd").iterdir()))
    _ = [records[i]["label"] for i in range(200)]
    assert len(list(Path("/proc/self/fd").iterdir())) <= opened + 64
    del records
    assert len(list(Path("/proc/self/fd").iterdir())) <= opened
    assert Folder(world.store.folder.url).exists("versions")
