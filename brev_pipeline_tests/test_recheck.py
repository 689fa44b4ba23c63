"""A poisoned memory is found: identities and pixels by a sample in each run, and what is wrong is forgotten."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brev_pipeline import recheck
from brev_pipeline.config import PipelineConfig
from brev_pipeline.engine import SerialEngine
from brev_pipeline.errors import StoreError
from brev_pipeline.images import read_prepared_pixels
from brev_pipeline.images.pixel_cache import PixelCache, settings_id
from brev_pipeline.images.prepare import prepare_images
from brev_pipeline.integrity import check_integrity
from brev_pipeline.listing import list_datasets
from brev_pipeline.recheck import LEAST, Recheck, choose_sample, recheck_identities
from brev_pipeline.storage import Sources
from brev_pipeline.store import Folder, PipelineStore
from brev_pipeline.store.hashed_files import hashed_name
from brev_pipeline.store.identity_cache import RecheckLog, holds_all, object_keys
from brev_pipeline.store.parquet import to_parquet
from brev_pipeline.texts import TEXT
from brev_pipeline_tests.buckets import Server, config_of, mock_server
from brev_pipeline_tests.pipelines import draw_photos

PART = 5 << 20  # the least that S3 takes as a part but the last


@dataclass
class World:
    """Photos somewhere, and the stages of a run as far as the prepared images."""

    config: PipelineConfig
    runs: int = 0

    @property
    def store(self) -> PipelineStore:
        return PipelineStore.from_config(self.config)

    def settings(self, share: float) -> "World":
        integrity = self.config.integrity.model_copy(update={"recheck": share})
        return World(
            self.config.model_copy(update={"integrity": integrity}).with_base(self.config.base_folder), self.runs + 1000
        )

    def identify(self) -> pa.Table:
        """A run's sample_integrity, remembered."""
        self.runs += 1
        sources, memory = Sources.from_config(self.config), self.store.identity_cache
        listing = list_datasets(self.config.datasets, self.config.listing, sources, memory.load_newest())
        samples = check_integrity(listing, fetch=sources, known=memory.load_newest())
        memory.save_identities(samples, f"run-{self.runs}")
        return samples

    def go_on(self, samples: pa.Table) -> tuple[pa.Table, Recheck]:
        """A run's prepared_images of these samples, with the recheck."""
        sources, engine, read_now = Sources.from_config(self.config), SerialEngine(), list[pa.ChunkedArray]()
        table = prepare_images(
            samples,
            self.config.image,
            fetch=sources,
            folder=self.store.prepared_pixels,
            engine=engine,
            read_now=read_now,
        )
        done = recheck_identities(
            self.store,
            samples,
            table,
            self.config,
            fetch=sources,
            engine=engine,
            run_id=f"run-{self.runs}",
            read_now=read_now,
        )
        return table, done

    def run(self) -> tuple[pa.Table, pa.Table, Recheck]:
        samples = self.identify()
        return samples, *self.go_on(samples)

    def poison(self, victim: str, other: str) -> str:
        """Let the memory say that a photo has another one's bytes, as whoever can write the store may; its true MD5."""
        known = self.store.identity_cache.load_newest()
        assert known is not None
        rows = {short(row["path"]): row for row in known.to_pylist()}
        true, lie = rows[victim]["content_id"], rows[other]["content_id"]
        rows[victim]["content_id"] = lie
        if rows[victim]["etag_source"] == "md5":
            rows[victim]["etag"] = lie
        poisoned = pa.Table.from_pylist(list(rows.values()), schema=known.schema)
        assert self.store.identity_cache.save_identities(poisoned, "attacker")
        return str(true)


@pytest.fixture
def local(tmp_path: Path) -> World:
    draw_photos(tmp_path / "photos", {"good": 12, "bad": 4}, photos_per_item=2)
    return World(config_of({"bucket": "photos"}, base=tmp_path, image={"target_size": [8, 8]}))


@pytest.fixture(scope="module")
def s3() -> Iterator[Server]:
    with mock_server() as server:
        yield server


