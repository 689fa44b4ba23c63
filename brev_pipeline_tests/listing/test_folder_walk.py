import os
import socket
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from brev_pipeline.errors import ListingError
from brev_pipeline.listing.folder_walk import FILES
from brev_pipeline.listing.folder_walk import list_files as walk_place
from brev_pipeline.storage import LocalPlace
from brev_pipeline.storage.places import ReadLimits
from brev_pipeline_tests.listing.simulated import keys_of
from brev_pipeline_tests.storage.test_fetch_local import without_root

FOLLOW = "; listing.follow_links: true would follow it"


def walk(root: str, below: str = "", *, follow_links: bool = False) -> pa.Table:
    return walk_place(LocalPlace("photos", root, ReadLimits(follow_links), below))


def refused(table: pa.Table) -> dict[str, tuple[str, str]]:
    """Key → rule and reason of what is refused."""
    rows = table.filter(pc.is_valid(table["rule"])).to_pylist()
    return {row["key"]: (row["rule"], row["reason"]) for row in rows}


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


def test_files_of_all_folders_are_found_in_order(tmp_path: Path) -> None:
    make(tmp_path, "good/b.png", "good/a.png", "bad/x/ü.png", "z.png", "good.png")
    table = walk(str(tmp_path))
    assert table.schema == FILES
    assert keys_of(table) == ["bad/x/ü.png", "good.png", "good/a.png", "good/b.png", "z.png"]
    assert table["size"].to_pylist() == [len(key.encode()) for key in keys_of(table)]


def test_time_of_last_change_is_utc_to_the_microsecond(tmp_path: Path) -> None:
    make(tmp_path, "a.png")
    os.utime(tmp_path / "a.png", ns=(0, 1_543_412_161_923_456_789))
    assert walk(str(tmp_path))["modified"].to_pylist() == [datetime(2018, 11, 28, 13, 36, 1, 923456, UTC)]


def test_a_stamp_is_both_times_to_the_nanosecond_and_the_inode(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "b.png")
    os.utime(tmp_path / "a.png", ns=(0, -1_543_412_161_923_456_789))
    own, other = (os.stat(tmp_path / name) for name in ("a.png", "b.png"))
    assert walk(str(tmp_path))["file_stamp"].to_pylist() == [
        f"-1543412161923456789-{own.st_ctime_ns}-{own.st_ino}",
        f"{other.st_mtime_ns}-{other.st_ctime_ns}-{other.st_ino}",
    ]


def test_hidden_folders_are_not_entered(tmp_path: Path) -> None:
    make(tmp_path, ".hidden.png", ".git/a.png", "good/.tmp/a.png", "good/a.png")
    assert keys_of(walk(str(tmp_path))) == [".git", ".hidden.png", "good/.tmp", "good/a.png"]


def test_a_hidden_root_is_no_reason_to_pass_over_its_files(tmp_path: Path) -> None:
    make(tmp_path, ".samples/good/a.png")
    assert keys_of(walk(str(tmp_path / ".samples"))) == ["good/a.png"]
    assert keys_of(walk(str(tmp_path), ".samples/")) == ["good/a.png"]


def test_links_within_the_dataset_are_followed(tmp_path: Path) -> None:
    make(tmp_path, "root/good/a.png", "root/.kept/b.png")
    (tmp_path / "root/good/link.png").symlink_to("a.png")
    (tmp_path / "root/bad").symlink_to(tmp_path / "root/.kept")
    (tmp_path / "root/more").symlink_to("good")
    found = walk(str(tmp_path / "root"))
    assert keys_of(found) == [".kept", "bad/b.png", "good/a.png", "good/link.png", "more/a.png", "more/link.png"]
    assert refused(found) == {}
    assert found["size"].to_pylist()[1:4] == [len("root/.kept/b.png"), *[len("root/good/a.png")] * 2]


@pytest.mark.parametrize("root", ["root", "link", "up/below"])
def test_links_that_leave_the_dataset_are_told_and_not_followed(tmp_path: Path, root: str) -> None:
    make(tmp_path, "elsewhere/photo.png", "root/good/a.png", "root-2/b.png")
    # The root may be a link itself, or lie below one.
    (tmp_path / "link").symlink_to("root")
    (tmp_path / "up").symlink_to(".")
    (tmp_path / "below").symlink_to("root")
    (tmp_path / "root/good/link.png").symlink_to(tmp_path / "elsewhere/photo.png")
    (tmp_path / "root/good/ü.png").symlink_to("../../root-2/b.png")
    (tmp_path / "root/bad").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root/inner").symlink_to(tmp_path / "link/good")
    found = walk(str(tmp_path / root))
    file, folder = (f"a link to a {kind} outside of the dataset{FOLLOW}" for kind in ("file", "folder"))
    assert refused(found) == {
        "bad": ("link_outside", folder),
        **{f"{inner}/{name}": ("link_outside", file) for inner in ("good", "inner") for name in ("link.png", "ü.png")},
    }
    assert {"good/a.png", "inner/a.png"} < set(keys_of(found))
    assert not any(key.startswith("bad/") for key in keys_of(found))


