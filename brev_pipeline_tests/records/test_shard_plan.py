import random
from collections import Counter
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brev_pipeline.config import ShardSettings
from brev_pipeline.errors import ShardError
from brev_pipeline.records import SHARD_PLAN, plan_shards, shard_name
from brev_pipeline_tests.records.worlds import build


def draws_of(sizes: dict[tuple[str, int], int], category: list[str] | None = None) -> pa.Table:
    """Draws of each (purpose, epoch), with made-up seeds."""
    keys = [(*key, i) for key, size in sizes.items() for i in range(size)]
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "purpose": pa.array([purpose for purpose, _, _ in keys], pa.large_string()),
            "epoch": pa.array([epoch for _, epoch, _ in keys], pa.int32()),
            "path": pa.array([f"bucket/{i}.bmp" for _, _, i in keys], pa.large_string()),
            "content_id": pa.array([f"{i:032x}" for _, _, i in keys], pa.large_string()),
            "item": pa.array([str(i) for _, _, i in keys], pa.large_string()),
            "category": pa.array([category or ["a"] for _ in keys], pa.list_(pa.large_string())),
            "group": pa.array(["a" for _ in keys], pa.large_string()),
            "ordinal": pa.array([0 for _ in keys], pa.int32()),
            "seed": pa.array(rng.integers(0, 2**64, len(keys), dtype=np.uint64)),
            "augmented": pa.array([True for _ in keys], pa.bool_()),
        }
    )


def prepared_of(draws: pa.Table) -> pa.Table:
    contents = draws["content_id"].unique()
    return pa.table({"content_id": contents, "status": ["ok"] * len(contents), "file": ["f"] * len(contents)})


def planned(draws: pa.Table, most: int = 10, names: tuple[str, ...] = ("a", "b")) -> pa.Table:
    plan = plan_shards(draws, prepared_of(draws), ShardSettings(records_per_shard=most), class_names=names)
    assert plan.schema.equals(SHARD_PLAN)
    return plan


sizes = st.dictionaries(
    st.tuples(st.sampled_from(["train", "devel"]), st.integers(0, 2)), st.just(1), min_size=1, max_size=6
).flatmap(lambda keys: st.tuples(st.just(keys), st.integers(1, 60), st.integers(1, 60)))


@given(sizes, st.integers(1, 25))
@settings(max_examples=100, deadline=None)
def test_every_draw_has_one_place_and_shards_are_of_equal_size(world: tuple, most: int) -> None:
    keys, train, devel = world
    draws = draws_of({key: train if key[0] == "train" else devel for key in keys})
    plan = planned(draws, most)
    assert sorted(plan["seed"].to_pylist()) == sorted(draws["seed"].to_pylist())
    rows = plan.to_pylist()
    assert rows == sorted(rows, key=lambda row: (row["purpose"], row["shard"], row["position"]))
    for _, group in groupby(rows, key=lambda row: row["purpose"]):
        shards = [list(records) for _, records in groupby(group, key=lambda row: row["shard"])]
        assert [shard[0]["shard"] for shard in shards] == list(range(len(shards)))
        assert all([row["position"] for row in shard] == list(range(len(shard))) for shard in shards)
        assert max(map(len, shards)) <= most
        assert max(map(len, shards)) - min(map(len, shards)) <= 1
        assert all(len({row["epoch"] for row in shard}) == 1 for shard in shards)
        epochs = [shard[0]["epoch"] for shard in shards]
        assert epochs == sorted(epochs)


