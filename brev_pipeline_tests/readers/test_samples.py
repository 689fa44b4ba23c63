from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.errors import ReadError
from brev_pipeline.readers.samples import cut_windows, reading_order, shuffle_rows, worker_share

NAMES = ["a-0", "a-1", "a-2", "a-3"]
FILES = np.array([0, 0, 0, 1, 1, 2, 3, 3], np.int32)


@given(st.integers(0, 200), st.integers(1, 7), st.integers(1, 5), st.booleans())
def test_workers_and_ranks_share_records_exactly(rows: int, ranks: int, workers: int, even: bool) -> None:
    def part(rank: int, worker: int = 0, workers: int = 1) -> range:
        return worker_share(rows, rank=rank, ranks=ranks, worker=worker, workers=workers, even=even)

    parts = [part(rank, worker, workers) for rank in range(ranks) for worker in range(workers)]
    assert [row for one in parts for row in one] == list(range(rows - rows % ranks if even else rows))
    sizes = [len(part(rank)) for rank in range(ranks)]
    assert max(sizes) - min(sizes) <= (0 if even else 1)
    within = [len(one) for one in parts[:workers]]
    assert max(within) - min(within) <= 1


@pytest.mark.parametrize("place", [{"rank": 2, "ranks": 2}, {"rank": -1, "ranks": 2}, {"worker": 1, "workers": 1}])
def test_a_place_that_there_is_not_is_refused(place: dict) -> None:
    with pytest.raises(ReadError, match="count from 0"):
        worker_share(10, **place)


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 100))
def test_windows_cover_all_in_order_and_keep_to_their_bytes(lengths: list[int], most: int) -> None:
    parts = [lengths[window] for window in cut_windows(np.array(lengths, np.int64), most)]
    assert list(chain(*parts)) == lengths
    assert all(sum(part) <= most or len(part) == 1 for part in parts)
    # No window could have held the next one's first record too.
    assert all(sum(one) + two[0] > most for one, two in pairwise(parts))


def test_the_shuffled_order_reads_each_file_from_begin_to_end() -> None:
    order = reading_order(NAMES, FILES, seed=3, epoch=0)
    assert sorted(order.tolist()) == list(range(8))
    files = [int(file) for file in FILES[order]]
    assert len([1 for one, two in pairwise(files) if one != two]) == 3
    assert all(two == one + 1 for one, two in pairwise(order) if FILES[one] == FILES[two])


def test_orders_hang_on_seed_and_epoch_alone() -> None:
    # These orders are a promise: whoever must change them makes another reading order for every training.
    assert reading_order(NAMES, FILES, seed=3, epoch=0).tolist() == [3, 4, 5, 0, 1, 2, 6, 7]
    assert shuffle_rows(np.arange(10), seed=3, epoch=0).tolist() == [6, 0, 3, 9, 1, 2, 4, 7, 8, 5]
    orders = {tuple(shuffle_rows(np.arange(10), seed, epoch)) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25


@given(st.integers(0, 100), st.integers(0, 2**63 - 1), st.integers(0, 9))
def test_mixing_loses_nothing(rows: int, seed: int, epoch: int) -> None:
    assert sorted(shuffle_rows(np.arange(rows) + 5, seed, epoch).tolist()) == list(range(5, rows + 5))


def test_mixing_brings_every_record_to_every_place() -> None:
    places = np.zeros((6, 6), int)
    for seed in range(3000):
        places[np.arange(6), shuffle_rows(np.arange(6), seed, 0)] += 1
    # 500 expected, standard deviation 20.
    assert np.abs(places - 500).max() < 100
