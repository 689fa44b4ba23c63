import itertools

import pytest

from brev_pipeline.storage.retry import FIRST_WAIT, LONGEST_WAIT, backoff_delays, retry_call


def test_waits_double_up_to_the_longest_and_lose_at_most_half_to_chance() -> None:
    full = [min(FIRST_WAIT * 2**n, LONGEST_WAIT) for n in range(10)]
    for wait, most in zip(itertools.islice(backoff_delays(), 10), full, strict=True):
        assert most / 2 <= wait <= most


def test_a_passing_failure_is_tried_again_until_it_has_passed() -> None:
    slept: list[float] = []
    answers = iter([OSError(), OSError(), "there"])

    def call() -> str:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    assert retry_call(call, lambda error: isinstance(error, OSError), lambda: 60, slept.append) == "there"
    assert len(slept) == 2
    assert slept[0] < slept[1]


def test_a_failure_that_will_not_pass_is_raised_at_once() -> None:
    slept: list[float] = []

    def call() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        retry_call(call, lambda error: isinstance(error, OSError), lambda: 60, slept.append)
    assert slept == []


def test_patience_ends_with_the_last_failure() -> None:
    slept: list[float] = []

    def call() -> None:
        raise OSError(f"try {len(slept)}")

    with pytest.raises(OSError) as raised:
        retry_call(call, lambda _: True, lambda: 1.0, slept.append)
    assert str(raised.value) == f"try {len(slept)}"
    assert sum(slept[:-1]) < 1 <= sum(slept)
