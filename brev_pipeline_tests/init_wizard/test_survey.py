"""What lies in a place: all of it, or, where it is too much, some of each folder; and which files are copies."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from brev_pipeline.config import StorageSettings
from brev_pipeline.errors import ListingError
from brev_pipeline.init_wizard import survey_files
from brev_pipeline_tests.buckets import Server, mock_server
from brev_pipeline_tests.pipelines import draw_photos

# The package has a function of the module's name.
MODULE = sys.modules["brev_pipeline.init_wizard.survey"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with mock_server() as server:
        yield server


def test_all_files_are_found_but_hidden_ones(tmp_path: Path) -> None:
    draw_photos(tmp_path, {"good": 3, "bad": 2})
    (tmp_path / "good/notes.txt").write_text("x")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache/0.png").touch()
    (tmp_path / "good/.0.png").touch()
    found = survey_files(str(tmp_path))
    assert found.images == sorted(
        f"{name}/{item}_{shot}.png"
        for name, items in (("good", 3), ("bad", 2))
        for item in range(items)
        for shot in (0, 1)
    )
    assert found.others == ["good/notes.txt"]
    assert found.is_complete
    assert found.read_head("good/notes.txt") == b"x"
    assert found.read_head("good/none.txt") == b""


def test_only_what_may_be_a_copy_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, data in {"a/1.png": b"same", "b/2.png": b"same", "b/3.png": b"othr", "c/4.png": b"longer"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    found = survey_files(str(tmp_path))
    same, other = (hashlib.md5(data, usedforsecurity=False).hexdigest() for data in (b"same", b"othr"))
    assert found.hash_images(found.images) == {"a/1.png": same, "b/2.png": same, "b/3.png": other}
    # Many small files take their time too: three are opened here.
    monkeypatch.setattr(MODULE, "_MAX_HASHED", 3 * 16384 - 1)
    assert found.hash_images(found.images) is None


def test_of_a_place_with_too_much_each_folder_gives_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_photos(tmp_path, {"good": 30, "bad": 30})
    monkeypatch.setattr(MODULE, "MAX_OBJECTS", 100)
    monkeypatch.setattr(MODULE, "_PER_FOLDER", 7)
    found = survey_files(str(tmp_path))
    assert not found.is_complete
    assert [path.partition("/")[0] for path in found.images] == ["bad"] * 7 + ["good"] * 7


def test_links_are_followed_as_a_run_follows_them(tmp_path: Path) -> None:
    draw_photos(tmp_path / "set", {"good": 2})
    draw_photos(tmp_path / "away", {"bad": 1})
    (tmp_path / "set/again").symlink_to("good")
    (tmp_path / "set/good/in.png").symlink_to("0_0.png")
    (tmp_path / "set/good/out.png").symlink_to(tmp_path / "away/bad/0_0.png")
    found = survey_files(str(tmp_path / "set"))
    names = ["0_0.png", "0_1.png", "1_0.png", "1_1.png", "in.png"]
    assert found.images == [f"{folder}/{name}" for folder in ("again", "good") for name in names]
    ((reason, count),) = found.refused.items()
    assert count == 2
    assert "outside of the dataset; listing.follow_links: true would follow it" in reason


def test_a_list_is_read_to_its_end_and_one_that_is_too_long_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"photo_{number:06}" for number in range(60_000)]
    (tmp_path / "train.txt").write_bytes(("\ufeff" + "\r\n".join(names) + "\r\n\r\n").encode())
    (tmp_path / "0.png").touch()
    found = survey_files(str(tmp_path))
    assert (tmp_path / "train.txt").stat().st_size > 3 << 18
    assert found.read_lines("train.txt") == (names, True)
    monkeypatch.setattr(MODULE, "_MAX_LIST_BYTES", 100)
    lines, whole = found.read_lines("train.txt")
    assert (lines, whole) == (names[:6], False)


def test_a_place_that_is_none_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ListingError, match="is a file, not a folder"):
        survey_files(str(tmp_path / "file"))
    with pytest.raises(ListingError, match="does not exist"):
        survey_files("nowhere", base=tmp_path)


def test_a_bucket_is_listed_whole_and_its_copies_are_known_unread(server: Server) -> None:
    name = server.bucket(
        {"line/ok/1.png": b"a", "line/ok/2.png": b"a", "line/masks/.x/1.png": b"c", "line/l.csv": b"1,2", "x.png": b""}
    )
    found = survey_files(f"s3://{name}/line", StorageSettings(endpoint_url=server.endpoint))
    assert (found.images, found.others, found.is_complete) == (["ok/1.png", "ok/2.png"], ["l.csv"], True)
    same = hashlib.md5(b"a", usedforsecurity=False).hexdigest()
    assert found.hash_images(found.images) == {"ok/1.png": same, "ok/2.png": same}
    assert found.read_head("l.csv") == b"1,2"
    assert found.read_head("none.csv") == b""


def test_of_a_bucket_with_too_much_each_folder_gives_some(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    name = server.bucket({f"{folder}/{number}.png": b"" for folder in ("ok", "nok") for number in range(10)})
    monkeypatch.setattr(MODULE, "MAX_OBJECTS", 0)
    monkeypatch.setattr(MODULE, "_PER_FOLDER", 4)
    found = survey_files(f"s3://{name}", StorageSettings(endpoint_url=server.endpoint))
    assert not found.is_complete
    assert [path.partition("/")[0] for path in found.images] == ["nok"] * 4 + ["ok"] * 4
