"""What listing costs: a bucket of 20,000 objects, and the table out of a million keys in memory.

Side by side in one run, against the same server and taking turns; each figure is the median of the rounds:

* ours, against `s3fs.find(detail=True)` and a plain boto3 paginator loop that builds the same columns;
* the table-building alone, against a row-by-row Python loop, with the peak of memory per row.

The server is Ceph's radosgw where it is installed (see brev_pipeline_tests/s3server.py), else moto: a mock in this
very process, whose time is then the greater part of every figure. Run it from the repository:

    python bench/listing.py [--rounds 5] [--objects 20000] [--folders 50] [--keys 1000000]
"""

import argparse
import contextlib
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import pyarrow as pa
from memory import forget_peak, peak

from brev_pipeline.config import DatasetSettings, ListingSettings
from brev_pipeline.listing.image_table import build_raw_listing, select_images
from brev_pipeline.listing.s3_pages import OBJECTS
from brev_pipeline.storage import S3Place, Sources
from brev_pipeline_tests.buckets import Server, config_of, mock_server, put_in_process
from brev_pipeline_tests.s3server import missing_programs, real_server

ENDINGS = (".bmp", ".png", ".jpg", ".jpeg")
WHEN = datetime(2024, 5, 6, tzinfo=UTC)


def row(bucket: str, prefix: str, key: str, etag: str, size: int, modified: datetime) -> dict[str, Any] | None:
    """One row of the listing as a loop makes it; None for what is no image."""
    rest = key[len(prefix) :]
    parts = rest.split("/")
    if any(part.startswith(".") for part in parts) or not parts[-1].lower().endswith(ENDINGS):
        return None
    folder = parts[-2] if len(parts) > 1 else "__root__"
    path = f"s3://{bucket}/{key}"
    return {
        "category": (folder,),
        "folder": folder,
        "path": path,
        "etag": etag,
        "bucket": f"s3://{bucket}/{prefix}".rstrip("/"),
        "dataset": "Vials",
        "dataset_id": "v1",
        "reference": "N/A",
        "url": path,
        "size": size,
        "modified": modified,
        "etag_source": "s3",
    }


def frame(rows: Iterator[dict[str, Any] | None]) -> int:
    import pandas as pd

    return len(pd.DataFrame([one for one in rows if one is not None]))


def boto3_loop(server: Server, bucket: str) -> int:
    import boto3

    client = boto3.client("s3", endpoint_url=server.endpoint)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="set/")
    found = (one for page in pages for one in page.get("Contents", []))
    return frame(row(bucket, "set/", o["Key"], o["ETag"].strip('"'), o["Size"], o["LastModified"]) for o in found)


def s3fs_find(server: Server, bucket: str) -> int:
    import s3fs

    fs = s3fs.S3FileSystem(endpoint_url=server.endpoint, use_listings_cache=False, skip_instance_cache=True)
    found = fs.find(f"{bucket}/set", detail=True)
    skipped = len(bucket) + 1
    return frame(
        row(bucket, "set/", path[skipped:], o["ETag"].strip('"'), o["size"], o["LastModified"])
        for path, o in found.items()
    )


def ours(server: Server, bucket: str) -> int:
    from brev_pipeline.listing import list_datasets

    config = config_of({"bucket": f"s3://{bucket}/set", "storage": server.storage()})
    return int(list_datasets(config.datasets, config.listing, Sources.from_config(config)).num_rows)


LISTINGS: dict[str, Callable[[Server, str], int]] = {"boto3 loop": boto3_loop, "s3fs.find": s3fs_find, "ours": ours}


def fill(server: Server, objects: int, folders: int) -> str:
    keys = [f"set/line{number % folders:03d}/{number:06d}_1543412161923.bmp" for number in range(objects)]
    bucket = server.bucket()
    if missing_programs():
        put_in_process(bucket, keys, b"x" * 100)
        return bucket
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: server.client.put_object(Bucket=bucket, Key=key, Body=key.encode()), keys))
    return bucket


