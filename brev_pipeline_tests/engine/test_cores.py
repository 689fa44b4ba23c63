"""``auto`` is what the process may use, not what the machine has."""

import os

import pytest

from brev_pipeline.engine import LocalEngine
from brev_pipeline.engine.cores import _container_limit, usable_cores


def test_auto_follows_the_cpu_affinity():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert LocalEngine("auto").workers == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert 1 <= usable_cores() <= len(allowed)


@pytest.mark.parametrize(
    ("text", "cores"),
    [("max 100000\n", None), ("200000 100000\n", 2), ("150000 100000\n", 2), ("5000 100000\n", 1), ("", None)],
)
def test_a_containers_cpu_limit_is_rounded_up(tmp_path, text, cores):
    file = tmp_path / "cpu.max"
    file.write_text(text)
    assert _container_limit(file) == cores


def test_no_limit_where_there_is_no_such_file(tmp_path):
    assert _container_limit(tmp_path / "missing") is None


def test_a_tight_container_limit_wins(monkeypatch):
    monkeypatch.setattr("brev_pipeline.engine.cores._container_limit", lambda: 1)
    assert usable_cores() == 1
