"""What holds for every listing."""

import random
from collections import defaultdict
from itertools import pairwise

import pyarrow as pa
from hypothesis import assume
from hypothesis import strategies as st

from brev_pipeline import SampleSplit
from brev_pipeline.config import SplitSettings
from brev_pipeline.release.assignments import build_next_ledger, list_ledger_columns
from brev_pipeline.split import PriorAssignments, assign_purposes, build_split_report
from brev_pipeline_tests.split.listings import COPY, FRACTIONS, PATTERN, Photo, always, listing, photos, sides

METHODS = st.sampled_from(["ranked_hash", "sorted_permutation", "murmurhash3"])
SCOPES = st.sampled_from(["stratum", "global"])
SEEDS = st.integers(0, 2**32 - 1)


def configured(**changes: object) -> SplitSettings:
    return SplitSettings.model_validate({"stratification": ["folder"], "uniqueness": PATTERN, **changes})


def connected(rows: list[dict[str, str]], scope: str) -> list[frozenset[str]]:
    """Leak groups by plain union of sets: the slow, obvious way."""
    parts = [{row["path"]} for row in rows]
    keys: dict[object, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        item = row["path"].rpartition("/")[2].partition("_")[0]
        for key in ((row["folder"] if scope == "stratum" else "", item), row["content_id"], row["pixel_id"]):
            keys[key].append(number)
    for members in keys.values():
        for one, other in pairwise(members):
            if parts[one] is not parts[other]:
                merged = parts[one] | parts[other]
                for number, row in enumerate(rows):
                    if row["path"] in merged:
                        parts[number] = merged
    return [frozenset(part) for part in parts]


@always(rows=photos(), method=METHODS, scope=SCOPES, purposes=FRACTIONS, seed=SEEDS)
def test_nothing_that_hangs_together_is_divided(
    rows: list[Photo], method: str, scope: str, purposes: dict[str, float], seed: int
) -> None:
    table = listing(rows)
    split = assign_purposes(table, configured(method=method, uniqueness_scope=scope, purposes=purposes, seed=seed))
    assert split.num_rows == table.num_rows
    assert split["path"].to_pylist() == sorted(table["path"].to_pylist())
    purpose, group = sides(split), dict(zip(split["path"].to_pylist(), split["leak_group"].to_pylist(), strict=True))
    for row, part in zip(table.to_pylist(), connected(table.to_pylist(), scope), strict=True):
        assert group[row["path"]] == min(part)
        assert {purpose[path] for path in part} == {purpose[row["path"]]}


@always(rows=photos(), method=METHODS, scope=SCOPES, purposes=FRACTIONS, shuffle=st.randoms())
def test_the_order_of_the_rows_changes_nothing(
    rows: list[Photo], method: str, scope: str, purposes: dict[str, float], shuffle: random.Random
) -> None:
    table, order = listing(rows), list(range(len(rows)))
    shuffle.shuffle(order)
    settings = configured(method=method, uniqueness_scope=scope, purposes=purposes)
    assert assign_purposes(table.take(order), settings).equals(assign_purposes(table, settings))


@always(
    parts=st.dictionaries(st.sampled_from("abc"), photos("x"), min_size=2, max_size=3), purposes=FRACTIONS, seed=SEEDS
)
def test_a_stratum_depends_on_its_own_rows_alone(
    parts: dict[str, list[Photo]], purposes: dict[str, float], seed: int
) -> None:
    rows = []
    for number, (folder, own) in enumerate(parts.items()):
        far = 100 * number  # copies lie within a folder
        rows += [(folder, item, *(None if copy is None else copy + far for copy in ids)) for _, item, *ids in own]
    table = listing(rows)  # type: ignore[arg-type]
    settings = configured(purposes=purposes, seed=seed, uniqueness_scope="stratum")
    whole = sides(assign_purposes(table, settings))
    for folder in parts:
        own = table.filter(pa.compute.equal(table["folder"], folder))
        assert sides(assign_purposes(own, settings)).items() <= whole.items()


@always(rows=photos(copies=st.none()), purposes=FRACTIONS, seed=SEEDS)
def test_a_stratum_of_its_own_has_its_shares_within_one_leak_group(
    rows: list[Photo], purposes: dict[str, float], seed: int
) -> None:
    settings = configured(purposes=purposes, seed=seed, uniqueness_scope="stratum")
    for row in build_split_report(assign_purposes(listing(rows), settings), settings).shares.to_pylist():
        assert row["error"] <= row["largest_group"] + 1e-9, row


@always(rows=photos(copies=st.none()), share=st.sampled_from([0.05, 0.2, 0.5, 0.8, 0.99]), seed=SEEDS)
def test_a_stratum_with_two_items_stands_on_both_sides(rows: list[Photo], share: float, seed: int) -> None:
    settings = configured(purposes={"train": share}, seed=seed, uniqueness_scope="stratum")
    report = build_split_report(assign_purposes(listing(rows), settings), settings)
    assert not any(report.missing_sides["enough"].to_pylist())


@always(rows=photos(), method=METHODS, scope=SCOPES, purposes=FRACTIONS)
def test_splitting_again_gives_the_same(rows: list[Photo], method: str, scope: str, purposes: dict[str, float]) -> None:
    table, settings = listing(rows), configured(method=method, uniqueness_scope=scope, purposes=purposes)
    once = assign_purposes(table, settings)
    twice = assign_purposes(table, settings, PriorAssignments(ledger=once))
    assert sides(twice) == sides(once)
    assert set(twice["assigned_by"].to_pylist()) == {"ledger"}
    assert not build_split_report(twice, settings, PriorAssignments(ledger=once)).failure_messages


@always(rows=photos(), method=METHODS, scope=SCOPES, purposes=FRACTIONS, present=st.data())
def test_the_ledger_is_kept_while_the_listing_grows_and_shrinks(
    rows: list[Photo], method: str, scope: str, purposes: dict[str, float], present: st.DataObject
) -> None:
    table, settings = listing(rows), configured(method=method, uniqueness_scope=scope, purposes=purposes)
    ledger: pa.Table | None = None
    for _ in range(3):
        there = present.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
        now = table.filter(pa.array(there))
        items = {path.rpartition("/")[2].partition("_")[0] for path in now["path"].to_pylist()}
        assume(len(items) > 1)
        split = assign_purposes(now, settings, PriorAssignments(ledger=ledger))
        report = build_split_report(split, settings, PriorAssignments(ledger=ledger))
        assert not report.leaks.num_rows
        # What a run reads of the ledger says as much as the whole.
        read = None if ledger is None else ledger.select(list_ledger_columns(settings))
        assert assign_purposes(now, settings, PriorAssignments(ledger=read)) == split
        assert build_split_report(split, settings, PriorAssignments(ledger=read)) == report
        before, after = ({} if ledger is None else sides(ledger)), sides(split)
        moved = {row["path"]: (row["was"], row["now"]) for row in report.moved.to_pylist()}
        ledger = build_next_ledger(split, ledger, settings)
        assert before.keys() | after.keys() == sides(ledger).keys()
        assert after.items() <= sides(ledger).items()
        changed = {path: (was, sides(ledger)[path]) for path, was in before.items() if was != sides(ledger)[path]}
        assert changed == moved
        if not any(copy is not None for _, _, *ids in rows for copy in ids):
            assert not moved


@always(rows=photos(copies=COPY), method=METHODS, scope=SCOPES, share=st.sampled_from([0.0, 0.3, 0.8, 1.0]), seed=SEEDS)
def test_notebook_and_pipeline_agree(rows: list[Photo], method: str, scope: str, share: float, seed: int) -> None:
    table = listing(rows)
    settings = configured(method=method, uniqueness_scope=scope, purposes={"train": share}, seed=seed)
    notebook = SampleSplit(
        stratification=["folder"], uniqueness=PATTERN, split=share, seed=seed, method=method, uniqueness_scope=scope
    ).assign(table.to_pandas())
    assert dict(zip(notebook["path"], notebook["purpose"], strict=True)) == sides(assign_purposes(table, settings))
