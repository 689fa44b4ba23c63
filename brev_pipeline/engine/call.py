"""One call of `LocalEngine.map`: takes tasks, hands them to the workers, and makes results of their news.

All of it happens in the caller's thread, whenever the caller asks for the next result.
"""

from collections import deque
from collections.abc import Iterator
from typing import Generic, Literal, TypeVar

from brev_pipeline.engine.base import Lost
from brev_pipeline.engine.child import Job
from brev_pipeline.engine.crew import Crew, News
from brev_pipeline.engine.failures import name, revive
from brev_pipeline.engine.ticker import Ticker
from brev_pipeline.engine.wire import Frame, Kind, dump
from brev_pipeline.errors import EngineError

T = TypeVar("T")
R = TypeVar("R")

_TRIES = 2
_LONG = 3600.0  # seconds; the crew wakes up sooner by itself


class Call(Generic[T, R]):
    """The state of one call.

    Args:
        crew: who works.
        tasks: taken one by one.
        ahead: tasks that may be taken ahead of the results.
        label: for messages.
        lost: what becomes of a task whose workers died.
        ticker: counts and reports.
    """

    def __init__(
        self,
        crew: Crew[T],
        tasks: Iterator[T],
        ahead: int,
        label: str,
        lost: Literal["raise", "yield"],
        ticker: Ticker,
    ) -> None:
        self._crew = crew
        self._tasks = tasks
        self._ahead = ahead
        self._label = label
        self._lost = lost
        self._ticker = ticker
        self._exhausted = False
        self._waiting: deque[Job[T]] = deque()
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
        self._ticker.report()

    def _hand_out(self) -> bool:
        """Take tasks and give them to workers as far as allowed; return whether anything is under way."""
        while True:
            under_way = len(self._waiting) + self._crew.busy + len(self._finished)
            if self._waiting and self._crew.free:
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
            raise EngineError(f"{name(self._label, task)} cannot be sent to a worker: {error}") from error

    def _listen(self, seconds: float) -> None:
        for job, news in self._crew.listen(seconds):
            self._heed(job, news)
        self._ticker.tick()

    def _heed(self, job: Job[T], news: News) -> None:
        if isinstance(news, str):
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
        self._ticker.done += 1
        self._finished.append((job.task, result))

    def _mourn(self, job: Job[T], reason: str) -> None:
        job.deaths.append(reason)
        if len(job.deaths) < _TRIES:
            self._crew.give_to_fresh(job)
        elif self._lost == "yield":
            self._finish(job, Lost(_both(job.deaths)))
        else:
            raise EngineError(f"{name(self._label, job.task)} was lost: {_both(job.deaths)}")


def _both(deaths: list[str]) -> str:
    return deaths[0] + ", twice" if len(set(deaths)) == 1 else "; on the second try ".join(deaths)
