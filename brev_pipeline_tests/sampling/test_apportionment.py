from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from brev_pipeline.sampling import apportion_draws, count_draws

weights = st.lists(st.integers(1, 50).map(float) | st.floats(1e-3, 1e3), min_size=1, max_size=12)


@given(weights, st.integers(1, 40), st.integers(1, 12))
@settings(max_examples=300, deadline=None)
def test_after_every_epoch_each_group_has_its_share_rounded_up_or_down(
    shares: list[float], total: int, epochs: int
) -> None:
    draws = apportion_draws(shares, total, epochs)
    assert (draws >= 0).all()
    assert (draws.sum(axis=1) == total).all()
    exact = [Fraction(share) / sum(map(Fraction, shares)) * total for share in shares]
    for epoch, drawn in enumerate(draws.cumsum(axis=0), start=1):
        assert all(abs(count - epoch * share) < 1 for count, share in zip(drawn.tolist(), exact, strict=True))


@given(weights, st.integers(1, 200))
@settings(max_examples=200, deadline=None)
def test_the_first_epoch_is_the_largest_remainder_where_each_group_is_due_a_draw(
    shares: list[float], extra: int
) -> None:
    exact = [Fraction(share) / sum(map(Fraction, shares)) for share in shares]
    total = int(1 / min(exact)) + extra
    counts = [int(total * share) for share in exact]
    by_rest = sorted(range(len(exact)), key=lambda i: (counts[i] - total * exact[i], i))
    for i in by_rest[: total - sum(counts)]:
        counts[i] += 1
    assert apportion_draws(shares, total, 1)[0].tolist() == counts


def test_the_rest_is_carried_over_until_frequencies_are_exact() -> None:
    assert apportion_draws([1.0, 1.0, 1.0], 4, 3).tolist() == [[2, 1, 1], [1, 2, 1], [1, 1, 2]]
    assert apportion_draws([5.0, 3.0, 2.0], 1, 10).sum(axis=0).tolist() == [5, 3, 2]


@given(
    st.lists(st.integers(0, 3), min_size=4, max_size=30),
    st.lists(st.lists(st.integers(0, 40), min_size=4, max_size=4), min_size=1, max_size=6),
)
@settings(max_examples=200, deadline=None)
def test_each_image_is_drawn_equally_often_in_an_epoch_and_over_all(group: list[int], plan: list[list[int]]) -> None:
    index = np.array([*range(4), *group])
    draws = np.array(plan)
    so_far = np.zeros(len(index), dtype=np.int64)
    for epoch, counts in enumerate(draws):
        times = count_draws(index, draws[:epoch].sum(axis=0), counts)
        so_far += times
        for which in range(4):
            assert times[index == which].sum() == counts[which]
            assert np.ptp(times[index == which]) <= 1
            assert np.ptp(so_far[index == which]) <= 1
