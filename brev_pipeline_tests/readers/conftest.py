"""What the tests of reading share: a small published version, on a disk and on an S3 server in this process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from brev_pipeline.store import Folder, PipelineStore
from brev_pipeline_tests.readers.worlds import World
from brev_pipeline_tests.store.conftest import s3_endpoint  # noqa: F401

KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two epochs of train, devel and test, whose readings are logged; published, and not to be changed."""
    counts = {("train", 0): 23, ("train", 1): 20, ("devel", 0): 5, ("test", 0): 4}
    world = World(tmp_path_factory.mktemp("world"), counts, split={"access_log": ["test"]})
    world.publish()
    return world


@pytest.fixture(scope="module")
def s3_store(world: World, s3_endpoint: str) -> Iterator[PipelineStore]:  # noqa: F811
    """The same version in a bucket, s3://reading/parts."""
    import boto3

    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        bucket = boto3.resource("s3", endpoint_url=s3_endpoint).create_bucket(Bucket="reading")
        root = Path(world.store.folder.url)
        for file in filter(Path.is_file, root.rglob("*")):
            bucket.upload_file(str(file), f"parts/{file.relative_to(root)}")
        options = {"endpoint_url": s3_endpoint, "use_listings_cache": False, "skip_instance_cache": True}
        yield PipelineStore(Folder("s3://reading/parts", options))
        bucket.objects.all().delete()
        bucket.delete()


@pytest.fixture(scope="session")
def tf() -> Any:
    return pytest.importorskip("tensorflow")
