"""Names carry the hash of their files: nothing is believed of a file that is not what its name says."""

import hashlib
import random
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from brev_pipeline.errors import StoreError
from brev_pipeline.store import Folder, StoredTable, hashed_files, parquet
from brev_pipeline.store.hashed_files import (
    hash_in_name,
    hashed_name,
    read_verified,
    verify_named_file,
    write_or_repair,
)
from brev_pipeline.store.parquet import from_parquet, to_parquet
from brev_pipeline.texts import NAMES, TEXT

FLIPS = 600


@pytest.fixture(params=["disk", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    return Folder(str(tmp_path)) if request.param == "disk" else request.getfixturevalue("s3_folder")


def table() -> pa.Table:
    """Texts that repeat and that do not, lists, numbers and nulls: every encoding that our tables have."""
    rows = range(400)
    columns = [
        pa.array([f"photos/good/{row}_1.png" for row in rows], TEXT),
        pa.array([["good", "scratch"] if row % 3 else ["bad"] for row in rows], NAMES),
        pa.array([row * 7919 for row in rows], pa.int64()),
        pa.array([None if row % 5 == 0 else row / 7 for row in rows], pa.float64()),
        pa.array(["train" if row % 4 else "test" for row in rows], TEXT),
    ]
    return pa.table(columns, ["path", "category", "size", "mean", "purpose"]).replace_schema_metadata({"made": "of"})


def test_the_name_is_the_hash_of_the_file() -> None:
    digest = hashlib.sha256(b"abc").hexdigest()[:32]
    assert hashed_name("run-1/sample_split.2", b"abc") == f"run-1/sample_split.2.{digest}.parquet"
    assert hashed_name("20260101-run", b"abc", "-") == f"20260101-run-{digest}.parquet"
    for name in (f"{digest}.parquet", f"a/{digest}.parquet", f"a/b.{digest}.parquet", f"a/b-{digest}.parquet"):
        assert hash_in_name(name) == digest
    for name in ("raw_listing.parquet", f"x{digest}.parquet", f"{digest}.tfrecord", f"{digest[1:]}.parquet", digest):
        assert hash_in_name(name) is None


def test_a_file_is_compared_with_its_name_piece_by_piece(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashed_files, "_RANGE", 1000)
    # Longer than what Python reads at a time of a file on the disk (256 KiB), and of what is asked of a server.
    data = to_parquet(table()) + bytes(300 << 10)
    name = hashed_name("table", data)
    folder.write(name, data)
    verify_named_file(folder, name)
    assert read_verified(folder, name) == data
    folder.remove(name)
    folder.write(name, data[:-1] + b"2")
    with pytest.raises(StoreError, match=r"damaged: its name carries the SHA-256 .*restore the file, or run again"):
        verify_named_file(folder, name)
    with pytest.raises(StoreError, match="damaged"):
        read_verified(folder, name)
    folder.write("table.parquet", data)
    with pytest.raises(StoreError, match=r"table\.parquet: its name carries no SHA-256"):
        verify_named_file(folder, "table.parquet")


@pytest.mark.parametrize("small", [1, 16 << 20])
def test_a_verified_table_is_compared_before_anything_of_it_is_read(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, small: int
) -> None:
    monkeypatch.setattr(parquet, "SMALL", small)
    data, other = to_parquet(table()), to_parquet(table().slice(1))
    name = hashed_name("table", data)
    folder.write(name, other)
    assert StoredTable(folder, name).read(["size"]).num_rows == 399
    lying = StoredTable(folder, name, verified=True)
    for ask in (lambda: lying.read(["size"]), lambda: lying.names, lambda: lying.metadata):
        with pytest.raises(StoreError, match="its name carries the SHA-256"):
            ask()
    folder.remove(name)
    folder.write(name, data)
    whole = StoredTable(folder, name, verified=True)
    assert whole.read(["size"]).num_rows == 400
    assert (whole.names[0], whole.metadata) == ("path", {b"made": b"of"})


def test_what_is_not_as_its_name_says_is_replaced_and_what_is_stays(folder: Folder) -> None:
    folder.write("a.parquet", b"damaged")
    write_or_repair(folder, "a.parquet", b"whole")
    assert folder.read("a.parquet") == b"whole"
    write_or_repair(folder, "a.parquet", b"whole")
    assert folder.list_names() == ["a.parquet"]


def damaged(seed: int) -> list[bytes]:
    """Copies of a table's file with one bit changed, or cut short."""
    data, draw = to_parquet(table()), random.Random(seed)
    found = []
    for _ in range(FLIPS):
        place = draw.randrange(len(data) * 8)
        found.append(data[: place // 8] + bytes([data[place // 8] ^ (1 << place % 8)]) + data[place // 8 + 1 :])
    return found + [data[:length] for length in draw.sample(range(len(data)), 60)]


def test_no_damage_passes_a_hashed_name_and_none_is_a_traceback(tmp_path: Path) -> None:
    name = hashed_name("table", to_parquet(table()))
    folder, file = Folder(str(tmp_path)), tmp_path / name
    for data in damaged(1):
        file.write_bytes(data)
        with pytest.raises(StoreError, match=name):
            StoredTable(folder, name, verified=True).read()


def test_without_a_hashed_name_pages_have_checksums_and_no_damage_is_a_traceback(tmp_path: Path) -> None:
    whole, silent, found = table(), 0, 0
    name, folder, file = "table.parquet", Folder(str(tmp_path)), tmp_path / "table.parquet"
    for data in damaged(2):
        file.write_bytes(data)
        for read in (partial(from_parquet, data, name), StoredTable(folder, name).read):
            try:
                silent += not read().equals(whole)
            except StoreError as error:
                assert name in str(error)  # noqa: PT017 (it need not be raised: the footer has no checksum)
                found += 1
    # What is left are statistics and the footer: that is what names are for.
    assert silent < 0.03 * found


def test_a_flipped_bit_of_a_page_is_found_by_its_checksum() -> None:
    draw = random.Random(3)
    data = to_parquet(pa.table({"n": pa.array([draw.getrandbits(60) for _ in range(1000)], pa.int64())}))
    # The middle of the file is one page of numbers that do not compress: without a checksum any of them is as good.
    for place in range(2000, 6000, 37):
        flipped = bytearray(data)
        flipped[place] ^= 16
        with pytest.raises(StoreError, match=r"a table: damaged, .*(CRC|checksum)"):
            from_parquet(bytes(flipped))
