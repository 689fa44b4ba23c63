"""What TensorFlow itself says of our records. One module, because importing TensorFlow takes seconds."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brev_pipeline.config import ShardSettings
from brev_pipeline.records import decode_record_pixels, encode_example, feature_spec, iterate_records
from brev_pipeline.tfrecord import frame_record, masked_crc
from brev_pipeline_tests.records.worlds import World, build

int64s = st.integers(-(2**63), 2**63 - 1)
# Python's protobuf puts "label/multi_hot" before its own prefix "label"; every other language sorts as we do.
names = st.text(max_size=12).map(lambda name: f"{len(name)} {name}")
floats = st.floats(width=32, allow_nan=False)
arrays = st.lists(floats).map(lambda values: np.array(values, np.float32))
values = st.binary(max_size=400) | int64s | st.lists(int64s) | floats | arrays
features = st.dictionaries(names, values, max_size=8)


@pytest.fixture(scope="module")
def tf() -> Any:
    return pytest.importorskip("tensorflow")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return build(tmp_path, {"good": 20, "bad_cap": 6})


def theirs(tf: Any, content: dict) -> Any:
    def feature(value: Any) -> Any:
        if isinstance(value, bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        if isinstance(value, float | np.ndarray):
            return tf.train.Feature(float_list=tf.train.FloatList(value=np.atleast_1d(value)))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value] if isinstance(value, int) else value))

    return tf.train.Example(features=tf.train.Features(feature={k: feature(v) for k, v in content.items()}))


@given(features)
@settings(max_examples=50, deadline=None)
def test_tensorflow_reads_an_example_back(tf: Any, content: dict) -> None:
    assert tf.train.Example.FromString(encode_example({"a": 1, "ab": b"2"} | content)) == theirs(
        tf, {"a": 1, "ab": b"2"} | content
    )


@given(features)
@settings(max_examples=200, deadline=None)
def test_an_example_has_the_bytes_that_tensorflow_gives_it(tf: Any, content: dict) -> None:
    assert encode_example(content) == theirs(tf, content).SerializeToString(deterministic=True)


@pytest.mark.parametrize("bits", [0x7FC00000, 0xFFC00000, 0x7F800001, 0xFFFFFFFF])
def test_every_nan_is_stored_as_the_quiet_one_without_a_sign(tf: Any, bits: int) -> None:
    value = np.array([bits], np.uint32).view(np.float32)
    expected = theirs(tf, {"target/a": float("nan")}).SerializeToString(deterministic=True)
    assert expected.endswith(bytes.fromhex("0000c07f"))
    assert encode_example({"target/a": value}) == expected
    assert encode_example({"target/a": float(value[0])}) == expected


@given(st.lists(st.lists(floats, max_size=5), min_size=1, max_size=4))
@settings(max_examples=30, deadline=None)
def test_tensorflow_parses_lists_of_floats_and_empty_ones_as_such(tf: Any, content: list[list[float]]) -> None:
    records = [encode_example({"f": np.array(row, np.float32), "i": [len(row)] * len(row)}) for row in content]
    spec = {"f": tf.io.RaggedFeature(tf.float32), "i": tf.io.RaggedFeature(tf.int64)}
    parsed = tf.io.parse_example(records, spec)
    assert parsed["f"].to_list() == content
    assert parsed["i"].to_list() == [[len(row)] * len(row) for row in content]


def test_a_file_has_the_bytes_that_tensorflows_writer_gives_it(tf: Any, tmp_path: Path) -> None:
    contents = [b"", b"one", bytes(range(256)) * 300]
    with tf.io.TFRecordWriter(str(tmp_path / "theirs")) as writer:
        for record in contents:
            writer.write(record)
    ours = b"".join(frame_record(r, masked_crc(r))[0] + r + frame_record(r, masked_crc(r))[1] for r in contents)
    assert (tmp_path / "theirs").read_bytes() == ours


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("encoding", ["png", "jpeg", "raw"])
def test_tensorflow_reads_every_record_as_the_feature_spec_says(
    tf: Any, world: World, encoding: str, compression: str
) -> None:
    asked = ShardSettings(encoding=encoding, compression=compression, records_per_shard=7)
    table = world.write(asked)
    found = []
    for file in table["file"].unique().to_pylist():
        place = world.folder().file_url(file)
        for batch in tf.data.TFRecordDataset(place, compression.upper().replace("NONE", "")).batch(5):
            found += unbatched(tf.io.parse_example(batch, feature_spec(encoding)))
    assert len(found) == table.num_rows
    for theirs_, (row, ours) in zip(found, iterate_records(world.folder(), table, compression), strict=True):
        assert theirs_["path"].decode() == row["path"]
        assert theirs_["label"] == row["label"]
        assert np.int64(theirs_["seed"]).astype(np.uint64) == row["seed"]
        assert (theirs_["image/height"], theirs_["image/width"], theirs_["image/channels"]) == (12, 16, 3)
        if encoding == "raw":
            image = np.frombuffer(theirs_["image/raw"], np.uint8).reshape(12, 16, 3)
        else:
            decode = (
                tf.io.decode_png if encoding == "png" else partial(tf.io.decode_jpeg, dct_method="INTEGER_ACCURATE")
            )
            image = decode(theirs_["image/encoded"]).numpy()
        np.testing.assert_array_equal(image, decode_record_pixels(ours))


def test_multi_hot_labels_are_in_the_feature_spec(tf: Any, world: World) -> None:
    several = [["good", "bad_cap"], *world.split["category"].to_pylist()[1:]]
    split = world.split.set_column(3, "category", pa.array(several))
    table = World(world.root, split, world.prepared).write(ShardSettings())
    places = [world.folder().file_url(file) for file in table["file"].unique().to_pylist()]
    (batch,) = tf.data.TFRecordDataset(places).batch(100)
    parsed = tf.io.parse_example(batch, feature_spec(several=True, classes=2))
    assert parsed["label/multi_hot"].shape == (31, 2)
    assert sorted(map(tuple, parsed["label/multi_hot"].numpy().tolist()))[-1] == (1, 1)


def test_tensorflow_finds_a_flipped_bit(tf: Any, world: World) -> None:
    file = world.write(ShardSettings())["file"][0].as_py()
    path = world.root / "out" / file
    data = bytearray(path.read_bytes())
    data[200] ^= 16
    path.write_bytes(data)
    with pytest.raises(tf.errors.DataLossError):
        list(tf.data.TFRecordDataset(str(path)))


def unbatched(parsed: dict) -> list[dict]:
    arrays = {name: tensor.numpy() for name, tensor in parsed.items()}
    return [{name: values[i] for name, values in arrays.items()} for i in range(len(arrays["path"]))]