@pytest.fixture
def bucket(s3: Server, tmp_path: Path) -> World:
    """Photos in a bucket, one of them uploaded in two parts: its entity tag is no MD5."""
    draw_photos(tmp_path / "photos", {"good": 3, "bad": 2}, photos_per_item=1)
    files = sorted((tmp_path / "photos").rglob("*.png"))
    name = s3.bucket({file.relative_to(tmp_path / "photos").as_posix(): file.read_bytes() for file in files})
    put_in_parts(s3, name, "good/parts.png", files[0].read_bytes())
    dataset = {"bucket": f"s3://{name}", "storage": s3.storage()}
    return World(config_of(dataset, base=tmp_path, image={"target_size": [8, 8]}))


def put_in_parts(s3: Server, bucket: str, key: str, photo: bytes, stated: str | None = None) -> str:
    """A photo with bytes behind its end, which decoders pass over, so that it fills two parts; its true MD5.

    ``stated`` is the MD5 that its uploader notes.
    """
    place = {"Bucket": bucket, "Key": key}
    metadata = {} if stated is None else {"md5": stated}
    upload = s3.client.create_multipart_upload(**place, Metadata=metadata)["UploadId"]
    data = photo + b"\0" * PART
    parts = [
        {
            "PartNumber": number,
            "ETag": s3.client.upload_part(**place, UploadId=upload, PartNumber=number, Body=piece)["ETag"],
        }
        for number, piece in ((1, data[:PART]), (2, data[PART:]))
    ]
    s3.client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def short(path: str) -> str:
    return "/".join(path.split("/")[-2:])


def contents(samples: pa.Table) -> dict[str, str]:
    """Folder and file name → content id."""
    return dict(zip(map(short, samples["path"].to_pylist()), samples["content_id"].to_pylist(), strict=True))


def test_a_first_run_remembers_nothing_and_rechecks_nothing(local: World) -> None:
    assert local.run()[2] == Recheck(0, 0, 0, ())


def test_all_is_well_where_nothing_lies_and_each_run_notes_whom_it_rechecked(local: World) -> None:
    local.run()
    assert local.run()[2] == Recheck(32, LEAST, LEAST, ())
    assert local.store.recheck_log.read_checked().num_rows == LEAST
    local.run()
    # Half of them are those that were not rechecked before.
    assert local.store.recheck_log.read_checked().num_rows >= LEAST + LEAST // 2


def test_it_can_be_switched_off(local: World) -> None:
    local.run()
    other = local.settings(0)
    other.poison("bad/1_0.png", "bad/2_0.png")
    assert other.run()[2] == Recheck(0, 0, 0, ())
    assert not other.store.recheck_log.folder.list_names()


def test_a_poisoned_identity_of_a_file_is_found_named_and_forgotten(local: World) -> None:
    samples, _, _ = local.run()
    world = local.settings(1.0)
    true, lie = world.poison("good/3_0.png", "good/5_1.png"), contents(samples)["good/5_1.png"]
    assert true == hashlib.md5((local.config.base_folder / "photos/good/3_0.png").read_bytes()).hexdigest()
    with pytest.raises(StoreError) as caught:
        world.run()
    said = str(caught.value)
    assert f"photos/good/3_0.png: MD5 {lie} was remembered, its bytes have {true}" in said
    assert "1 have other bytes" in said
    assert "Run the whole pipeline again" in said
    healed, _, done = world.run()
    assert contents(healed) == contents(samples)
    assert done.remembered == 31
    assert world.run()[2].identities == 32


def test_a_poisoned_identity_is_found_in_time_by_the_default_sample(local: World) -> None:
    local.run()
    local.poison("bad/1_1.png", "bad/2_0.png")

    def four_times() -> None:
        # 32 images, 10 of the longest unchecked each time.
        for _ in range(4):
            local.run()

    with pytest.raises(StoreError, match=r"bad/1_1\.png: MD5"):
        four_times()


def test_a_run_that_goes_on_with_the_old_tables_is_refused_again(local: World) -> None:
    local.run()
    world = local.settings(1.0)
    true = world.poison("bad/1_1.png", "bad/2_0.png")
    samples = world.identify()
    with pytest.raises(StoreError, match=true):
        world.go_on(samples)
    # Re-execution from failure: the memory is silent about it now, and the table still lies.
    with pytest.raises(StoreError, match=f"of 21 images .* 1 have other bytes(.|\n)*{true}"):
        local.settings(0.01).go_on(samples)
    local.settings(1.0).run()


