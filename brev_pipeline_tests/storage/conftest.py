"""Servers that the tests of this folder share."""

from collections.abc import Iterator

import pytest

from brev_pipeline.storage import s3 as s3_module
from brev_pipeline_tests.buckets import Server, isolated_credentials, mock_server
from brev_pipeline_tests.storage.odd_server import OddServer


@pytest.fixture(scope="session")
def s3() -> Iterator[Server]:
    with mock_server() as server:
        yield server


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> Iterator[OddServer]:
    # Back-off grows as always, from less.
    monkeypatch.setattr(s3_module, "FIRST_WAIT", 0.02)
    with isolated_credentials(), OddServer() as server:
        yield server
