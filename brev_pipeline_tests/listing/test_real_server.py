"""Listing, identity and fetching against a real S3 server (not a mock): what a mock gets wrong shows here."""

import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pytest

from brev_pipeline.errors import BrevPipelineError, ListingError, SourceError
from brev_pipeline.integrity import check_integrity
from brev_pipeline.listing import list_datasets, listing_state
from brev_pipeline.listing.s3_scan import list_s3_objects
from brev_pipeline.storage import Sources
from brev_pipeline.storage.fetcher import SourceRow, check_recorded_md5
from brev_pipeline.storage.s3 import S3Client
from brev_pipeline_tests.buckets import config_of
from brev_pipeline_tests.integrity.listings import md5
from brev_pipeline_tests.listing.test_datasets import ODD_KEYS
from brev_pipeline_tests.s3server import Ceph

pytestmark = pytest.mark.slow

PHOTO = bytes(range(256)) * 24_576  # 6 MiB: a part of an upload has at least 5


def fill(ceph: Ceph, keys: Sequence[str]) -> str:
    """A bucket with these keys, each object's bytes being its key."""
    name = ceph.bucket()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: ceph.client.put_object(Bucket=name, Key=key, Body=key.encode()), keys))
    return name


def set_policy(ceph: Ceph, bucket: str, effect: str, actions: list[str], what: list[str]) -> None:
    """Let everybody do this, or forbid it to everybody."""
    resources = [f"arn:aws:s3:::{one}" for one in what]
    statement = {"Effect": effect, "Principal": "*", "Action": actions, "Resource": resources}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    ceph.client.put_bucket_policy(Bucket=bucket, Policy=policy)


def config(ceph: Ceph, bucket: str, **storage: Any) -> Any:
    return config_of({"bucket": f"s3://{bucket}", "storage": ceph.storage(**storage)})


def listed(ceph: Ceph, bucket: str, **storage: Any) -> pa.Table:
    of = config(ceph, bucket, **storage)
    return list_datasets(of.datasets, of.listing, Sources.from_config(of))


def rows(table: pa.Table) -> list[SourceRow]:
    return [
        SourceRow(**row, content_id="") for row in table.select(["path", "bucket", "etag", "etag_source"]).to_pylist()
    ]


def upload_in_parts(ceph: Ceph, bucket: str, key: str, data: bytes, metadata: dict[str, str]) -> None:
    upload = ceph.client.create_multipart_upload(Bucket=bucket, Key=key, Metadata=metadata)["UploadId"]
    parts = []
    for number, part in enumerate((data[: 5 << 20], data[5 << 20 :]), 1):
        put = ceph.client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=part)
        parts.append({"PartNumber": number, "ETag": put["ETag"]})
    ceph.client.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})


@pytest.fixture(scope="module")
def many(ceph: Ceph) -> tuple[str, list[str]]:
    """A bucket of 2,600 objects: a large folder, small ones, and images beside them."""
    keys = [f"set/good/{number:05d}_1543412161923.bmp" for number in range(1700)]
    keys += [f"set/bad_cap/{number:05d}.bmp" for number in range(700)]
    keys += [f"set/line{number:03d}/deep/{number}.png" for number in range(190)]
    keys += [f"set/{number}.png" for number in range(10)]
    return fill(ceph, keys), keys


def test_more_than_two_thousand_keys_are_found_once_each(ceph: Ceph, many: tuple[str, list[str]]) -> None:
    name, keys = many
    table = listed(ceph, f"{name}/set")
    assert table["path"].to_pylist() == sorted(f"s3://{name}/{key}" for key in keys)
    by_path = dict(zip(table["path"].to_pylist(), table["etag"].to_pylist(), strict=True))
    assert by_path == {f"s3://{name}/{key}": md5(key.encode()) for key in keys}
    assert table["size"].to_pylist() == [len(path) - len(f"s3://{name}/") for path in table["path"].to_pylist()]


@pytest.mark.parametrize("threads", [1, 3, 16])
def test_any_number_of_threads_finds_the_same(ceph: Ceph, many: tuple[str, list[str]], threads: int) -> None:
    name, keys = many
    pages = S3Client(config(ceph, name).datasets[0].storage).list_page
    for prefix in ("", "set/", "set/good/", "set/g"):
        found = list_s3_objects(pages, name, prefix, threads)["key"].to_pylist()
        assert found == sorted(key for key in keys if key.startswith(prefix))


