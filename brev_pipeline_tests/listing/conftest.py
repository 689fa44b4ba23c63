"""The servers that the tests of this folder share."""

from collections.abc import Iterator

import pytest

from brev_pipeline_tests.buckets import Server, mock_server
from brev_pipeline_tests.s3server import ceph

__all__ = ["ceph", "s3"]


@pytest.fixture(scope="session")
def s3() -> Iterator[Server]:
    with mock_server() as server:
        yield server
