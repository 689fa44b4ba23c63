import hashlib
import logging
import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from brev_pipeline import tables
from brev_pipeline.config import ShardSettings
from brev_pipeline.engine import LocalEngine
from brev_pipeline.errors import EngineError, ShardError
from brev_pipeline.records import (
    decode_example,
    decode_record_pixels,
    iterate_records,
    read_record,
    record_features,
    remove_progress,
    shard_files,
)
from brev_pipeline.store import Folder
from brev_pipeline_tests.records.worlds import DieOnce, Invert, RawReader, Refuse, World, build, photo

SIZES = {"good": 20, "bad_cap": 6}
SMALL = ShardSettings(records_per_shard=4)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return build(tmp_path, SIZES)


def content_of(row: dict) -> str:
    return row["path"].rpartition("/")[2].removesuffix(".bmp")


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("encoding", ["png", "raw"])
def test_records_hold_the_augmented_pixels_and_all_that_is_known_of_them(
    world: World, encoding: str, compression: str
) -> None:
    settings = ShardSettings(encoding=encoding, compression=compression, records_per_shard=7, epochs=2)
    table = world.write(settings)
    assert table.schema.equals(tables.TFRECORD_SHARDS)
    assert table.num_rows == 26 * 2 + 5
    for row, record in iterate_records(world.folder(), table, compression):
        image = photo(content_of(row), (12, 16, 3))
        np.testing.assert_array_equal(
            decode_record_pixels(record), Invert().augment(image, row["seed"]) if row["augmented"] else image
        )
        assert list(record) == [feature.name for feature in record_features(encoding)]
        for name in ("path", "content_id", "item", "seed", "epoch", "label"):
            assert record[name] == row[name]
        assert record == read_record(world.folder(), row, compression)


def test_jpeg_records_are_close_to_the_pixels(world: World) -> None:
    table = world.write(ShardSettings(encoding="jpeg"), augmenter=None)
    for row, record in iterate_records(world.folder(), table):
        difference = decode_record_pixels(record).astype(int) - photo(content_of(row), (12, 16, 3))
        assert np.abs(difference).mean() < 40
        assert record["image/encoded"][:3] == b"\xff\xd8\xff"


def test_grey_images_stay_grey(tmp_path: Path) -> None:
    world = build(tmp_path, SIZES, shape=(9, 7, 1))
    for row, record in iterate_records(world.folder(), world.write(SMALL, augmenter=None)):
        np.testing.assert_array_equal(decode_record_pixels(record), photo(content_of(row), (9, 7, 1)))
        assert not row["augmented"]


def test_images_of_different_sizes_stand_in_one_shard(tmp_path: Path) -> None:
    world = build(tmp_path, SIZES)
    flat = pa.array([6 if i % 2 else 12 for i in range(world.prepared.num_rows)], pa.int32())
    halved = pa.array([32 if i % 2 else 16 for i in range(world.prepared.num_rows)], pa.int32())
    odd = world.prepared.set_column(3, "prepared_height", flat).set_column(4, "prepared_width", halved)
    table = World(world.root, world.split, odd).write(ShardSettings())
    assert {decode_record_pixels(record).shape for _, record in iterate_records(world.folder(), table)} == {
        (12, 16, 3),
        (6, 32, 3),
    }


@pytest.mark.parametrize("encoding", ["png", "raw"])
def test_frames_of_a_time_series_are_augmented_alike_and_come_back_as_frames(tmp_path: Path, encoding: str) -> None:
    world = build(tmp_path, SIZES, shape=(12, 16, 3))
    three = world.prepared.set_column(2, "prepared_frames", pa.array([3] * 31, pa.int32()))
    series = three.set_column(3, "prepared_height", pa.array([4] * 31, pa.int32()))
    table = World(world.root, world.split, series).write(ShardSettings(encoding=encoding))
    for row, record in iterate_records(world.folder(), table):
        tall = photo(content_of(row), (12, 16, 3))
        expected = Invert().augment(tall, row["seed"]) if row["augmented"] else tall
        np.testing.assert_array_equal(decode_record_pixels(record), expected.reshape(3, 4, 16, 3))
        assert list(record) == [feature.name for feature in record_features(encoding, series=True)]


@pytest.mark.slow
def test_one_and_two_workers_and_this_process_write_the_same_bytes(world: World) -> None:
    expected = world.write(SMALL, "here")
    for workers in (1, 2):
        where = f"workers{workers}"
        table = world.write(SMALL, where, engine=LocalEngine(workers=workers))
        assert table.equals(expected)
        assert world.files(where) == world.files("here")


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_shuffled_split_and_another_folder_give_the_same_bytes(world: World, compression: str) -> None:
    settings = ShardSettings(records_per_shard=4, compression=compression)
    other = World(world.root, world.split.take(list(range(30, -1, -1))), world.prepared.take(list(range(30, -1, -1))))
    world.write(settings, "one")
    other.write(settings, "two")
    assert world.files("one") == world.files("two")


