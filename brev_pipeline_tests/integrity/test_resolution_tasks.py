"""Bytes are read on workers where they are many, and the answers are the same."""

import numpy as np
import pytest

from brev_pipeline.engine import LocalEngine
from brev_pipeline.integrity import check_integrity, checksum_resolution
from brev_pipeline.integrity.checksum_resolution import resolve_by_bytes, resolve_by_headers
from brev_pipeline_tests.integrity.listings import Memory, MemoryWithHeads, listing, md5

COUNT = 60
DATA = {f"s3://b/{number:02}.png": b"x" * (number % 7 + 1) for number in range(0, COUNT, 2)}


def rows(size=1):
    return listing(*({"key": f"{number:02}.png", "etag_source": "none", "size": size} for number in range(COUNT)))


def asked(table):
    return table.select(checksum_resolution.OBJECT_COLUMNS)


def expected():
    return [md5(DATA[path]) if path in DATA else None for path in rows()["path"].to_pylist()]


def told(table):
    found = zip(table["content_id"].to_pylist(), table["content_source"].to_pylist(), strict=True)
    return [None if source == "unreadable" else content for content, source in found]


def test_few_bytes_are_read_by_this_process():
    source = Memory(DATA)
    assert told(resolve_by_bytes(asked(rows()), source, LocalEngine(2))) == expected()
    assert len(source.read) == COUNT


def test_many_bytes_are_read_by_workers_with_the_same_answers_in_order(monkeypatch):
    monkeypatch.setattr(checksum_resolution, "_TASK_ROWS", 7)
    source = Memory(DATA)
    table = rows(size=checksum_resolution._MANY_BYTES // COUNT + 1)
    assert told(resolve_by_bytes(asked(table), source, LocalEngine(2))) == expected()
    assert source.read == []
    assert check_integrity(table, fetch=source, engine=LocalEngine(2)).equals(check_integrity(table, fetch=source))


def test_headers_are_asked_for_some_at_a_time_and_by_workers_with_the_same_answers(monkeypatch):
    table = listing(*({"key": f"{number}.png", "etag": f"{number:032x}"} for number in range(10)))
    whole = resolve_by_headers(asked(table), MemoryWithHeads())
    monkeypatch.setattr(checksum_resolution, "_HEADERS_AT_ONCE", 3)
    monkeypatch.setattr(checksum_resolution, "_MANY_HEADERS", 5)
    assert resolve_by_headers(asked(table), MemoryWithHeads()).to_pylist() == whole.to_pylist()
    source = MemoryWithHeads()
    assert resolve_by_headers(asked(table), source, LocalEngine(2)).to_pylist() == whole.to_pylist()
    assert source.asked == []


@pytest.mark.parametrize(
    ("sizes", "cuts"),
    [
        ([1] * 5, [0, 3]),
        ([10, 10, 1], [0, 1, 2]),
        ([25, 25], [0, 1]),
        ([5, 5, 5], [0, 2]),
        ([1], [0]),
    ],
)
def test_a_task_holds_so_many_rows_and_bytes_at_most_and_one_row_at_least(monkeypatch, sizes, cuts):
    monkeypatch.setattr(checksum_resolution, "_TASK_ROWS", 3)
    monkeypatch.setattr(checksum_resolution, "_TASK_BYTES", 10)
    assert checksum_resolution._cut_tasks(np.array(sizes)) == cuts
