"""The worker processes of one call: who is busy, who is idle, what they say, and whether they live."""

import selectors
import time
from types import TracebackType
from typing import Generic, Self, TypeVar

from brev_pipeline.engine.child import Child, end
from brev_pipeline.engine.job import Job, News
from brev_pipeline.engine.program import Program
from brev_pipeline.engine.wire import Kind
from brev_pipeline.errors import EngineError

T = TypeVar("T")

_START_TRIES = 3
_HEARTBEAT = 0.25  # seconds between looks for processes that died without closing their socket


class Crew(Generic[T]):
    """Up to ``size`` workers, started as they are needed. A context: when it is left, none of them is.

    Args:
        program: what they run.
        size: processes at most.
        timeout: seconds per job before its worker is killed, or None.
    """

    def __init__(self, program: Program, size: int, timeout: float | None) -> None:
        self._program = program
        self._size = size
        self._timeout = timeout
        self._selector = selectors.DefaultSelector()
        self._idle: list[Child[T]] = []
        self._busy: set[Child[T]] = set()
        self._failed_starts = 0
        self._next_look = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._selector:
            end([*self._idle, *self._busy], gently=kind is None)

    @property
    def busy(self) -> int:
        """Jobs at work."""
        return len(self._busy)

    @property
    def free(self) -> int:
        """Jobs that can be taken at once."""
        return self._size - self.busy

    def give(self, job: Job[T]) -> None:
        """Have an idle worker do a job, or a fresh one where all are busy."""
        if self._idle:
            child = self._idle.pop()
            self._busy.add(child)
            child.begin(job)
        else:
            self._give_to_fresh(job)

    def give_again(self, job: Job[T]) -> None:
        """Have a fresh worker do a job, in the place of an idle one where there is no other."""
        if self._idle and len(self._idle) + len(self._busy) >= self._size:
            child = self._idle.pop()
            self._selector.unregister(child)
            end([child], gently=True)
        self._give_to_fresh(job)

    def _give_to_fresh(self, job: Job[T]) -> None:
        try:
            child = Child(self._program, job, self._timeout)
        except OSError as error:
            raise EngineError(f"a worker process cannot be started: {error}; check the limits on processes") from error
        # An interrupt just before this line loses the child; its sockets close then, and it ends.
        self._busy.add(child)
        self._selector.register(child, selectors.EVENT_READ, child)

    def listen(self, seconds: float) -> list[tuple[Job[T], News]]:
        """Wait for news, for some seconds or a fraction of one at most; return what there is.

        Raises:
            EngineError: workers die again and again before they are ready.
        """
        deadlines = [child.deadline for child in self._busy if child.deadline is not None]
        until = min([time.monotonic() + min(seconds, _HEARTBEAT), *deadlines])
        ready = self._selector.select(max(0.0, until - time.monotonic()))
        news = [one for key, _ in ready for one in self._hear(key.data) or []]
        if time.monotonic() >= min([self._next_look, *deadlines]):
            self._next_look = time.monotonic() + _HEARTBEAT
            news += [one for child in [*self._busy, *self._idle] for one in self._look(child)]
        return news

    def _look(self, child: Child[T]) -> list[tuple[Job[T], News]]:
        if child.deadline is not None and time.monotonic() >= child.deadline:
            return self._bury(child, child.overdue)
        if child.gone:
            # Its last words first; without any, something that it started still holds its socket open.
            news = self._hear(child)
            return self._bury(child) if news is None else news
        return []

    def _hear(self, child: Child[T]) -> list[tuple[Job[T], News]] | None:
        try:
            frame = child.receive()
        except (EOFError, OSError):
            return self._bury(child)
        if frame is None:
            child.extend()
            return None
        if child.job is not None and frame.kind is Kind.READY:
            self._failed_starts = 0
            child.begin(child.job)
        elif child.job is not None:
            job = child.job
            child.rest()
            self._busy.remove(child)
            self._idle.append(child)
            return [(job, frame)]
        return []

    def _bury(self, child: Child[T], reason: str | None = None) -> list[tuple[Job[T], News]]:
        self._selector.unregister(child)
        death = child.bury(reason)
        self._busy.discard(child)
        if child in self._idle:
            self._idle.remove(child)
        if child.job is None:
            return []
        if child.ready:
            return [(child.job, death)]
        self._start_again(child.job, death.reason)
        return []

    def _start_again(self, job: Job[T], reason: str) -> None:
        # The job is not to blame: it was not begun.
        self._failed_starts += 1
        if self._failed_starts >= _START_TRIES:
            what = f"no worker process could be started in {_START_TRIES} tries"
            raise EngineError(f"{what}: {reason}; see what it wrote to stderr")
        self._give_to_fresh(job)