@given(st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_the_order_of_the_draws_changes_nothing(rng: random.Random) -> None:
    draws = draws_of({("train", 0): 30, ("train", 1): 30, ("devel", 0): 7})
    shuffled = draws.take(rng.sample(range(draws.num_rows), draws.num_rows))
    assert planned(shuffled).equals(planned(draws))


def test_records_are_mixed_over_the_shards() -> None:
    plan = planned(draws_of({("train", 0): 4000}), 1000)
    first = [int(item) < 1000 for item in plan["item"].to_pylist()]
    per_shard = [sum(first[i : i + 1000]) for i in range(0, 4000, 1000)]
    assert all(190 < count < 310 for count in per_shard)


def test_a_label_is_the_class_of_the_first_category() -> None:
    plan = planned(draws_of({("train", 0): 3}, ["b"]))
    assert plan["label"].to_pylist() == [1, 1, 1]
    assert plan["multi_hot"].null_count == 3


def test_several_categories_give_every_record_a_multi_hot_vector() -> None:
    draws = pa.concat_tables([draws_of({("train", 0): 1}, ["c", "a"]), draws_of({("devel", 0): 1}, ["b"])])
    plan = planned(draws, names=("a", "b", "c"))
    assert plan["label"].to_pylist() == [1, 2]
    assert plan["multi_hot"].to_pylist() == [[0, 1, 0], [1, 0, 1]]


def test_a_class_without_images_keeps_its_place_in_labels_and_vectors() -> None:
    draws = pa.concat_tables([draws_of({("train", 0): 1}, ["c", "a"]), draws_of({("devel", 0): 1}, ["c"])])
    plan = planned(draws, names=("gone", "c", "a"))
    assert plan["label"].to_pylist() == [1, 1]
    assert plan["multi_hot"].to_pylist() == [[0, 1, 0], [0, 1, 1]]


def test_names_are_compared_in_the_composed_form() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    plan = planned(draws_of({("train", 0): 1}, [composed]), names=("a", decomposed))
    assert plan["label"].to_pylist() == [1]


def test_shards_are_named_as_tfds_expects() -> None:
    assert shard_name("demo", "train", 3, 16) == "demo-train.tfrecord-00003-of-00016"


def test_a_draw_without_prepared_pixels_is_refused() -> None:
    draws = draws_of({("train", 0): 5})
    prepared = prepared_of(draws)
    for bad in (prepared.slice(1), prepared.set_column(1, "status", pa.array(["corrupt"] + ["ok"] * 4))):
        with pytest.raises(ShardError, match=r"1 drawn images have no prepared pixels, the first: bucket/0\.bmp"):
            plan_shards(draws, bad, ShardSettings(), class_names=["a"])


def with_categories(categories: list[list[str]]) -> pa.Table:
    draws = draws_of({("train", 0): len(categories)}).drop_columns(["category"])
    return draws.append_column("category", pa.array(categories, pa.list_(pa.large_string())))


def test_categories_that_have_no_label_are_refused() -> None:
    with pytest.raises(ShardError, match=r"the categories \['z'\] are not among"):
        planned(with_categories([["z"], ["z"]]))


@pytest.mark.parametrize("categories", [[[]], [[], []], [[], ["a"], []], [["a"], ["a"], []]])
def test_an_image_without_a_class_has_the_label_minus_one(categories: list[list[str]]) -> None:
    draws = with_categories(categories)
    wanted = {path: 0 if names else -1 for path, names in zip(draws["path"].to_pylist(), categories, strict=True)}
    plan = planned(draws)
    assert dict(zip(plan["path"].to_pylist(), plan["label"].to_pylist(), strict=True)) == wanted
    assert plan["multi_hot"].null_count == len(categories)


def test_of_several_categories_an_image_without_one_has_none() -> None:
    draws = with_categories([[], ["a", "b"]])
    plan = {row["path"]: row for row in planned(draws).to_pylist()}
    one, other = draws["path"].to_pylist()
    assert (plan[one]["label"], plan[one]["multi_hot"]) == (-1, [0, 0])
    assert (plan[other]["label"], plan[other]["multi_hot"]) == (0, [1, 1])


def test_a_plan_of_nothing_is_empty() -> None:
    assert planned(draws_of({})).num_rows == 0


@pytest.mark.slow
def test_a_million_draws_take_seconds() -> None:
    draws = draws_of({("train", 0): 300_000, ("train", 1): 300_000})
    plan = planned(draws, 1000)
    assert Counter(plan["shard"].to_pylist()) == Counter(dict.fromkeys(range(600), 1000))


@pytest.mark.parametrize(("encoding", "quality"), [("raw", 95), ("png", 95), ("jpeg", 95), ("jpeg", 60)])
def test_shards_come_out_near_the_wanted_size(tmp_path: Path, encoding: str, quality: int) -> None:
    world = build(tmp_path, {"good": 60, "bad_cap": 20}, shape=(64, 48, 3))
    wanted = 64 * 48 * 3 * 12 * {"raw": 1.0, "png": 0.6, "jpeg": 0.15 if quality > 90 else 0.07}[encoding] / 1e6
    settings = ShardSettings(encoding=encoding, jpeg_quality=quality, target_shard_mb=wanted)
    table = world.write(settings, augmenter=None)
    sizes = {name: len(data) / 1e6 for name, data in world.files().items() if "train" in name}
    assert len(sizes) > 2
    if encoding == "raw":
        assert all(0.8 * wanted < size <= wanted for size in sizes.values())
    assert table.num_rows == 85


def test_a_shard_smaller_than_a_record_holds_one(tmp_path: Path) -> None:
    world = build(tmp_path, {"good": 3}, devel=1)
    assert len(set(world.write(ShardSettings(target_shard_mb=1e-6))["file"].to_pylist())) == 4


def test_records_and_megabytes_per_shard_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="records_per_shard or target_shard_mb, not both"):
        ShardSettings(records_per_shard=4, target_shard_mb=1)
