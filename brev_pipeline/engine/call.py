"""One call of `LocalEngine.map`: hands out jobs, hears the workers, and deals with their deaths.

All of it happens in the caller's thread, whenever the caller asks for the next result.
"""

import selectors
import time
from collections import deque
from collections.abc import Iterator
from typing import Generic, Literal, TypeVar

from brev_pipeline.engine.base import Lost
from brev_pipeline.engine.child import Child, Job, end
from brev_pipeline.engine.failures import name, revive
from brev_pipeline.engine.ticker import Ticker
from brev_pipeline.engine.wire import Frame, Kind, Part, dump
from brev_pipeline.errors import EngineError

T = TypeVar("T")
R = TypeVar("R")

_TRIES = 2
_START_TRIES = 3
_HEARTBEAT = 0.25  # seconds between looks at deadlines and dead processes


class Call(Generic[T, R]):
    """The state of one call.

    Args:
        function: frame with the function.
        tasks: taken one by one.
        workers: processes at most.
        label: for messages.
        timeout: seconds per task, or None.
        lost: what becomes of a task whose workers died.
        ticker: counts and reports.
    """

    def __init__(
        self,
        function: list[Part],
        tasks: Iterator[T],
        workers: int,
        label: str,
        timeout: float | None,
        lost: Literal["raise", "yield"],
        ticker: Ticker,
    ) -> None:
        self._function = function
        self._tasks = tasks
        self._workers = workers
        self._label = label
        self._timeout = timeout
        self._lost = lost
        self._ticker = ticker
        self._exhausted = False
        self._failed_starts = 0
        self._waiting: deque[Job[T]] = deque()
        self._finished: deque[tuple[T, R | Lost]] = deque()
        self._idle: list[Child[T]] = []
        self._busy: set[Child[T]] = set()
        self._next_look = 0.0

    def results(self) -> Iterator[tuple[T, R | Lost]]:
        """Yield results as they come; when this ends, however it ends, no worker is left."""
        gently = False
        with selectors.DefaultSelector() as self._selector:
            try:
                while self._hand_out():
                    if not self._finished:
                        self._listen(_HEARTBEAT)
                        continue
                    result = self._finished.popleft()
                    # The workers get something to do before the caller takes his time over the result.
                    self._listen(0)
                    self._hand_out()
                    yield result
                gently = True
            finally:
                end([*self._idle, *self._busy], gently=gently)
        self._ticker.report()

    def _hand_out(self) -> bool:
        """Take tasks and give them to workers as far as allowed; return whether anything is under way."""
        while True:
            if self._waiting and len(self._busy) < self._workers:
                self._assign(self._waiting.popleft())
            elif self._under_way() <= self._workers and not self._exhausted:
                self._take()
            else:
                return self._under_way() > 0

    def _under_way(self) -> int:
        return len(self._waiting) + len(self._busy) + len(self._finished)

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

    def _assign(self, job: Job[T]) -> None:
        if self._idle:
            child = self._idle.pop()
            self._busy.add(child)
            child.begin(job)
        else:
            self._start(job)

    def _start(self, job: Job[T]) -> None:
        try:
            child = Child(self._function, job, self._timeout)
        except OSError as error:
            raise EngineError(f"{name(self._label, job.task)}: a worker process cannot be started: {error}") from error
        # An interrupt just before this line loses the child; its socket closes then, and it ends by itself.
        self._busy.add(child)
        self._selector.register(child, selectors.EVENT_READ, child)

    def _listen(self, seconds: float) -> None:
        deadlines = [child.deadline for child in self._busy if child.deadline is not None]
        until = min([time.monotonic() + seconds, *deadlines])
        for key, _ in self._selector.select(max(0.0, until - time.monotonic())):
            self._hear(key.data)
        if time.monotonic() >= min([self._next_look, *deadlines]):
            self._next_look = time.monotonic() + _HEARTBEAT
            self._look()
        self._ticker.tick()

    def _look(self) -> None:
        for child in [*self._busy, *self._idle]:
            if child.deadline is not None and time.monotonic() >= child.deadline:
                self._bury(child, child.overdue)
            elif child.gone and not self._hear(child):
                # Something that the worker started still holds its socket open.
                self._bury(child)

    def _hear(self, child: Child[T]) -> bool:
        try:
            frame = child.receive()
        except (EOFError, OSError):
            self._bury(child)
            return True
        if frame is not None and child.job is not None:
            self._heed(frame, child, child.job)
        return frame is not None

    def _heed(self, frame: Frame, child: Child[T], job: Job[T]) -> None:
        if frame.kind is Kind.READY:
            self._failed_starts = 0
            child.begin(job)
        elif frame.kind is Kind.FAILED:
            raise revive(frame.load(), self._label, job.task)
        else:
            try:
                result: R = frame.load()
            except Exception as error:
                what = f"was done, but its result cannot be read: {type(error).__name__}: {error}"
                raise EngineError(f"{name(self._label, job.task)} {what}") from error
            child.rest()
            self._busy.remove(child)
            self._idle.append(child)
            self._finish(job, result)

    def _finish(self, job: Job[T], result: R | Lost) -> None:
        self._ticker.done += 1
        self._finished.append((job.task, result))

    def _bury(self, child: Child[T], reason: str | None = None) -> None:
        self._selector.unregister(child)
        reason = child.bury(reason)
        self._busy.discard(child)
        if child in self._idle:
            self._idle.remove(child)
        if child.job is None:
            return
        if child.ready:
            self._mourn(child.job, reason)
        else:
            self._restart(child.job, reason)

    def _mourn(self, job: Job[T], reason: str) -> None:
        job.deaths.append(reason)
        if len(job.deaths) < _TRIES:
            self._start(job)
        elif self._lost == "yield":
            self._finish(job, Lost(_both(job.deaths)))
        else:
            raise EngineError(f"{name(self._label, job.task)} was lost: {_both(job.deaths)}")

    def _restart(self, job: Job[T], reason: str) -> None:
        # The task is not to blame: it was not sent yet.
        self._failed_starts += 1
        if self._failed_starts >= _START_TRIES:
            what = f"no worker process could be started in {_START_TRIES} tries"
            raise EngineError(f"{name(self._label, job.task)}: {what}: {reason}; see what it wrote to stderr")
        self._start(job)


def _both(deaths: list[str]) -> str:
    return deaths[0] + ", twice" if len(set(deaths)) == 1 else "; on the second try ".join(deaths)
