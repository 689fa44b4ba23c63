"""Copies are found by id, whatever the ids look like."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.split import copies
from brev_pipeline.split.copies import repeated

HEX = st.integers(0, 40).map(lambda number: f"{number:032x}")


def same(ids: list[str | None], codes: list[int]) -> None:
    for one, code in zip(ids, codes, strict=True):
        partners = [other for other in ids if one and other == one]
        assert (code >= 0) == (len(partners) > 1)
    for code in {code for code in codes if code >= 0}:
        assert len({name for name, own in zip(ids, codes, strict=True) if own == code}) == 1


@given(ids=st.lists(HEX | st.none()) | st.lists(st.none() | st.text("ab-", max_size=3)), cut=st.integers(0, 9))
def test_ids_that_occur_twice_share_a_number_and_others_have_none(ids: list[str | None], cut: int) -> None:
    column = pa.chunked_array([ids[:cut], ids[cut:]], pa.large_string())
    same(ids, repeated(column).tolist())
    same(ids, repeated(column.cast(pa.large_string())).tolist())


def test_ids_whose_digests_meet_by_chance_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    # No two ids are known whose digests meet, so here all digests are equal.
    monkeypatch.setattr(copies, "_digests", lambda ids: np.zeros(len(ids), np.uint64))
    ids: list[str | None] = ["a" * 8, "b" * 8, "a" * 8, "c" * 8]
    same(ids, repeated(pa.chunked_array([ids])).tolist())


def test_a_slice_of_a_column_is_read_in_its_bounds() -> None:
    ids: list[str | None] = [f"{number // 2:016x}" for number in range(20)]
    same(ids[3:7], repeated(pa.chunked_array([pa.array(ids).slice(3, 4)])).tolist())
