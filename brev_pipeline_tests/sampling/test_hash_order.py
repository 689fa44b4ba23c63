"""Hashes of a column are the seeds of the house, whatever the chunks."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.sampling import hash_order
from brev_pipeline.sampling.hash_order import hash_column
from brev_pipeline.seeds import seeds64

texts = st.lists(st.text(max_size=40), max_size=30)


@given(texts, st.integers(0, 2**63 - 1), st.sampled_from([(), ("order",), (0,), ("a", 7)]))
def test_hashes_of_texts_are_their_seeds(column, seed, prefix):
    array = pa.chunked_array([column[:3], column[3:]], pa.large_string())
    assert hash_column(seed, prefix, array).tolist() == seeds64(seed, prefix, column)


@given(st.lists(st.tuples(st.text(max_size=40), st.integers(0, 2**31 - 1)), max_size=30))
def test_ordinals_are_part_of_it(pairs):
    column, ordinals = [text for text, _ in pairs], [number for _, number in pairs]
    found = hash_column(5, (2,), pa.chunked_array([column], pa.large_string()), np.array(ordinals, np.int32))
    assert found.dtype == np.uint64
    assert found.tolist() == seeds64(5, (2,), column, ordinals)


def test_pieces_do_not_show(monkeypatch):
    column = [f"image {number}" for number in range(100)]
    whole = hash_column(1, (0,), pa.chunked_array([column]), np.arange(100, dtype=np.int32))
    monkeypatch.setattr(hash_order, "_AT_ONCE", 7)
    assert hash_column(1, (0,), pa.chunked_array([column]), np.arange(100, dtype=np.int32)).tolist() == whole.tolist()
