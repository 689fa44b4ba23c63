"""Records of an earlier version are copied, byte for byte, wherever the plan asks for them again."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from brev_pipeline.config import ShardSettings
from brev_pipeline.engine import LocalEngine
from brev_pipeline.records import PreviousRecords
from brev_pipeline_tests.records.worlds import Invert, World, build

OLD, NEW = {"good": 40, "bad_cap": 9}, {"good": 41, "bad_cap": 10}


@dataclass(frozen=True)
class Only:
    """Augments the seeds that it may, and fails at all others."""

    seeds: frozenset[int]

    def augment(self, image: np.ndarray, seed: int) -> np.ndarray:
        assert seed in self.seeds, f"made again: {seed}"
        return Invert().augment(image, seed)


@pytest.fixture
def grown(tmp_path: Path) -> tuple[World, World]:
    """A world, and the same with two images more."""
    return build(tmp_path / "old", OLD), build(tmp_path / "new", NEW)


def new_seeds(old: pa.Table, plan: pa.Table) -> frozenset[int]:
    return frozenset(set(plan["seed"].to_pylist()) - set(old["seed"].to_pylist()))


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("encoding", ["png", "jpeg"])
def test_only_new_records_are_made_and_all_bytes_are_those_of_a_run_from_scratch(grown, encoding, compression) -> None:
    before, now = grown
    settings = ShardSettings(records_per_shard=8, encoding=encoding, compression=compression, epochs=2)
    old = before.write(settings)
    fresh = now.write(settings, "fresh")
    made = new_seeds(old, now.plan(settings))
    assert 0 < len(made) < fresh.num_rows / 3
    copied = now.write(
        settings, "copied", augmenter=Only(made), previous=PreviousRecords(before.folder(), old, compression)
    )
    assert copied.equals(fresh)
    assert now.files("copied") == now.files("fresh")


def test_the_compression_may_change_between_versions(grown) -> None:
    before, now = grown
    old = before.write(ShardSettings(records_per_shard=8, compression="gzip"))
    settings = ShardSettings(records_per_shard=5)
    now.write(settings, "fresh")
    made = new_seeds(old, now.plan(settings))
    now.write(settings, "copied", augmenter=Only(made), previous=PreviousRecords(before.folder(), old, "gzip"))
    assert now.files("copied") == now.files("fresh")


@pytest.mark.slow
def test_the_log_says_how_many_were_copied_and_workers_copy_too(grown, caplog) -> None:
    before, now = grown
    settings = ShardSettings(records_per_shard=8)
    old = before.write(settings)
    fresh = now.write(settings, "fresh")
    copies = fresh.num_rows - len(new_seeds(old, fresh))
    with caplog.at_level(logging.INFO, logger="brev_pipeline.records"):
        engine = LocalEngine(workers=2)
        now.write(settings, "copied", previous=PreviousRecords(before.folder(), old, "none"), engine=engine)
    assert f"{copies} of {fresh.num_rows} records copied" in caplog.text
    assert now.files("copied") == now.files("fresh")


@pytest.mark.parametrize("damage", ["a flipped bit", "cut short", "gone"])
def test_a_damaged_record_is_made_again(grown, damage: str) -> None:
    before, now = grown
    settings = ShardSettings(records_per_shard=8)
    old = before.write(settings)
    path = before.root / "out" / old["file"][0].as_py()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.unlink()
    if damage != "gone":
        path.write_bytes(data if damage == "a flipped bit" else data[:-3])
    now.write(settings, "copied", previous=PreviousRecords(before.folder(), old, "none"))
    now.write(settings, "fresh")
    assert now.files("copied") == now.files("fresh")


@pytest.mark.parametrize(("column", "value"), [("item", "another"), ("label", 7), ("path", "elsewhere"), ("epoch", 3)])
def test_a_record_that_says_something_else_is_not_taken(grown, column: str, value: object) -> None:
    before, now = grown
    settings = ShardSettings()
    old = before.write(settings)
    other = pa.repeat(pa.scalar(value, old.schema.field(column).type), old.num_rows)
    changed = old.set_column(old.column_names.index(column), column, other)
    places = PreviousRecords(before.folder(), changed, "none").find_matches(now.plan(settings))
    assert places["file"].null_count == places.num_rows


def test_a_record_with_other_multi_hot_labels_is_made_again(grown) -> None:
    before, now = grown
    settings = ShardSettings()

    def several(world: World, names: list[str]) -> World:
        category = pa.array([[*row, *names] for row in world.split["category"].to_pylist()])
        place = world.split.column_names.index("category")
        return World(world.root, world.split.set_column(place, "category", category), world.prepared)

    old = several(before, ["scratch"]).write(settings)
    same, other = several(now, ["scratch"]), several(now, ["scratch", "stain"])
    earlier = PreviousRecords(before.folder(), old, "none")
    made = new_seeds(old, same.plan(settings))
    same.write(settings, "same", augmenter=Only(made), previous=earlier)
    other.write(settings, "other", previous=earlier)
    other.write(settings, "fresh")
    assert other.files("other") == other.files("fresh") != now.files("same")


def test_an_earlier_version_without_records_is_no_harm(grown) -> None:
    before, now = grown
    old = before.write(ShardSettings())
    empty = old.filter(pc.equal(old["purpose"], "nobody"))
    now.write(ShardSettings(), "copied", previous=PreviousRecords(before.folder(), empty, "none"))
    now.write(ShardSettings(), "fresh")
    assert now.files("copied") == now.files("fresh")
