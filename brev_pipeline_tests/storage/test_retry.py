import time
from collections.abc import Callable

import pytest

from brev_pipeline.storage.s3 import FIRST_WAIT, LONGEST_WAIT, retry_call


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    return waits


def fail_and_then(answer: str, failures: int) -> Callable[[], str]:
    answers = iter([*[OSError()] * failures, answer])

    def call() -> str:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    return call


def test_waits_double_up_to_the_longest_and_lose_at_most_half_to_chance(slept: list[float]) -> None:
    full = [min(FIRST_WAIT * 2**n, LONGEST_WAIT) for n in range(10)]
    retry_call(fail_and_then("there", 10), lambda _: True, lambda: 600)
    for wait, most in zip(slept, full, strict=True):
        assert most / 2 <= wait <= most


def test_a_passing_failure_is_tried_again_until_it_has_passed(slept: list[float]) -> None:
    assert retry_call(fail_and_then("there", 2), lambda error: isinstance(error, OSError), lambda: 60) == "there"
    assert len(slept) == 2
    assert slept[0] < slept[1]


def test_a_failure_that_will_not_pass_is_raised_at_once(slept: list[float]) -> None:
    def call() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        retry_call(call, lambda error: isinstance(error, OSError), lambda: 60)
    assert slept == []


def test_patience_ends_with_the_last_failure(slept: list[float]) -> None:
    def call() -> None:
        raise OSError(f"try {len(slept)}")

    with pytest.raises(OSError) as raised:
        retry_call(call, lambda _: True, lambda: 1.0)
    assert str(raised.value) == f"try {len(slept)}"
    assert sum(slept[:-1]) < 1 <= sum(slept)
