"""The memory of identities gives back the newest that was found out, and grows only when there is news."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from brev_pipeline.store import Folder
from brev_pipeline.store.hashed_files import is_settled
from brev_pipeline.store.identity_cache import COLUMNS, IdentityCache
from brev_pipeline.tables import SAMPLE_INTEGRITY


@pytest.fixture
def memory(tmp_path: Path) -> IdentityCache:
    return IdentityCache(Folder(str(tmp_path)))


def integrity(*paths: str) -> pa.Table:
    known = {"size": 1, "modified": datetime(2026, 1, 1, tzinfo=UTC), "copies": 1, "label_conflict": False}
    rows = [dict.fromkeys(SAMPLE_INTEGRITY.names, "x") | known | {"path": path, "category": ["a"]} for path in paths]
    return pa.Table.from_pylist(rows, schema=SAMPLE_INTEGRITY)


def test_nothing_is_remembered_at_first(memory: IdentityCache) -> None:
    assert memory.load_newest() is None


def test_the_newest_is_recalled(memory: IdentityCache) -> None:
    assert memory.save_identities(integrity("a"), "run-1")
    assert memory.save_identities(integrity("a", "b"), "run-2")
    recalled = memory.load_newest()
    assert recalled is not None
    assert recalled.column_names == COLUMNS
    assert recalled["path"].to_pylist() == ["a", "b"]


def test_the_same_again_is_no_news(memory: IdentityCache) -> None:
    memory.save_identities(integrity("a"), "run-1")
    assert not memory.save_identities(integrity("a"), "run-2")
    assert len(memory.folder.list_names()) == 1


def test_a_damaged_memory_is_passed_over_and_an_older_one_counts(
    memory: IdentityCache, caplog: pytest.LogCaptureFixture
) -> None:
    memory.save_identities(integrity("a"), "run-1")
    memory.save_identities(integrity("a", "b"), "run-2")
    older, newest = (Path(memory.folder.file_url(name)) for name in memory.folder.list_names())
    data = newest.read_bytes()
    newest.write_bytes(data[:-30] + bytes([data[-30] ^ 1]) + data[-29:])
    recalled = memory.load_newest()
    assert recalled is not None
    assert recalled["path"].to_pylist() == ["a"]
    assert newest.name in caplog.text
    older.write_bytes(b"damaged")
    assert memory.load_newest() is None


def test_a_memory_whose_name_carries_no_hash_is_passed_over(memory: IdentityCache) -> None:
    memory.save_identities(integrity("a"), "run-1")
    (name,) = memory.folder.list_names()
    memory.folder.write("20990101T000000.000000Z-run-2.parquet", memory.folder.read(name))
    before = memory.load_newest()
    memory.folder.remove(name)
    assert before is not None
    assert memory.load_newest() is None


def test_a_damaged_memory_is_written_again(memory: IdentityCache) -> None:
    memory.save_identities(integrity("a"), "run-1")
    (name,) = memory.folder.list_names()
    Path(memory.folder.file_url(name)).write_bytes(b"damaged")
    assert memory.save_identities(integrity("a"), "run-2")
    assert memory.load_newest() is not None


def test_what_is_forgotten_is_not_recalled_whatever_the_clock_says(memory: IdentityCache) -> None:
    memory.save_identities(integrity("a", "b", "c"), "run-1")
    (name,) = memory.folder.list_names()
    later = name.replace(name[:4], "2999", 1)
    memory.folder.write(later, memory.folder.read(name))
    assert memory.drop_paths(["b", "unknown"], "run-2")
    recalled = memory.load_newest()
    assert recalled is not None
    assert recalled["path"].to_pylist() == ["a", "c"]
    assert not memory.drop_paths(["b"], "run-3")
    assert not IdentityCache(memory.folder / "nothing").drop_paths(["b"], "run-3")


def test_what_was_known_before_a_run_can_be_asked_for(memory: IdentityCache) -> None:
    memory.save_identities(integrity("a"), "run-1")
    memory.save_identities(integrity("a", "b"), "run-2")
    before = memory.load_newest(before="run-2")
    assert before is not None
    assert before["path"].to_pylist() == ["a"]
    assert memory.load_newest(before="run-1") is not None


FAR = ["29991231T235959.999999Z", "99991231T235959.999998Z", "99991231T235959.999999Z", "20269999T999999.999999Z"]


@pytest.mark.parametrize("stamp", FAR)
def test_what_is_newest_counts_after_a_stamp_of_any_time(memory: IdentityCache, stamp: str) -> None:
    memory.save_identities(integrity("a", "b", "c", "d"), "run-1")
    (name,) = memory.folder.list_names()
    memory.folder.write(f"{stamp}-run-9-{name[-40:]}", memory.folder.read(name))
    for number, left in enumerate((["a", "b", "c"], ["a", "b"], ["a"])):
        assert memory.drop_paths(["dcb"[number]], f"run-{number + 2}")
        recalled = memory.load_newest()
        assert recalled is not None
        assert recalled["path"].to_pylist() == left
    assert len(memory.folder.list_names()) == 5


def test_a_file_without_a_time_in_its_name_is_none_of_it(memory: IdentityCache) -> None:
    memory.save_identities(integrity("a"), "run-1")
    (name,) = memory.folder.list_names()
    memory.folder.write(f"zzz-{name[-40:]}", memory.folder.read(name))
    assert memory.save_identities(integrity("a", "b"), "run-2")
    recalled = memory.load_newest()
    assert recalled is not None
    assert recalled["path"].to_pylist() == ["a", "b"]
    assert not memory.save_identities(integrity("a", "b"), "run-3")


def test_a_memory_without_news_is_read_once(memory: IdentityCache, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.save_identities(integrity("a"), "run-1")
    (name,) = memory.folder.list_names()
    assert not memory.was_written_by("run-2")
    assert memory.was_written_by("run-1")
    settle(Path(memory.folder.file_url(name)))
    assert memory.load_newest() is not None

    def refuse(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(Folder, "read", refuse)
    monkeypatch.setattr("brev_pipeline.store.parquet.open_file_sha256", refuse)
    assert not memory.save_identities(integrity("a"), "run-2")
    assert memory.folder.list_names() == [name]


def settle(file: Path) -> None:
    """Wait until the next change of a file would show in its times."""
    while not is_settled(file.stat().st_ctime_ns):
        time.sleep(0.01)
