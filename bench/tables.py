"""What the stages cost that stay on one machine: their tables at 10⁶ and 10⁷ images, and what 10⁸ would take.

Listing (the table out of keys in memory), integrity, the choice of usable images and the split with its report,
weights, and the shards: draws, plan, places of the pixels and the record table, all that is done besides writing them.
Each reads what its asset reads of the tables before it from Parquet, and writes its own; ``checks: …`` is the suite of
a stage with Great Expectations. Each runs in a process of its own: wall and CPU seconds, and the most memory that the
whole process used. From the two sizes follows how a figure grows (its exponent), and from that what it would be at
``--to`` rows; memory is taken to grow by so much per row. Run it from the repository; 10⁷ rows want 16 GB:

    python bench/tables.py [--rows 1e6 1e7] [--to 1e8] [--only split shards] [--path-bytes 1000]

With long paths a column passes 2 GiB, where Arrow's 32-bit offsets end, at 2 million rows already.
"""

import argparse
import hashlib
import json
import math
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from memory import forget_peak, peak

from brev_pipeline.config import PipelineConfig
from brev_pipeline.engine import Engine
from brev_pipeline.expectations import SUITES
from brev_pipeline.provenance import attach_provenance, read_lineage
from brev_pipeline.stages import inputs_of
from brev_pipeline.store import Folder, PipelineStore, StoredTable
from brev_pipeline.store.parquet import to_parquet
from brev_pipeline.tables import give_memory_back
from brev_pipeline.texts import TEXT, join_texts
from brev_pipeline.tfrecord import FOOTER_BYTES, HEADER_BYTES, frame_record, masked_crc

Tables = dict[str, pa.Table]
Stored = dict[str, StoredTable]
PATTERN = r"/(\d+)_\d+\.bmp$"
PHOTOS_PER_ITEM = 2
CLASSES = ("bad_cap", "good", "missing_cap", "scratch", "underfilled")
LIMIT = 64e9  # bytes
PIXELS = 128 * 128 * 3


