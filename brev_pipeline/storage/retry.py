"""Patience: how long a passing failure is waited out, and how the waits grow.

All waiting for S3 happens here, none in botocore (its own retries are switched off), so that one rule holds for
listing, HEAD and GET, and a server that restarts in the middle of a listing costs seconds, not the run.
"""

import random
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

R = TypeVar("R")

# Only spreads the waits of threads that failed together; no result hangs on it.
_jitter = random.SystemRandom()

FIRST_WAIT = 0.2  # s
LONGEST_WAIT = 8.0  # s


def backoff_delays() -> Iterator[float]:
    """Waits in seconds, doubling from `FIRST_WAIT` to `LONGEST_WAIT`, each shortened by up to half at random."""
    wait = FIRST_WAIT
    while True:
        yield wait * _jitter.uniform(0.5, 1)
        wait = min(2 * wait, LONGEST_WAIT)


def retry_call(
    call: Callable[[], R],
    passing: Callable[[Exception], bool],
    limit: Callable[[], float],
    sleep: Callable[[float], None] = time.sleep,
) -> R:
    """The result of ``call``, which is made again after each failure that is ``passing``.

    Args:
        call: what to do; safe to do more than once.
        passing: whether a failure may pass by itself.
        limit: s that calls and waits may take in all, asked anew at each failure; two calls are made in any case.
        sleep: for tests.

    Raises:
        Exception: the first failure that is not passing, or the last one when patience is at its end.
    """
    pauses = backoff_delays()
    spent, pause = 0.0, 0.0
    while True:
        began = time.monotonic()
        try:
            return call()
        except Exception as error:
            # A call that stalls costs more patience than one that is refused at once.
            spent += time.monotonic() - began
            if not passing(error) or (pause and spent >= limit()):
                raise
            pause = next(pauses)
            spent += pause
        sleep(pause)
