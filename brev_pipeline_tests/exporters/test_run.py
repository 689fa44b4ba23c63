"""A run of the whole chain publishes a folder that needs none of our code."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from brev_pipeline import read
from brev_pipeline.records import feature_spec
from brev_pipeline.store import Version
from brev_pipeline_tests.pipelines import has_its_files

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Version:
    from brev_pipeline_tests.pipelines import configure, draw_photos, run

    root = tmp_path_factory.mktemp("run")
    draw_photos(root / "photos", {"good": 12, "bad_cap": 6})
    card = {"license": "https://spdx.org/licenses/CC0-1.0.html", "published": "2026-11-30"}
    done = run(configure(root, shards={"records_per_shard": 8, "epochs": 2}, card=card))
    assert done.success, done.failures
    newest = done.store.newest_version()
    assert newest
    return newest[1]


def test_the_manifest_accounts_for_the_files(version: Version) -> None:
    assert has_its_files(version)
    listed = set(version.read_manifest()["files"])
    assert listed >= {"dataset_info.json", "features.json", "label.labels.txt", "metadata.json", "croissant.json"}


@pytest.mark.parametrize("purpose", ["train", "devel", "test"])
def test_tfds_reads_each_purpose(tfds: Any, version: Version, purpose: str) -> None:
    builder = tfds.builder_from_directory(version.path)
    ours = read(version, purpose)
    dataset = builder.as_dataset(split=purpose, read_config=tfds.ReadConfig(interleave_cycle_length=1))
    assert builder.info.splits[purpose].num_examples == len(ours) > 0
    assert builder.info.features["image/encoded"].shape == (24, 32, 3)
    assert builder.info.features["label"].names == ours.classes == ["bad_cap", "good"]
    for example, sample in zip(tfds.as_numpy(dataset), ours, strict=True):
        np.testing.assert_array_equal(example["image/encoded"], sample["image"])
        assert (example["label"], example["path"].decode()) == (sample["label"], sample["path"])
        assert Path(sample["path"]).parent.name == ours.classes[example["label"]]


def test_plain_tensorflow_reads_by_the_feature_spec(version: Version) -> None:
    tf = pytest.importorskip("tensorflow")
    ours = read(version, "train")
    shards = sorted(str(file) for file in Path(version.path).glob("parts-train.tfrecord-*"))
    read_ = 0
    for batch in tf.data.TFRecordDataset(shards).batch(16):
        parsed = tf.io.parse_example(batch, feature_spec("png"))
        for encoded, label in zip(parsed["image/encoded"], parsed["label"].numpy(), strict=True):
            np.testing.assert_array_equal(tf.io.decode_png(encoded).numpy(), ours[read_]["image"])
            assert label == ours[read_]["label"]
            read_ += 1
    assert read_ == len(ours)


def test_the_documented_features_are_a_feature_spec(version: Version) -> None:
    tf = pytest.importorskip("tensorflow")
    told = json.loads((Path(version.path) / "metadata.json").read_text())["record_schema"]["features"]
    kinds = {"bytes_list": tf.string, "int64_list": tf.int64}
    spec = {
        feature["name"]: tf.io.FixedLenFeature([] if feature["values"] == 1 else [feature["values"]], kind)
        for feature in told
        if (kind := kinds[feature["stored"]])
    }
    assert spec == feature_spec("png")


def test_the_documented_way_to_the_seeds_gives_the_seeds(version: Version) -> None:
    told = json.loads((Path(version.path) / "metadata.json").read_text())["seeds"]
    key = told["sampling.seed"].to_bytes(8, "big")
    for row in version.read_table("records").to_pylist():
        parts = [str(row[name]).encode() for name in ("epoch", "content_id", "ordinal")]
        digest = hashlib.blake2b(b"\xff".join(parts), digest_size=8, key=key).digest()
        assert int.from_bytes(digest, "big") == row["seed"]


def test_croissant_has_no_errors_no_warnings_and_the_record_table(mlc: Any, version: Version) -> None:
    dataset = mlc.Dataset(f"{version.path}/croissant.json")
    assert (dataset.metadata.ctx.issues.errors, dataset.metadata.ctx.issues.warnings) == (set(), set())
    rows = pq.read_table(f"{version.path}/records.parquet").to_pylist()
    for found, row in zip(dataset.records("records"), rows, strict=True):
        assert found == {f"records/{k}": v.encode() if isinstance(v, str) else v for k, v in row.items()}
