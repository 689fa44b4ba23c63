"""What reading costs beside reading by hand: `to_tf` and `to_torch` against bare loops over the same records.

One version is written for each encoding; the contenders take turns on it, in a process per library. Shown are the
least CPU time of the rounds (all threads together) and the median of the rounds' ratios to the loop by hand. Every
contender gives decoded pixels and labels, `to_tf` and its like in batches of 32. What is not installed is left out:
torch, webdataset, streaming (MosaicML's MDS).

* bare, one by one: ``TFRecordDataset.map(parse_single_example, decode).batch(32)``, as tutorials have it
* bare, batched: ``TFRecordDataset.batch(32).map(parse_example, map_fn(decode))``, the fastest by hand
* bare loop: seek, read, check the record's checksum (as TensorFlow does), cut out the image, decode, label

Run it from the repository:

    python bench/read.py [--records 4000] [--size 128] [--rounds 5] [--encodings png jpeg raw]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import read_data

Contenders = dict[str, Callable[[], int]]
BATCH = 32


def tf_contenders(root: Path, encoding: str) -> Contenders:
    """Each reads every record once and counts them."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    from brev_pipeline import read

    records = read(root / "store" / "bench", "train")
    files = [str(Path(records.path) / file) for file in records.records["file"].unique().to_pylist()]
    side, auto = records.shape.height, tf.data.AUTOTUNE
    key = "image/raw" if encoding == "raw" else "image/encoded"
    spec = {key: tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}

    def decode(data: Any) -> Any:
        if encoding == "raw":
            return tf.reshape(tf.io.decode_raw(data, tf.uint8), (side, side, 3))
        return (tf.io.decode_png if encoding == "png" else tf.io.decode_jpeg)(data, channels=3)

    def single(serialized: Any) -> Any:
        parsed = tf.io.parse_single_example(serialized, spec)
        return decode(parsed[key]), parsed["label"]

    def batch(serialized: Any) -> Any:
        parsed = tf.io.parse_example(serialized, spec)
        if encoding == "raw":
            return tf.reshape(tf.io.decode_raw(parsed[key], tf.uint8), (-1, side, side, 3)), parsed["label"]
        return tf.map_fn(decode, parsed[key], fn_output_signature=tf.uint8), parsed["label"]

    def count(dataset: Any) -> int:
        return sum(len(labels) for _, labels in dataset)

    one_by_one = tf.data.TFRecordDataset(files).map(single, auto).batch(BATCH).prefetch(auto)
    batched = tf.data.TFRecordDataset(files).batch(BATCH).map(batch, auto).prefetch(auto)
    mixed = tf.data.TFRecordDataset(files).shuffle(len(records)).batch(BATCH).map(batch, auto).prefetch(auto)
    ours, shuffled = records.to_tf(BATCH), records.to_tf(BATCH, shuffle=True)
    return {
        "to_tf": lambda: count(ours),
        "bare, batched": lambda: count(batched),
        "bare, one by one": lambda: count(one_by_one),
        "to_tf, shuffled": lambda: count(shuffled),
        "bare, batched, shuffled": lambda: count(mixed),
    }


def torch_contenders(root: Path, encoding: str) -> Contenders:
    """The same for PyTorch."""
    import torch

    from brev_pipeline import read

    torch.set_num_threads(1)
    records = read(root / "store" / "bench", "train")
    by_number, stream = records.to_torch(), records.to_torch(iterable=True)
    shuffled = records.to_torch(iterable=True, shuffle=True)
    order = torch.randperm(len(records), generator=torch.Generator().manual_seed(0)).tolist()
    bare = read_data.BareSet(records, encoding)

    def count(samples: Any) -> int:
        return sum(1 for _ in samples)

    def loaded(data: Any) -> int:
        return sum(len(labels) for _, labels in torch.utils.data.DataLoader(data, BATCH))

    return {
        "to_torch": lambda: count(by_number[i] for i in range(len(by_number))),
        "to_torch, iterable": lambda: count(stream),
        "to_torch, iterable, shuffled": lambda: count(shuffled),
        "bare loop": lambda: count(bare[i] for i in range(len(bare))),
        "to_torch, random access": lambda: count(by_number[i] for i in order),
        "bare loop, random access": lambda: count(bare[i] for i in order),
        "DataLoader(to_torch)": lambda: loaded(by_number),
        "DataLoader(to_torch, iterable)": lambda: loaded(stream),
        "DataLoader(bare)": lambda: loaded(bare),
        **peers(root, encoding, records, count),
    }