@pytest.mark.parametrize("victim", ["good/parts.png", "good/1_0.png"])
def test_a_poisoned_identity_of_an_object_is_found(bucket: World, victim: str) -> None:
    bucket.run()
    world = bucket.settings(1.0)
    true = world.poison(victim, "good/2_0.png")
    with pytest.raises(StoreError, match=f"{victim}: MD5 [0-9a-f]{{32}} was remembered, its bytes have {true}"):
        world.run()
    samples, _, done = world.run()
    assert contents(samples)[victim] == true
    assert done.passed_over == ()


@pytest.mark.parametrize("share", [0.01, 0])
@pytest.mark.parametrize("published_before", [True, False])
def test_a_stated_md5_of_another_content_is_refused_in_the_run_that_first_sees_it(
    s3: Server, bucket: World, share: float, published_before: bool
) -> None:
    world = bucket.settings(share)
    if published_before:
        world.run()
    name, photos = world.config.datasets[0].bucket.removeprefix("s3://"), world.config.base_folder / "photos"
    first, second = (photos / f"good/{number}_0.png" for number in range(2))
    true = put_in_parts(s3, name, "good/lies.png", second.read_bytes(), stated=md5_of(first))
    lines = rf"good/lies\.png: MD5 {md5_of(first)} is stated in its x-amz-meta-md5, its bytes have {true}"
    with pytest.raises(StoreError, match=lines) as caught:
        world.run()
    assert "correct x-amz-meta-md5" in str(caught.value)
    assert "Somebody changed the store" not in str(caught.value)
    # The identity is refused again as long as the uploader says so, by a run that goes on with the tables too.
    samples = world.identify()
    for _ in range(2):
        with pytest.raises(StoreError, match=lines):
            world.go_on(samples)
    put_in_parts(s3, name, "good/lies.png", second.read_bytes(), stated=true)
    assert contents(world.run()[0])["good/lies.png"] == true


