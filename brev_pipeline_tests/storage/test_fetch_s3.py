import gzip
import hashlib
import pickle
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from brev_pipeline.errors import BrevPipelineError, SourceError
from brev_pipeline.storage import Sources
from brev_pipeline.storage.fetcher import SourceRow
from brev_pipeline.storage.places import ReadLimits
from brev_pipeline.storage.s3 import S3Client
from brev_pipeline_tests.buckets import Server, config_of

ODD_NAMES = ["a b.png", "a+b.png", "100%.png", "#1.png", "ü/漢字.png", "a&b;c=d.png", "~(x)'!.png", "x" * 1000 + ".png"]


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def sources_of(s3: Server, name: str, prefix: str = "", **options: Any) -> tuple[Sources, str]:
    bucket = f"s3://{name}/{prefix}".rstrip("/")
    return Sources.from_config(config_of({"bucket": bucket, "storage": s3.storage(**options)})), bucket


def row(bucket: str, key: str, data: bytes) -> SourceRow:
    return SourceRow(f"{bucket}/{key}", bucket, md5(data), "s3", md5(data))


@pytest.mark.parametrize("prefix", ["", "line 7/ü"])
def test_objects_are_read_whatever_their_keys_are(s3: Server, prefix: str) -> None:
    below = f"{prefix}/" if prefix else ""
    sources, bucket = sources_of(s3, s3.bucket({below + name: name.encode() for name in ODD_NAMES}), prefix)
    rows = [row(bucket, name, name.encode()) for name in ODD_NAMES]
    assert list(sources.fetch_many(rows)) == [(one, name.encode()) for one, name in zip(rows, ODD_NAMES, strict=True)]


