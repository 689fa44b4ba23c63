"""The split's speed, memory and stability.

Run ``python bench/split.py`` for 10⁵ and 10⁶ rows, ``--rows 1e7`` for other sizes, ``--growth`` for how many old
images change sides when a listing grows. Each figure comes from a process of its own: CPU seconds of the call alone
(another process makes the input, and a small call has loaded the libraries), and how far the resident memory rose
above what it was before the call, per row. scikit-learn's splitters run beside it where they are installed; they get
the item's key ready-made, do not know copies, and GroupShuffleSplit does not stratify.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import feather

from brev_pipeline import SampleSplit
from brev_pipeline.config import SplitSettings
from brev_pipeline.split import PriorAssignments, assign_purposes

PATTERN = r"/(\d*)_\d*.bmp"
STRATA = 5
METHODS = ("ranked_hash", "sorted_permutation", "murmurhash3")
OTHERS = ("split_samples", "split_samples again", "GroupShuffleSplit", "StratifiedGroupKFold")
# CPU-seconds at 10⁶ rows, as measured on a machine like this (two cores): what a tenth is aimed at.
REFERENCE = {"sorted_permutation": 7.5, "murmurhash3": 15.0}


def listing(rows: int, shuffled: bool = False) -> pd.DataFrame:
    """Two photos per item, five strata; in no order, or sorted by path as a listing is."""
    item = np.arange(rows) // 2
    order = np.random.default_rng(0).permutation(rows) if shuffled else np.arange(rows)
    folder = [f"class_{number % STRATA}" for number in item]
    frame = pd.DataFrame(
        {
            "folder": folder,
            "path": [
                f"s3://bucket/data/set/{name}/{number}_{1_600_000_000_000 + row}.bmp"
                for row, (name, number) in enumerate(zip(folder, item, strict=True))
            ],
            "etag": [f"{number:032x}" for number in np.random.default_rng(1).integers(0, 2**63, rows)],
        }
    )
    return frame.iloc[order].reset_index(drop=True) if shuffled else frame.sort_values("path", ignore_index=True)


def samples(rows: int) -> pa.Table:
    """The same as the pipeline's table of usable images, sorted by path."""
    frame = listing(rows)
    columns = {name: pa.array(frame[name], pa.large_string()) for name in frame.columns}
    constant = {name: pa.array([name]).take(pa.array(np.zeros(rows, np.int32))) for name in CONSTANT}
    category = pa.ListArray.from_arrays(pa.array(np.arange(rows + 1, dtype=np.int32)), columns["folder"])
    ids = {"content_id": columns["etag"], "pixel_id": columns["etag"]}
    return pa.table({**columns, **constant, **ids, "category": category})


CONSTANT = ("bucket", "dataset", "dataset_id", "reference")


def make(name: str, rows: int, shuffled: bool = False) -> pa.Table:
    """The input of what is measured."""
    return samples(rows) if name.startswith("split_samples") else pa.Table.from_pandas(listing(rows, shuffled))


def work(name: str, table: pa.Table) -> Callable[[], object]:
    """What is measured."""
    settings = SplitSettings(stratification=["folder"], uniqueness=PATTERN, uniqueness_scope="stratum", seed=42)
    if name == "split_samples":
        return lambda: assign_purposes(table, settings)
    if name == "split_samples again":
        ledger = assign_purposes(table, settings)
        return lambda: assign_purposes(table, settings, PriorAssignments(ledger=ledger))
    frame = table.to_pandas()
    if name in METHODS:
        split = SampleSplit(stratification=["folder"], uniqueness=PATTERN, seed=42, method=name)
        return lambda: split.assign(frame)
    from sklearn import model_selection

    key = (frame["folder"] + "/" + frame["path"].str.extract(PATTERN)[0]).to_numpy(object)
    strata = frame["folder"].to_numpy(object)
    if name == "GroupShuffleSplit":
        splitter = model_selection.GroupShuffleSplit(1, train_size=0.8, random_state=42)
    else:
        splitter = model_selection.StratifiedGroupKFold(5, shuffle=True, random_state=42)
    return lambda: next(splitter.split(np.zeros((len(key), 1)), strata, key))


