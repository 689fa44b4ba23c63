"""The whole chain from a bucket into a store on the same real S3 server."""

from pathlib import Path
from typing import Any

import pytest
import s3fs

from brev_pipeline.audit import verify_version
from brev_pipeline_tests.pipelines import configure, draw_photos, run
from brev_pipeline_tests.s3server import Ceph

pytestmark = pytest.mark.slow


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, bytes]:
    draw_photos(tmp_path / "photos", {"good": 8, "bad": 5})
    folder = tmp_path / "photos"
    return {f"line 2/{file.relative_to(folder)}": file.read_bytes() for file in sorted(folder.rglob("*.png"))}


def on_server(ceph: Ceph, folder: Path, bucket: str) -> Any:
    dataset = {"name": "Parts", "id": "parts", "bucket": f"s3://{bucket}/line 2", "storage": ceph.storage()}
    return configure(folder, datasets=[dataset], store=f"s3://{ceph.bucket()}/store", store_storage=ceph.storage())


def test_a_bucket_becomes_a_version_in_a_bucket(ceph: Ceph, photos: dict[str, bytes], tmp_path: Path) -> None:
    config = on_server(ceph, tmp_path, ceph.bucket(photos))
    done = run(config)
    assert done.success, done.failures
    assert done.failed_checks == []
    _, version = done.store.newest()
    assert version.path.startswith("s3://")
    assert version.manifest()["counts"]["listed"] == len(photos)
    assert verify_version(done.store).problems == []
    assert done.store.staging.names() == []

    again = run(config)
    assert again.success, again.failures
    assert len(again.store.publications.all()) == 1

    # The same photos in a folder give the same records, up to the paths that they carry.
    local = run(configure(tmp_path))
    assert local.success, local.failures
    seeds = [row["seed"] for row in local.store.newest()[1].table("records").to_pylist()]
    assert sorted(row["seed"] for row in version.table("records").to_pylist()) == sorted(seeds)


def test_a_damaged_version_on_the_server_is_found(ceph: Ceph, photos: dict[str, bytes], tmp_path: Path) -> None:
    done = run(on_server(ceph, tmp_path, ceph.bucket(photos)))
    assert done.success, done.failures
    _, version = done.store.newest()
    bucket, _, prefix = version.path.removeprefix("s3://").partition("/")
    file = version.table("records")["file"][0].as_py()
    data = bytearray(version.folder.read(file))
    data[len(data) // 2] ^= 1
    ceph.client.put_object(Bucket=bucket, Key=f"{prefix}/{file}", Body=bytes(data))
    problems = verify_version(done.store).problems
    assert any(file in problem for problem in problems)


def test_a_store_with_wrong_credentials_is_named(
    ceph: Ceph, photos: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_photos(tmp_path / "photos", {"good": 2})
    store = f"s3://{ceph.bucket()}/store"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    # A process keeps a file system that it has made, credentials included.
    s3fs.S3FileSystem.clear_instance_cache()
    refused = run(configure(tmp_path, store=store, store_storage=ceph.storage()))
    assert not refused.success
    assert store in refused.failures
    assert "credentials" in refused.failures
    assert "wrong" not in refused.failures
