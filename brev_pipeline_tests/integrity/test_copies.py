from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.integrity.check import find_copies
from brev_pipeline_tests.integrity.listings import md5

CONTENTS = st.sampled_from([md5(b"a"), md5(b"b"), md5(b"c"), "unread-1", "unread-2"])
CATEGORIES = st.lists(st.sampled_from(["good", "bad", "x"]), min_size=1, max_size=2, unique=True)
ROWS = st.lists(st.tuples(CONTENTS, CATEGORIES), max_size=30)


def found(rows: list[tuple[str, str, list[str]]], chunk: int = 1000) -> list[tuple[str | None, int, bool]]:
    schema = pa.schema(
        [("id", pa.large_string()), ("path", pa.large_string()), ("category", pa.list_(pa.large_string()))]
    )
    table = pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)
    table = pa.Table.from_batches(table.to_batches(max_chunksize=chunk), schema)
    result = find_copies(table["id"], table["path"], table["category"])
    assert [array.type for array in result] == [pa.large_string(), pa.int32(), pa.bool_()]
    return list(zip(*(array.to_pylist() for array in result), strict=True))


def by_hand(rows: list[tuple[str, str, list[str]]]) -> list[tuple[str | None, int, bool]]:
    expected = []
    for content, path, category in rows:
        same = [(other, set(classes)) for one, other, classes in rows if one == content]
        first = min(other for other, _ in same)
        expected.append((None if first == path else first, len(same), any(c != set(category) for _, c in same)))
    return expected


@given(ROWS, st.permutations(range(30)), st.integers(1, 40))
def test_copies_and_conflicts_are_found_in_any_order_and_chunks(
    rows: list[tuple[str, list[str]]], order: list[int], chunk: int
) -> None:
    named = [(content, f"{number:02d}.png", category) for number, (content, category) in enumerate(rows)]
    shuffled = [named[place] for place in order if place < len(named)]
    assert found(shuffled, chunk) == by_hand(shuffled)


def test_the_same_categories_in_another_order_are_no_conflict() -> None:
    assert found([(md5(b""), "1", ["a", "b"]), (md5(b""), "2", ["b", "a"])]) == [(None, 2, False), ("1", 2, False)]


def test_a_large_table_agrees_with_pandas() -> None:
    random = np.random.default_rng(7)
    ids = [md5(str(number).encode()) for number in random.integers(0, 30_000, 40_000)]
    classes = random.choice(["good", "bad"], 40_000)
    frame = pd.DataFrame({"id": ids, "path": [f"{n:06d}" for n in random.permutation(40_000)], "class": classes})
    result = find_copies(
        pa.chunked_array([pa.array(ids)]),
        pa.chunked_array([pa.array(frame["path"].to_list())]),
        pa.chunked_array([pa.array([[one] for one in classes.tolist()])]),
    )
    groups: Any = frame.groupby("id")
    first = groups["path"].transform("min")
    assert np.array_equal(result.copies.to_numpy(), groups["path"].transform("size"))
    assert np.array_equal(
        result.label_conflict.to_numpy(zero_copy_only=False), groups["class"].transform("nunique") > 1
    )
    assert result.duplicate_of.to_pylist() == [f if f != p else None for f, p in zip(first, frame["path"], strict=True)]


def test_nothing_has_no_copies() -> None:
    assert found([]) == []