def keys(rows: int, path_bytes: int) -> Tables:
    """Keys of a bucket in order: class folder, item, time; entity tags that are MD5s."""
    from brev_pipeline.listing.s3_pages import OBJECTS

    number = np.arange(rows)
    item, of = number // PHOTOS_PER_ITEM, -(-rows // len(CLASSES))
    deep = "line1/" + "d" * max(0, path_bytes - 50) + "/" * (path_bytes > 50)
    folder = pa.array([f"{deep}{name}/" for name in CLASSES], TEXT).take(pa.array(number // of))
    stem = pc.utf8_lpad(pa.array(item).cast(TEXT), 9, "0")
    time_of = pa.array(1_543_412_161_923 + number).cast(TEXT)
    name = join_texts(folder, stem, "_", time_of, ".bmp", by="")
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


def config(folder: str) -> PipelineConfig:
    """The pipeline whose stages are measured."""
    contents = {
        "name": "bench",
        "datasets": [{"name": "Vials", "id": "v1", "bucket": "s3://photos/set"}],
        "store": folder,
        "integrity": {"duplicates": "keep_all"},
        "image": {"target_size": [128, 128]},
        "split": {
            "stratification": ["folder"],
            "uniqueness": PATTERN,
            "seed": 42,
            "purposes": {"train": 0.8, "test": 0.1},
        },
        "sampling": {"group_weighing": "logx+1", "seed": 3},
    }
    return PipelineConfig.model_validate(contents)


def listing(_: Stored, folder: str) -> pa.Table:
    from brev_pipeline.listing.image_table import build_raw_listing, select_images
    from brev_pipeline.storage import S3Place

    objects = pa.ipc.open_file(f"{folder}/objects.arrow").read_all()
    dataset, settings = config(folder).datasets[0], config(folder).listing
    place = S3Place(dataset.bucket, "photos", "set/", dataset.storage)
    found = [
        build_raw_listing(one, dataset, place, "{path}", pa.repeat("s3", one.objects.num_rows))
        for one in select_images(objects, settings)
    ]
    return pa.concat_tables(found)


class NoFetcher:
    """Entity tags say it all: nothing is asked for, nothing read."""

    def fetch_many(self, _: Any) -> Iterator[Any]:
        """Not called."""
        raise AssertionError("nothing is to be read")


class NoEngine:
    """Takes the tasks and does nothing with them."""

    workers = 1

    def map(self, _: Any, tasks: Any, **__: Any) -> Any:
        """Yield nothing."""
        for _task in tasks:
            pass
        yield from ()


def integrity(tables: Stored, _: str) -> pa.Table:
    from brev_pipeline.integrity import check_integrity

    return check_integrity(tables["raw_listing"].read(), fetch=NoFetcher())


def prepared(tables: Stored, _: str) -> pa.Table:
    """What preparing the images would leave (not measured: that is no table's work)."""
    from brev_pipeline.tables import PREPARED_IMAGES, conform_table

    rows = tables["sample_integrity"].read(["path", "content_id", "duplicate_of"])
    first = rows.filter(pc.is_null(rows["duplicate_of"]))
    first = first.take(pc.sort_indices(first["content_id"]))
    count = first.num_rows
    files = pa.array([f"{number:032x}" for number in range(count // 1000 + 1)], TEXT)
    columns = {
        "content_id": first["content_id"],
        "pixel_id": first["content_id"],
        "source_path": first["path"],
        "status": _all("ok", count),
        "format": _all("bmp", count),
        "file": files.take(pa.array(np.arange(count) // 1000)),
        "offset": pa.array(np.arange(count) % 1000 * (PIXELS + HEADER_BYTES + FOOTER_BYTES) + HEADER_BYTES),
        "length": pa.array(np.full(count, PIXELS)),
    }
    wanted = {"prepared_height": 128, "prepared_width": 128, "prepared_channels": 3}
    sides = {"height": 480, "width": 640, "channels": 3, "bit_depth": 8} | wanted
    columns |= {name: pa.array(np.full(count, value, np.int32)) for name, value in sides.items()}
    columns |= {name: pa.array(np.full(count, 128.0)) for name in ("mean", "std", "sharpness", "clipped")}
    null = {field.name: pa.nulls(count, field.type) for field in PREPARED_IMAGES if field.name not in columns}
    return conform_table(pa.table(columns | null), PREPARED_IMAGES, "prepared_images")


def split(tables: Stored, folder: str) -> pa.Table:
    from brev_pipeline.split import assign_purposes, build_split_report, select_samples
    from brev_pipeline.split.label_map import attach_classes, build_label_map, list_present_classes
    from brev_pipeline.split.selection import INTEGRITY_COLUMNS, PREPARED_COLUMNS

    settings = config(folder)
    usable, _ = select_samples(
        tables["sample_integrity"].read(INTEGRITY_COLUMNS),
        tables["prepared_images"].read(PREPARED_COLUMNS),
        duplicates=settings.integrity.duplicates,
        label_conflicts=settings.integrity.label_conflicts,
    )
    made = assign_purposes(usable, settings.split)
    build_split_report(made, settings.split)
    return attach_classes(made, build_label_map(list_present_classes(made), [], settings.listing.classes))


def weights(tables: Stored, folder: str) -> pa.Table:
    from brev_pipeline.sampling import compute_sampling_weights

    settings = config(folder).sampling
    return compute_sampling_weights(tables["sample_split"].read(["path", "purpose", *settings.groupby]), settings)


def shards(tables: Stored, folder: str) -> pa.Table:
    from brev_pipeline.release.shards import make_shards

    return make_shards(
        config(folder),
        PipelineStore.from_config(config(folder)),
        split=tables["sample_split"],
        weights=tables["sampling_weights"].read(),
        prepared=tables["prepared_images"],
        engine=cast(Engine, NoEngine()),
    )


def version(tables: Stored, folder: str) -> None:
    """Publish, with its tables, report and files for other readers; the shards are empty, the pixels grey."""
    from brev_pipeline.records.shard_writer import FinishedShard, note_finished_shard
    from brev_pipeline.release.release_version import release_version
    from brev_pipeline.table_metadata import STAGING

    settings, store = config(folder), PipelineStore.from_config(config(folder))
    records = tables["tfrecord_shards"].read(["file"])
    staging = store.staging_area / records.schema.metadata[STAGING].decode()
    nothing = hashlib.sha256(b"").hexdigest()
    for name in pc.unique(records["file"]).to_pylist():
        staging.write(name, b"")
        note_finished_shard(staging / ".finished", FinishedShard(name, "", 0, nothing, [], [], []))
    for name in pc.unique(tables["prepared_images"].read(["file"])["file"]).to_pylist():
        Folder(folder).link_file("pixels", store.prepared_pixels, name)
    release_version(settings, store, tables, checks={}, run_id="bench")


def checks(stage: str) -> Callable[[Stored, str], None]:
    def check(tables: Stored, folder: str) -> None:
        from brev_pipeline.expectations.frames import Baseline, build_frames
        from brev_pipeline.expectations.validate import validate_frames

        settings = config(folder)
        findings = validate_frames(SUITES[stage](settings), build_frames(stage, tables, settings, Baseline()))
        if failed := [finding.rule.name for finding in findings if not finding.passed]:
            raise AssertionError(f"{stage}: {failed}")

    return check


def _all(value: str, count: int) -> pa.Array:
    return pa.array([value], TEXT).take(pa.array(np.zeros(count, np.int32)))


# Name → what is measured, the tables that it reads, the table that it makes.
STAGES: dict[str, tuple[Callable[[Stored, str], pa.Table | None], tuple[str, ...], str | None]] = {
    "listing": (listing, (), "raw_listing"),
    "integrity": (integrity, ("raw_listing",), "sample_integrity"),
    "prepared": (prepared, ("sample_integrity",), "prepared_images"),
    "split": (split, ("sample_integrity", "prepared_images"), "sample_split"),
    "weights": (weights, ("sample_split",), "sampling_weights"),
    "shards": (shards, ("sample_split", "sampling_weights", "prepared_images"), "tfrecord_shards"),
    "version": (version, tuple(SUITES), None),
    **{f"checks: {stage}": (checks(stage), (stage, *inputs_of(stage)), None) for stage in SUITES},
}
NOT_MEASURED = {"prepared"}


def make(rows: int, folder: str, path_bytes: int) -> None:
    with pa.ipc.new_file(f"{folder}/objects.arrow", (table := keys(rows, path_bytes)["objects"]).schema) as sink:
        sink.write_table(table, max_chunksize=1 << 20)
    # A thousand grey images, as every file of prepared pixels has them.
    grey = b"\x80" * PIXELS
    Folder(folder).write("pixels", grey.join(frame_record(grey, masked_crc(grey))) * 1000)


def run(stage: str, folder: str) -> dict[str, float]:
    """One stage in this process: wall and CPU seconds, peak bytes of the process."""
    function, inputs, made = STAGES[stage]
    give_memory_back()  # as every step of a run does
    place = Folder(folder)
    tables = {name: StoredTable(place, f"{name}.parquet") for name in inputs}
    forget_peak()
    began, cpu = time.perf_counter(), time.process_time()
    table = function(tables, folder)
    if made is not None and table is not None:
        lineages = {name: read_lineage(stored.read([]).schema.metadata, name, name) for name, stored in tables.items()}
        place.write(f"{made}.parquet", to_parquet(attach_provenance(table, made, config(folder), lineages)))
    return {"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu, "peak": float(peak())}


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def measure(rows: int, only: list[str], path_bytes: int) -> dict[str, dict[str, float]]:
    found = {}
    needed = {name for stage in only for name in _with_makers(stage)}
    with tempfile.TemporaryDirectory() as folder:
        apart(make, rows, folder, path_bytes)
        for stage in (stage for stage in STAGES if stage in needed):
            figures = apart(run, stage, folder)
            if stage in only:
                found[stage] = figures
                print(
                    json.dumps({"rows": rows, "stage": stage} | {k: round(v, 2) for k, v in figures.items()}),
                    flush=True,
                )
    return found


def _with_makers(stage: str) -> set[str]:
    makers = {made: name for name, (_, _, made) in STAGES.items() if made}
    return {stage}.union(*(_with_makers(makers[table]) for table in STAGES[stage][1]))


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
    parser.add_argument("--path-bytes", type=int, default=0, help="length of the paths, at least (S3 allows 1024)")
    options = parser.parse_args()
    sizes, to = sorted(int(rows) for rows in options.rows), int(options.to)
    found = [measure(rows, options.only, options.path_bytes) for rows in sizes]
    print(f"\n{'':26}" + "".join(f"{f'{rows:,} rows':>30}" for rows in sizes) + f"{f'at {to:,} rows':>36}")
    print(
        f"{'':26}" + f"{'s':>10}{'CPU-s':>10}{'peak GB':>10}" * len(sizes) + f"{'growth':>16}{'s':>10}{'peak GB':>10}"
    )
    for stage in options.only:
        each = [figures[stage] for figures in found]
        line = "".join(f"{one['wall']:10.2f}{one['cpu']:10.2f}{one['peak'] / 1e9:10.2f}" for one in each)
        exponent, seconds, most = extrapolated(sizes, each, to)
        over = "" if most < LIMIT else "  over the limit"
        print(f"{stage:26}{line}{f'n^{exponent:.2f}':>16}{seconds:10.0f}{most / 1e9:10.1f}{over}")


if __name__ == "__main__":
    main()
