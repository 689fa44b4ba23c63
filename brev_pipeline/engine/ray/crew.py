"""The workers of one call on a cluster: Ray actors, one CPU each, started as they are needed.

Actors rather than Ray's tasks: an actor takes one job at a time from us alone, so we know when a job begins (its
timeout counts from there) and whose death it was; the function travels once per worker; and the whole crew can be
killed at once. Jobs are not bound to an actor before it runs: on a busy cluster those that have started do all of
the work, while the others still wait for a CPU.
"""

import time
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from brev_pipeline.engine.job import Death, Job, News
from brev_pipeline.engine.program import Program
from brev_pipeline.engine.ray.environment import environment
from brev_pipeline.engine.ray.reasons import reason_of
from brev_pipeline.engine.ray.remote import RemoteWorker
from brev_pipeline.engine.wire import Frame, Kind, pack, unpack
from brev_pipeline.errors import EngineError

T = TypeVar("T")

_START_TRIES = 3
_HEARTBEAT = 0.25  # seconds; a wait is never longer, so that interrupts are heard


@dataclass(eq=False)
class _Hand(Generic[T]):
    """One actor."""

    actor: Any
    job: Job[T] | None = None
    place: str = ""
    """Host and process, once it has begun."""
    deadline: float | None = None


class RayCrew(Generic[T]):
    """Up to ``size`` workers. A context: when it is left, none of them is.

    Args:
        ray: the module, connected.
        program: what they run.
        size: workers at most.
        timeout: seconds per job before its worker is killed, or None.
        patience: seconds to wait for the first worker.
    """

    def __init__(self, ray: Any, program: Program, size: int, timeout: float | None, patience: float) -> None:
        self._ray = ray
        self._size = size
        self._timeout = timeout
        self._patience = patience
        # Nothing is tried again behind our back: the call counts deaths, and names the task.
        self._worker = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(RemoteWorker)
        self._program = [ray.put(pack(program.frame))]
        self._environment = environment()
        self._queue: deque[Job[T]] = deque()
        self._idle: list[_Hand[T]] = []
        self._pending: dict[Any, _Hand[T]] = {}
        self._failed_starts = 0
        self._hopeless: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hand in [*self._idle, *self._pending.values()]:
            self._ray.kill(hand.actor)

    @property
    def busy(self) -> int:
        """Jobs at work or waiting for a worker to start."""
        return len(self._queue) + sum(hand.job is not None for hand in self._pending.values())

    @property
    def free(self) -> int:
        """Jobs that can be taken at once."""
        return self._size - self.busy

    def give(self, job: Job[T]) -> None:
        """Have an idle worker do a job, or the first that will be."""
        if self._idle:
            self._begin(self._idle.pop(), job)
            return
        self._queue.append(job)
        if len(self._pending) < self._size:
            self._hire()

    def give_again(self, job: Job[T]) -> None:
        """Have a job done by another worker than the one that died on it; that one is gone."""
        self.give(job)

    def listen(self, seconds: float) -> list[tuple[Job[T], News]]:
        """Wait for news, for some seconds or a fraction of one at most; return what there is.

        Raises:
            EngineError: the cluster starts no worker, or workers die again and again before they are ready.
        """
        news = [one for reference in self._ready(min(seconds, _HEARTBEAT)) for one in self._hear(reference)]
        for reference, hand in list(self._pending.items()):
            if hand.deadline is not None and time.monotonic() >= hand.deadline:
                news += self._end(reference, hand)
        self._despair()
        return news

    def _ready(self, seconds: float) -> list[Any]:
        """References of calls that have ended."""
        deadlines = [hand.deadline for hand in self._pending.values() if hand.deadline is not None]
        wait = max(0.0, min([seconds, *(one - time.monotonic() for one in deadlines)]))
        if not self._pending:
            time.sleep(wait)
            return []
        calls = list(self._pending)
        ready, _ = self._ray.wait(calls, num_returns=1, timeout=wait)
        if ready and len(calls) > 1:
            ready, _ = self._ray.wait(calls, num_returns=len(calls), timeout=0)
        return list(ready)

    def _hear(self, reference: Any) -> list[tuple[Job[T], News]]:
        hand = self._pending.pop(reference)
        try:
            frame = unpack(self._ray.get(reference))
        except self._ray.exceptions.RayError as error:
            return self._bury(hand, reason_of(self._ray, error, hand.place))
        if hand.job is None:
            return self._welcome(hand, frame)
        job, hand.job, hand.deadline = hand.job, None, None
        self._employ(hand)
        return [(job, frame)]

    def _welcome(self, hand: _Hand[T], frame: Frame) -> list[tuple[Job[T], News]]:
        """A worker has started, or tells why it cannot begin."""
        self._failed_starts, self._hopeless = 0, None
        if frame.kind is Kind.FAILED:
            self._ray.kill(hand.actor)
            return [(self._queue.popleft(), frame)] if self._queue else []
        hand.place = frame.load()
        self._employ(hand)
        return []

    def _employ(self, hand: _Hand[T]) -> None:
        if self._queue:
            self._begin(hand, self._queue.popleft())
        else:
            self._idle.append(hand)

    def _begin(self, hand: _Hand[T], job: Job[T]) -> None:
        hand.job = job
        hand.deadline = None if self._timeout is None else time.monotonic() + self._timeout
        self._pending[hand.actor.run.remote(pack(job.parts))] = hand

    def _hire(self) -> None:
        actor = self._worker.remote()
        self._pending[actor.begin.remote(self._program, self._environment)] = _Hand(actor)
        if self._hopeless is None:
            self._hopeless = time.monotonic() + self._patience

    def _end(self, reference: Any, hand: _Hand[T]) -> list[tuple[Job[T], News]]:
        del self._pending[reference]
        return self._bury(
            hand, Death(f"the task took longer than {self._timeout:g} s (task_timeout), and its worker was ended")
        )

    def _bury(self, hand: _Hand[T], death: Death) -> list[tuple[Job[T], News]]:
        self._ray.kill(hand.actor)
        if hand.job is None:
            self._count_failed_start(death)
        if self._queue:
            self._hire()
        return [] if hand.job is None else [(hand.job, death)]

    def _count_failed_start(self, death: Death) -> None:
        self._failed_starts += not death.blameless
        if self._failed_starts >= _START_TRIES:
            what = f"no worker could be started on the cluster in {_START_TRIES} tries"
            raise EngineError(f"{what}: {death.reason}; see the cluster's logs")

    def _despair(self) -> None:
        """Give up when jobs wait, nobody works, and no worker has started for a long time."""
        at_work = self._idle or any(hand.job for hand in self._pending.values())
        if self._queue and not at_work and self._hopeless is not None and time.monotonic() >= self._hopeless:
            error = EngineError(
                f"the cluster started no worker within {self._patience:g} s (engine.start_seconds); "
                f"{free_cpus(self._ray)}: wait until others are done, or let it grow"
            )
            error.passing = True
            raise error


def free_cpus(ray: Any) -> str:
    """How many CPUs the cluster has, and how many of them are free, for people."""
    return f"{ray.available_resources().get('CPU', 0):g} of its {ray.cluster_resources().get('CPU', 0):g} CPUs are free"
