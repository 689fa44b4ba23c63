"""No test of the engine may leave a process behind."""

import pytest

from brev_pipeline_tests.engine.processes import children


@pytest.fixture(autouse=True)
def no_process_is_left():
    before = set(children())
    yield
    assert set(children()) <= before
