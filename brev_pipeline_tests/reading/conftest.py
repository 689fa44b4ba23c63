"""What the tests of reading share: one small published version, and the S3 server of the store's tests."""

from typing import Any

import pytest

from brev_pipeline_tests.reading.worlds import World
from brev_pipeline_tests.store.conftest import s3_endpoint, s3_folder  # noqa: F401


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two epochs of train, devel and test; published, and not to be changed."""
    counts = {("train", 0): 23, ("train", 1): 20, ("devel", 0): 5, ("test", 0): 4}
    world = World(tmp_path_factory.mktemp("world"), counts)
    world.publish()
    return world


@pytest.fixture(scope="session")
def tf() -> Any:
    return pytest.importorskip("tensorflow")