def test_the_direct_road_is_taken_after_the_first_request(s3: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    sources, bucket = sources_of(s3, s3.bucket({"a.png": b"a", "b.png": b"b"}))
    assert [data for _, data in sources.fetch_many([row(bucket, "a.png", b"a")])] == [b"a"]
    monkeypatch.setattr(S3Client, "_call", None)
    assert [data for _, data in sources.fetch_many([row(bucket, "b.png", b"b")])] == [b"b"]


def test_an_object_that_was_replaced_is_changed(s3: Server) -> None:
    name = s3.bucket({"a.png": b"old", "b.png": b"b"})
    sources, bucket = sources_of(s3, name)
    s3.client.put_object(Bucket=name, Key="a.png", Body=b"new")
    # Once by each road.
    for _ in range(2):
        [(_, error), (_, fine)] = sources.fetch_many([row(bucket, "a.png", b"old"), row(bucket, "b.png", b"b")])
        assert isinstance(error, SourceError)
        assert error.status == "changed"
        assert f"{bucket}/a.png was replaced after it was listed" in str(error)
        assert fine == b"b"


def test_an_object_that_was_deleted_is_missing(s3: Server) -> None:
    name = s3.bucket({"a.png": b"a"})
    sources, bucket = sources_of(s3, name)
    list(sources.fetch_many([row(bucket, "a.png", b"a")]))
    s3.client.delete_object(Bucket=name, Key="a.png")
    [(_, error)] = sources.fetch_many([row(bucket, "a.png", b"a")])
    assert isinstance(error, SourceError)
    assert error.status == "missing"
    assert "was deleted after it was listed" in str(error)


def test_bytes_come_as_they_are_stored_whatever_their_encoding_says(s3: Server) -> None:
    name, data = s3.bucket(), gzip.compress(b"pixels")
    s3.client.put_object(Bucket=name, Key="a.png", Body=data, ContentEncoding="gzip")
    sources, bucket = sources_of(s3, name)
    for _ in range(2):
        assert [got for _, got in sources.fetch_many([row(bucket, "a.png", data)])] == [data]


def test_a_missing_bucket_stops_the_reading(s3: Server) -> None:
    sources, bucket = sources_of(s3, "no-such-bucket-here")
    with pytest.raises(BrevPipelineError, match="there is no such bucket"):
        list(sources.fetch_many([row(bucket, "a.png", b"a")]))


def test_headers_tell_the_noted_md5_and_encryption_by_both_roads(s3: Server) -> None:
    name = s3.bucket()
    s3.client.put_object(Bucket=name, Key="noted.png", Body=b"a", Metadata={"md5": md5(b"a")})
    s3.client.put_object(Bucket=name, Key="kms.png", Body=b"a", ServerSideEncryption="aws:kms")
    s3.client.put_object(Bucket=name, Key="aes.png", Body=b"a", ServerSideEncryption="AES256")
    sources, bucket = sources_of(s3, name)
    rows = [row(bucket, key, b"a") for key in ("noted.png", "kms.png", "aes.png")]
    for _ in range(2):
        told = [(head.md5, head.keyed) for _, head in sources.head_many(rows)]  # type: ignore[union-attr]
        assert told == [(md5(b"a"), False), (None, True), (None, False)]


def test_an_object_is_looked_at_without_reading_it_by_both_roads(s3: Server) -> None:
    sources, bucket = sources_of(s3, s3.bucket({"a.png": b"abc", "large.png": b"1" * 1001}))
    (place,) = sources.places.values()
    limited = Sources({bucket: replace(place, limits=ReadLimits(max_bytes=1000))})
    rows = [SourceRow(f"{bucket}/{key}", bucket, None, "none", "") for key in ("a.png", "large.png", "none.png")]
    for _ in range(2):
        a, large, none = (found for _, found in limited.stat_many(rows))
        assert not isinstance(a, SourceError)
        assert a[0] == 3
        assert abs(datetime.now(UTC) - a[1]) < timedelta(hours=1)
        assert isinstance(large, SourceError)
        assert (large.status, "has 1,001 bytes, more than listing.max_object_mb" in str(large)) == ("changed", True)
        assert isinstance(none, SourceError)
        assert none.status == "missing"


def test_anonymous_readers_send_no_request_for_what_cannot_be_encrypted(s3: Server) -> None:
    sources, bucket = sources_of(s3, "never-asked", anon=True)
    [(_, head)] = sources.head_many([row(bucket, "a.png", b"a")])
    assert (head.md5, head.keyed) == (None, False)  # type: ignore[union-attr]


def test_anonymous_reading_works_by_both_roads(s3: Server) -> None:
    name = s3.bucket()
    s3.client.put_object(Bucket=name, Key="a.png", Body=b"a", ACL="public-read")
    sources, bucket = sources_of(s3, name, anon=True)
    for _ in range(2):
        assert [data for _, data in sources.fetch_many([row(bucket, "a.png", b"a")])] == [b"a"]


def test_sources_with_open_connections_travel_to_workers(s3: Server) -> None:
    sources, bucket = sources_of(s3, s3.bucket({"a.png": b"a"}))
    list(sources.fetch_many([row(bucket, "a.png", b"a")]))
    travelled = pickle.loads(pickle.dumps(sources))
    assert [data for _, data in travelled.fetch_many([row(bucket, "a.png", b"a")])] == [b"a"]
    assert b"testing" not in pickle.dumps(sources)


def test_an_object_that_is_larger_than_allowed_is_not_read_by_either_road(
    s3: Server,
) -> None:
    name = s3.bucket({"a.png": b"a" * 100, "b.png": b"b" * 101})
    bucket = f"s3://{name}"
    dataset = {"bucket": bucket, "storage": s3.storage()}
    sources = Sources.from_config(config_of(dataset, listing={"max_object_mb": 1e-4}))
    for _ in range(2):
        [(_, error), (_, fine)] = sources.fetch_many(
            [row(bucket, "b.png", b"b" * 101), row(bucket, "a.png", b"a" * 100)]
        )
        assert isinstance(error, SourceError)
        assert error.status == "missing"
        assert f"{bucket}/b.png is larger than listing.max_object_mb allows (0.0001 MB)" in str(error)
        assert fine == b"a" * 100
    # After the first answer the direct road is taken, which hands such an object over unread.
    route = sources.get_client(sources.get_place(bucket))._direct  # type: ignore[arg-type]
    assert route is not None
    assert route.send_request("GET", name, "b.png", {}, 100) is None
    assert route.send_request("GET", name, "b.png", {}, 101).content == b"b" * 101