def test_golden_bytes_of_a_tiny_shard(tmp_path: Path) -> None:
    """If this fails, every version ever written changes: that is a new RECORD_VERSION, not a new golden value."""
    world = build(tmp_path, {"good": 2, "bad_cap": 1}, devel=1)
    digests = {}
    for encoding in ("raw", "png", "jpeg"):
        world.write(ShardSettings(encoding=encoding), encoding)
        data = world.files(encoding)["demo-train.tfrecord-00000-of-00001"]
        digests[encoding] = hashlib.sha256(data).hexdigest()[:16]
    assert digests == {"raw": "de849f4c4d4dca2f", "png": "f026fc9cbd6aec89", "jpeg": "928826342907e4e2"}


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_nothing(world: World, tmp_path: Path) -> None:
    world.write(SMALL, "calm")
    seed = world.plan(SMALL).filter(pa.compute.field("purpose") == "train")["seed"][9].as_py()
    augmenter = DieOnce(seed, tmp_path / "died")
    world.write(SMALL, "killed", augmenter=augmenter, engine=LocalEngine(workers=2))
    assert augmenter.marker.exists()
    assert world.files("killed") == world.files("calm")


@pytest.mark.slow
def test_a_run_that_is_killed_is_taken_up_by_the_next(world: World, tmp_path: Path) -> None:
    world.write(SMALL, "calm")
    seed = world.plan(SMALL).filter(pa.compute.field("purpose") == "train")["seed"][14].as_py()
    code = (
        "from pathlib import Path; from brev_pipeline_tests.records.test_write import *\n"
        f"world = build(Path({str(tmp_path)!r}), SIZES)\n"
        f"world.write(SMALL, augmenter=DieOnce({seed}, Path({str(tmp_path / 'died')!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == -signal.SIGKILL
    assert 0 < len(world.files()) < len(world.files("calm"))
    world.write(SMALL)
    assert world.files() == world.files("calm")


def test_a_run_that_failed_is_resumed_where_it_was(world: World, caplog: pytest.LogCaptureFixture) -> None:
    expected = world.write(SMALL, "calm")
    seed = world.plan(SMALL)["seed"][-1].as_py()
    with pytest.raises(EngineError, match="as the test wants"):
        world.write(SMALL, augmenter=Refuse(seed))
    before = {path.name: path.stat().st_mtime_ns for path in (world.root / "out").iterdir() if path.is_file()}
    assert len(before) == 8
    with caplog.at_level(logging.INFO, "brev_pipeline.records"):
        assert world.write(SMALL).equals(expected)
    assert "9 shards, 8 of them finished by an earlier run" in caplog.text
    assert {name: (world.root / "out" / name).stat().st_mtime_ns for name in before} == before
    assert world.files() == world.files("calm")


@pytest.mark.parametrize("damage", ["flipped bit", "cut off", "removed", "note lost", "note garbled"])
def test_a_finished_shard_is_not_believed_blindly(world: World, damage: str) -> None:
    expected = world.write(SMALL)
    calm = world.files()
    shard = world.root / "out" / "demo-train.tfrecord-00001-of-00007"
    note = world.root / "out" / ".finished" / f"{shard.name}.json"
    data = bytearray(shard.read_bytes())
    if damage == "flipped bit":
        data[100] ^= 1
        shard.write_bytes(data)
    elif damage == "cut off":
        shard.write_bytes(data[:-1])
    elif damage == "removed":
        shard.unlink()
    elif damage == "note lost":
        note.unlink()
    else:
        note.write_text('{"file": 1}')
    assert world.write(SMALL).equals(expected)
    assert world.files() == calm


@pytest.mark.parametrize(
    "change",
    [
        {"settings": ShardSettings(records_per_shard=4, encoding="raw")},
        {"settings": ShardSettings(records_per_shard=5)},
        {"settings": ShardSettings(records_per_shard=4, compression="gzip")},
        {"augmenter": None},
        {"fingerprint": "other augmentation"},
    ],
    ids=["encoding", "plan", "compression", "augmenter", "fingerprint"],
)
def test_what_was_finished_for_other_inputs_gives_way(world: World, change: dict) -> None:
    world.write(SMALL)
    asked = change.pop("settings", SMALL)
    table = world.write(asked, **change)
    fresh = world.write(asked, "fresh", **change)
    assert table.equals(fresh)
    assert world.files() == world.files("fresh")


def test_shards_of_an_earlier_plan_do_not_stay_behind_and_other_files_do(world: World) -> None:
    world.write(SMALL)
    world.folder().write("manifest.json", b"{}")
    world.folder().write("demo2-train.tfrecord-00000-of-00001", b"another pipeline's")
    world.write(ShardSettings())
    assert sorted(world.files()) == [
        "demo-devel.tfrecord-00000-of-00001",
        "demo-train.tfrecord-00000-of-00001",
        "demo2-train.tfrecord-00000-of-00001",
        "manifest.json",
    ]


def test_finished_files_are_listed_with_their_hashes_until_forgotten(world: World) -> None:
    world.write(SMALL)
    listed = shard_files(world.folder()).to_pylist()
    assert {row["file"]: row["sha256"] for row in listed} == {
        name: hashlib.sha256(data).hexdigest() for name, data in world.files().items()
    }
    assert sum(row["records"] for row in listed) == 31
    remove_progress(world.folder())
    assert set(world.folder().walk()) == set(world.files())
    assert shard_files(world.folder()).num_rows == 0


def test_a_flipped_bit_anywhere_in_a_record_is_found(world: World) -> None:
    table = world.write(SMALL)
    row = table.to_pylist()[0]
    path = world.root / "out" / row["file"]
    data = path.read_bytes()
    for at in range(0, row["length"] + 16, 7):
        damaged = bytearray(data)
        damaged[at] ^= 4
        path.write_bytes(damaged)
        with pytest.raises(ShardError, match="is damaged at byte"):
            read_record(world.folder(), row)
        with pytest.raises(ShardError, match="is damaged at byte 0"):
            next(iterate_records(world.folder(), table))


def test_records_that_are_missing_added_or_swapped_are_found(world: World) -> None:
    table = world.write(SMALL)
    first = table.slice(0, 3)
    path = world.root / "out" / first["file"][0].as_py()
    data = path.read_bytes()
    offsets = [*first["offset"].to_pylist(), len(data)]
    one, two, three = (data[a:b] for a, b in pairwise(offsets))
    for content, message in (
        (one + two, "the record table says"),
        (one + two + three + three, "holds more records than are in the table"),
        (two + one + three, "the record table says"),
    ):
        path.write_bytes(content)
        with pytest.raises(ShardError, match=message):
            list(iterate_records(world.folder(), first))


def test_a_cut_gzip_shard_is_found(world: World) -> None:
    table = world.write(ShardSettings(compression="gzip"))
    path = world.root / "out" / table["file"][0].as_py()
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ShardError, match="is not a whole gzip file"):
        list(iterate_records(world.folder(), table, "gzip"))


