"""The pixel cache: standard files, append-only, read by range, every checksum looked at."""

import json
import random
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from brev_pipeline.config import ImageSettings
from brev_pipeline.errors import StoreError
from brev_pipeline.images import read_prepared_pixels
from brev_pipeline.images.pixel_cache import PixelCache, hash_content, settings_id
from brev_pipeline.store import Folder
from brev_pipeline.store.parquet import to_parquet
from brev_pipeline_tests.images import worlds

SETTINGS = ImageSettings(target_size=(8, 8))


@pytest.fixture
def cache(tmp_path):
    return PixelCache.for_settings(Folder(str(tmp_path)), SETTINGS)


def rows_of(images, start=0):
    return [
        {
            "content_id": f"{number + start:032x}",
            "status": "ok",
            "source_path": f"b/{number}",
            "prepared_height": image.shape[0],
            "prepared_width": image.shape[1],
            "prepared_channels": image.shape[2],
        }
        for number, image in enumerate(images)
    ]


def filled(cache, count=10, start=0):
    images = [worlds.photo(number + start, 8 + number % 3, 9) for number in range(count)]
    return images, cache.add_images(rows_of(images, start), images)


def test_pixels_come_back_bit_for_bit_in_any_order(cache):
    images, table = filled(cache)
    order = [3, 3, 9, 0, 5, 1]
    found = list(read_prepared_pixels(cache.folder, table.take(pa.array(order))))
    assert all(np.array_equal(a, images[b]) for a, b in zip(found, order, strict=True))
    assert not found[0].flags.writeable


def test_neighbours_are_read_together(cache, monkeypatch):
    _, table = filled(cache, 50)
    _, other = filled(cache, 5, start=100)
    reads = []
    read = Folder.read
    monkeypatch.setattr(Folder, "read", lambda self, *place: reads.append(place) or read(self, *place))
    assert len(list(read_prepared_pixels(cache.folder, pa.concat_tables([table, other, table])))) == 105
    assert len(reads) == 2


def test_what_lies_far_apart_is_not_read_through(cache, monkeypatch):
    images = [worlds.photo(number, 200, 200) for number in range(4)]
    table = cache.add_images(rows_of(images), images)
    reads = []
    read = Folder.read
    monkeypatch.setattr(Folder, "read", lambda self, *place: reads.append(place) or read(self, *place))
    found = list(read_prepared_pixels(cache.folder, table.take(pa.array([0, 3]))))
    assert [len(reads), np.array_equal(found[1], images[3])] == [2, True]
    assert sum(length for _, _, length in reads) == 2 * (images[0].nbytes + 16)


def test_the_pixels_are_a_tfrecord_file(cache):
    images, table = filled(cache)
    data = cache.folder.read(table["file"][0].as_py())
    place, records = 0, []
    while place < len(data):
        (length,) = struct.unpack_from("<Q", data, place)
        records.append(data[place + 12 : place + 12 + length])
        place += length + 16
    assert records == [image.tobytes() for image in images]


@pytest.mark.slow
def test_tensorflow_reads_the_pixels_and_finds_no_wrong_checksum(cache):
    import tensorflow as tf

    images, table = filled(cache)
    place = cache.folder.file_url(table["file"][0].as_py())
    assert [record.numpy() for record in tf.data.TFRecordDataset(place)] == [image.tobytes() for image in images]


def test_the_index_is_parquet_with_the_tables_rows(cache):
    _, table = filled(cache)
    (name,) = [name for name in (cache.folder / cache.id).list_names() if name.endswith(".parquet")]
    assert pq.read_table((cache.folder / cache.id).file_url(name)).equals(table)


def test_what_the_folder_holds_is_written_beside_it(cache):
    about = json.loads((cache.folder / cache.id).read("settings.json"))
    assert about["image"]["target_size"] == [8, 8]
    assert about.keys() == {"image", "prepare", "opencv", "pillow", "simplejpeg", "imagecodecs"}


@pytest.mark.parametrize(
    "fields", [{"target_size": (8, 9)}, {"antialias": True}, {"max_pixels": 5}, {"color_mode": "bayer"}]
)
def test_other_settings_have_another_id(fields):
    assert settings_id(ImageSettings(**{"target_size": (8, 8), **fields})) != settings_id(SETTINGS)


def test_another_decoder_has_another_id(monkeypatch):
    import PIL

    before = settings_id(SETTINGS)
    monkeypatch.setattr(PIL, "__version__", "99")
    assert settings_id(SETTINGS) != before


def test_of_two_runs_that_prepared_the_same_content_one_counts(cache):
    images, first = filled(cache, 3)
    second = cache.add_images(rows_of(images[::-1]), images[::-1])
    known = cache.find_known(first["content_id"])
    assert known["content_id"].to_pylist() == first["content_id"].to_pylist()
    assert set(known["file"].to_pylist()) <= {first["file"][0].as_py(), second["file"][0].as_py()}


def test_pixels_without_an_index_are_not_there(cache):
    _, table = filled(cache, 3)
    own = cache.folder / cache.id
    for name in own.list_names():
        if name.endswith(".parquet"):
            own.remove(name)
    assert cache.find_known(table["content_id"]).num_rows == 0


