"""A file is hashed whole once while it stays the same, and again as soon as it does not."""

import os
import time
from pathlib import Path

import pyarrow as pa
import pytest

from brev_pipeline.errors import StoreError
from brev_pipeline.store import Folder, StoredTable, parquet
from brev_pipeline.store.hashed_files import FileCache, hashed_name, is_settled
from brev_pipeline.store.parquet import to_parquet

TABLE = pa.table({"path": ["a/1.png", "b/2.png"], "size": [1, 2]})


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was hashed whole."""
    found: list[object] = []
    for name in ("open_file_sha256", "file_sha256"):
        original = getattr(parquet, name)
        monkeypatch.setattr(parquet, name, lambda *a, original=original: found.append(a) or original(*a))
    return found


def put(folder: Folder) -> str:
    data = to_parquet(TABLE)
    name = hashed_name("one", data)
    folder.write(name, data)
    return name


def settled(file: Path) -> Path:
    while not is_settled(file.stat().st_ctime_ns):
        time.sleep(0.01)
    return file


def test_a_file_is_hashed_once_in_a_process(tmp_path: Path, hashed: list[object]) -> None:
    folder = Folder(str(tmp_path))
    name = put(folder)
    settled(tmp_path / name)
    for _ in range(3):
        stored = StoredTable(folder, name, verified=True)
        assert stored.read(["size"]).to_pydict() == {"size": [1, 2]}
        assert stored.names == ["path", "size"]
    assert len(hashed) == 1


def test_a_file_that_was_just_written_is_not_remembered(tmp_path: Path, hashed: list[object]) -> None:
    folder = Folder(str(tmp_path))
    name = put(folder)
    for number in range(2):
        # As if it were written this very moment: the next write might leave it the same times.
        later = time.time_ns() + 10**9
        os.utime(tmp_path / name, ns=(later, later))
        StoredTable(folder, name, verified=True).read([])
        assert len(hashed) == number + 1


@pytest.mark.parametrize("keeps_times", [True, False])
@pytest.mark.parametrize("replaced", [True, False])
def test_a_change_between_two_reads_is_noticed(tmp_path: Path, keeps_times: bool, replaced: bool) -> None:
    folder = Folder(str(tmp_path))
    name = put(folder)
    file = settled(tmp_path / name)
    stored, before = StoredTable(folder, name, verified=True), file.stat()
    stored.read()
    # A whole Parquet file of the same length with other values: no page's checksum tells.
    other = to_parquet(TABLE.set_column(1, "size", pa.array([1, 3])))
    assert len(other) == before.st_size
    if replaced:
        (tmp_path / "other").write_bytes(other)
        (tmp_path / "other").rename(file)
    else:
        file.write_bytes(other)
    if keeps_times:
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    for table in (stored, StoredTable(folder, name, verified=True)):
        with pytest.raises(StoreError, match="damaged: its name carries the SHA-256"):
            table.read()


def test_a_hash_on_record_is_compared_though_the_file_is_remembered(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    name = put(folder)
    settled(tmp_path / name)
    StoredTable(folder, name, verified=True).read()
    with pytest.raises(StoreError, match="its SHA-256 on record is 000"):
        StoredTable(folder, name, sha256="0" * 64).read()


@pytest.mark.parametrize("small", [True, False])
def test_an_object_is_fetched_whole_once_and_again_when_it_is_another(
    s3_folder: Folder, monkeypatch: pytest.MonkeyPatch, hashed: list[object], small: bool
) -> None:
    if not small:
        monkeypatch.setattr(parquet, "SMALL", 1)
    name, reads = put(s3_folder), []
    read = Folder.read
    monkeypatch.setattr(Folder, "read", lambda self, *a: reads.append(a) or read(self, *a))
    for _ in range(3):
        assert (
            StoredTable(s3_folder, name, verified=True)
            .read()
            .equals(
                StoredTable(s3_folder, name).read() if not small else StoredTable(s3_folder, name, verified=True).read()
            )
        )
    assert len(reads) == 1
    assert len(hashed) == (0 if small else 1)
    s3_folder.remove(name)
    s3_folder.create_file(name, to_parquet(TABLE.set_column(1, "size", pa.array([1, 3]))))
    with pytest.raises(StoreError, match="damaged: its name carries the SHA-256"):
        StoredTable(s3_folder, name, verified=True).read()


def test_the_cache_is_bounded_and_lets_go_what_was_not_asked_for_longest() -> None:
    cache: FileCache[str] = FileCache(10)
    for number in range(4):
        cache.put(f"{number}", (number,), "x", 3)
        assert cache.get("0", (0,)) == "x"
    assert [cache.get(f"{number}", (number,)) for number in range(4)] == ["x", None, "x", "x"]
    cache.put("0", (0,), "y", 4)
    assert cache.get("0", (0,)) == "y"
    assert cache.get("0", (1,)) is None
    cache.put("large", (0,), "z", 11)
    cache.put("stateless", None, "z")
    assert cache.get("large", (0,)) is None
    assert cache.get("stateless", None) is None
