import hashlib
import os
from pathlib import Path

import pyarrow as pa
import pytest

from brev_pipeline.listing.checksums import add_checksums, read_checksums
from brev_pipeline.listing.folder_walk import list_files
from brev_pipeline.storage import LocalPlace
from brev_pipeline.storage.places import ReadLimits
from brev_pipeline.texts import TEXT, join_texts
from brev_pipeline_tests.storage.test_fetch_local import without_root


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(b"photo %d" % number)
    return tmp_path


def summed(root: Path, known: pa.Table | None = None) -> pa.Table:
    place = LocalPlace("photos", str(root))
    objects = list_files(place)
    paths = join_texts("photos", objects["key"], by="/")
    return add_checksums(place, objects, paths, known).append_column("path", paths)


def doctored(known: pa.Table) -> pa.Table:
    """With another etag for each file: what is taken from there was not read."""
    return known.set_column(1, "etag", pa.array([f"{number:032x}" for number in range(known.num_rows)], TEXT))


def test_etags_are_the_files_md5s(root: Path) -> None:
    assert summed(root)["etag"].to_pylist() == [md5(b"photo %d" % number) for number in range(5)]


def test_an_unchanged_file_is_not_read_again(root: Path) -> None:
    known = doctored(summed(root))
    assert summed(root, known).equals(known)


@pytest.mark.parametrize("change", ["size", "time", "both", "neither"])
def test_a_changed_file_is_read_again(root: Path, change: str) -> None:
    known = doctored(summed(root))
    before = (root / "2.png").stat().st_mtime_ns
    data = b"photo two" if change in ("size", "both") else b"PHOTO 2"
    (root / "2.png").write_bytes(data)
    os.utime(root / "2.png", ns=(0, before if change in ("size", "neither") else before + 1))
    assert summed(root, known)["etag"].to_pylist() == [md5(data) if n == 2 else f"{n:032x}" for n in range(5)]


def test_files_of_one_size_and_time_that_were_swapped_are_read_again(root: Path) -> None:
    for number in range(5):
        os.utime(root / f"{number}.png", ns=(0, 10**18))
    known = doctored(summed(root))
    for one, other in (("1.png", "t"), ("3.png", "1.png"), ("t", "3.png")):
        (root / one).rename(root / other)
    assert [(root / name).stat().st_mtime_ns for name in ("1.png", "3.png")] == [10**18] * 2
    found = summed(root, known)["etag"].to_pylist()
    assert found == [f"{0:032x}", md5(b"photo 3"), f"{2:032x}", md5(b"photo 1"), f"{4:032x}"]


def test_a_memory_without_stamps_is_silent(root: Path) -> None:
    known = doctored(summed(root))
    assert summed(root, known.drop_columns(["file_stamp"]))["etag"].to_pylist() == summed(root)["etag"].to_pylist()
    nulls = known.set_column(4, "file_stamp", pa.nulls(5, TEXT))
    assert summed(root, nulls)["etag"].to_pylist() == summed(root)["etag"].to_pylist()


def test_size_and_stamp_belong_to_the_bytes_that_were_summed(root: Path) -> None:
    place = LocalPlace("photos", str(root))
    objects = list_files(place)
    (root / "2.png").write_bytes(b"replaced since")
    paths = join_texts("photos", objects["key"], by="/")
    table = add_checksums(place, objects, paths, None)
    assert table["etag"].to_pylist()[2] == md5(b"replaced since")
    assert table.drop_columns(["etag"]).equals(list_files(place).drop_columns(["etag"]))


def test_new_files_are_read_beside_known_ones(root: Path) -> None:
    known = summed(root).slice(1, 2)
    assert summed(root, known).equals(summed(root))


def test_etags_of_another_kind_and_missing_ones_are_not_taken_over(root: Path) -> None:
    known = summed(root)
    other = known.set_column(1, "etag", pa.nulls(5, pa.large_string()))
    assert summed(root, other).equals(known)
    from_s3 = known.set_column(1, "etag", pa.repeat("0" * 32, 5)).append_column("etag_source", pa.repeat("s3", 5))
    assert summed(root, from_s3).equals(known)


def test_a_file_that_cannot_be_read_has_no_etag_and_keeps_its_size(root: Path) -> None:
    (root / "2.png").chmod(0)
    (root / "lost.png").symlink_to(root / "nowhere")
    for folder in (root, *root.parents[:3]):
        folder.chmod(0o755)
    with without_root():
        table = summed(root)
    assert table["etag"].is_null().to_pylist() == [False, False, True, False, False, True]
    assert table["size"].to_pylist()[2] == 7


def test_what_is_no_file_any_more_does_not_block(root: Path) -> None:
    os.mkfifo(root / "pipe.png")
    (root / "zero.png").symlink_to("/dev/zero")
    (root / "outside.png").symlink_to("/etc/hostname")
    with open(root / "giant.png", "wb") as giant:
        giant.truncate(8 << 30)
    names = ["pipe.png", "zero.png", "outside.png", "giant.png", "gone.png", "1.png"]
    sums = read_checksums(LocalPlace("photos", str(root)), names)
    assert [one.md5 for one in sums] == [None] * 5 + [md5(b"photo 1")]


def test_a_file_that_grows_beyond_the_bound_while_it_is_read_is_left(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = LocalPlace("photos", str(root), ReadLimits(max_bytes=10))
    read, asked = os.read, []

    def growing(descriptor: int, most: int) -> bytes:
        asked.append(most)
        with open(root / "1.png", "ab") as file:
            file.write(b"more")
        return read(descriptor, most)

    monkeypatch.setattr(os, "read", growing)
    assert [one.md5 for one in read_checksums(place, ["1.png"])] == [None]
    assert asked == [7]


def test_an_empty_folder_is_no_trouble(tmp_path: Path) -> None:
    assert summed(tmp_path).num_rows == 0
