"""From raw photographs to records: JPEG of 640×480 px to PNG records of 128×128, without augmentation.

Run: python bench/raw.py [--images 1000] [--rounds 3] [--tfds] [--img2dataset]

CPU-milliseconds per image of everything from the file to the shard, in one process and one thread:

* ours: `prepare_images` (bytes against their MD5, strict decoding, statistics, hash of the pixels, kept in the store
  for good) and `write_shards` (hashed, flushed to disk, noted as finished), as the pipeline runs them
* ours, again: the same pixels in other shards: nothing is decoded a second time
* plain loop: read, decode, resize and encode with the same calls, ``tf.io.TFRecordWriter``; no checks, no hashes
* tfds: a builder with its own generator that does the plain loop's steps (``--tfds``)
* img2dataset: to TFRecord, resized, PNG; install it to look (``--img2dataset``); its start is not counted
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import cv2
import numpy as np
import pyarrow as pa
import simplejpeg

from bench.images import SIDE, encoded
from brev_pipeline.config import DatasetSettings, ImageSettings, ListingSettings, PipelineConfig, ShardSettings
from brev_pipeline.engine import SerialEngine
from brev_pipeline.images import PreparedPixels, prepare_images
from brev_pipeline.integrity import check_integrity
from brev_pipeline.listing import list_datasets
from brev_pipeline.records import plan_shards, write_shards
from brev_pipeline.records.encodings import make_encoder
from brev_pipeline.storage import Sources
from brev_pipeline.store import Folder

SETTINGS = ShardSettings()


def samples_of(root: Path) -> tuple[pa.Table, Sources]:
    """The table of sample_integrity: what the stages before have found."""
    datasets = [DatasetSettings(name="Photos", id="photos", bucket=str(root / "photos"))]
    sources = Sources.from_config(PipelineConfig(name="raw", store=str(root), datasets=datasets))
    return check_integrity(list_datasets(datasets, ListingSettings(), sources), fetch=sources), sources


def plan_of(samples: pa.Table, prepared: pa.Table, settings: ShardSettings) -> pa.Table:
    count = samples.num_rows
    draws = samples.select(["path", "content_id", "category"])
    for name, values in {
        "purpose": pa.repeat(pa.scalar("train"), count),
        "epoch": pa.array(np.zeros(count, np.int32)),
        "item": samples["path"],
        "group": pa.repeat(pa.scalar(""), count),
        "ordinal": pa.array(np.zeros(count, np.int32)),
        "seed": pa.array(np.arange(count, dtype=np.uint64)),
        "augmented": pa.repeat(pa.scalar(False), count),
    }.items():
        draws = draws.append_column(name, values)
    names = sorted({name for row in draws["category"].to_pylist() for name in row})
    return plan_shards(draws, prepared, settings, class_names=names)


def ours(samples: pa.Table, sources: Sources, store: Path, name: str) -> None:
    settings = ImageSettings(target_size=(SIDE, SIDE))
    folder = Folder(str(store / "prepared"))
    prepared = prepare_images(samples, settings, fetch=sources, folder=folder, engine=SerialEngine())
    write_shards(
        plan_of(samples, prepared, SETTINGS),
        prepared,
        pipeline="raw",
        settings=SETTINGS,
        augmenter=None,
        pixels=PreparedPixels(folder),
        folder=Folder(str(store / name)),
        engine=SerialEngine(),
        fingerprint="",
    )


def prepared_and_encoded(path: str, encode: Callable[[np.ndarray], bytes]) -> bytes:
    with open(path, "rb") as file:
        data = file.read()
    return encode(cv2.resize(simplejpeg.decode_jpeg(data, "RGB"), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR))


def plain(paths: list[str], target: str) -> None:
    import tensorflow as tf

    def text(value: bytes) -> Any:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    encode = make_encoder(SETTINGS)
    with tf.io.TFRecordWriter(target) as writer:
        for path in paths:
            label = tf.train.Feature(int64_list=tf.train.Int64List(value=[0]))
            features = {
                "image/encoded": text(prepared_and_encoded(path, encode)),
                "label": label,
                "path": text(path.encode()),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())


def tfds_builder(paths: list[str], target: str) -> None:
    import tensorflow_datasets as tfds

    with tfds.core.registered.skip_registration():

        class Photos(tfds.core.GeneratorBasedBuilder):
            VERSION = tfds.core.Version("1.0.0")

            def _info(self) -> Any:
                image = tfds.features.Image(shape=(SIDE, SIDE, 3))
                features = tfds.features.FeaturesDict({"image": image, "label": np.int64})
                return tfds.core.DatasetInfo(builder=self, features=features)

            def _split_generators(self, _: Any) -> Any:
                return {"train": self._generate_examples()}

            def _generate_examples(self) -> Iterator[Any]:
                for path in paths:
                    with open(path, "rb") as file:
                        pixels = simplejpeg.decode_jpeg(file.read(), "RGB")
                    yield path, {"image": cv2.resize(pixels, (SIDE, SIDE)), "label": 0}

    Photos(data_dir=target).download_and_prepare()


def img2dataset(paths: list[str], root: Path) -> float:
    """CPU seconds per image beyond its start: of all photos less those of one."""
    seconds = []
    for count in (1, len(paths)):
        urls = root / f"{count}.txt"
        urls.write_text("\n".join(f"file://{path}" for path in paths[:count]))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [str(Path(sys.executable).with_name("img2dataset")), f"--url_list={urls}", "--output_format=tfrecord"]
        options = [f"--output_folder={root / f'out{count}'}", f"--image_size={SIDE}", "--encode_format=png"]
        more = ["--encode_quality=1", "--resize_mode=no", "--processes_count=1", "--thread_count=1"]
        subprocess.run([*command, *options, *more], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return (seconds[1] - seconds[0]) / (len(paths) - 1)


def cpu(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tfds", action="store_true")
    parser.add_argument("--img2dataset", action="store_true")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "photos/good").mkdir(parents=True)
        for number, data in enumerate(encoded(".jpg", args.images)):
            (root / f"photos/good/{number}_0.jpg").write_bytes(data)
        samples, sources = samples_of(root)
        paths = sorted(str(path) for path in (root / "photos").rglob("*.jpg"))
        plain(paths[:2], str(root / "warm"))  # imports TensorFlow outside the clock
        seconds: dict[str, list[float]] = {}
        for turn in range(args.rounds):
            store = root / f"store{turn}"
            loops: dict[str, Callable[[], object]] = {
                "ours": lambda store=store: ours(samples, sources, store, "a"),
                "ours, again": lambda store=store: ours(samples, sources, store, "b"),
                "plain loop": lambda turn=turn: plain(paths, str(root / f"plain{turn}")),
            }
            if args.tfds:
                loops["tfds"] = lambda turn=turn: tfds_builder(paths, str(root / f"tfds{turn}"))
            for name, loop in loops.items():
                seconds.setdefault(name, []).append(cpu(loop))
        each = {name: min(times) / args.images * 1000 for name, times in seconds.items()}
        if args.img2dataset:
            each["img2dataset"] = img2dataset(paths, root) * 1000
    for name, milliseconds in each.items():
        ratio = milliseconds / each["plain loop"]
        print(f"{name:12s} {milliseconds:6.2f} CPU-ms per image, {ratio:5.2f} × the plain loop")
    print(json.dumps({"raw": {name: round(value, 3) for name, value in each.items()}, "load": os.getloadavg()[0]}))


if __name__ == "__main__":
    main()
