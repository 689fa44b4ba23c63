"""The scheduler of one call of `Engine.map`: takes tasks, assigns them to workers, and makes results of their events.

All of it happens in the caller's thread, whenever the caller asks for the next result. Who the workers are, processes
of this machine or of a cluster, is the pool's affair.
"""

import heapq
import itertools
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Generic, NamedTuple, Self, TypeVar

from brev_pipeline.engine.base import LostTask, MapOptions
from brev_pipeline.engine.progress import ProgressReporter
from brev_pipeline.engine.transport import (
    Message,
    MessageKind,
    Part,
    SerializedFunction,
    encode_message,
    rebuild_error,
    task_name,
)
from brev_pipeline.errors import EngineError

T = TypeVar("T")

HEARTBEAT = 0.25
"""Seconds that a pool waits at most: interrupts are heard, and deaths seen that no event tells of."""
_INTERRUPTIONS = 5  # how often a task is tried again for what is not its fault, such as the loss of a machine
_START_TRIES = 3
_BACK_OFF = 0.1  # seconds before the first retry; four times as long before each further one
_LONGEST_BACK_OFF = 10.0  # seconds
_LONG = 3600.0  # seconds; the pool wakes up sooner by itself


@dataclass(eq=False)
class ScheduledTask(Generic[T]):
    """One task on its way."""

    task: T
    message: list[Part]
    """The task as a message."""
    deaths: list[str] = field(default_factory=list)
    """Why each worker ended that died on it."""
    interruptions: list[str] = field(default_factory=list)
    """What else cut it off, that says nothing about the task."""


class WorkerLost(NamedTuple):
    """A worker died on a task."""

    reason: str
    blameless: bool = False
    """Whether the task cannot be the cause: the whole machine was lost."""
    signal: int | None = None
    """The signal that ended the worker, where that is known."""


Events = list[tuple[ScheduledTask[T], Message | WorkerLost]]
"""What became of tasks: the worker's message (`MessageKind.DONE` or ``FAILED``), or the worker's death."""


class WorkerPool(ABC, Generic[T]):
    """Up to ``size`` workers, started as they are needed. A context: when it is left, none of them works any more.

    A worker whose task takes longer than ``timeout`` seconds is killed; None: it may take any time.
    """

    def __init__(self, function: SerializedFunction, size: int, timeout: float | None) -> None:
        self._function = function
        self.size = size
        self._timeout = timeout
        self._failed_starts = 0

    def __enter__(self) -> Self:
        return self

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    @property
    @abstractmethod
    def busy_count(self) -> int:
        """Tasks taken."""

    @abstractmethod
    def assign(self, task: ScheduledTask[T]) -> None:
        """Have an idle worker run a task, or a fresh one where all are busy."""

    def reassign(self, task: ScheduledTask[T]) -> None:
        """Have a task run by another worker than the one that died on it, which is gone."""
        self.assign(task)

    @abstractmethod
    def wait_for_events(self, seconds: float) -> Events[T]:
        """Wait for events, for some seconds or `HEARTBEAT` at most; return what there is.

        Raises:
            EngineError: no worker can be started, or workers die again and again before they are ready.
        """

    def _count_failed_start(self, failure: str, reason: str, advice: str) -> None:
        # What dies before it is ready, again and again, is not the tasks' fault.
        self._failed_starts += 1
        if self._failed_starts >= _START_TRIES:
            raise EngineError(f"{failure} in {_START_TRIES} tries: {reason}; {advice}")


def describe_timeout(timeout: float | None) -> str:
    """Why a worker was ended at its task's deadline."""
    return f"the task took longer than {timeout:g} s (task_timeout), and its worker was ended"


