"""One call of `Engine.map` on workers: takes tasks, hands them out, and makes results of the workers' news.

All of it happens in the caller's thread, whenever the caller asks for the next result. Who the workers are, processes
of this machine or of a cluster, is the crew's affair.
"""

import heapq
import itertools
import time
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Generic, Literal, Protocol, TypeVar

from brev_pipeline.engine.base import Lost
from brev_pipeline.engine.failures import name, revive
from brev_pipeline.engine.job import Death, Job, News
from brev_pipeline.engine.ticker import Ticker
from brev_pipeline.engine.wire import Frame, Kind, dump
from brev_pipeline.errors import EngineError

T = TypeVar("T")
R = TypeVar("R")

_MISHAPS = 5
"""How often a task is tried again for what is not its fault, such as the loss of a machine."""
_BACK_OFF = 0.1  # seconds before the first retry; four times as long before each further one
_LONGEST_BACK_OFF = 10.0  # seconds
_LONG = 3600.0  # seconds; the crew wakes up sooner by itself


class Crew(Protocol[T]):
    """Workers that do jobs. A context: when it is left, none of them works any more."""

    def __enter__(self) -> Any: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    @property
    def busy(self) -> int:
        """Jobs taken."""
        ...

    @property
    def free(self) -> int:
        """Jobs that can be taken at once."""
        ...

    def give(self, job: Job[T]) -> None:
        """Have a job done."""
        ...

    def give_again(self, job: Job[T]) -> None:
        """Have a job done by another worker than the one that died on it."""
        ...

    def listen(self, seconds: float) -> list[tuple[Job[T], News]]:
        """Wait for news, for some seconds or a fraction of one at most; return what there is."""
        ...


class Call(Generic[T, R]):
    """The state of one call.

    Args:
        crew: who works; the call enters and leaves it.
        tasks: taken one by one.
        ahead: tasks that may be taken ahead of the results.
        label: for messages.
        lost: what becomes of a task whose workers died.
        ticker: counts and reports.
        tries: workers that may die on a task.
    """

    def __init__(
        self,
        crew: Crew[T],
        tasks: Iterator[T],
        ahead: int,
        label: str,
        lost: Literal["raise", "yield"],
        ticker: Ticker,
        tries: int = 2,
    ) -> None:
        self._crew = crew
        self._tasks = tasks
        self._ahead = ahead
        self._label = label
        self._lost = lost
        self._ticker = ticker
        self._tries = tries
        self._exhausted = False
        self._waiting: deque[Job[T]] = deque()
        self._resting: list[tuple[float, int, Job[T]]] = []
        self._numbers = itertools.count()
        self._finished: deque[tuple[T, R | Lost]] = deque()

    def results(self) -> Iterator[tuple[T, R | Lost]]:
        """Yield results as they come; when this ends, however it ends, no worker is left."""
        with self._crew:
            while self._hand_out():
                if not self._finished:
                    self._listen(_LONG)
                    continue
                result = self._finished.popleft()
                # The workers get something to do before the caller takes his time over the result.
                self._listen(0)
                self._hand_out()
                yield result
        self._ticker.end()

    def _hand_out(self) -> bool:
        """Take tasks and give them to workers as far as allowed; return whether anything is under way."""
        while True:
            under_way = len(self._resting) + len(self._waiting) + self._crew.busy + len(self._finished)
            if self._resting and self._resting[0][0] <= time.monotonic() and self._crew.free:
                self._crew.give_again(heapq.heappop(self._resting)[2])
            elif self._waiting and self._crew.free:
                self._crew.give(self._waiting.popleft())
            elif under_way < self._ahead and not self._exhausted:
                self._take()
            else:
                return under_way > 0

    def _take(self) -> None:
        try:
            task = next(self._tasks)
        except StopIteration:
            self._exhausted = True
            return
        try:
            self._waiting.append(Job(task, dump(Kind.TASK, task)))
        except Exception as error:
            raise EngineError(
                f"{name(self._label, task)} cannot be sent to a worker: {error}; tasks are plain data"
            ) from error

    def _listen(self, seconds: float) -> None:
        if self._resting:
            seconds = min(seconds, max(0.0, self._resting[0][0] - time.monotonic()))
        for job, news in self._crew.listen(seconds):
            self._heed(job, news)
        self._ticker.tick()

    def _heed(self, job: Job[T], news: News) -> None:
        if isinstance(news, Death):
            self._mourn(job, news)
        elif news.kind is Kind.FAILED:
            raise revive(news.load(), self._label, job.task)
        else:
            self._finish(job, self._result(job, news))

    def _result(self, job: Job[T], frame: Frame) -> R:
        try:
            result: R = frame.load()
        except Exception as error:
            what = f"was done, but its result cannot be read: {type(error).__name__}: {error}"
            raise EngineError(f"{name(self._label, job.task)} {what}") from error
        return result

    def _finish(self, job: Job[T], result: R | Lost) -> None:
        self._ticker.finish(job.task)
        self._finished.append((job.task, result))

    def _mourn(self, job: Job[T], death: Death) -> None:
        (job.mishaps if death.blameless else job.deaths).append(death.reason)
        if len(job.deaths) < self._tries and len(job.mishaps) <= _MISHAPS:
            self._rest(job)
            return
        why = f"{job.mishaps[-1]}, {len(job.mishaps)} times" if death.blameless else _all(job.deaths)
        if self._lost == "yield" and not death.blameless:
            self._finish(job, Lost(why, death.signal))
        else:
            error = EngineError(f"{name(self._label, job.task)} was lost: {why}")
            error.passing = death.blameless
            raise error

    def _rest(self, job: Job[T]) -> None:
        """Let a while pass before the next try: what killed a worker (no memory, no network) may pass."""
        tries = len(job.deaths) + len(job.mishaps)
        due = time.monotonic() + min(_BACK_OFF * 4 ** (tries - 1), _LONGEST_BACK_OFF)
        heapq.heappush(self._resting, (due, next(self._numbers), job))


def _all(deaths: list[str]) -> str:
    if len(deaths) == 2 and deaths[0] == deaths[1]:
        return f"{deaths[0]}, twice"
    return "; on the next try ".join(deaths)
