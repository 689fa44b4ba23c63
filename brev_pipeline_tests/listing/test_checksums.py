import hashlib
import os
from pathlib import Path

import pyarrow as pa
import pytest

from brev_pipeline.listing.checksums import checksums, read_sums
from brev_pipeline.listing.walk import walk
from brev_pipeline.texts import joined
from brev_pipeline_tests.source.test_fetch_local import without_root


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(b"photo %d" % number)
    return tmp_path


def summed(root: Path, known: pa.Table | None = None) -> pa.Table:
    objects = walk(str(root))
    paths = joined("photos", objects["key"], by="/")
    return checksums(str(root), objects, paths, known).append_column("path", paths)


def test_etags_are_the_files_md5s(root: Path) -> None:
    assert summed(root)["etag"].to_pylist() == [md5(b"photo %d" % number) for number in range(5)]


def test_an_unchanged_file_is_not_read_again(root: Path) -> None:
    known = summed(root)
    before = (root / "2.png").stat()
    (root / "2.png").write_bytes(b"PHOTO 2")
    os.utime(root / "2.png", ns=(before.st_atime_ns, before.st_mtime_ns))
    # Only a file of which all three are the same is taken as read: this one deceives on purpose.
    assert summed(root, known)["etag"].to_pylist() == known["etag"].to_pylist()


@pytest.mark.parametrize("change", ["size", "time", "both"])
def test_a_changed_file_is_read_again(root: Path, change: str) -> None:
    known = summed(root)
    before = (root / "2.png").stat().st_mtime_ns
    data = b"photo two" if change in ("size", "both") else b"PHOTO 2"
    (root / "2.png").write_bytes(data)
    os.utime(root / "2.png", ns=(0, before if change == "size" else before + 1000))
    assert summed(root, known)["etag"].to_pylist()[2] == md5(data)
    assert summed(root, known)["etag"].to_pylist()[3] == md5(b"photo 3")


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


def test_a_pipe_does_not_block(root: Path) -> None:
    os.mkfifo(root / "pipe.png")
    assert read_sums([str(root / "pipe.png")])[0].md5 is None


def test_an_empty_folder_is_no_trouble(tmp_path: Path) -> None:
    assert summed(tmp_path).num_rows == 0