def test_odd_keys_are_listed_read_and_identified(ceph: Ceph) -> None:
    keys = [*ODD_KEYS, "a//b.png", "x" * 1020 + ".png", "line\nbreak.png", "\x01control.png", "tab\t.png"]
    name = fill(ceph, [*keys, "good/", ".hidden/a.png"])
    table = listed(ceph, name)
    assert table["path"].to_pylist() == sorted((f"s3://{name}/{key}" for key in keys), key=str.encode)
    sources = Sources.from_config(config(ceph, name))
    for row, data in sources.fetch_many(rows(table)):
        assert data == row.path.removeprefix(f"s3://{name}/").encode()
    integrity = check_integrity(table, fetch=sources)
    assert integrity["content_source"].unique().to_pylist() == ["etag"]


def test_an_upload_in_parts_is_identified_by_its_note_or_by_reading(ceph: Ceph) -> None:
    name = ceph.bucket({"good/plain.png": PHOTO})
    upload_in_parts(ceph, name, "good/noted.png", PHOTO, {"md5": md5(PHOTO)})
    upload_in_parts(ceph, name, "good/parts.png", PHOTO, {})
    table = check_integrity(listed(ceph, name), fetch=Sources.from_config(config(ceph, name)))
    assert table["etag"].to_pylist()[0].endswith("-2")
    assert table["content_id"].to_pylist() == [md5(PHOTO)] * 3
    assert table["content_source"].to_pylist() == ["metadata", "read", "etag"]


def test_a_wrong_note_is_found_when_the_bytes_are_read(ceph: Ceph) -> None:
    name = ceph.bucket()
    upload_in_parts(ceph, name, "good/a.png", PHOTO, {"md5": md5(b"another photo")})
    sources = Sources.from_config(config(ceph, name))
    [row] = check_integrity(listed(ceph, name), fetch=sources).to_pylist()
    assert row["content_source"] == "metadata"
    wanted = SourceRow(row["path"], row["bucket"], row["etag"], row["etag_source"], row["content_id"])
    [(_, data)] = sources.fetch_many([wanted])
    assert data == PHOTO
    error = check_recorded_md5(wanted, data)
    assert isinstance(error, SourceError)
    assert error.status == "changed"


def test_a_public_bucket_is_read_without_credentials(ceph: Ceph, monkeypatch: pytest.MonkeyPatch) -> None:
    name = ceph.bucket({"good/a.png": b"a"})
    set_policy(ceph, name, "Allow", ["s3:GetObject", "s3:ListBucket"], [name, f"{name}/*"])
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    table = listed(ceph, name, anon=True)
    sources = Sources.from_config(config(ceph, name, anon=True))
    for _ in range(2):
        assert [data for _, data in sources.fetch_many(rows(table))] == [b"a"]
    assert check_integrity(table, fetch=sources)["content_id"].to_pylist() == [md5(b"a")]
    with pytest.raises(ListingError, match=r"no AWS credentials were found.*anon: true"):
        listed(ceph, name)