def test_a_version_with_several_categories_has_multi_hot_labels(world: World) -> None:
    several = [["good", "bad_cap"] if i == 0 else row for i, row in enumerate(world.split["category"].to_pylist())]
    split = world.split.set_column(3, "category", pa.array(several))
    table = World(world.root, split, world.prepared).write(SMALL)
    for row, record in iterate_records(world.folder(), table):
        assert record["label/multi_hot"] == ([1, 1] if content_of(row) == "good0" else [1 - row["label"], row["label"]])


@pytest.mark.parametrize("shape", [(4, 4, 2), (4, 4, 4)])
def test_pixels_that_the_encoding_cannot_hold_are_refused_by_name(tmp_path: Path, shape: tuple) -> None:
    world = build(tmp_path, {"good": 1}, shape=shape)
    with pytest.raises(ShardError, match=r"bucket/good/devel\d\.bmp: pixels of shape .* set shards.encoding to raw"):
        world.write(ShardSettings())
    table = world.write(ShardSettings(encoding="raw"))
    assert all(decode_record_pixels(record).shape == shape for _, record in iterate_records(world.folder(), table))


def test_an_augmenter_that_leaves_uint8_is_refused(world: World) -> None:
    class Float:
        def augment(self, image: np.ndarray, seed: int) -> np.ndarray:
            return image / 2

    with pytest.raises(ShardError, match="pixels must be uint8"):
        world.write(SMALL, augmenter=Float())


@pytest.mark.parametrize("delta", [-1, 1])
def test_a_reader_that_gives_another_number_of_images_is_refused(world: World, delta: int) -> None:
    class Odd:
        def read(self, rows: pa.Table) -> list[np.ndarray]:
            images = list(RawReader(Folder(str(world.root))).read(rows))
            return images[:-1] if delta < 0 else [*images, images[0]]

    with pytest.raises(ShardError, match="more or fewer came"):
        world.write(SMALL, pixels=Odd())


def test_a_plan_of_other_images_is_refused(world: World) -> None:
    plan = world.plan(SMALL)
    short = World(world.root, world.split, world.prepared.slice(3))
    with pytest.raises(ShardError, match="records have no prepared image, the first of bucket/"):
        short.write(SMALL, plan=plan)


def test_records_are_what_they_say_without_our_reader(world: World) -> None:
    table = world.write(SMALL)
    row = table.to_pylist()[0]
    data = (world.root / "out" / row["file"]).read_bytes()
    example = decode_example(data[row["offset"] + 12 : row["offset"] + 12 + row["length"]])
    assert example["image/height"] == [12]
    assert example["image/format"] == [b"png"]
