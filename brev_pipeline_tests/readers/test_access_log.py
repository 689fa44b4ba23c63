"""Who reads the test set is on record, where the configuration wants it."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from brev_pipeline import read
from brev_pipeline.errors import ReadError, StoreError
from brev_pipeline.readers import AccessLog
from brev_pipeline_tests.readers.worlds import World

COUNTS = {("train", 0): 5, ("test", 0): 4}


@pytest.fixture
def watched(tmp_path: Path) -> World:
    world = World(tmp_path, COUNTS, split={"access_log": ["test"]})
    world.publish()
    return world


def test_a_reading_is_noted_with_who_when_what_and_why(watched: World) -> None:
    records = read(watched.store, "test", why=" release test of model 12 ")
    (entry,) = AccessLog(watched.store).all()
    assert len(records) == 4
    assert (entry.number, entry.version, entry.purpose) == (1, records.version, "test")
    assert (entry.why, entry.parent) == ("release test of model 12", "0" * 64)
    assert entry.read_by
    assert timedelta() <= datetime.now(UTC) - datetime.fromisoformat(entry.read_at) < timedelta(minutes=1)


def test_a_reason_is_demanded(watched: World) -> None:
    for why in (None, "", "  "):
        with pytest.raises(ReadError, match=r"readings of 'test' are logged \(split.access_log\): say why"):
            read(watched.store, "test", why=why)
    assert AccessLog(watched.store).all() == []


def test_other_purposes_and_other_pipelines_are_not_noted(watched: World, tmp_path: Path) -> None:
    read(watched.store, "train")
    free = World(tmp_path / "free", COUNTS)
    free.publish()
    read(free.store, "test", why="no need to say")
    assert AccessLog(watched.store).all() == AccessLog(free.store).all() == []


def test_a_reading_by_the_versions_folder_is_noted_and_one_outside_the_store_refused(
    watched: World, tmp_path: Path
) -> None:
    version = watched.store.newest_version()[1]  # type: ignore[index]
    read(version.path, "test", why="one")
    read(version, "test", why="two")
    assert [entry.why for entry in AccessLog(watched.store).all()] == ["one", "two"]
    shutil.copytree(version.path, tmp_path / "copy")
    with pytest.raises(ReadError, match="lies outside its store"):
        read(tmp_path / "copy", "test", why="three")


def test_two_readers_at_once_are_both_noted(watched: World) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: read(watched.store, "test", why=f"reader {i}"), range(12)))
    entries = AccessLog(watched.store).all()
    assert sorted(entry.why for entry in entries) == sorted(f"reader {i}" for i in range(12))
    assert [entry.number for entry in entries] == list(range(1, 13))


@pytest.mark.parametrize("tamper", ["alter", "remove", "nonsense"])
def test_an_altered_log_is_found(watched: World, tamper: str) -> None:
    for i in range(3):
        read(watched.store, "test", why=f"reader {i}")
    entry = Path(watched.store.folder.file_url("access/00000002.json"))
    if tamper == "remove":
        entry.unlink()
    elif tamper == "alter":
        entry.write_text(json.dumps(json.loads(entry.read_text()) | {"why": "another"}))
    else:
        entry.write_text("?")
    with pytest.raises(StoreError, match=r"0000000[23]\.json"):
        AccessLog(watched.store).all()


def test_a_log_that_cannot_be_written_stops_the_reading(watched: World) -> None:
    # In the way of the folder, for root too.
    Path(watched.store.folder.file_url("access")).write_text("")
    with pytest.raises(StoreError, match="access"):
        read(watched.store, "test", why="x")
