import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from brev_pipeline.errors import ListingError
from brev_pipeline.listing.pages import OBJECTS
from brev_pipeline.listing.walk import walk
from brev_pipeline_tests.listing.simulated import keys_of
from brev_pipeline_tests.source.test_fetch_local import without_root


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


def test_files_of_all_folders_are_found_in_order(tmp_path: Path) -> None:
    make(tmp_path, "good/b.png", "good/a.png", "bad/x/ü.png", "z.png", "good.png")
    table = walk(str(tmp_path))
    assert table.schema == OBJECTS
    assert keys_of(table) == ["bad/x/ü.png", "good.png", "good/a.png", "good/b.png", "z.png"]
    assert table["size"].to_pylist() == [len(key.encode()) for key in keys_of(table)]


def test_time_of_last_change_is_utc_to_the_microsecond(tmp_path: Path) -> None:
    make(tmp_path, "a.png")
    os.utime(tmp_path / "a.png", ns=(0, 1_543_412_161_923_456_789))
    assert walk(str(tmp_path))["modified"].to_pylist() == [datetime(2018, 11, 28, 13, 36, 1, 923456, UTC)]


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    make(tmp_path, ".hidden.png", ".git/a.png", "good/.tmp/a.png", "good/a.png")
    assert keys_of(walk(str(tmp_path))) == ["good/a.png"]


def test_a_hidden_root_is_no_reason_to_pass_over_its_files(tmp_path: Path) -> None:
    make(tmp_path, ".samples/good/a.png")
    assert keys_of(walk(str(tmp_path / ".samples"))) == ["good/a.png"]


def test_links_to_files_and_folders_are_followed(tmp_path: Path) -> None:
    make(tmp_path, "elsewhere/photo.png", "root/good/a.png")
    (tmp_path / "root/good/link.png").symlink_to(tmp_path / "elsewhere/photo.png")
    (tmp_path / "root/bad").symlink_to(tmp_path / "elsewhere")
    assert keys_of(walk(str(tmp_path / "root"))) == ["bad/photo.png", "good/a.png", "good/link.png"]


def test_a_link_to_a_folder_above_is_not_followed_for_ever(tmp_path: Path) -> None:
    make(tmp_path, "good/a.png")
    (tmp_path / "good/again").symlink_to(tmp_path)
    assert keys_of(walk(str(tmp_path))) == ["good/a.png"]


def test_a_link_that_leads_nowhere_is_listed_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "lost.png").symlink_to(tmp_path / "nowhere")
    assert keys_of(walk(str(tmp_path))) == ["lost.png"]


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
