"""Seeds depend on what is drawn and on nothing else, for good."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.seeds import seed64, seeds64

KEYS = st.integers(0, 2**63 - 1)
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
