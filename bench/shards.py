"""How fast are shards written, beside a bare loop that augments, encodes and writes with TensorFlow's writer?

Run: python bench/shards.py [--records 4000] [--rounds 3] [--flat 40000] [--incremental 10000]

1. Worker processes: wall and CPU seconds with 1 and 2, their start included and alone, and a worker's peak memory.
   ``--flat`` writes that many records as well: the peak must not grow.
2. One process, CPU seconds: `write_shards` (prepared pixels read from the store, augmented, encoded, framed, hashed,
   flushed to disk, noted as finished) against loops that have all pixels in memory and do nothing but augment,
   encode and write: with ``tf.train.Example`` and ``tf.io.TFRecordWriter``, and with a frame and checksums alone. They
   take turns, chunk by chunk, and the fastest turn of each chunk counts.
3. ``--incremental``: so many records, of which one in a hundred is new and the others stand in the version before,
   beside writing all of them; CPU seconds in one process. (`bench/incremental.py` does the same with whole runs.)
"""

import argparse
import contextlib
import hashlib
import json
import os
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import cv2
import google_crc32c
import numpy as np
import pyarrow as pa

from brev_pipeline.augmentation import ImageAugmenter
from brev_pipeline.config import ImageSettings, SamplingSettings, ShardSettings
from brev_pipeline.engine import LocalEngine, SerialEngine
from brev_pipeline.images import PreparedPixels
from brev_pipeline.images.pixel_cache import PixelCache
from brev_pipeline.records import PreviousRecords, plan_shards, write_shards
from brev_pipeline.records.encodings import make_encoder
from brev_pipeline.sampling import compute_sampling_weights, plan_draws
from brev_pipeline.store import Folder

SIDE = 128  # px
IMAGES = 1000  # distinct photos that the records are drawn from
CHUNK = 500  # records of one turn


