"""What TensorFlow gets. One module, because importing TensorFlow takes seconds."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brev_pipeline import read
from brev_pipeline.errors import ReadError, StoreError
from brev_pipeline.readers.to_tf import read_shard_records
from brev_pipeline.store import PipelineStore
from brev_pipeline_tests.readers.test_records import WORLDS
from brev_pipeline_tests.readers.worlds import World


def seeds(dataset: Any) -> list[int]:
    return [int(seed) for batch in dataset for seed in batch[0].numpy()]


@pytest.mark.parametrize("name", [*(name for name in WORLDS if "sizes" not in name), "jpeg"])
def test_batches_hold_what_numpy_reads(tf: Any, name: str, tmp_path: Path) -> None:
    world = World(tmp_path, **WORLDS.get(name, {"shards": {"encoding": "jpeg"}}))
    records = read(world.publish(), "train")
    arrays = records.to_numpy(fields=None, as_dict=True)
    dataset = records.to_tf(4, fields=None, as_dict=True)
    assert dataset.cardinality() == 6
    assert dataset.element_spec["image"] == tf.TensorSpec((None, *records.shape.array_shape), tf.uint8)
    batches = list(dataset.as_numpy_iterator())
    assert [len(batch["label"]) for batch in batches] == [4, 4, 4, 4, 4, 3]
    for field, expected in arrays.items():
        found = np.concatenate([batch[field] for batch in batches])
        np.testing.assert_array_equal(np.char.decode(found.astype("S")) if found.dtype == object else found, expected)
        assert found.dtype == object or found.dtype == expected.dtype


@pytest.mark.parametrize("name", WORLDS)
def test_single_records_hold_what_numpy_reads_in_any_size(tf: Any, name: str, tmp_path: Path) -> None:
    records = read(World(tmp_path, **WORLDS[name]).publish(), "train")
    dataset = records.to_tf(None)
    assert dataset.cardinality() in (23, tf.data.UNKNOWN_CARDINALITY)
    assert dataset.element_spec[0] == tf.TensorSpec(records.shape.array_shape, tf.uint8)
    for sample, (image, label) in zip(records, dataset.as_numpy_iterator(), strict=True):
        np.testing.assert_array_equal(image, sample["image"])
        assert label == sample["label"]


@pytest.mark.parametrize("rescale", ["unit", "imagenet_stats", "imagenet"])
def test_rescaled_pixels_are_those_that_numpy_reads(tf: Any, world: World, rescale: Any) -> None:
    records = read(world.store, "train")
    found = np.concatenate([images for images, _ in records.to_tf(rescale=rescale).as_numpy_iterator()])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, records.to_numpy(rescale=rescale)[0], atol=1e-6)


def test_records_come_in_written_order_unless_shuffled(tf: Any, world: World) -> None:
    records = read(world.store, "train")
    written = records.to_numpy(fields=["seed"])[0].tolist()
    assert seeds(records.to_tf(4, fields=["seed"])) == written
    shuffled = seeds(records.to_tf(4, shuffle=True, fields=["seed"]))
    assert shuffled != written
    assert sorted(shuffled) == sorted(written)


def test_the_shuffled_order_hangs_on_the_seed_and_differs_from_pass_to_pass(tf: Any, world: World) -> None:
    records = read(world.store, "train")

    def order(seed: int) -> Any:
        return records.to_tf(4, shuffle=True, seed=seed, fields=["seed"])

    assert seeds(order(1)) == seeds(order(1)) != seeds(order(2))
    dataset = order(1)
    first, second = seeds(dataset), seeds(dataset)
    assert first != second
    assert sorted(first) == sorted(second)


def test_an_epoch_reads_its_own_files_only(tf: Any, world: World, tmp_path: Path) -> None:
    version = world.store.newest_version()[1]  # type: ignore[index]
    shutil.copytree(version.path, tmp_path / "version")
    records = read(tmp_path / "version", "train")
    for file in set(records.to_numpy(0, fields=["label"]) and records.records.slice(0, 23)["file"].to_pylist()):
        os.unlink(tmp_path / "version" / file)
    assert len(seeds(records.to_tf(epoch=1, fields=["seed"]))) == 20
    with pytest.raises(StoreError, match="No such file"):
        records.to_tf(epoch=0)


@pytest.mark.parametrize("shuffle", [False, True])
def test_repeating_goes_through_the_written_epochs_in_turn(tf: Any, world: World, shuffle: bool) -> None:
    records = read(world.store, "train")
    dataset = records.to_tf(1, epoch=1, repeat=True, shuffle=shuffle, fields=["seed", "epoch"])
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    found = [(int(seed[0]), int(epoch[0])) for seed, epoch in dataset.take(106).as_numpy_iterator()]
    assert [epoch for _, epoch in found] == [1] * 20 + [0] * 23 + [1] * 20 + [0] * 23 + [1] * 20
    # Every record once a pass, before any comes again.
    assert len({seed for seed, _ in found[:43]}) == len({seed for seed, _ in found[43:86]}) == 43
    assert (found[:43] == found[43:86]) == (not shuffle)


def test_the_last_batch_is_left_out_on_request_and_the_batch_size_static(tf: Any, world: World) -> None:
    dataset = read(world.store, "train").to_tf(5, drop_remainder=True)
    assert dataset.element_spec[0].shape == (5, 12, 16, 3)
    assert [len(labels) for _, labels in dataset] == [5] * 4


def test_fields_come_in_the_form_that_was_asked_for(tf: Any, world: World) -> None:
    records = read(world.store, "train")
    assert list(records.to_tf(fields=["label", "path"], as_dict=True).element_spec) == ["label", "path"]
    labels, paths = next(iter(records.to_tf(fields=["label", "path"]).as_numpy_iterator()))
    assert labels.tolist() == records.records["label"].to_pylist()[:23]
    assert [path.decode() for path in paths] == records.records["path"].to_pylist()[:23]


def test_what_cannot_be_batched_is_refused(tf: Any, world: World, tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="batch_size is at least 1"):
        read(world.store, "train").to_tf(0)
    with pytest.raises(ReadError, match="there is no epoch 2"):
        read(world.store, "train").to_tf(epoch=2)
    records = read(World(tmp_path, **WORLDS["sizes"]).publish(), "train")
    with pytest.raises(ReadError, match=r"make no batch: set image.target_size, or use batch_size=None"):
        records.to_tf()
    assert len(seeds(records.to_tf(fields=["seed"]))) == 23


def test_damage_is_found(tf: Any, world: World, tmp_path: Path) -> None:
    version = world.store.newest_version()[1]  # type: ignore[index]
    shutil.copytree(version.path, tmp_path / "version")
    records = read(tmp_path / "version", "train")
    row = records.records.to_pylist()[4]
    file = tmp_path / "version" / row["file"]
    whole = file.read_bytes()
    file.write_bytes(whole[: row["offset"]])
    with pytest.raises(StoreError, match=f"{row['file']} has {row['offset']} bytes, the manifest says {len(whole)}"):
        records.to_tf()
    file.write_bytes(whole[: row["offset"] + 40] + b"\0" + whole[row["offset"] + 41 :])
    with pytest.raises(tf.errors.DataLossError):
        list(records.to_tf())


def test_a_store_on_s3_gives_the_same_in_the_same_order(tf: Any, s3_store: PipelineStore, world: World) -> None:
    asked = {"batch_size": 4, "epoch": 1, "fields": ["seed"], "shuffle": True, "repeat": True, "seed": 7}
    orders = [seeds(read(store, "train").to_tf(**asked).take(30)) for store in (world.store, s3_store)]
    assert orders[0] == orders[1]
    images, labels = next(iter(read(s3_store, "train").to_tf(23).as_numpy_iterator()))
    expected = read(world.store, "train").to_numpy()
    np.testing.assert_array_equal(images, expected[0])
    np.testing.assert_array_equal(labels, expected[1])


def test_a_shard_on_s3_that_was_cut_is_found(tf: Any, s3_store: PipelineStore) -> None:
    records = read(s3_store, "train")
    folder = s3_store.newest_version()[1].folder  # type: ignore[index]
    row = records.records.to_pylist()[5]
    whole = folder.read(row["file"])
    folder.remove(row["file"])
    folder.write(row["file"], whole[: row["offset"]])
    with pytest.raises(tf.errors.OpError, match="holds 5 records, the record table says 6"):
        list(records.to_tf())
    folder.remove(row["file"])
    folder.write(row["file"], whole)


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_shard_that_is_fetched_whole_gives_its_records(tmp_path: Path, compression: str) -> None:
    version = World(tmp_path, shards={"compression": compression}).publish()
    rows = read(version, "train").records.to_pylist()[:6]
    found = read_shard_records(version.folder, rows[0]["file"], 6, compression)
    assert [len(record) for record in found] == [row["length"] for row in rows]


@pytest.mark.slow
def test_keras_trains_on_it(tf: Any, world: World) -> None:
    records = read(world.store, "train")
    model = tf.keras.Sequential(
        [tf.keras.layers.Flatten(), tf.keras.layers.Dense(len(records.classes), activation="softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    history = model.fit(
        records.to_tf(8, shuffle=True, rescale="unit"),
        validation_data=read(world.store, "devel").to_tf(8, rescale="unit"),
        epochs=2,
        verbose=0,
    )
    assert len(history.history["val_loss"]) == 2
