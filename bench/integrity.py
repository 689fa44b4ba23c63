"""What finding copies costs: 10,000,000 images, 5 % of them copies, a third of those under another class.

Ours against the plain pandas groupby (one row per content: first path, count, number of classes), each in a process
of its own; seconds, and the peak of memory above the input in bytes per row. Run it from the repository:

    python bench/integrity.py [--rows 10000000]
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from memory import forget_peak, peak

from brev_pipeline.integrity.check import find_copies

CLASSES = ["good", "bad_cap", "missing_cap"]
Found = tuple[int, int, int]


def images(count: int) -> pa.Table:
    """Contents, paths in order, and classes."""
    random = np.random.Generator(np.random.Philox(7))
    digests = random.integers(0, 1 << 63, (count, 2), np.int64)
    copied = np.flatnonzero(random.random(count) < 0.05)
    digests[copied] = digests[random.integers(0, count, len(copied))]
    ends = pa.py_buffer(np.arange(count + 1, dtype=np.int32) * 32)
    content = pa.StringArray.from_buffers(count, ends, pa.py_buffer(digests.tobytes().hex().encode()))
    number = pc.utf8_lpad(pa.array(np.arange(count)).cast(pa.large_string()), 9, "0")
    path = pc.binary_join_element_wise("s3://photos/set/good/", number, "")
    category = pa.array([[name] for name in CLASSES]).take(pa.array(random.integers(0, 3, count)))
    return pa.table({"content_id": content, "path": path, "category": category})


def ours(table: pa.Table) -> Found:
    found = find_copies(table["content_id"], table["path"], table["category"])
    later = len(found.duplicate_of) - found.duplicate_of.null_count
    return later, int(pc.sum(found.label_conflict).as_py()), int(pc.max(found.copies).as_py())


def with_pandas(table: pa.Table) -> Found:
    frame = table.select(["content_id", "path"]).to_pandas()
    frame["class"] = pc.binary_join(table["category"], ",").to_pandas()
    groups = frame.groupby("content_id", sort=False)
    first = groups["path"].transform("min")
    copies = groups["path"].transform("size")
    conflict = groups["class"].transform("nunique") > 1
    return int((first != frame["path"]).sum()), int(conflict.sum()), int(copies.max())


WAYS = {"pandas groupby": with_pandas, "ours": ours}


def measured(name: str, file: str) -> tuple[Found, float, float]:
    """The result, CPU seconds, and peak of memory above the input in bytes per row. Runs in a process of its own."""
    table = pa.ipc.open_file(file).read_all()
    WAYS[name](table.slice(0, 1000))
    forget_peak()
    before = peak()
    began = time.process_time()
    found = WAYS[name](table)
    seconds = time.process_time() - began
    return found, seconds, (peak() - before) / table.num_rows


def compare(rows: int) -> None:
    print(f"{rows} images, 5 % copies")
    results = {}
    # The input comes from a file, so that what made it does not count as memory.
    with tempfile.NamedTemporaryFile(suffix=".arrow") as file:
        table = images(rows)
        with pa.ipc.new_file(file.name, table.schema) as sink:
            sink.write_table(table)
        for name in WAYS:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                results[name] = pool.apply(measured, (name, file.name))
    if results["ours"][0] != results["pandas groupby"][0]:
        raise SystemExit(f"the results differ: {results}")
    (later, conflicts, most), base, _ = results["pandas groupby"]
    print(f"  {later} copies, {conflicts} images in label conflicts, at most {most} of one content")
    for name, (_, seconds, extra) in results.items():
        print(f"  {name:15} {seconds:7.2f} CPU-s  {extra:6.0f} B/row at the peak  {base / seconds:5.1f} × as fast")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rows", type=int, default=10_000_000)
    compare(options.parse_args().rows)