def test_a_stated_md5_is_compared_once_in_an_objects_life(
    s3: Server, bucket: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = bucket.settings(0)
    name, photos = world.config.datasets[0].bucket.removeprefix("s3://"), world.config.base_folder / "photos"
    photo, other = (photos / f"bad/{number}_0.png" for number in range(2))
    stated = md5_of_parts(photo)
    reads: list[str] = []
    fetch_many = Sources.fetch_many

    def noted(self: Sources, wanted: Any) -> Any:
        reads.extend(row.path.rpartition("/")[2] for row in wanted)
        return fetch_many(self, wanted)

    for key in ("good/one.png", "good/two.png"):
        put_in_parts(s3, name, key, photo.read_bytes(), stated)
    monkeypatch.setattr(Sources, "fetch_many", noted)
    # One of the two is read for its pixels, the other one by the recheck.
    assert world.run()[2].identities == 1
    assert sorted(path for path in reads if path in ("one.png", "two.png")) == ["one.png", "two.png"]
    reads.clear()
    assert world.run()[2].identities == 0
    # Other bytes under the same statement have another entity tag.
    put_in_parts(s3, name, "good/two.png", other.read_bytes(), stated)
    with pytest.raises(StoreError, match=rf"two\.png: MD5 {stated} is stated in its x-amz-meta-md5, its bytes have "):
        world.run()
    assert reads == ["two.png"]


def test_a_stated_md5_that_cannot_be_compared_is_no_identity(s3: Server, bucket: World) -> None:
    world = bucket.settings(0)
    world.run()
    name, photo = world.config.datasets[0].bucket.removeprefix("s3://"), world.config.base_folder / "photos/bad/1_0.png"
    put_in_parts(s3, name, "good/gone.png", photo.read_bytes(), md5_of(photo))
    samples = world.identify()
    s3.client.delete_object(Bucket=name, Key="good/gone.png")
    with pytest.raises(StoreError, match=r"good/gone\.png: MD5 \w+ is stated .* its bytes cannot be compared: "):
        world.go_on(samples)


def md5_of(file: Path, more: bytes = b"") -> str:
    return hashlib.md5(file.read_bytes() + more, usedforsecurity=False).hexdigest()


def md5_of_parts(file: Path) -> str:
    """Of what `put_in_parts` makes of it."""
    return md5_of(file, b"\0" * PART)


def test_an_object_that_was_replaced_or_removed_meanwhile_is_no_lie(s3: Server, bucket: World) -> None:
    bucket.run()
    world = bucket.settings(1.0)
    samples = world.identify()
    name = world.config.datasets[0].bucket.removeprefix("s3://")
    s3.client.put_object(Bucket=name, Key="good/0_0.png", Body=b"other")
    s3.client.delete_object(Bucket=name, Key="bad/0_0.png")
    done = world.go_on(samples)[1]
    assert [line.partition(": ")[0].removeprefix(f"s3://{name}/") for line in done.passed_over] == [
        "bad/0_0.png",
        "good/0_0.png",
    ]
    assert done.identities == 4


def test_a_file_that_was_replaced_or_removed_meanwhile_is_no_lie(local: World) -> None:
    local.run()
    world = local.settings(1.0)
    samples = world.identify()
    photos = world.config.base_folder / "photos"
    (photos / "good/0_0.png").write_bytes((photos / "good/1_0.png").read_bytes())
    (photos / "bad/0_0.png").unlink()
    done = world.go_on(samples)[1]
    assert [line.partition(": ")[0] for line in done.passed_over] == ["photos/bad/0_0.png", "photos/good/0_0.png"]
    assert done.identities == 30


def test_a_wrong_identity_without_pixels_is_quarantined_and_found_again_by_the_next_run(local: World) -> None:
    local.run()
    known = local.store.identity_cache.load_newest()
    assert known is not None
    row = known.to_pylist()[7]
    lie = {"etag": "0" * 32, "content_id": "0" * 32}
    rows = [one | (lie if one["path"] == row["path"] else {}) for one in known.to_pylist()]
    local.store.identity_cache.save_identities(pa.Table.from_pylist(rows, schema=known.schema), "attacker")
    _, prepared, _ = local.run()
    assert prepared.filter(pc.not_equal(prepared["status"], "ok")).select(["content_id", "status"]).to_pylist() == [
        {"content_id": "0" * 32, "status": "changed"}
    ]
    samples, prepared, _ = local.run()
    assert row["content_id"] in samples["content_id"].to_pylist()
    assert pc.unique(prepared["status"]).to_pylist() == ["ok"]


def replace_pixels(world: World, prepared: pa.Table, *, renamed: bool) -> str:
    """Give one content other pixels, with right checksums; also (or not) under the names of their hashes."""
    cache = PixelCache(world.store.prepared_pixels, settings_id(world.config.image))
    rows = prepared.to_pylist()
    images = [np.array(image) for image in read_prepared_pixels(world.store.prepared_pixels, prepared)]
    images[0][0, 0, 0] ^= 1
    own = Path(cache.folder.url) / cache.id
    names = [name for name in os.listdir(own) if name != "settings.json"]
    kept = {name: (own / name).read_bytes() for name in names}
    for name in names:
        (own / name).unlink()
    places = ("file", "offset", "length")
    table = cache.add_images([{k: v for k, v in row.items() if k not in places} for row in rows], images)
    if not renamed:
        (file,) = set(table["file"].to_pylist())
        lying = (Path(cache.folder.url) / file).read_bytes()
        for name in os.listdir(own):
            if name != "settings.json":
                (own / name).unlink()
        for name, data in kept.items():
            (own / name).write_bytes(lying if name.endswith(".tfrecord") else data)
    return str(rows[0]["content_id"])


@pytest.mark.parametrize("renamed", [True, False])
def test_replaced_pixels_are_found_and_prepared_anew(local: World, renamed: bool) -> None:
    _, prepared, _ = local.run()
    before = [image.copy() for image in read_prepared_pixels(local.store.prepared_pixels, prepared)]
    content = replace_pixels(local, prepared, renamed=renamed)
    world = local.settings(1.0)
    with pytest.raises(StoreError, match=rf"content {content}: the pixels in \S+ are others") as caught:
        world.run()
    assert "1 other prepared pixels" in str(caught.value)
    _, healed, done = world.run()
    after = list(read_prepared_pixels(world.store.prepared_pixels, healed))
    assert all(np.array_equal(a, b) for a, b in zip(after, before, strict=True))
    assert done.pixels == 32


def test_a_lying_fact_is_found(local: World) -> None:
    _, prepared, _ = local.run()
    cache = PixelCache(local.store.prepared_pixels, settings_id(local.config.image))
    rows = prepared.to_pylist()
    images: list[Any] = list(read_prepared_pixels(local.store.prepared_pixels, prepared))
    own = Path(cache.folder.url) / cache.id
    for name in os.listdir(own):
        (own / name).unlink()
    rows[4]["pixel_id"] = rows[5]["pixel_id"]
    cache.add_images([{k: v for k, v in row.items() if k not in ("file", "offset", "length")} for row in rows], images)
    with pytest.raises(StoreError, match=f"pixel_id is '{rows[5]['pixel_id']}' on record, and '"):
        local.settings(1.0).run()


def test_an_image_that_was_refused_is_decoded_again_too(local: World) -> None:
    cut = local.config.base_folder / "photos/good/2_1.png"
    cut.write_bytes(cut.read_bytes()[:900])
    _, prepared, _ = local.run()
    assert "corrupt" in prepared["status"].to_pylist()
    assert local.settings(1.0).run()[2] == Recheck(32, 32, 32, ())


POOLS = st.integers(1, 90)


def rows(count: int) -> pa.Table:
    numbers = range(count)
    contents = [f"{number % 7}" for number in numbers]
    columns = [[f"p/{number}" for number in numbers], contents, contents]
    return pa.table([pa.array(column, TEXT) for column in columns], ["path", "content_id", "etag"])


def log_of(pool: pa.Table, seen: dict[str, int]) -> pa.Table:
    """The log of rechecks after runs: path → the run that rechecked it last."""
    at = pc.index_in(pa.array(list(seen), TEXT), value_set=pool["path"].combine_chunks())
    return pa.table({"key": object_keys(pool.take(at)), "checked": pa.array(seen.values(), pa.int64())})


def sample(pool: pa.Table, checked: pa.Table, share: float, run_id: str) -> list[str]:
    """Paths of those that are chosen."""
    chosen: list[str] = pool["path"].take(choose_sample(object_keys(pool), checked, share, run_id)).to_pylist()
    return chosen


@settings(max_examples=30, deadline=None)
@given(POOLS, st.sampled_from([0.01, 0.3, 1.0]), st.integers(0, 5))
def test_each_image_is_rechecked_within_a_bounded_number_of_runs(count: int, share: float, seed: int) -> None:
    pool, order = rows(count), np.random.default_rng(seed)
    size = min(count, max(LEAST, int(np.ceil(share * count))))
    most = -(-count // -(-size // 2))  # half of a sample are the longest unchecked
    seen: dict[str, int] = {}
    for run in range(3 * most):
        checked, run_id = log_of(pool, seen), f"run-{seed}-{run}"
        chosen = sample(pool.take(order.permutation(count)), checked, share, run_id)
        assert len(set(chosen)) == len(chosen) == size
        assert set(chosen) == set(sample(pool, checked, share, run_id))
        seen |= dict.fromkeys(chosen, run)
        if run >= most - 1:
            assert len(seen) == count
            assert run - min(seen.values()) < most


def test_half_of_a_sample_depends_on_the_run() -> None:
    pool = rows(400)
    checked = log_of(pool, {f"p/{number}": number for number in range(400)})
    samples = [choose_sample(object_keys(pool), checked, 0.1, f"run-{number}") for number in range(20)]
    assert all(sample[:20].tolist() == list(range(20)) for sample in samples)
    assert len({tuple(sample[20:].tolist()) for sample in samples}) == 20
    assert len({place for sample in samples for place in sample[20:].tolist()}) > 200


def test_another_content_or_entity_tag_at_a_path_was_never_rechecked() -> None:
    pool = rows(3)
    changed = pa.table({**dict(zip(pool.column_names, pool.columns, strict=True)), "etag": pa.array(["x"] * 3, TEXT)})
    assert len({*object_keys(pool), *object_keys(changed)}) == 6


@pytest.fixture
def log(tmp_path: Path) -> RecheckLog:
    return RecheckLog(Folder(str(tmp_path)))


def told(log: RecheckLog, pool: pa.Table) -> dict[str, int]:
    """Path → when it was checked last."""
    paths = dict(zip(object_keys(pool).tolist(), pool["path"].to_pylist(), strict=True))
    return {paths[row["key"]]: row["checked"] for row in log.read_checked().to_pylist()}


def test_the_log_is_put_together_now_and_then(log: RecheckLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brev_pipeline.store.identity_cache.MANY", 3)
    pool = rows(20)
    keys = object_keys(pool)
    for number in range(12):
        log.append_checked(keys[number : number + 2], f"run-{number}", keys[1:])
    names = log.folder.list_names()
    # Not each time once there are so many files.
    assert [number for number, name in enumerate(names) if holds_all(name)] == [3, 7, 11]
    whole = told(log, pool)
    # The first is not remembered any more.
    assert sorted(whole) == sorted(f"p/{number}" for number in range(1, 13))
    assert whole["p/12"] == whole["p/11"] > whole["p/10"] > whole["p/1"]
    for name in names[:11]:
        log.folder.remove(name)
    assert told(log, pool) == whole


def test_what_was_rechecked_again_has_its_newest_time(log: RecheckLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brev_pipeline.store.identity_cache.MANY", 2)
    pool = rows(4)
    keys, times = object_keys(pool), iter(range(100, 1000))
    for number in range(5):
        now = next(times)
        monkeypatch.setattr("brev_pipeline.store.identity_cache._now", lambda now=now: now)
        log.append_checked(keys[[0, 1 + number % 2]], f"run-{number}", keys)
        assert told(log, pool)["p/0"] == now
    assert told(log, pool) == {"p/0": 104, "p/1": 104, "p/2": 103}


def test_an_entry_of_a_later_time_than_now_puts_no_turn_off(log: RecheckLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brev_pipeline.store.identity_cache.MANY", 5)
    keys, victims = object_keys(rows(100)), range(30)
    forged = pa.table({"key": keys[:30], "checked": [2**62] * 30}, schema=log.read_checked().schema)
    data = to_parquet(forged)
    log.folder.write(hashed_name("99991231T235959.999999Z-attacker-all", data, "-"), data)
    last = dict.fromkeys(victims, -1)
    for run in range(25):
        chosen = choose_sample(keys, log.read_checked(), 0.01, f"run-{run}")
        last |= dict.fromkeys(set(victims) & set(chosen.tolist()), run)
        log.append_checked(keys[chosen], f"run-{run}", keys)
        # 10 of the longest unchecked each time: all 100 have their turn within 10 runs.
        assert run < 9 or min(last.values()) > run - 10


def test_a_damaged_entry_of_the_log_only_makes_a_recheck_come_sooner(local: World) -> None:
    local.run()
    local.run()
    (name,) = local.store.recheck_log.folder.list_names()
    file = Path(local.store.recheck_log.folder.file_url(name))
    data = bytearray(file.read_bytes())
    data[40] ^= 4
    file.write_bytes(data)
    assert local.store.recheck_log.read_checked().num_rows == 0
    assert local.run()[2].identities == LEAST


def test_many_images_go_to_the_engine(local: World, monkeypatch: pytest.MonkeyPatch) -> None:
    local.run()
    monkeypatch.setattr(recheck, "_MANY_IMAGES", 5)
    labels = []
    run = SerialEngine.map

    def noted(self: SerialEngine, function: Any, tasks: Any, **options: Any) -> Any:
        labels.append(options.get("label"))
        return run(self, function, tasks, **options)

    monkeypatch.setattr(SerialEngine, "map", noted)
    assert local.run()[2].identities == LEAST
    assert "recheck what is remembered" in labels
    shutil.rmtree(local.store.folder.url)
