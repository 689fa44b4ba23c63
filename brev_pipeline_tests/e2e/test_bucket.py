"""The whole chain from a bucket into a store on the same real S3 server."""

from pathlib import Path
from typing import Any

import pytest
import s3fs

from brev_pipeline import read
from brev_pipeline.audit import verify_version
from brev_pipeline.store import Version
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
    _, version = done.store.newest_version()
    assert version.path.startswith("s3://")
    assert version.read_manifest()["counts"]["listed"] == len(photos)
    assert verify_version(done.store).problems == []
    assert done.store.staging_area.list_names() == []

    records = read(version, "train", storage=config.store_storage)
    for number, row in enumerate(records.records.to_pylist()[:3]):
        key = row["path"].partition("/line 2/")[2]
        assert records.place(number) == row["path"]
        assert records.open(number).read() == photos[f"line 2/{key}"]

    again = run(config)
    assert again.success, again.failures
    assert len(again.store.publications.read_all()) == 1

    # The same photos in a folder give the same records, up to the paths that they carry.
    local = run(configure(tmp_path))
    assert local.success, local.failures
    seeds = [row["seed"] for row in local.store.newest_version()[1].read_table("records").to_pylist()]
    assert sorted(row["seed"] for row in version.read_table("records").to_pylist()) == sorted(seeds)


def test_objects_of_several_parts_that_were_renamed_are_not_gone(
    ceph: Ceph, photos: dict[str, bytes], tmp_path: Path
) -> None:
    """Their entity tags are no MD5s, so that raw_listing cannot know them again: sample_integrity has to."""
    bucket = ceph.bucket()

    def put(key: str, data: bytes) -> None:
        upload = ceph.client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        part = ceph.client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=data)
        parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
        ceph.client.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload=parts)

    for key, data in photos.items():
        put(key, data)
    config = on_server(ceph, tmp_path, bucket)
    assert run(config).success
    for key in photos:
        ceph.client.delete_object(Bucket=bucket, Key=key)
    renamed = {key.replace("/good/", "/fine/"): data for key, data in photos.items()}
    # The same bytes in other parts have another entity tag.
    for key, data in renamed.items():
        put(key, data) if "fine" in key else ceph.client.put_object(Bucket=bucket, Key=key, Body=data)
    second = run(config)
    assert second.success, second.failures
    assert second.failed_checks == ["raw_listing.paths_kept"]
    sides = [
        {
            row["content_id"]: row["purpose"]
            for row in Version(second.store.versions / one, one).read_table("assignments").to_pylist()
        }
        for one in (entry.version for entry in second.store.publications.read_all())
    ]
    assert sides[0] == sides[1]

    for key in sorted(renamed)[::2]:
        ceph.client.delete_object(Bucket=bucket, Key=key)
    third = run(config)
    assert not third.success
    assert "not_shrunk" in third.failures
    assert len(third.store.publications.read_all()) == 2


def test_a_damaged_version_on_the_server_is_found(ceph: Ceph, photos: dict[str, bytes], tmp_path: Path) -> None:
    done = run(on_server(ceph, tmp_path, ceph.bucket(photos)))
    assert done.success, done.failures
    _, version = done.store.newest_version()
    bucket, _, prefix = version.path.removeprefix("s3://").partition("/")
    file = version.read_table("records")["file"][0].as_py()
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
