"""Bytes that are read for their pixels are hashed once, wherever they lie, and every wrong byte is found by that."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from brev_pipeline.config import ImageSettings
from brev_pipeline.engine import SerialEngine
from brev_pipeline.images import prepare_images
from brev_pipeline.storage import Sources
from brev_pipeline.store import Folder
from brev_pipeline_tests.buckets import Server, config_of
from brev_pipeline_tests.images import worlds

PHOTOS = {f"good/{number}.png": worlds.encode(worlds.photo(number, 20, 24), "PNG") for number in range(12)}
hash_md5 = hashlib.md5


def samples(bucket: str, stated: dict[str, bytes] | None = None) -> pa.Table:
    """Rows of ``sample_integrity``; ``stated``: an uploader's word, by the bytes that it is true of."""
    source = "s3" if bucket.startswith("s3:") else "md5"
    rows = []
    for key, data in PHOTOS.items():
        row = worlds.sample(f"{bucket}/{key}", data, bucket, source)
        row["content_id"] = hash_md5((stated or {}).get(key, data)).hexdigest()
        rows.append(row)
    return worlds.table(rows)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> Counter[bytes]:
    """What MD5s are computed of, and how often."""
    found: Counter[bytes] = Counter()

    def counted(data: bytes = b"", **options: Any) -> Any:
        found[bytes(data)] += 1
        return hash_md5(data, **options)

    monkeypatch.setattr(hashlib, "md5", counted)
    return found


def statuses(table: pa.Table, sources: Sources, store: Path) -> dict[str, tuple[str, str | None]]:
    """Status and reason of each photo, by its key, as the stage finds them."""
    prepared = prepare_images(
        table, ImageSettings(), fetch=sources, folder=Folder(str(store)), engine=SerialEngine()
    ).to_pylist()
    return {"/".join(row["source_path"].split("/")[-2:]): (row["status"], row["reason"]) for row in prepared}


def files(root: Path) -> Sources:
    for key, data in PHOTOS.items():
        (root / "photos" / key).parent.mkdir(parents=True, exist_ok=True)
        (root / "photos" / key).write_bytes(data)
    return Sources.from_config(config_of({"bucket": "photos"}, base=root))


def test_a_file_is_hashed_once(tmp_path: Path, hashed: Counter[bytes]) -> None:
    table, sources = samples("photos"), files(tmp_path)
    hashed.clear()
    found = statuses(table, sources, tmp_path / "store")
    assert found == dict.fromkeys(PHOTOS, ("ok", None))
    assert {data: hashed[data] for data in PHOTOS.values()} == dict.fromkeys(PHOTOS.values(), 1)


def test_an_object_is_hashed_once(s3: Server, tmp_path: Path, hashed: Counter[bytes]) -> None:
    bucket = f"s3://{s3.bucket(PHOTOS)}"
    sources = Sources.from_config(config_of({"bucket": bucket, "storage": s3.storage()}))
    table = samples(bucket)
    hashed.clear()
    found = statuses(table, sources, tmp_path / "store")
    assert found == dict.fromkeys(PHOTOS, ("ok", None))
    assert {data: hashed[data] for data in PHOTOS.values()} == dict.fromkeys(PHOTOS.values(), 1)


@pytest.mark.parametrize("place", [0, 100, -1])
def test_a_file_with_one_other_byte_is_changed_and_both_checksums_are_named(
    place: int, tmp_path: Path, hashed: Counter[bytes]
) -> None:
    sources, key = files(tmp_path), "good/3.png"
    other = bytearray(PHOTOS[key])
    other[place] ^= 1
    (tmp_path / "photos" / key).write_bytes(other)
    found = statuses(samples("photos"), sources, tmp_path / "store")
    status, reason = found.pop(key)
    assert status == "changed"
    for data in (PHOTOS[key], bytes(other)):
        assert hash_md5(data).hexdigest() in str(reason)
    assert set(found.values()) == {("ok", None)}
    assert hashed[bytes(other)] == 1


def test_an_object_without_the_md5_that_its_uploader_stated_is_changed(s3: Server, tmp_path: Path) -> None:
    bucket = f"s3://{s3.bucket(PHOTOS)}"
    sources = Sources.from_config(config_of({"bucket": bucket, "storage": s3.storage()}))
    found = statuses(samples(bucket, {"good/5.png": b"another photo"}), sources, tmp_path / "store")
    assert found.pop("good/5.png")[0] == "changed"
    assert set(found.values()) == {("ok", None)}
