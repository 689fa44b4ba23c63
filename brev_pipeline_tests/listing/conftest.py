"""The mock server that the tests of this folder share."""

from collections.abc import Iterator

import pytest

from brev_pipeline_tests.buckets import Server, mock_server


@pytest.fixture(scope="session")
def s3() -> Iterator[Server]:
    with mock_server() as server:
        yield server
