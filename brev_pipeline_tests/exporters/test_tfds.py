"""tfds opens a version, and reads from it what our reader reads."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brev_pipeline import read
from brev_pipeline_tests.exporters.folders import folder_of
from brev_pipeline_tests.readers.labelled import MASK_CLASSES, OBJECT_CLASSES, Flip, label_source
from brev_pipeline_tests.readers.worlds import World

WORLDS = {
    "png": {},
    "raw": {"shards": {"encoding": "raw"}},
    "grey": {"shapes": ((12, 16, 1),)},
    "raw-grey-series": {"shapes": ((3, 8, 16, 1),), "shards": {"encoding": "raw"}},
    "series": {"shapes": ((3, 8, 16, 3),)},
    "sizes": {"shapes": ((12, 16, 3), (9, 20, 3)), "several": True},
}


def ordered(tfds: Any, builder: Any, split: str) -> list[dict]:
    """The examples in the order of the record table: shard after shard."""
    one_by_one = tfds.ReadConfig(interleave_cycle_length=1)
    return list(tfds.as_numpy(builder.as_dataset(split=split, read_config=one_by_one)))


def assert_same(example: dict, ours: dict, pixels: str) -> None:
    np.testing.assert_array_equal(example[pixels].reshape(ours["image"].shape), ours["image"])
    assert example["label"] == ours["label"]
    assert example["seed"].astype(np.uint64) == ours["seed"]
    assert example["epoch"] == ours["epoch"]
    for name in ("path", "content_id", "item"):
        assert example[name].decode() == ours[name]
    if "label/multi_hot" in ours:
        np.testing.assert_array_equal(example["label/multi_hot"], ours["label/multi_hot"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    counts = {("train", 0): 23, ("train", 1): 20, ("devel", 0): 5, ("test", 0): 4}
    return World(tmp_path_factory.mktemp("world"), counts)


@pytest.fixture(scope="module")
def folder(world: World) -> Path:
    return folder_of(world, world.root / "data" / "parts" / "1.0.0")


@pytest.mark.parametrize("kind", WORLDS)
def test_examples_are_what_our_reader_gives(tfds: Any, tmp_path: Path, kind: str) -> None:
    world = World(tmp_path, **WORLDS[kind])
    builder = tfds.builder_from_directory(str(folder_of(world, tmp_path / "copy")))
    pixels = "image/raw" if "raw" in kind else "image/encoded"
    for purpose in ("train", "devel"):
        ours = read(world.store.folder.url, purpose)
        examples = ordered(tfds, builder, purpose)
        assert builder.info.splits[purpose].num_examples == len(examples) == len(ours)
        for example, sample in zip(examples, ours, strict=True):
            assert_same(example, sample, pixels)
    shape = ours.shape
    tall = None if shape.height is None else shape.height * (shape.frames or 1)
    assert builder.info.features[pixels].shape == (tall, shape.width, shape.channels)


def test_jpegs_are_decoded_to_nearly_the_same_pixels_and_exactly_as_the_notes_say(tfds: Any, tmp_path: Path) -> None:
    import tensorflow as tf

    world = World(tmp_path, shards={"encoding": "jpeg"})
    builder = tfds.builder_from_directory(str(folder_of(world, tmp_path / "copy")))
    assert any("INTEGER_ACCURATE" in note for note in builder.info.metadata["tfds"]["notes"])
    one_by_one = tfds.ReadConfig(interleave_cycle_length=1)
    skip = {"image/encoded": tfds.decode.SkipDecoding()}
    raw = builder.as_dataset(split="train", read_config=one_by_one, decoders=skip)
    ours = read(world.store.folder.url, "train")
    for quick, exact, sample in zip(ordered(tfds, builder, "train"), raw, ours, strict=True):
        assert np.abs(quick["image/encoded"].astype(int) - sample["image"]).max() < 32
        image = tf.io.decode_jpeg(exact["image/encoded"], dct_method="INTEGER_ACCURATE").numpy()
        np.testing.assert_array_equal(image, sample["image"])


def test_classes_counts_and_extras_are_shown(tfds: Any, world: World, folder: Path) -> None:
    info = tfds.builder_from_directory(str(folder)).info
    assert (info.name, str(info.version)) == ("parts", "1.0.0")
    assert info.features["label"].names == ["bad", "good", "odd"]
    assert {name: split.num_examples for name, split in info.splits.items()} == {"train": 43, "devel": 5, "test": 4}
    assert info.metadata["purposes"]["train"]["records_of_each_epoch"] == [23, 20]
    sizes = [file.stat().st_size for file in folder.glob("parts-*.tfrecord-*")]
    assert info.dataset_size == sum(sizes)


def test_slices_are_slices_of_the_record_table(tfds: Any, world: World, folder: Path) -> None:
    builder = tfds.builder_from_directory(str(folder))
    paths = read(world.store.folder.url, "train").records["path"].to_pylist()
    for split, wanted in {"train[:5]": paths[:5], "train[23:]": paths[23:], "train[50%:]": paths[22:]}.items():
        assert [example["path"].decode() for example in ordered(tfds, builder, split)] == wanted


def test_images_and_labels_come_as_pairs(tfds: Any, folder: Path) -> None:
    pairs = tfds.builder_from_directory(str(folder)).as_dataset(split="devel", as_supervised=True)
    image, label = pairs.element_spec
    assert (tuple(image.shape), image.dtype.name, label.dtype.name) == ((12, 16, 3), "uint8", "int64")


def test_a_copy_under_name_and_version_is_loaded_by_its_name(tfds: Any, folder: Path) -> None:
    loaded = tfds.load("parts:1.0.0", data_dir=str(folder.parents[1]), split="train+devel", try_gcs=False)
    assert len(list(loaded)) == 48


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_shard_is_noticed(tfds: Any, world: World, tmp_path: Path, damage: str) -> None:
    folder = folder_of(world, tmp_path / "copy")
    shard = sorted(folder.glob("parts-train.*"))[2]
    data = bytearray(shard.read_bytes())
    data[300] ^= 4
    if damage == "gone":
        shard.unlink()
    else:
        shard.write_bytes(data if damage == "flip" else data[:-20])
    builder = tfds.builder_from_directory(str(folder))
    with pytest.raises(Exception, match=r"corrupted|truncated|No such file"):
        ordered(tfds, builder, "train")
    assert len(ordered(tfds, builder, "devel")) == 5


def test_a_shard_cut_at_a_records_end_is_noticed(tfds: Any, world: World, tmp_path: Path) -> None:
    folder = folder_of(world, tmp_path / "copy")
    table = read(world.store.folder.url, "train").records.to_pylist()
    last = [row for row in table if row["shard"] == 1][-1]
    shard = folder / last["file"]
    shard.write_bytes(shard.read_bytes()[: last["offset"]])
    with pytest.raises(Exception, match="expected to contain 43 elements"):
        ordered(tfds, tfds.builder_from_directory(str(folder)), "train")


@pytest.mark.parametrize("kind", ["png", "series", "raw", "sizes"])
def test_labels_are_what_our_reader_gives(tfds: Any, tmp_path: Path, kind: str) -> None:
    world = World(tmp_path, **WORLDS[kind], augmenter=Flip(), labels=label_source())
    builder = tfds.builder_from_directory(str(folder_of(world, tmp_path / "copy")))
    ours = read(world.store.folder.url, "train")
    for example, sample in zip(ordered(tfds, builder, "train"), ours, strict=True):
        stacked = sample["mask"].reshape(-1, sample["mask"].shape[-1], 1)
        np.testing.assert_array_equal(example["mask/encoded"], stacked)
        assert set(example["objects"]) == set(sample["objects"])
        for part, values in sample["objects"].items():
            np.testing.assert_array_equal(example["objects"][part], values)
            assert example["objects"][part].dtype == values.dtype
        np.testing.assert_array_equal(example["target/weight"], np.float32(sample["target/weight"]))
        assert example["mask/labelled"] == sample["mask/labelled"]
        assert example["text/remark"].decode() == sample["text/remark"]
    assert {len(sample["objects"]["label"]) for sample in ours} == {0, 1, 2, 3}


def test_label_classes_have_their_names(tfds: Any, tmp_path: Path) -> None:
    folder = folder_of(World(tmp_path, augmenter=Flip(), labels=label_source()), tmp_path / "copy")
    info = tfds.builder_from_directory(str(folder)).info
    assert str(info.version) == "1.1.0"
    features = info.features
    assert isinstance(features["mask/encoded"], tfds.features.LabeledImage)
    assert features["mask/encoded"].shape == (12, 16, 1)
    assert features["mask/encoded"].names == list(MASK_CLASSES)
    assert features["objects"]["label"].names == list(OBJECT_CLASSES)
    assert isinstance(features["objects"]["bbox"], tfds.features.BBoxFeature)
    told = {feature["name"]: feature for feature in info.metadata["record_schema"]["features"]}
    assert told["objects/bbox"]["sequence"] == "objects"
    assert told["objects/label"]["classes"] == list(OBJECT_CLASSES)
    assert {told[name]["stored"] for name in ("objects/area", "target/weight")} == {"float_list"}


def test_class_names_that_tfds_would_strip_are_told_in_the_metadata(tfds: Any, tmp_path: Path) -> None:
    source = label_source()
    strange = replace(source.encoder, classes={"mask": ("background", " dark "), "objects": OBJECT_CLASSES})
    world = World(tmp_path, augmenter=Flip(), labels=replace(source, encoder=strange))
    folder = folder_of(world, tmp_path / "copy")
    info = tfds.builder_from_directory(str(folder)).info
    assert info.features["mask/encoded"].num_classes == 2
    assert not (folder / "mask.encoded.labels.txt").exists()
    assert any("no mask.encoded.labels.txt" in note for note in info.metadata["tfds"]["notes"])
    assert info.features["objects"]["label"].names == list(OBJECT_CLASSES)