def test_refused_images_have_rows_but_no_pixels(cache):
    table = cache.add_images([{"content_id": "a", "status": "corrupt", "reason": "cut", "source_path": "b/a"}], [None])
    assert table["file"].to_pylist() == [None]
    assert [name.rpartition(".")[2] for name in (cache.folder / cache.id).list_names()] == ["parquet", "json"]
    with pytest.raises(StoreError, match="content a has no prepared pixels"):
        list(read_prepared_pixels(cache.folder, table))


@pytest.mark.parametrize("where", ["length", "values", "checksum"])
def test_damage_is_found_when_it_is_read(cache, where):
    _, table = filled(cache, 3)
    row = table.to_pylist()[1]
    place = cache.folder.file_url(row["file"])
    with open(place, "r+b") as file:
        file.seek(row["offset"] + {"length": -12, "values": 5, "checksum": row["length"] + 2}[where])
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(StoreError, match="the checksum is wrong; remove the file and its index, and run again"):
        list(read_prepared_pixels(cache.folder, table))


def test_a_file_that_is_gone_is_named(cache):
    _, table = filled(cache, 3)
    cache.folder.remove(table["file"][0].as_py())
    with pytest.raises(StoreError, match="cannot be read"):
        list(read_prepared_pixels(cache.folder, table))


def index_of(cache):
    (name,) = [name for name in (cache.folder / cache.id).list_names() if name.endswith(".parquet")]
    return name, Path(cache.folder.url) / cache.id / name


def test_no_flipped_bit_of_an_index_is_believed_and_none_is_a_traceback(cache, caplog):
    _, table = filled(cache)
    name, file = index_of(cache)
    data, draw = file.read_bytes(), random.Random(4)
    for _ in range(400):
        place = draw.randrange(len(data) * 8)
        file.write_bytes(data[: place // 8] + bytes([data[place // 8] ^ (1 << place % 8)]) + data[place // 8 + 1 :])
        caplog.clear()
        assert cache.find_known(table["content_id"]).num_rows == 0
        assert len([record for record in caplog.records if name in record.getMessage()]) == 1
    file.write_bytes(data[: len(data) // 2])
    assert cache.find_known(table["content_id"]).num_rows == 0
    file.write_bytes(data)
    assert cache.find_known(table["content_id"]).num_rows == table.num_rows


def test_a_damaged_index_and_damaged_pixels_are_replaced_when_they_are_written_again(cache):
    images, table = filled(cache)
    _, file = index_of(cache)
    pixels = Path(cache.folder.url) / table["file"][0].as_py()
    whole = file.read_bytes(), pixels.read_bytes()
    file.write_bytes(b"damaged")
    pixels.write_bytes(whole[1][:-1] + b"x")
    cache.add_images(rows_of(images), images)
    assert (file.read_bytes(), pixels.read_bytes()) == whole


@pytest.mark.parametrize(
    "lie",
    [
        {"file": "../../../photos/secret.tfrecord"},
        {"file": "/etc/passwd"},
        {"file": "0123456789abcdef/0123456789abcdef0123456789abcdef.tfrecord"},
        {"file": None},
        {"status": "corrupt"},
        {"offset": 3},
        {"offset": None},
        {"length": 10**15},
        {"length": -1},
        {"prepared_height": 2**31 - 1, "prepared_width": 2**31 - 1, "prepared_frames": 2**31 - 1},
        {"prepared_height": -8, "prepared_width": -9},
        {"prepared_height": None},
    ],
)
def test_an_index_with_a_right_name_that_lies_is_not_believed(cache, lie, caplog):
    _, table = filled(cache)
    _, file = index_of(cache)
    rows = table.to_pylist()
    rows[3] |= lie
    data = to_parquet(pa.Table.from_pylist(rows, schema=table.schema))
    file.unlink()
    (file.parent / f"{hash_content(data)}.parquet").write_bytes(data)
    assert cache.find_known(table["content_id"]).num_rows == 0
    assert "is not to be believed" in caplog.text
    if lie.get("file", "") is not None and "status" not in lie and None not in lie.values():
        with pytest.raises(StoreError, match=r"that cannot be|cannot be read"):
            list(read_prepared_pixels(cache.folder, pa.Table.from_pylist(rows[3:4], schema=table.schema)))


def test_an_index_of_other_columns_is_not_believed(cache, caplog):
    _, table = filled(cache)
    _, file = index_of(cache)
    data = to_parquet(table.drop_columns(["std"]))
    file.unlink()
    (file.parent / f"{hash_content(data)}.parquet").write_bytes(data)
    assert cache.find_known(table["content_id"]).num_rows == 0
    assert "std" in caplog.text


def test_contents_that_are_forgotten_go_with_their_index(cache):
    _, first = filled(cache, 3)
    _, second = filled(cache, 4, start=50)
    assert len(cache.forget_contents([first["content_id"][1].as_py(), "unknown"])) == 1
    known = cache.find_known(pa.chunked_array([*first["content_id"].chunks, *second["content_id"].chunks]))
    assert known["content_id"].to_pylist() == second["content_id"].to_pylist()
