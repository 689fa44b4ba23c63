"""Copies are found by id, whatever the ids look like."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline import repeated_ids
from brev_pipeline.repeated_ids import number_repeated_ids

HEX = st.integers(0, 40).map(lambda number: f"{number:032x}")
TEXTS = st.none() | st.text("ab-", max_size=3)


def check_numbers(ids: list[str | None], codes: list[int]) -> None:
    for one, code in zip(ids, codes, strict=True):
        partners = [other for other in ids if one and other == one]
        assert (code >= 0) == (len(partners) > 1)
    for code in {code for code in codes if code >= 0}:
        assert len({name for name, own in zip(ids, codes, strict=True) if own == code}) == 1
    assert sorted({code for code in codes if code >= 0}) == list(range(max(codes, default=-1) + 1))


@given(ids=st.lists(HEX | st.none()) | st.lists(TEXTS) | st.lists(HEX | TEXTS), cut=st.integers(0, 9))
def test_ids_that_occur_twice_share_a_number_and_others_have_none(ids: list[str | None], cut: int) -> None:
    column = pa.chunked_array([ids[:cut], ids[cut:]], pa.large_string())
    check_numbers(ids, number_repeated_ids(column).tolist())
    check_numbers(ids, number_repeated_ids(column.cast(pa.string())).tolist())


@pytest.mark.parametrize("together", [0, 0xFFFF])
def test_ids_whose_bits_fall_together_are_told_apart(monkeypatch: pytest.MonkeyPatch, together: int) -> None:
    mix = repeated_ids._mix_bits
    monkeypatch.setattr(repeated_ids, "_mix_bits", lambda texts: mix(texts) & np.uint64(together))
    ids: list[str | None] = [f"{number % 7:032x}" for number in (*range(20), 3, 50)]
    check_numbers(ids, number_repeated_ids(pa.chunked_array([ids])).tolist())


def test_a_slice_of_a_column_is_read_in_its_bounds() -> None:
    ids: list[str | None] = [f"{number // 2:032x}" for number in range(20)]
    check_numbers(ids[3:7], number_repeated_ids(pa.chunked_array([pa.array(ids).slice(3, 4)])).tolist())