class Scheduler(Generic[T]):
    """The state of one call: enters and leaves the pool, and takes tasks one by one.

    At most one task more than there are workers is taken ahead of the results.
    """

    def __init__(
        self, pool: WorkerPool[T], tasks: Iterator[T], options: MapOptions, reporter: ProgressReporter
    ) -> None:
        self._pool = pool
        self._tasks = tasks
        self._options = options
        self._reporter = reporter
        self._exhausted = False
        self._waiting: deque[ScheduledTask[T]] = deque()
        # (moment of time.monotonic, number, task); the number keeps tasks of one moment from being compared.
        self._delayed: list[tuple[float, int, ScheduledTask[T]]] = []
        self._numbers = itertools.count()
        self._finished: deque[tuple[T, Any]] = deque()

    def run(self) -> Iterator[tuple[T, Any]]:
        """Yield results as they come; when this ends, however it ends, no worker is left."""
        with self._pool:
            while self._assign_tasks():
                if not self._finished:
                    self._handle_events(_LONG)
                    continue
                result = self._finished.popleft()
                # The workers get something to do before the caller takes his time over the result.
                self._handle_events(0)
                self._assign_tasks()
                yield result
        self._reporter.report_now(ended=True)

    def _assign_tasks(self) -> bool:
        """Take tasks and give them to workers as far as allowed; return whether anything is under way."""
        while True:
            busy = self._pool.busy_count
            under_way = len(self._delayed) + len(self._waiting) + busy + len(self._finished)
            if self._delayed and self._delayed[0][0] <= time.monotonic() and busy < self._pool.size:
                self._pool.reassign(heapq.heappop(self._delayed)[2])
            elif self._waiting and busy < self._pool.size:
                self._pool.assign(self._waiting.popleft())
            elif under_way <= self._pool.size and not self._exhausted:
                self._take_task()
            else:
                return under_way > 0

    def _take_task(self) -> None:
        try:
            task = next(self._tasks)
        except StopIteration:
            self._exhausted = True
            return
        try:
            self._waiting.append(ScheduledTask(task, encode_message(MessageKind.TASK, task)))
        except Exception as error:
            what = f"cannot be sent to a worker: {error}; tasks are plain data"
            raise EngineError(f"{task_name(self._options.label, task)} {what}") from error

    def _handle_events(self, seconds: float) -> None:
        if self._delayed:
            seconds = min(seconds, max(0.0, self._delayed[0][0] - time.monotonic()))
        for scheduled, event in self._pool.wait_for_events(seconds):
            if isinstance(event, WorkerLost):
                self._on_worker_lost(scheduled, event)
                continue
            if event.kind is MessageKind.FAILED:
                raise rebuild_error(event.load(), self._options.label, scheduled.task)
            try:
                result = event.load()
            except Exception as error:
                what = f"was done, but its result cannot be read: {type(error).__name__}: {error}"
                raise EngineError(f"{task_name(self._options.label, scheduled.task)} {what}") from error
            self._finish(scheduled, result)
        self._reporter.report_if_due()

    def _finish(self, scheduled: ScheduledTask[T], result: Any) -> None:
        self._reporter.count_task(scheduled.task)
        self._finished.append((scheduled.task, result))

    def _on_worker_lost(self, scheduled: ScheduledTask[T], loss: WorkerLost) -> None:
        (scheduled.interruptions if loss.blameless else scheduled.deaths).append(loss.reason)
        deaths, interruptions = len(scheduled.deaths), len(scheduled.interruptions)
        if deaths < self._options.tries and interruptions <= _INTERRUPTIONS:
            # After a pause: what killed a worker (no memory, no network) may pass.
            due = time.monotonic() + min(_BACK_OFF * 4 ** (deaths + interruptions - 1), _LONGEST_BACK_OFF)
            heapq.heappush(self._delayed, (due, next(self._numbers), scheduled))
            return
        if loss.blameless:
            reason = f"{loss.reason}, {interruptions} times"
        elif deaths == 2 and scheduled.deaths[0] == scheduled.deaths[1]:
            reason = f"{loss.reason}, twice"
        else:
            reason = "; on the next try ".join(scheduled.deaths)
        if self._options.lost == "yield" and not loss.blameless:
            self._finish(scheduled, LostTask(reason, loss.signal))
        else:
            name = task_name(self._options.label, scheduled.task)
            raise EngineError(f"{name} was lost: {reason}", passing=loss.blameless)