def test_links_that_leave_the_dataset_are_followed_where_that_is_allowed(tmp_path: Path) -> None:
    make(tmp_path, "elsewhere/photo.png", "root/good/a.png")
    (tmp_path / "root/good/link.png").symlink_to(tmp_path / "elsewhere/photo.png")
    (tmp_path / "root/bad").symlink_to(tmp_path / "elsewhere")
    found = walk(str(tmp_path / "root"), follow_links=True)
    assert keys_of(found) == ["bad/photo.png", "good/a.png", "good/link.png"]
    assert refused(found) == {}


@pytest.mark.parametrize("follow_links", [False, True])
def test_a_link_to_a_folder_above_is_not_followed_for_ever(tmp_path: Path, follow_links: bool) -> None:
    make(tmp_path, "good/a.png")
    (tmp_path / "good/again").symlink_to(tmp_path)
    (tmp_path / "good/self").symlink_to(".")
    assert keys_of(walk(str(tmp_path), follow_links=follow_links)) == ["good/a.png"]


def test_folders_that_all_link_to_each_other_are_an_error(tmp_path: Path) -> None:
    for one in range(12):
        make(tmp_path, f"{one}/a.png")
        for other in range(12):
            (tmp_path / str(one) / f"to_{other}").symlink_to(f"../{other}")
    with pytest.raises(ListingError, match="links lead here on more than 300 ways; remove some of them"):
        walk(str(tmp_path))


def test_a_folder_that_many_link_to_is_listed_for_each(tmp_path: Path) -> None:
    make(tmp_path, "reference/a.png")
    for number in range(1500):
        (tmp_path / f"items/{number}").mkdir(parents=True)
        (tmp_path / f"items/{number}/reference").symlink_to("../../reference")
    assert walk(str(tmp_path)).num_rows == 1501


@pytest.mark.parametrize("follow_links", [False, True])
def test_what_is_no_file_is_refused_whatever_its_name(tmp_path: Path, follow_links: bool) -> None:
    os.mkfifo(tmp_path / "fifo.png")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s.png"))
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "to_fifo.png").symlink_to("fifo.png")
    (tmp_path / "lost.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "1.png").symlink_to("2.png")
    (tmp_path / "2.png").symlink_to("1.png")
    assert refused(walk(str(tmp_path), follow_links=follow_links)) == {
        "1.png": ("not_a_file", "a link that leads in a circle"),
        "2.png": ("not_a_file", "a link that leads in a circle"),
        "fifo.png": ("not_a_file", "a named pipe, no file"),
        "lost.png": ("not_a_file", "a link that leads nowhere"),
        "s.png": ("not_a_file", "a socket, no file"),
        "to_fifo.png": ("not_a_file", "a link to a named pipe, no file"),
        "zero.png": ("not_a_file", "a link to a device, no file"),
    }


def test_a_deep_tree_is_walked(tmp_path: Path) -> None:
    deep = "d/" * 1200
    subprocess.run(["mkdir", "-p", f"{tmp_path}/{deep}"], check=True)
    try:
        (tmp_path / deep / "a.png").write_bytes(b"a")
        assert keys_of(walk(str(tmp_path))) == [f"{deep}a.png"]
    finally:
        subprocess.run(["rm", "-r", f"{tmp_path}/d"], check=True)


def test_an_empty_folder_is_an_empty_table(tmp_path: Path) -> None:
    assert walk(str(tmp_path)).num_rows == 0


def test_a_missing_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ListingError, match="nowhere cannot be listed: there is no such folder"):
        walk(str(tmp_path / "nowhere"))


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    make(tmp_path, "a.png")
    with pytest.raises(ListingError, match="is a file; a dataset is a folder"):
        walk(str(tmp_path / "a.png"))


def test_a_folder_that_may_not_be_entered_is_an_error_not_a_gap(tmp_path: Path) -> None:
    make(tmp_path, "good/a.png", "secret/b.png")
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    (tmp_path / "secret").chmod(0)
    with without_root(), pytest.raises(ListingError, match="secret cannot be listed: permission denied"):
        walk(str(tmp_path))
    (tmp_path / "secret").chmod(0o755)


def test_a_name_that_is_not_utf8_is_an_error_that_shows_it(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9.png", "wb"):
        pass
    with pytest.raises(ListingError, match=r"caf\\xe9\.png' is not UTF-8; rename the file"):
        walk(str(tmp_path))
