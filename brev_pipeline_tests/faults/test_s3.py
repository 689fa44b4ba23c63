"""S3 that fails now and then, or altogether: the same bytes as without faults, or a clear error, in bounded time."""

import hashlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from brev_pipeline_tests.faults.proxy import KINDS, FaultyProxy
from brev_pipeline_tests.faults.runs import Nursery, Run, before
from brev_pipeline_tests.faults.worlds import World
from brev_pipeline_tests.pipelines import SETTINGS
from brev_pipeline_tests.s3server import Ceph

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SHARE = 0.05
MANY = {"good": 60, "bad": 40}
SECONDS = 240
"""That a run with faults may take on a busy machine; one stall alone costs some 15."""


@pytest.fixture
def proxy(ceph: Ceph) -> Iterator[FaultyProxy]:
    with FaultyProxy(ceph.endpoint, kinds=(*KINDS, *KINDS, "stall")) as proxy:
        yield proxy


def start(nursery: Nursery, world: World, **order: object) -> Run:
    """Start a run with the credentials of the server."""
    keys = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    return nursery.start(*world.arguments, environment=keys, **order)


def run_with_faults(nursery: Nursery, world: World, proxy: FaultyProxy, share: float = SHARE) -> float:
    """Run to a good end while the proxy spoils requests; the seconds that it took."""
    proxy.share, began = share, time.monotonic()
    run = start(nursery, world)
    status = run.wait(SECONDS)
    proxy.share = 0
    assert status == 0, run.said
    took = time.monotonic() - began
    print(f"{proxy.injected.total()} of {proxy.requests} requests spoiled, {dict(proxy.injected)}: {took:.0f} s")
    return took


def settings(**changes: object) -> str:
    """The settings of the tests, with some replaced."""
    return yaml.safe_dump(yaml.safe_load(SETTINGS) | changes)


def photos_on_s3(ceph: Ceph, proxy: FaultyProxy, folder: Path, classes: dict[str, int]) -> World:
    """A world whose photos lie in a bucket."""
    world = World.make(folder, classes)
    bucket = ceph.bucket({str(photo.relative_to(folder / "photos")): photo.read_bytes() for photo in world.photos})
    dataset = {"name": "Parts", "id": "parts", "bucket": f"s3://{bucket}", "storage": proxy.storage()}
    text = settings(datasets=[dataset], retry={"times": 0}, shards={"records_per_shard": 64})
    return World.make(folder, classes, text)


def test_a_bucket_of_photos_that_fails_now_and_then_makes_the_same_version(
    ceph: Ceph, nursery: Nursery, proxy: FaultyProxy, tmp_path: Path
) -> None:
    world = photos_on_s3(ceph, proxy, tmp_path, MANY)
    good = start(nursery, world)
    assert good.wait() == 0, good.said
    faulty = World(world.folder, str(tmp_path / "faulty"))
    run_with_faults(nursery, faulty, proxy)
    assert faulty.published() == world.published()
    assert proxy.injected.total() >= 8


def objects(ceph: Ceph, place: str) -> dict[str, str]:
    """SHA-256 of every object of published versions, by key below the versions' folder."""
    bucket, _, prefix = place.removeprefix("s3://").partition("/")
    prefix += "/parts/versions/"
    pages = ceph.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    bodies = {key: ceph.client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}
    return {key.removeprefix(prefix): hashlib.sha256(body).hexdigest() for key, body in bodies.items()}


def stores_on_s3(ceph: Ceph, proxy: FaultyProxy, folder: Path) -> Iterator[World]:
    """Worlds of the same photos with a store each in a bucket."""
    bucket = ceph.bucket()
    World.make(folder, text=settings(store_storage=proxy.storage(), retry={"times": 2, "wait_seconds": 0.5}))
    for name in ("one", "other"):
        yield World(folder, f"s3://{bucket}/{name}")


def test_a_store_that_fails_now_and_then_makes_the_same_version_and_publishes_it_once(
    ceph: Ceph, nursery: Nursery, proxy: FaultyProxy, tmp_path: Path
) -> None:
    good, faulty = stores_on_s3(ceph, proxy, tmp_path)
    run = start(nursery, good)
    assert run.wait() == 0, run.said
    run_with_faults(nursery, faulty, proxy)
    assert good.place is not None
    assert faulty.place is not None
    assert objects(ceph, faulty.place) == objects(ceph, good.place)
    assert len(faulty.store.publications.read_all()) == 1
    assert faulty.problems() == []
    assert faulty.store.staging_area.list_names() == []
    assert proxy.injected.total() >= 8


def test_a_publication_whose_answer_is_lost_counts_once_and_is_not_reported_lost(
    ceph: Ceph, nursery: Nursery, proxy: FaultyProxy, tmp_path: Path
) -> None:
    world, _ = stores_on_s3(ceph, proxy, tmp_path)
    proxy.kinds, proxy.method, proxy.path = ("lost",), "PUT", "/publications/"
    proxy.most = 1
    run_with_faults(nursery, world, proxy, share=1)
    assert proxy.injected["lost"] == 1
    assert len(world.store.publications.read_all()) == 1
    assert world.problems() == []


@pytest.mark.parametrize("kind", ["503", "reset"])
def test_a_store_that_always_fails_is_named_in_bounded_time(
    ceph: Ceph, nursery: Nursery, proxy: FaultyProxy, tmp_path: Path, kind: str
) -> None:
    world, _ = stores_on_s3(ceph, proxy, tmp_path)
    World.make(tmp_path, text=settings(store_storage=proxy.storage(), retry={"times": 0}))
    proxy.kinds, proxy.share = (kind,), 1
    run = start(nursery, world)
    assert run.wait(SECONDS) == 1, run.said
    assert world.place in run.said
    assert "check the store's address, network and credentials" in run.said
    assert "Traceback" not in run.said
    proxy.share = 0
    assert world.store.publications.read_all() == []


def test_a_bucket_that_fails_for_good_in_mid_run_is_named_and_blames_no_photo(
    ceph: Ceph, nursery: Nursery, proxy: FaultyProxy, tmp_path: Path
) -> None:
    world = photos_on_s3(ceph, proxy, tmp_path, {"good": 4, "bad": 4})
    run = start(nursery, world, signal=before(signal.SIGSTOP, f"{world.own}/tables/*/sample_integrity.*.parquet"))
    assert run.stops(), run.said
    proxy.kinds, proxy.share = ("reset",), 1
    run.go_on()
    assert run.wait(SECONDS) == 1, run.said
    assert "retries included" in run.said
    assert "corrupt" not in run.said
    assert "Traceback" not in run.said
    assert world.store.publications.read_all() == []
