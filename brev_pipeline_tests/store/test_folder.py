"""Files of a store appear whole or not at all, and are never overwritten."""

import os
import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from brev_pipeline.errors import StoreError
from brev_pipeline.store import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(str(tmp_path / "store"))


def test_what_is_written_is_read(folder: Folder) -> None:
    folder.write("a/b/ü %+#.bin", b"0123456789")
    assert folder.read("a/b/ü %+#.bin") == b"0123456789"
    assert folder.read("a/b/ü %+#.bin", 3, 4) == b"3456"
    assert folder.file_size("a/b/ü %+#.bin") == 10
    assert list(folder.walk()) == ["a/b/ü %+#.bin"]
    assert folder.list_names() == ["a"]


def test_a_name_stands_for_its_content_and_is_never_overwritten(folder: Folder) -> None:
    folder.write("a", b"first")
    folder.write("a", b"second")
    assert folder.read("a") == b"first"


def test_of_many_creators_exactly_one_succeeds(folder: Folder) -> None:
    won: list[int] = []

    def create(number: int) -> None:
        if folder.create_file("entry", str(number).encode(), exist_ok=True):
            won.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert folder.read("entry") == str(won[0]).encode()
    assert len(won) == 1


def test_a_second_creator_is_told(folder: Folder) -> None:
    folder.create_file("entry", b"1")
    with pytest.raises(FileExistsError):
        folder.create_file("entry", b"2")


def test_a_missing_or_shortened_file_is_an_error_that_names_it(folder: Folder) -> None:
    with pytest.raises(StoreError, match=r"nothing cannot be read: No such file.*removed, or never written"):
        folder.read("nothing")
    folder.write("short", b"123")
    with pytest.raises(StoreError, match=r"short was cut short: 5 bytes at 0 were recorded, 3 are there"):
        folder.read("short", 0, 5)


def test_a_folder_that_is_not_there_is_empty(folder: Folder) -> None:
    assert folder.list_names() == []
    assert list(folder.walk()) == []
    assert not folder.exists("a")


def test_a_link_is_a_second_name_for_the_same_bytes(folder: Folder) -> None:
    (folder / "one").write("a", b"x")
    (folder / "one").link_file("a", folder / "two", "b")
    (folder / "one").link_file("a", folder / "two", "b")
    (folder / "one").remove("a")
    assert (folder / "two").read("b") == b"x"


def test_a_store_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match="cannot be written: Not a directory"):
        Folder(str(tmp_path / "file")).write("a", b"")
    with pytest.raises(StoreError, match="cannot be written"):
        Folder("/proc/no-such-place").write("a", b"")


def test_a_writer_killed_in_the_middle_leaves_no_half_file(folder: Folder) -> None:
    code = f"""
from brev_pipeline.store import Folder
number = 0
while True:
    Folder({folder.url!r}).write(str(number), b"x" * 1_000_000)
    print(number, flush=True)
    number += 1
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for _ in range(3):
        child.stdout.readline()
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert {folder.file_size(name) for name in folder.list_names()} == {1_000_000}
    assert len(folder.list_names()) >= 3


def test_a_folder_travels_to_workers_without_its_connection(folder: Folder) -> None:
    assert pickle.loads(pickle.dumps(folder)) == folder
