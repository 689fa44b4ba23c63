"""A byte that changed since the version was written is never read as if nothing were."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from brev_pipeline import read
from brev_pipeline.errors import BrevPipelineError, ShardError, StoreError
from brev_pipeline.readers import Records
from brev_pipeline_tests.readers.worlds import World


@pytest.fixture
def copy(world: World, tmp_path: Path) -> Path:
    """A version of one's own to damage."""
    shutil.copytree(read(world.store, "train").path, tmp_path / "version")
    return tmp_path / "version"


def shard(copy: Path, number: int = 1) -> Path:
    return sorted(copy.glob("parts-train.tfrecord-*"))[number]


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)


def test_a_flipped_bit_is_found_by_whatever_reads_that_record_and_by_nothing_else(copy: Path) -> None:
    flip(shard(copy), 300)
    records = read(copy, "train")
    assert [i for i in range(len(records)) if not readable(records, i)] == [6]
    with pytest.raises(ShardError, match=f"{shard(copy)} is damaged: the record at byte 0"):
        records[6]
    with pytest.raises(ShardError, match="is damaged: the record at byte 0"):
        records.to_numpy()
    assert len(records.to_numpy(1)[0]) == 20


def test_verify_names_every_file_that_is_not_as_published(copy: Path) -> None:
    read(copy, "train", verify=True)
    flip(shard(copy, 0), 10)
    flip(shard(copy, 2), 400)
    with pytest.raises(StoreError) as caught:
        read(copy, "train", verify=True)
    for number in (0, 2):
        assert f"{shard(copy, number)} is not the file that was published" in str(caught.value)
    # The damage is in another purpose than these records.
    assert len(read(copy, "devel", verify=True)) == 5


@pytest.mark.parametrize("table", ["records", "images"])
def test_a_changed_table_is_found_without_being_asked_for(copy: Path, table: str) -> None:
    with open(copy / f"{table}.parquet", "ab") as file:
        file.write(b"PAR1")
    with pytest.raises(StoreError, match=f"{table}.parquet is not the file that was published"):
        read(copy, "train")[0]


def test_a_missing_shard_is_named(copy: Path) -> None:
    os.unlink(shard(copy, 0))
    with pytest.raises(StoreError, match=f"{shard(copy, 1).name[:-14]}.* cannot be read: No such file"):
        read(copy, "train").to_numpy()
    with pytest.raises(StoreError, match="cannot be read: No such file"):
        read(copy, "train", verify=True)


@pytest.mark.parametrize("left", [0, 5, 2000])
def test_a_shard_that_was_cut_is_found(copy: Path, left: int) -> None:
    os.truncate(shard(copy, 0), left)
    with pytest.raises(BrevPipelineError):
        read(copy, "train").to_numpy()


def test_a_shard_cut_at_a_records_end_is_found_too(copy: Path) -> None:
    records = read(copy, "train")
    end = records.records["offset"][5].as_py()
    os.truncate(shard(copy, 0), end)
    with pytest.raises(BrevPipelineError):
        read(copy, "train").to_numpy()


def test_two_shards_that_were_swapped_are_found(copy: Path) -> None:
    one, other = shard(copy, 0), shard(copy, 1)
    aside = copy / "aside"
    one.rename(aside)
    other.rename(one)
    aside.rename(other)
    with pytest.raises(ShardError, match="is not the one that the record table describes"):
        read(copy, "train").to_numpy()


def test_a_gzip_shard_that_was_damaged_is_found(tmp_path: Path) -> None:
    version = World(tmp_path, shards={"compression": "gzip"}).publish()
    for at in (0, 100, 600):
        flip(shard(Path(version.path), 0), at)
        with pytest.raises(ShardError, match=r"is not a whole gzip file|is damaged"):
            read(version, "train").to_numpy()
        flip(shard(Path(version.path), 0), at)
    assert len(read(version, "train", verify=True).to_numpy()[0]) == 23


def test_every_flipped_bit_of_a_shard_is_found(copy: Path) -> None:
    place, rng = shard(copy, 0), np.random.default_rng(1)
    whole = place.read_bytes()
    table = read(copy, "train").records.slice(0, 6)
    inside = [
        int(rng.integers(row["offset"] + 12, row["offset"] + 12 + row["length"]))
        for row in table.to_pylist()
        for _ in range(10)
    ]
    for at in inside:
        flip(place, at)
        assert not all(readable(read(copy, "train"), i) for i in range(6))
        place.write_bytes(whole)
    assert all(readable(read(copy, "train"), i) for i in range(6))


def readable(records: Records, number: int) -> bool:
    try:
        records[number]
    except ShardError:
        return False
    return True