def test_a_private_bucket_is_closed_to_anonymous_readers(ceph: Ceph) -> None:
    name = ceph.bucket({"good/a.png": b"a"})
    with pytest.raises(ListingError, match="set anon: false and give credentials"):
        listed(ceph, name, anon=True)


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_credentials_are_told(ceph: Ceph, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    name = ceph.bucket({"good/a.png": b"a"})
    monkeypatch.setenv(variable, "wrong")
    with pytest.raises(ListingError, match="the credentials are not accepted"):
        listed(ceph, name)


def test_a_profile_is_used(ceph: Ceph, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    name = ceph.bucket({"good/a.png": b"a"})
    keys = "aws_access_key_id = testing\naws_secret_access_key = testing\n"
    (tmp_path / "credentials").write_text(f"[factory]\n{keys}")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "wrong")
    assert listed(ceph, name, profile="factory").num_rows == 1


def test_a_missing_bucket_is_told(ceph: Ceph) -> None:
    with pytest.raises(ListingError, match="there is no such bucket"):
        listed(ceph, "no-such-bucket-here")


def test_objects_deleted_during_the_listing_do_no_harm(ceph: Ceph) -> None:
    keys = [f"f{number % 5}/{number:04d}.png" for number in range(2100)]
    name = fill(ceph, keys)
    client = S3Client(config(ceph, name).datasets[0].storage)
    gone = keys[1000:1100]

    def deleting(*args: str, **kwargs: str) -> bytes:
        page = client.list_page(*args, **kwargs)
        while gone:
            ceph.client.delete_object(Bucket=name, Key=gone.pop())
        return page

    found = list_s3_objects(deleting, name, "", 4)["key"].to_pylist()
    assert found == sorted(set(found))
    assert set(keys) - set(keys[1000:1100]) <= set(found) <= set(keys)


def test_what_changed_or_vanished_since_the_listing_is_told_per_image(ceph: Ceph) -> None:
    name = fill(ceph, ["a.png", "b.png", "c.png"])
    table = listed(ceph, name)
    sources = Sources.from_config(config(ceph, name))
    ceph.client.put_object(Bucket=name, Key="a.png", Body=b"replaced")
    ceph.client.delete_object(Bucket=name, Key="b.png")
    for _ in range(2):
        got = [data if isinstance(data, bytes) else data.status for _, data in sources.fetch_many(rows(table))]
        assert got == ["changed", "missing", b"c.png"]
    assert check_integrity(table, fetch=sources)["content_source"].to_pylist() == ["unreadable", "unreadable", "etag"]


def test_an_object_that_may_not_be_read_is_missing_and_the_others_are_read(ceph: Ceph) -> None:
    name = fill(ceph, ["a.png", "b.png"])
    set_policy(ceph, name, "Deny", ["s3:GetObject"], [f"{name}/a.png"])
    [(_, error), (_, data)] = Sources.from_config(config(ceph, name)).fetch_many(rows(listed(ceph, name)))
    assert isinstance(error, SourceError)
    assert error.status == "missing"
    assert "access is denied" in str(error)
    assert data == b"b.png"


def test_the_state_notices_a_new_object(ceph: Ceph) -> None:
    name = fill(ceph, ["good/a.png"])
    of = config(ceph, name)
    before = listing_state(of.datasets, of.listing, Sources.from_config(of))
    assert listing_state(of.datasets, of.listing, Sources.from_config(of)).fingerprint == before.fingerprint
    ceph.client.put_object(Bucket=name, Key="good/b.png", Body=b"b")
    after = listing_state(of.datasets, of.listing, Sources.from_config(of))
    assert (before.images, after.images) == (1, 2)
    assert after.fingerprint != before.fingerprint


def test_a_server_that_stops_and_comes_back_costs_time_only(ceph: Ceph, many: tuple[str, list[str]]) -> None:
    name, keys = many
    client = S3Client(config(ceph, name).datasets[0].storage)
    asked: list[str] = []
    lock = threading.Lock()

    def interrupted(*args: str, **kwargs: str) -> bytes:
        with lock:
            asked.append(args[1])
            if len(asked) == 4:
                ceph.stop_gateway()
                threading.Timer(2, ceph.start_gateway).start()
        return client.list_page(*args, **kwargs)

    assert list_s3_objects(interrupted, name, "set/", 4)["key"].to_pylist() == sorted(keys)
    # The reading of objects waits it out too, by the direct road as by the other.
    sources, table = Sources.from_config(config(ceph, name)), listed(ceph, f"{name}/set").slice(0, 300)
    field = table.schema.field("bucket")
    table = table.set_column(4, field, pa.array([f"s3://{name}"] * len(table), field.type))
    list(sources.fetch_many(rows(table.slice(0, 1))))
    ceph.stop_gateway()
    timer = threading.Timer(2, ceph.start_gateway)
    timer.start()
    assert all(isinstance(data, bytes) for _, data in sources.fetch_many(rows(table)))
    timer.join()


def test_a_server_that_stays_away_stops_the_run_instead_of_losing_images(ceph: Ceph) -> None:
    name = fill(ceph, ["a.png", "b.png"])
    table = listed(ceph, name)
    sources = Sources.from_config(config(ceph, name))
    place: Any = sources.get_place(f"s3://{name}")
    sources._clients[place.storage] = S3Client(place.storage, patience=1.5)
    ceph.stop_gateway()
    began = time.monotonic()
    try:
        with pytest.raises(BrevPipelineError, match="the server cannot be reached, retries included"):
            list(sources.fetch_many(rows(table)))
    finally:
        ceph.start_gateway()
    assert time.monotonic() - began < 60
