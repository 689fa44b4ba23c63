"""Seeds depend on what is drawn and on nothing else, for good."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline import seeds
from brev_pipeline.seeds import hash_column, seed64, seeds64

KEYS = st.integers(0, 2**63 - 1)
TEXTS = st.lists(st.text(max_size=40), max_size=30)
PARTS = st.lists(st.one_of(st.text(), st.integers()), max_size=4)


def test_the_stream_of_seeds_is_the_one_of_the_first_release() -> None:
    # A change of these numbers changes every shard ever made: it is a major version.
    assert seed64(3, "train", 0, "d41d8cd98f00b204e9800998ecf8427e", 0) == 3355144218866821220
    assert seed64(0) == 14100770264707963708


@given(KEYS, PARTS, st.lists(st.text(), max_size=5))
def test_many_seeds_at_once_are_the_same_as_one_by_one(key: int, prefix: list[str | int], items: list[str]) -> None:
    assert seeds64(key, tuple(prefix), items) == [seed64(key, *prefix, item) for item in items]


@given(KEYS, st.text(min_size=1), st.text(min_size=1))
def test_where_one_part_ends_and_the_next_begins_matters(key: int, one: str, other: str) -> None:
    assert seed64(key, one, other) != seed64(key, one + other)


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_range_is_quoted(seed: int) -> None:
    with pytest.raises(ValueError, match=str(seed)):
        seed64(seed, "x")


@given(TEXTS, st.integers(0, 2**63 - 1), st.sampled_from([(), ("order",), (0,), ("a", 7)]))
def test_hashes_of_texts_are_their_seeds(column: list[str], seed: int, prefix: tuple[str | int, ...]) -> None:
    array = pa.chunked_array([column[:3], column[3:]], pa.large_string())
    assert hash_column(seed, prefix, array).tolist() == seeds64(seed, prefix, column)


@given(st.lists(st.tuples(st.text(max_size=40), st.integers(0, 2**31 - 1)), max_size=30))
def test_ordinals_are_part_of_it(pairs: list[tuple[str, int]]) -> None:
    column, ordinals = [text for text, _ in pairs], [number for _, number in pairs]
    found = hash_column(5, (2,), pa.chunked_array([column], pa.large_string()), np.array(ordinals, np.int32))
    assert found.dtype == np.uint64
    assert found.tolist() == seeds64(5, (2,), column, ordinals)


def test_pieces_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    column = [f"image {number}" for number in range(100)]
    whole = hash_column(1, (0,), pa.chunked_array([column]), np.arange(100, dtype=np.int32))
    monkeypatch.setattr(seeds, "_AT_ONCE", 7)
    assert hash_column(1, (0,), pa.chunked_array([column]), np.arange(100, dtype=np.int32)).tolist() == whole.tolist()