def peers(root: Path, encoding: str, records: Any, count: Callable[[Any], int]) -> Contenders:
    """Other formats with the same image bytes, read in order, decoded as the bare loop decodes."""
    found: Contenders = {}
    decode = read_data.decoder(encoding, records.shape.height)
    if find_spec("webdataset"):
        import webdataset

        tar = read_data.write_tar(root / "records.tar", records, encoding)
        shards = webdataset.WebDataset(str(tar), shardshuffle=False)

        def of_tar() -> Iterator[Any]:
            return ((decode(sample["bin"]), int(sample["cls"])) for sample in shards)

        found["webdataset"] = lambda: count(of_tar())
    if find_spec("streaming"):
        import streaming

        place = read_data.write_mds(root / "mds", records, encoding)
        mds = streaming.StreamingDataset(local=str(place), batch_size=BATCH, shuffle=False)
        found["MDS"] = lambda: count((decode(mds[i]["image"]), mds[i]["label"]) for i in range(len(records)))
    return found


LIBRARIES = {"tf": ("to_tf", tf_contenders), "torch": ("to_torch", torch_contenders)}


def measure(contenders: Contenders, rounds: int) -> dict[str, list[float]]:
    """CPU-µs per record of each round."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, run in contenders.items():
            began = time.process_time()
            records = run()
            if number:  # the first round warms up
                times[name].append((time.process_time() - began) / records * 1e6)
    return times


def limit_of(name: str, found: dict[str, list[float]]) -> list[float]:
    """What a contender is compared with: the loop by hand that does the same."""
    if "bare loop" not in found:
        return found["bare, batched, shuffled" if "shuffled" in name else "bare, batched"]
    if name.startswith("DataLoader"):
        return found["DataLoader(bare)"]
    return found["bare loop, random access" if "random access" in name else "bare loop"]


def report(library: str, encoding: str, bytes_each: int, found: dict[str, list[float]]) -> None:
    print(f"\n{library}, {encoding}, {bytes_each} bytes each{'':14}{'CPU-us/record':>14}{'bare / it':>11}")
    for name, times in found.items():
        ratio = statistics.median(limit / own for limit, own in zip(limit_of(name, found), times, strict=True))
        print(f"  {name:42}{min(times):14.1f}{ratio:11.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=4000)
    parser.add_argument("--size", type=int, default=128, help="side of the images, px")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--encodings", nargs="+", default=["png", "jpeg", "raw"], choices=["png", "jpeg", "raw"])
    parser.add_argument("--libraries", nargs="+", default=list(LIBRARIES), choices=LIBRARIES)
    parser.add_argument("--inside", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        library, encoding, root = args.inside
        print(json.dumps(measure(LIBRARIES[library][1](Path(root), encoding), args.rounds)))
        return
    for encoding in args.encodings:
        with tempfile.TemporaryDirectory() as root:
            bytes_each = read_data.publish(Path(root), encoding, args.records, args.size)
            for library in args.libraries:
                if library == "torch" and not find_spec("torch"):
                    print("torch is not installed: left out")
                    continue
                command = [sys.executable, __file__, "--rounds", str(args.rounds), "--inside", library, encoding, root]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    sys.exit(done.stderr)
                report(library, encoding, bytes_each, json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