def photos() -> list[np.ndarray]:
    """Made-up photographs: a bright, blurred shape on a gradient, with the noise of a sensor."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    made = []
    for _ in range(IMAGES):
        image = np.stack([60 + 0.5 * x + 0.3 * y + shift for shift in rng.integers(0, 60, 3)], -1).astype(np.float32)
        centre = tuple(int(value) for value in rng.integers(30, SIDE - 30, 2))
        cv2.circle(image, centre, int(rng.integers(10, 30)), tuple(map(float, rng.integers(0, 255, 3))), -1)
        noisy = cv2.GaussianBlur(image, (0, 0), 1.2) + rng.normal(0, 1.5, image.shape)
        made.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return made


def world(root: Path, pixels: list[np.ndarray]) -> tuple[pa.Table, pa.Table, Folder]:
    """A split, and prepared_images with its pixels in the store, as the stages before make them."""
    ids = [hashlib.md5(image.tobytes(), usedforsecurity=False).hexdigest() for image in pixels]
    paths = [f"bucket/{'bad' if i % 7 == 0 else 'good'}/{i}.bmp" for i in range(len(ids))]
    folder = Folder(str(root / "prepared"))
    rows = [
        {"content_id": name, "status": "ok", "source_path": path, "prepared_channels": 3}
        | {"prepared_height": SIDE, "prepared_width": SIDE}
        for name, path in zip(ids, paths, strict=True)
    ]
    prepared = PixelCache.for_settings(folder, ImageSettings(target_size=(SIDE, SIDE))).add_images(rows, pixels)
    classes = [path.split("/")[1] for path in paths]
    split = pa.table(
        {"path": paths, "content_id": ids, "item": paths, "folder": classes, "purpose": ["train"] * len(ids)}
    )
    return split.append_column("category", pa.array([[name] for name in classes])), prepared, folder


def plan_of(split: pa.Table, prepared: pa.Table, records: int, settings: ShardSettings) -> pa.Table:
    sampling = SamplingSettings(group_weighing="logx+1", seed=3)
    epochs = -(-records // len(split))
    draws = plan_draws(split, compute_sampling_weights(split, sampling), sampling, epochs=epochs).slice(0, records)
    return plan_shards(draws, prepared, settings, class_names=["bad", "good"])


def cpu_seconds(function: Callable[[], Any]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def with_tensorflow(rows: list[dict], images: dict[str, np.ndarray], encode: Callable, path: str) -> None:
    import tensorflow as tf

    def text(value: bytes) -> Any:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    def number(value: int) -> Any:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    augmenter = ImageAugmenter()
    with tf.io.TFRecordWriter(path) as writer:
        for row in rows:
            image = augmenter.augment(images[row["content_id"]], row["seed"])
            features = {
                "image/encoded": text(encode(image)),
                "image/height": number(image.shape[0]),
                "image/width": number(image.shape[1]),
                "label": number(row["label"]),
                "path": text(row["path"].encode()),
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())


def with_frames(rows: list[dict], images: dict[str, np.ndarray], encode: Callable, path: str) -> None:
    augmenter = ImageAugmenter()

    def crc(data: bytes) -> bytes:
        value = google_crc32c.value(data)
        return struct.pack("<I", ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    with open(path, "wb") as file:
        for row in rows:
            record = encode(augmenter.augment(images[row["content_id"]], row["seed"]))
            length = struct.pack("<Q", len(record))
            file.write(length + crc(length) + record + crc(record))


def compare(encoding: str, rounds: int, tables: tuple, images: dict, root: Path, records: int) -> dict[str, Any]:
    """CPU seconds per record, ours and the bare loops', in one process."""
    split, prepared, folder = tables
    settings = ShardSettings(encoding=encoding, records_per_shard=CHUNK)
    plan = plan_of(split, prepared, records, settings)
    encode = make_encoder(settings)
    best: dict[tuple[int, str], float] = {}
    for turn in range(rounds):
        for start in range(0, records, CHUNK):
            part = plan.slice(start, CHUNK)
            part = part.set_column(2, "shard", pa.array(np.zeros(len(part), np.int32)))
            rows = part.to_pylist()
            out = f"{root}/bare-{encoding}"

            def ours(part: pa.Table = part, where: str = f"{encoding}-{turn}-{start}") -> None:
                write(part, prepared, folder, settings, root / where, SerialEngine())

            def tensorflow(rows: list = rows, out: str = out) -> None:
                with_tensorflow(rows, images, encode, out)

            def frames(rows: list = rows, out: str = out) -> None:
                with_frames(rows, images, encode, out)

            for function in (ours, tensorflow, frames):
                key = start, function.__name__
                best[key] = min(best.get(key, 1e9), cpu_seconds(function))
    speed = {
        name: records / sum(seconds for (_, found), seconds in best.items() if found == name)
        for name in ("ours", "tensorflow", "frames")
    }
    return {
        "encoding": encoding,
        "write_shards_per_cpu_s": round(speed["ours"]),
        "bare_with_tfrecordwriter_per_cpu_s": round(speed["tensorflow"]),
        "bare_with_frames_per_cpu_s": round(speed["frames"]),
        "ratio_to_tfrecordwriter": round(speed["ours"] / speed["tensorflow"], 3),
        "ratio_to_frames": round(speed["ours"] / speed["frames"], 3),
    }


def incremental(encoding: str, tables: tuple, root: Path, records: int, rounds: int) -> dict[str, Any]:
    """CPU seconds of writing all records, and of writing them when 99 of 100 stand in the version before."""
    split, prepared, folder = tables
    settings = ShardSettings(encoding=encoding, records_per_shard=1000)
    plan = plan_of(split, prepared, records, settings)
    whole = write(plan, prepared, folder, settings, root / f"{encoding}-before", SerialEngine())
    known = whole.filter(pa.array(np.arange(records) % 100 != 7))
    earlier = PreviousRecords(Folder(str(root / f"{encoding}-before")), known, "none")
    full, again = [], []
    for turn in range(rounds):
        for seconds, old, name in ((full, None, "full"), (again, earlier, "again")):
            out = root / f"{encoding}-{name}-{turn}"
            seconds.append(
                cpu_seconds(
                    lambda old=old, out=out: write(plan, prepared, folder, settings, out, SerialEngine(), earlier=old)
                )
            )
    return {
        "encoding": encoding,
        "records": records,
        "full_cpu_s": round(min(full), 2),
        "one_percent_new_cpu_s": round(min(again), 2),
        "ratio": round(min(again) / min(full), 3),
    }


