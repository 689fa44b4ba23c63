"""What the stages cost that stay on one machine: their tables at 10⁶ and 10⁷ images, and what 10⁸ would take.

Listing (the table out of keys in memory), integrity, the choice of usable images and the split, weights, draws, and
the shards' plan with the places of the pixels, one after the other on each other's results. Each runs in a process of
its own: wall and CPU seconds, and the most memory that the whole process used, its inputs included. From the two
sizes follows how a figure grows (its exponent), and from that what it would be at ``--to`` rows; memory is taken to
grow by so much per row. Run it from the repository; 10⁷ rows want 16 GB:

    python bench/tables.py [--rows 1e6 1e7] [--to 1e8] [--only split draws]
"""

import argparse
import json
import math
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from memory import forget_peak, peak

Tables = dict[str, pa.Table]
PHOTOS_PER_ITEM = 2
CLASSES = ("bad_cap", "good", "missing_cap", "scratch", "underfilled")
LIMIT = 64e9  # bytes


def keys(rows: int) -> Tables:
    """Keys of a bucket in order: class folder, item, time; entity tags that are MD5s."""
    from brev_pipeline.listing.pages import OBJECTS

    number = np.arange(rows)
    item, of = number // PHOTOS_PER_ITEM, -(-rows // len(CLASSES))
    folder = pa.array([f"line1/{name}/" for name in CLASSES]).take(pa.array(number // of))
    stem = pc.utf8_lpad(pa.array(item).cast(pa.string()), 9, "0")
    time_of = pa.array(1_543_412_161_923 + number).cast(pa.string())
    name = pc.binary_join_element_wise(folder, stem, "_", time_of, ".bmp", "")
    digests = np.random.Generator(np.random.Philox(7)).integers(0, 1 << 63, (rows, 2), np.int64)
    copied = np.flatnonzero(number % 50 == 1)
    # One photo in fifty is a copy of the one before it, of the same item.
    digests[copied] = digests[copied - 1]
    ends = pa.py_buffer(np.arange(rows + 1, dtype=np.int64) * 32)
    tags = pa.LargeStringArray.from_buffers(rows, ends, pa.py_buffer(digests.tobytes().hex().encode()))
    modified = pa.repeat(pa.scalar(datetime(2024, 5, 6, tzinfo=UTC), OBJECTS.field("modified").type), rows)
    columns = {"key": name, "etag": tags, "size": pa.array(number % 1000 + 900_000), "modified": modified}
    return {
        "objects": pa.table({field.name: pa.chunked_array([columns[field.name]]) for field in OBJECTS}).cast(OBJECTS)
    }


def listing(tables: Tables) -> Tables:
    from brev_pipeline.config import DatasetSettings, ListingSettings
    from brev_pipeline.listing.columns import choose, raw_listing
    from brev_pipeline.source import S3Place

    dataset = DatasetSettings(name="Vials", id="v1", bucket="s3://photos/set")
    place = S3Place(dataset.bucket, "photos", "set/", dataset.storage)
    pieces = choose(tables["objects"], ListingSettings())
    found = [raw_listing(one, dataset, place, "{path}", pa.repeat("s3", one.objects.num_rows)) for one in pieces]
    return {"raw_listing": pa.concat_tables(found)}


class NoFetcher:
    """Entity tags say it all: nothing is asked for, nothing read."""

    def fetch_many(self, _: Any) -> Iterator[Any]:
        """Not called."""
        raise AssertionError("nothing is to be read")


class NoEngine:
    """Takes the tasks and does nothing with them."""

    workers = 1

    def map(self, _: Any, tasks: Any, **__: Any) -> Iterator[Any]:
        """Yield nothing."""
        for _task in tasks:
            pass
        yield from ()


def integrity(tables: Tables) -> Tables:
    from brev_pipeline.integrity import check_integrity

    return {"sample_integrity": check_integrity(tables["raw_listing"], fetch=NoFetcher())}


def prepared(tables: Tables) -> Tables:
    """What preparing the images would leave (not measured: that is no table's work)."""
    from brev_pipeline.tables import PREPARED_IMAGES

    rows = tables["sample_integrity"]
    first = rows.filter(pc.is_null(rows["duplicate_of"]))
    count = first.num_rows
    columns = {
        "content_id": first["content_id"],
        "pixel_id": first["content_id"],
        "source_path": first["path"],
        "status": _all("ok", count),
        "format": _all("bmp", count),
        "file": pa.array([f"{number:032x}" for number in range(count // 1000 + 1)]).take(
            pa.array(np.arange(count) // 1000)
        ),
        "offset": pa.array(np.arange(count) % 1000 * 49_152),
        "length": pa.array(np.full(count, 49_152)),
    }
    columns |= {
        f"{kind}{name}": pa.array(np.full(count, 128, np.int32)) for kind in ("", "prepared_") for name in SIDES
    }
    columns |= {name: pa.array(np.full(count, 128.0)) for name in ("mean", "std", "sharpness", "clipped")}
    null = {field.name: pa.nulls(count, field.type) for field in PREPARED_IMAGES if field.name not in columns}
    return {"prepared_images": pa.table({name: (columns | null)[name] for name in PREPARED_IMAGES.names})}


SIDES = ("height", "width", "channels")


def split(tables: Tables) -> Tables:
    from brev_pipeline.config import SplitSettings
    from brev_pipeline.split import split_samples, usable_samples

    pattern = r"/(\d+)_\d+\.bmp$"
    settings = SplitSettings(
        stratification=["folder"], uniqueness=pattern, seed=42, purposes={"train": 0.8, "test": 0.1}
    )
    usable, _ = usable_samples(
        tables["sample_integrity"], tables["prepared_images"], duplicates="keep_all", label_conflicts="fail"
    )
    return {"sample_split": split_samples(usable, settings)}


def weights(tables: Tables) -> Tables:
    from brev_pipeline.sampling import sampling_weights

    return {"sampling_weights": sampling_weights(tables["sample_split"], _sampling())}


def draws(tables: Tables) -> Tables:
    from brev_pipeline.sampling import draw_plan

    return {"draws": draw_plan(tables["sample_split"], tables["sampling_weights"], _sampling(), epochs=1)}


def plan(tables: Tables) -> Tables:
    from brev_pipeline.config import ShardSettings
    from brev_pipeline.shards import plan_shards

    return {"plan": plan_shards(tables["draws"], tables["prepared_images"], ShardSettings(), class_names=CLASSES)}


def tasks(tables: Tables) -> Tables:
    """What `write_shards` does besides writing: the tasks with the places of their pixels, and the record table."""
    from brev_pipeline.config import ShardSettings
    from brev_pipeline.shards import write_shards
    from brev_pipeline.store import Folder

    records = write_shards(
        tables["plan"],
        tables["prepared_images"],
        pipeline="bench",
        settings=ShardSettings(),
        augmenter=None,
        pixels=None,
        folder=Folder(tempfile.mkdtemp()),
        engine=NoEngine(),
        fingerprint="bench",
    )
    return {"records": records}


def _sampling() -> Any:
    from brev_pipeline.config import SamplingSettings

    return SamplingSettings(group_weighing="logx+1", seed=3)


def _all(value: str, count: int) -> pa.Array:
    return pa.array([value]).take(pa.array(np.zeros(count, np.int32)))


STAGES: dict[str, tuple[Callable[[Tables], Tables], list[str]]] = {
    "listing": (listing, ["objects"]),
    "integrity": (integrity, ["raw_listing"]),
    "prepared": (prepared, ["sample_integrity"]),
    "split": (split, ["sample_integrity", "prepared_images"]),
    "weights": (weights, ["sample_split"]),
    "draws": (draws, ["sample_split", "sampling_weights"]),
    "plan": (plan, ["draws", "prepared_images"]),
    "tasks": (tasks, ["plan", "prepared_images"]),
}
NOT_MEASURED = {"prepared"}


def make(rows: int, folder: str) -> None:
    _save(keys(rows), folder)


def run(stage: str, folder: str) -> dict[str, float]:
    """One stage in this process: wall and CPU seconds, peak bytes of the process, bytes of its result."""
    function, inputs = STAGES[stage]
    # Read as Parquet would be: into memory.
    tables = {name: pa.ipc.open_file(f"{folder}/{name}.arrow").read_all() for name in inputs}
    forget_peak()
    began, cpu = time.perf_counter(), time.process_time()
    made = function(tables)
    figures = {"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu, "peak": float(peak())}
    _save(made, folder)
    return figures | {"result": float(sum(table.nbytes for table in made.values()))}


def _save(tables: Tables, folder: str) -> None:
    for name, table in tables.items():
        with pa.ipc.new_file(f"{folder}/{name}.arrow", table.schema) as sink:
            sink.write_table(table, max_chunksize=1 << 20)


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def measure(rows: int, only: list[str]) -> dict[str, dict[str, float]]:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        apart(make, rows, folder)
        for stage in STAGES:
            figures = apart(run, stage, folder)
            if stage in only:
                found[stage] = figures
                print(
                    json.dumps({"rows": rows, "stage": stage, **{k: round(v, 2) for k, v in figures.items()}}),
                    flush=True,
                )
    return found


def extrapolated(sizes: list[int], figures: list[dict[str, float]], to: int) -> tuple[float, float, float]:
    """Exponent of the seconds' growth, and seconds and peak bytes at ``to`` rows."""
    small, large = figures[-2:] if len(figures) > 1 else (figures[0], figures[0])
    ratio = sizes[-1] / sizes[-2] if len(sizes) > 1 else 1.0
    # Less than linear growth is only the fixed cost of a small table.
    exponent = max(1.0, math.log(large["wall"] / small["wall"]) / math.log(ratio)) if ratio > 1 else 1.0
    per_row = (large["peak"] - small["peak"]) / (sizes[-1] - sizes[-2]) if ratio > 1 else large["peak"] / sizes[-1]
    return exponent, large["wall"] * (to / sizes[-1]) ** exponent, large["peak"] + per_row * (to - sizes[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", type=float, default=[1e6, 1e7])
    parser.add_argument("--to", type=float, default=1e8)
    parser.add_argument(
        "--only", nargs="+", choices=STAGES, default=[name for name in STAGES if name not in NOT_MEASURED]
    )
    options = parser.parse_args()
    sizes, to = sorted(int(rows) for rows in options.rows), int(options.to)
    found = [measure(rows, options.only) for rows in sizes]
    print(f"\n{'':10}" + "".join(f"{f'{rows:,} rows':>30}" for rows in sizes) + f"{f'at {to:,} rows':>36}")
    print(
        f"{'':10}" + f"{'s':>10}{'CPU-s':>10}{'peak GB':>10}" * len(sizes) + f"{'growth':>16}{'s':>10}{'peak GB':>10}"
    )
    for stage in options.only:
        each = [figures[stage] for figures in found]
        line = "".join(f"{one['wall']:10.2f}{one['cpu']:10.2f}{one['peak'] / 1e9:10.2f}" for one in each)
        exponent, seconds, most = extrapolated(sizes, each, to)
        over = "" if most < LIMIT else "  over the limit"
        print(f"{stage:10}{line}{f'n^{exponent:.2f}':>16}{seconds:10.0f}{most / 1e9:10.1f}{over}")


if __name__ == "__main__":
    main()