def measure(name: str, file: Path) -> dict[str, float]:
    """CPU seconds and bytes per row of one call, in this process."""
    work(name, make(name, 1000))()
    table = feather.read_table(file, memory_map=False)
    call, rows = work(name, table), len(table)
    pa.default_memory_pool().release_unused()
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    start = time.process_time()
    result = call()
    seconds = time.process_time() - start
    peak = resident("VmHWM") - before
    del result
    return {"seconds": seconds, "bytes": peak / rows}


def resident(field: str) -> int:
    """Bytes of this process's resident memory (VmRSS), or the most there ever were (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def apart(*arguments: str | Path) -> str:
    """Run this file in a process of its own; what it prints."""
    command = [sys.executable, __file__, *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def speed(names: list[str], sizes: list[int], repeats: int, shuffled: bool) -> None:
    """Print the table of seconds and bytes."""
    print(f"{'':22}{'rows':>12}{'CPU s':>9}{'µs/row':>9}{'B/row':>8}   at 10⁶ the reference took")
    for name in names:
        if name in OTHERS[2:] and not importlib.util.find_spec("sklearn"):
            print(f"{name:22}  scikit-learn is not installed")
            continue
        for rows in sizes:
            with TemporaryDirectory() as folder:
                file = Path(folder, "input.arrow")
                apart("--make", file, "--one", name, "--rows", str(rows), *["--shuffled"] * shuffled)
                runs = [json.loads(apart("--one", name, "--input", file)) for _ in range(repeats)]
            seconds, peak = min(run["seconds"] for run in runs), max(run["bytes"] for run in runs)
            beside = f"   {REFERENCE[name] / seconds:.1f} times as long" if rows == 10**6 and name in REFERENCE else ""
            print(f"{name:22}{rows:12,}{seconds:9.2f}{seconds / rows * 1e6:9.2f}{peak:8.0f}{beside}", flush=True)


def growth(rows: int) -> None:
    """Print how many old images change sides when a tenth of new items comes, and when a new first stratum comes."""
    frame = listing(rows)
    number = frame["path"].str.extract(PATTERN)[0].astype(int)
    old = frame[number % 11 != 10]
    first = frame[frame["folder"] == "class_0"].copy()
    first["path"] = first["path"].str.replace("class_0", "a_new_one")
    first["etag"] = first["etag"].str[::-1]
    first["folder"] = "a_new_one"
    print(f"{'old images that change sides':32}{'10 % new items':>16}{'a new first stratum':>21}")
    for method in METHODS:
        split = SampleSplit(stratification=["folder"], uniqueness=PATTERN, seed=42, method=method)
        moved = [changed(split, old, frame), changed(split, frame, pd.concat([first, frame]))]
        print(f"{method:32}" + "".join(f"{share:{width}.3%}" for share, width in zip(moved, (16, 21), strict=True)))


def changed(split: SampleSplit, old: pd.DataFrame, new: pd.DataFrame) -> float:
    """Share of the old images that are on another side in the new listing."""
    before, after = (split.assign(frame).set_index("path")["purpose"] for frame in (old, new))
    return float((before != after.reindex(before.index)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", type=float, default=[1e5, 1e6])
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the fastest counts")
    parser.add_argument("--only", nargs="+", default=[*METHODS, *OTHERS], help="what to measure")
    parser.add_argument("--shuffled", action="store_true", help="rows in no order, not sorted by path as listed")
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--input", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sizes = [int(rows) for rows in arguments.rows]
    if arguments.make:
        table = make(arguments.one, sizes[0], arguments.shuffled)
        feather.write_feather(table, arguments.make, compression="uncompressed")
    elif arguments.one:
        print(json.dumps(measure(arguments.one, arguments.input)))
    elif arguments.growth:
        growth(sizes[0])
    else:
        speed(arguments.only, sizes, arguments.repeats, arguments.shuffled)


if __name__ == "__main__":
    main()