def write(
    plan: pa.Table,
    prepared: pa.Table,
    folder: Folder,
    settings: ShardSettings,
    out: Path,
    engine: Any,
    earlier: PreviousRecords | None = None,
) -> Any:
    return write_shards(
        plan,
        prepared,
        pipeline="bench",
        settings=settings,
        augmenter=ImageAugmenter(),
        pixels=PreparedPixels(folder),
        folder=Folder(str(out)),
        engine=engine,
        fingerprint="bench",
        previous=earlier,
    )


def workers(encoding: str, count: int, tables: tuple, root: Path, records: int) -> dict[str, Any]:
    """Wall and CPU seconds of worker processes, start included, and the largest one's memory so far."""
    split, prepared, folder = tables
    settings = ShardSettings(encoding=encoding, records_per_shard=CHUNK)
    plan = plan_of(split, prepared, records, settings)
    before, start = os.times(), time.perf_counter()
    watch = Watch()
    write(plan, prepared, folder, settings, root / f"{encoding}-{count}-{records}", LocalEngine(workers=count))
    after, wall = os.times(), time.perf_counter() - start
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {
        "encoding": encoding,
        "workers": count,
        "records": records,
        "wall_s": round(wall, 2),
        "records_per_wall_s": round(records / wall),
        "records_per_worker_cpu_s": round(records / cpu),
        "parent_cpu_s": round(after.user + after.system - before.user - before.system, 2),
        "peak_worker_mb": watch.stop(),
    }


class Watch(threading.Thread):
    """Looks at the memory of this process's children now and then (Linux)."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._peak_kb = 0
        self._done = threading.Event()
        self.start()

    def run(self) -> None:
        """Look every 20 ms until `stop`."""
        while not self._done.wait(0.02):
            for task in Path("/proc/self/task").iterdir():
                with contextlib.suppress(OSError):
                    for child in (task / "children").read_text().split():
                        status = Path(f"/proc/{child}/status").read_text()
                        # A child that has not yet begun its own program still shows its parent's memory.
                        if "brev_pipeline.engine" in Path(f"/proc/{child}/cmdline").read_text():
                            self._peak_kb = max(self._peak_kb, int(status.split("VmHWM:")[1].split()[0]))

    def stop(self) -> int:
        """The largest peak of one child, MB."""
        self._done.set()
        self.join()
        return self._peak_kb // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--flat", type=int, default=0, help="write this many records too, to see a worker's memory")
    parser.add_argument("--incremental", type=int, default=0, help="write this many records, 1 % of them new")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    pixels = photos()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        tables = world(root, pixels)
        print(json.dumps({"start_of": 1} | workers("png", 1, tables, root, 1)))
        for encoding in ("png", "jpeg"):
            for count in (1, 2):
                print(json.dumps(workers(encoding, count, tables, root, args.records)), flush=True)
        if args.flat:
            print(json.dumps(workers("png", 2, tables, root, args.flat)), flush=True)
        if args.incremental:
            for encoding in ("png", "jpeg"):
                print(json.dumps(incremental(encoding, tables, root, args.incremental, args.rounds)), flush=True)
        images = dict(zip(tables[0]["content_id"].to_pylist(), pixels, strict=True))
        for encoding in ("png", "jpeg"):
            print(json.dumps(compare(encoding, args.rounds, tables, images, root, args.records)), flush=True)


if __name__ == "__main__":
    main()
