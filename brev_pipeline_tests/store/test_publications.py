"""The log of publications cannot be altered unnoticed, and of two publishers one is told."""

import json
from pathlib import Path

import pytest

from brev_pipeline.errors import StoreError
from brev_pipeline.store import Folder, Publications


@pytest.fixture
def log(tmp_path: Path) -> Publications:
    return Publications(Folder(str(tmp_path)))


def publish(log: Publications, *versions: str) -> None:
    for version in versions:
        log.append_publication(version, run_id=f"run of {version}", manifest_sha256="ab" * 32, after=log.read_newest())


def test_publications_follow_each_other(log: Publications) -> None:
    assert log.read_newest() is None
    assert log.read_all() == []
    publish(log, "a", "b", "a")
    entries = log.read_all()
    assert [(entry.number, entry.version) for entry in entries] == [(1, "a"), (2, "b"), (3, "a")]
    assert [entry.parent for entry in entries[1:]] == [entry.sha256 for entry in entries[:-1]]
    assert log.read_newest() == entries[-1]
    assert entries[0].run_id == "run of a"
    assert entries[0].published_at.endswith("+00:00")


def test_of_two_publishers_the_second_is_told_and_nothing_is_lost(log: Publications) -> None:
    publish(log, "a")
    seen_by_both = log.read_newest()
    log.append_publication("b", run_id="1", manifest_sha256="", after=seen_by_both)
    with pytest.raises(StoreError, match="another run published while this one worked"):
        log.append_publication("c", run_id="2", manifest_sha256="", after=seen_by_both)
    assert [entry.version for entry in log.read_all()] == ["a", "b"]


def test_an_altered_entry_breaks_the_chain(log: Publications, tmp_path: Path) -> None:
    publish(log, "a", "b", "c")
    file = tmp_path / "00000002.json"
    file.write_text(file.read_text().replace('"b"', '"x"'))
    with pytest.raises(StoreError, match=r"00000003\.json: does not continue the chain"):
        log.read_all()


def test_a_removed_entry_breaks_the_chain(log: Publications, tmp_path: Path) -> None:
    publish(log, "a", "b", "c")
    (tmp_path / "00000002.json").unlink()
    with pytest.raises(StoreError, match="publication 2 was expected"):
        log.read_all()


def test_exchanged_entries_break_the_chain(log: Publications, tmp_path: Path) -> None:
    publish(log, "a", "b", "c")
    two, three = tmp_path / "00000002.json", tmp_path / "00000003.json"
    two_text, three_text = two.read_text(), three.read_text()
    two.write_text(three_text)
    three.write_text(two_text)
    with pytest.raises(StoreError, match="publication 2 was expected"):
        log.read_all()


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"number": 1})])
def test_a_file_that_is_no_publication_is_named(log: Publications, tmp_path: Path, text: str) -> None:
    (tmp_path / "00000001.json").write_text(text)
    with pytest.raises(StoreError, match=r"00000001\.json: not a publication"):
        log.read_newest()
