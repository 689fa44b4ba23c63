"""An S3 server in this process (moto), for what a folder does on S3; the real server has tests of its own."""

from collections.abc import Iterator

import pytest

from brev_pipeline.store import Folder


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_folder(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    import boto3

    for name, value in (
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    bucket = boto3.resource("s3", endpoint_url=s3_endpoint).create_bucket(Bucket="store")
    yield Folder(
        "s3://store/vials", {"endpoint_url": s3_endpoint, "use_listings_cache": False, "skip_instance_cache": True}
    )
    bucket.objects.all().delete()
    bucket.delete()
