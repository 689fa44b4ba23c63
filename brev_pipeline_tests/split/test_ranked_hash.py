"""The method of the house: shares, small strata, stability, and the golden split."""

import numpy as np
import pyarrow as pa
import pytest
import xxhash

from brev_pipeline.config import SplitSettings
from brev_pipeline.seeds import seed64
from brev_pipeline.split import assign_purposes, build_split_report
from brev_pipeline.split.quotas import _order_groups
from brev_pipeline_tests.split.listings import listing, plain, sides
from brev_pipeline_tests.split.test_properties import configured

THREE = {"test": 0.1, "train": 0.72}


def counts(table: pa.Table, settings: SplitSettings) -> dict[tuple[str, str], int]:
    shares = build_split_report(assign_purposes(table, settings), settings).shares.to_pylist()
    return {(row["stratum"], row["purpose"]): row["images"] for row in shares}


def in_one(items: list[int], **changes: object) -> dict[str, int]:
    """Images per purpose in one folder with these items, beside a second folder."""
    settings = configured(uniqueness_scope="stratum", **changes)
    found = counts(plain({"a": items, "other": [1, 1]}), settings)
    return {purpose: found["a", purpose] for purpose in settings.names}


@pytest.mark.parametrize(
    ("items", "train"), [(1, 1), (2, 1), (3, 2), (4, 3), (5, 4), (6, 5), (7, 6), (10, 8), (100, 80)]
)
def test_small_strata_are_divided_to_the_nearest_item_and_stand_on_both_sides(items: int, train: int) -> None:
    for seed in range(5):
        assert in_one([1] * items, seed=seed) == {"train": train, "devel": items - train}


def test_several_purposes_are_filled_at_once() -> None:
    assert in_one([1] * 100, purposes=THREE) == {"test": 10, "train": 72, "devel": 18}
    assert in_one([2] * 50, purposes=THREE) == {"test": 10, "train": 72, "devel": 18}
    assert in_one([1] * 4, purposes=THREE) == {"test": 1, "train": 2, "devel": 1}


@pytest.mark.parametrize(("share", "train"), [(0.0, 0), (1.0, 30)])
def test_a_share_of_nothing_and_of_all_is_exact(share: float, train: int) -> None:
    assert in_one([1] * 30, purposes={"train": share}) == {"train": train, "devel": 30 - train}


@pytest.mark.parametrize("items", [[60] + [1] * 40, [40, 30] + [1] * 30, [20, 20, 20, 20, 20], [79] + [3] * 7])
def test_large_items_come_first_where_the_shares_would_be_missed(items: list[int]) -> None:
    for seed in range(20):
        found = in_one(items, seed=seed)
        assert abs(found["train"] - 0.8 * sum(items)) <= 3, (seed, found)


def test_an_item_larger_than_its_share_is_reported_by_name() -> None:
    settings = configured(uniqueness_scope="stratum")
    split = assign_purposes(plain({"a": [90] + [1] * 10, "b": [1] * 10}), settings)
    report = build_split_report(split, settings)
    assert report.oversize.to_pylist() == [
        {"leak_group": "bucket/a/0_0000.bmp", "stratum": "a", "purpose": "train", "images": 90, "quota": 80.0}
    ]
    assert (
        "leak group 'bucket/a/0_0000.bmp' has 90 images in stratum 'a', more than the 80" in report.warning_messages[0]
    )
    assert not report.failure_messages


def test_items_that_span_all_strata_leave_each_in_balance() -> None:
    # Every item has photos in both folders, as many as chance has it.
    photos = [
        (folder, item, None, None)
        for item in range(300)
        for folder in ("pitting", "no_pitting")
        for _ in range(1 + (item * (7 if folder == "pitting" else 11)) % 5)
    ]
    settings = configured(uniqueness_scope="global", purposes=THREE)
    for row in build_split_report(assign_purposes(listing(photos), settings), settings).shares.to_pylist():
        assert row["error"] <= row["largest_group"]


@pytest.mark.parametrize("new", [20, 100])
def test_new_items_move_few_old_ones(new: int) -> None:
    old, grown = plain({"a": [1] * 1000}), plain({"a": [1] * (1000 + new)})
    settings = configured(seed=3)
    before, after = sides(assign_purposes(old, settings)), sides(assign_purposes(grown, settings))
    moved = sum(before[path] != after[path] for path in before)
    # The bound moves by as much as the new items' ranks miss their share: √(new · 0.8 · 0.2) each.
    assert moved <= 3 * (new * 0.16) ** 0.5 + 1
    assert list(after.values()).count("train") == round(0.8 * (1000 + new))


def test_groups_are_dealt_in_the_order_of_a_keyed_hash_of_their_item() -> None:
    split = assign_purposes(
        plain({"a": [1] * 100}), configured(seed=9, uniqueness_scope="stratum", purposes={"test": 0.1, "train": 0.7})
    )
    key = seed64(9, "split", "a")
    by_rank = sorted(range(100), key=lambda item: xxhash.xxh3_64_intdigest(str(item).encode(), key))
    purpose = {int(row["item"]): row["purpose"] for row in split.to_pylist()}
    assert [purpose[item] for item in by_rank] == ["test"] * 10 + ["train"] * 70 + ["devel"] * 20


def test_golden_split() -> None:
    """Whoever has to change this changes where every image of every user stands: it is a major version."""
    table = plain({"good": [2] * 12, "bad": [1, 3, 2, 1, 1, 2]})
    golden = {
        "stratum": {("bad", 3): "test", ("good", 5): "test"}
        | dict.fromkeys([("bad", 5), ("good", 1), ("good", 7)], "devel"),
        "global": {("bad", 2): "test", ("good", 2): "test"}
        | dict.fromkeys([("bad", 4), ("good", 4), ("good", 11)], "devel"),
    }
    for scope, expected in golden.items():
        split = assign_purposes(table, configured(seed=42, uniqueness_scope=scope, purposes=THREE)).to_pylist()
        assert expected == {
            (row["folder"], int(row["item"])): row["purpose"] for row in split if row["purpose"] != "train"
        }


@pytest.mark.parametrize("segments", [1, 4, 4000])
@pytest.mark.parametrize("ranks", [5, 2**62])
def test_groups_are_ordered_by_segment_then_rank_then_position(segments: int, ranks: int) -> None:
    random = np.random.default_rng(segments)
    segment, rank = random.integers(0, segments, 20_000), random.integers(0, ranks, 20_000).astype(np.uint64)
    for given in (np.sort(segment), segment):
        expected = np.lexsort((rank, given))
        assert (_order_groups(given, rank) == expected).all()