def a_bucket(rounds: int, objects: int, folders: int) -> None:
    real = not missing_programs()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(real_server() if real else mock_server())
        bucket = fill(server, objects, folders)
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in LISTINGS}
        for _ in range(rounds + 1):
            for name, listing in LISTINGS.items():
                began, cpu = time.perf_counter(), time.process_time()
                count = listing(server, bucket)
                seconds[name].append((time.perf_counter() - began, time.process_time() - cpu))
                if count != objects:
                    raise SystemExit(f"{name} found {count} of {objects} objects")
    kind = "radosgw" if real else "moto (a mock in this process: its own time counts in every figure)"
    print(f"{objects} objects in {folders} folders on {kind}, median of {rounds} rounds")
    base = statistics.median(wall for wall, _ in seconds["boto3 loop"][1:])
    for name, measured in seconds.items():
        wall, cpu = (statistics.median(values) for values in zip(*measured[1:], strict=True))
        print(f"  {name:12} {wall:6.2f} s  {cpu:6.2f} CPU-s in the client  {base / wall:5.1f} × the boto3 loop")


def keys_in_memory(count: int) -> pa.Table:
    keys = [
        f"line{number % 7}/{('good', 'bad_cap')[number % 2]}/{number:07d}_1543412161923.bmp" for number in range(count)
    ]
    keys.sort()
    return pa.table(
        {
            "key": keys,
            "etag": [f"{number:032x}" for number in range(count)],
            "size": pa.array(range(count), pa.int64()),
            "modified": pa.repeat(pa.scalar(WHEN, OBJECTS.field("modified").type), count),
        }
    )


def by_columns(objects: pa.Table) -> int:
    settings, dataset = ListingSettings(), DatasetSettings(name="Vials", id="v1", bucket="s3://photos/set")
    place = S3Place(dataset.bucket, "photos", "set/", dataset.storage)
    pieces = select_images(objects, settings)
    tables = [build_raw_listing(one, dataset, place, "{path}", pa.repeat("s3", one.objects.num_rows)) for one in pieces]
    return int(pa.concat_tables(tables).num_rows)


def by_rows(objects: list[tuple[str, str, int, datetime]]) -> int:
    return frame(row("photos", "set/", f"set/{key}", etag, size, modified) for key, etag, size, modified in objects)


def measured(name: str, file: str) -> tuple[float, float]:
    """CPU seconds, and peak of memory above the input in bytes per row. Runs in a process of its own."""
    objects = pa.ipc.open_file(file).read_all()
    if name == "row by row":
        rows = list(zip(*(column.to_pylist() for column in objects.columns), strict=True))
        build: Callable[[], int] = lambda: by_rows(rows)  # noqa: E731
        frame(iter([{}]))
    else:
        by_columns(objects.slice(0, 1000))
        build = lambda: by_columns(objects)  # noqa: E731
    forget_peak()
    before = peak()
    began = time.process_time()
    if build() != objects.num_rows:
        raise SystemExit(f"{name} lost rows")
    used = time.process_time() - began
    return used, (peak() - before) / objects.num_rows


def in_memory(rounds: int, count: int) -> None:
    print(f"the table of {count} keys in memory, median of {rounds} rounds")
    base = 0.0
    # The input comes from a file, so that what made it does not count as memory.
    with tempfile.NamedTemporaryFile(suffix=".arrow") as file:
        objects = keys_in_memory(count)
        with pa.ipc.new_file(file.name, objects.schema) as sink:
            sink.write_table(objects)
        for name in ("row by row", "ours"):
            with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
                runs = [pool.apply(measured, (name, file.name)) for _ in range(rounds)]
            seconds, extra = (statistics.median(values) for values in zip(*runs, strict=True))
            base = base or seconds
            print(f"  {name:12} {seconds:6.2f} CPU-s  {extra:6.0f} B/row at the peak  {base / seconds:5.1f} × as fast")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--objects", type=int, default=20_000)
    options.add_argument("--folders", type=int, default=50)
    options.add_argument("--keys", type=int, default=1_000_000)
    chosen = options.parse_args()
    in_memory(min(chosen.rounds, 3), chosen.keys)
    a_bucket(chosen.rounds, chosen.objects, chosen.folders)
