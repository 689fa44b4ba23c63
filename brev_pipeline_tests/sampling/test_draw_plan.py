import random
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brev_pipeline.config import SamplingSettings
from brev_pipeline.errors import SamplingError
from brev_pipeline.sampling import DRAWS, compute_sampling_weights, plan_draws
from brev_pipeline.seeds import seed64
from brev_pipeline_tests.sampling.worlds import counted, split_of, splits

ASKED = SamplingSettings(group_weighing="logx+1", seed=3)


def drawn(split: pa.Table, asked: SamplingSettings = ASKED, epochs: int = 1) -> list[dict]:
    plan = plan_draws(split, compute_sampling_weights(split, asked), asked, epochs=epochs)
    assert plan.schema.equals(DRAWS)
    return plan.to_pylist()


@given(
    splits(), st.integers(1, 4), st.sampled_from(["uniform", "square root", "logx+1"]), st.integers(1, 50) | st.none()
)
@settings(max_examples=60, deadline=None)
def test_draws_are_the_tables_and_devel_comes_once(
    split: pa.Table, epochs: int, weighing: str, cap: int | None
) -> None:
    asked = SamplingSettings(group_weighing=weighing, max_epoch_samples=cap, seed=5)
    table = compute_sampling_weights(split, asked).to_pylist()
    rows = drawn(split, asked, epochs)
    first = Counter((row["purpose"], row["group"]) for row in rows if row["epoch"] == 0)
    assert first == Counter({(row["purpose"], row["group"]): row["draws"] for row in table})
    train = [row for row in table if row["purpose"] == "train"]
    total = sum(row["draws"] for row in train)
    over_all = Counter(row["group"] for row in rows if row["purpose"] == "train")
    assert all(abs(over_all[row["group"]] - epochs * total * row["probability"]) < 1 + 1e-9 for row in train)
    devel = [row for row in rows if row["purpose"] == "devel"]
    wanted = [
        path
        for path, purpose in zip(split["path"].to_pylist(), split["purpose"].to_pylist(), strict=True)
        if purpose == "devel"
    ]
    assert sorted(row["path"] for row in devel) == sorted(wanted)
    assert {(row["epoch"], row["augmented"]) for row in devel} <= {(0, False)}
    assert all(row["augmented"] for row in rows if row["purpose"] == "train")


@given(splits(), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_each_sample_is_drawn_once_before_any_repeats_across_epochs_too(split: pa.Table, epochs: int) -> None:
    times: Counter[str] = Counter()
    folders = dict(zip(split["path"].to_pylist(), split["folder"].to_pylist(), strict=True))
    paths = [
        path
        for path, purpose in zip(split["path"].to_pylist(), split["purpose"].to_pylist(), strict=True)
        if purpose == "train"
    ]
    rows = drawn(split, epochs=epochs)
    for epoch in range(epochs):
        now = Counter(row["path"] for row in rows if row["purpose"] == "train" and row["epoch"] == epoch)
        times.update(now)
        for folder in "abcde":
            for counts in (now, times):
                group = [counts[path] for path in paths if folders[path] == folder]
                assert not group or max(group) - min(group) <= 1


@given(splits(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_plan_does_not_depend_on_the_order_of_the_rows(split: pa.Table, rng: random.Random) -> None:
    shuffled = split.take(rng.sample(range(split.num_rows), split.num_rows))
    assert drawn(shuffled, epochs=2) == drawn(split, epochs=2)


@given(splits())
@settings(max_examples=30, deadline=None)
def test_seeds_follow_the_contract_and_are_distinct(split: pa.Table) -> None:
    rows = drawn(split, epochs=3)
    for row in rows:
        assert row["seed"] == seed64(3, row["epoch"], row["content_id"], row["ordinal"])
    assert len({(row["purpose"], row["seed"]) for row in rows}) == len(rows)
    ordinals: dict[tuple, list[int]] = {}
    for row in rows:
        ordinals.setdefault((row["purpose"], row["epoch"], row["content_id"]), []).append(row["ordinal"])
    assert all(seen == list(range(len(seen))) for seen in ordinals.values())


def test_copies_under_two_labels_get_seeds_of_their_own() -> None:
    rows = drawn(split_of([("train", "a", "same"), ("train", "b", "same"), ("train", "b", "other")]))
    same = [row for row in rows if row["item"] == "same"]
    assert [row["ordinal"] for row in same] == [0, 1]
    assert same[0]["seed"] != same[1]["seed"]


def test_a_new_image_moves_no_other_two_against_each_other() -> None:
    before = [row["path"] for row in drawn(counted(a=30), SamplingSettings(group_weighing="count"))]
    after = [row["path"] for row in drawn(counted(a=31), SamplingSettings(group_weighing="count"))]
    assert [path for path in after if path in before] == [path for path in before if path in after]


def test_another_seed_draws_other_seeds_in_another_order() -> None:
    split = counted(a=30)
    one, two = (drawn(split, SamplingSettings(seed=seed)) for seed in (1, 2))
    assert not {row["seed"] for row in one} & {row["seed"] for row in two}
    assert [row["path"] for row in one] != [row["path"] for row in two]


def test_an_epoch_may_be_capped_and_the_next_goes_on_where_it_ended() -> None:
    rows = drawn(counted(a=30), SamplingSettings(max_epoch_samples=10), epochs=3)
    train = [row["path"] for row in rows if row["purpose"] == "train"]
    assert len(train) == 30
    assert len(set(train)) == 30


def test_a_weight_table_of_another_split_is_refused() -> None:
    table = compute_sampling_weights(counted(a=5, b=3), ASKED)
    with pytest.raises(SamplingError, match="does not fit the split: in train these groups differ: b"):
        plan_draws(counted(a=5, b=4), table, ASKED, epochs=1)
    with pytest.raises(SamplingError, match="at least 1"):
        plan_draws(counted(a=5, b=3), table, ASKED, epochs=0)


def test_golden_draws_of_a_tiny_split() -> None:
    """If this fails, every shard ever written changes: that is a major version, not a new golden value."""
    rows = drawn(counted(bad=1, good=3), epochs=2)
    train = [(row["epoch"], row["item"], row["ordinal"], row["seed"]) for row in rows if row["purpose"] == "train"]
    assert train == [
        (0, "bad0", 0, 1555201290834765403),
        (0, "good0", 0, 16780849803864162651),
        (0, "good2", 0, 11644389188728589401),
        (0, "good1", 0, 14624118482499525675),
        (1, "bad0", 0, 3524566155863521305),
        (1, "bad0", 1, 17126236478338617810),
        (1, "good0", 0, 454929297890901628),
        (1, "good2", 0, 2870976128881528376),
    ]


@pytest.mark.slow
def test_a_million_draws_take_seconds() -> None:
    folders = np.array(["a", "b", "c", "d"])[np.random.default_rng(0).integers(0, 4, 100_000)]
    split = split_of([("train", folder, str(i)) for i, folder in enumerate(folders)])
    plan = plan_draws(split, compute_sampling_weights(split, ASKED), ASKED, epochs=10)
    assert plan.num_rows == 1_000_000
    assert Counter(Counter(plan["content_id"].to_pylist()).values()).keys() <= {9, 10, 11}
