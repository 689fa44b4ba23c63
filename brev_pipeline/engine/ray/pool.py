"""The workers of one call on a cluster: Ray actors, one CPU each, started as they are needed.

Actors rather than Ray's tasks: an actor takes one task at a time from us alone, so we know when a task begins (its
timeout counts from there) and whose death it was; the function travels once per worker; and the whole pool can be
killed at once. Tasks are not bound to an actor before it runs: on a busy cluster those that have started do all of
the work, while the others still wait for a CPU.
"""

import re
import time
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, TypeVar

from brev_pipeline.engine.ray.worker import RemoteWorker, collect_versions
from brev_pipeline.engine.scheduler import (
    HEARTBEAT,
    Event,
    ScheduledTask,
    WorkerLost,
    WorkerPool,
    describe_timeout,
)
from brev_pipeline.engine.transport import Message, MessageKind, SerializedFunction, join_message, parse_message
from brev_pipeline.errors import EngineError

T = TypeVar("T")


@dataclass(eq=False)
class WorkerHandle(Generic[T]):
    """One actor."""

    actor: Any
    task: ScheduledTask[T] | None = None
    place: str = ""
    """Host and process, once it has begun."""
    deadline: float | None = None


class RayPool(WorkerPool[T]):
    """Workers on a cluster.

    Args:
        ray: the module, connected.
        function: what they run.
        size: workers at most.
        timeout: seconds per task before its worker is killed, or None.
        start_seconds: to wait for the first worker.
    """

    def __init__(
        self, ray: Any, function: SerializedFunction, size: int, timeout: float | None, start_seconds: float
    ) -> None:
        super().__init__(function, size, timeout)
        self._ray = ray
        self._start_seconds = start_seconds
        # Nothing is tried again behind our back: the scheduler counts deaths, and names the task.
        self._worker_class = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(RemoteWorker)
        # In a list, because Ray fetches bare references itself, and every worker is to fetch this one.
        self._shared_function = [ray.put(join_message(function.message))]
        self._versions = collect_versions()
        self._queue: deque[ScheduledTask[T]] = deque()
        self._idle: list[WorkerHandle[T]] = []
        self._pending: dict[Any, WorkerHandle[T]] = {}
        self._start_deadline: float | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in [*self._idle, *self._pending.values()]:
            self._ray.kill(worker.actor)

    @property
    def busy_count(self) -> int:
        """Tasks at work or waiting for a worker to start."""
        return len(self._queue) + sum(worker.task is not None for worker in self._pending.values())

    def assign(self, task: ScheduledTask[T]) -> None:
        """Have an idle worker run a task, or the first that will be."""
        if self._idle:
            self._start_task(self._idle.pop(), task)
            return
        self._queue.append(task)
        if len(self._pending) < self.size:
            self._start_worker()

    def wait_for_events(self, seconds: float) -> list[tuple[ScheduledTask[T], Event]]:
        """Wait for events; end workers at their task's deadline."""
        ready = self._wait_for_calls(min(seconds, HEARTBEAT))
        events = [event for reference in ready for event in self._receive(reference)]
        for reference, worker in list(self._pending.items()):
            if worker.deadline is not None and time.monotonic() >= worker.deadline:
                del self._pending[reference]
                events += self._reap(worker, WorkerLost(describe_timeout(self._timeout)))
        self._check_start_timeout()
        return events

    def _wait_for_calls(self, seconds: float) -> list[Any]:
        """References of calls that have ended."""
        deadlines = [worker.deadline for worker in self._pending.values() if worker.deadline is not None]
        wait = max(0.0, min([seconds, *(deadline - time.monotonic() for deadline in deadlines)]))
        if not self._pending:
            time.sleep(wait)
            return []
        calls = list(self._pending)
        ready, _ = self._ray.wait(calls, num_returns=1, timeout=wait)
        if ready and len(calls) > 1:
            ready, _ = self._ray.wait(calls, num_returns=len(calls), timeout=0)
        return list(ready)

    def _receive(self, reference: Any) -> list[tuple[ScheduledTask[T], Event]]:
        worker = self._pending.pop(reference)
        try:
            message = parse_message(self._ray.get(reference))
        except self._ray.exceptions.RayError as error:
            return self._reap(worker, explain_loss(self._ray, error, worker.place))
        if worker.task is None:
            return self._on_started(worker, message)
        task, worker.task, worker.deadline = worker.task, None, None
        self._assign_next(worker)
        return [(task, message)]

    def _on_started(self, worker: WorkerHandle[T], message: Message) -> list[tuple[ScheduledTask[T], Event]]:
        """A worker has started, or tells why it cannot begin."""
        self._failed_starts, self._start_deadline = 0, None
        if message.kind is MessageKind.FAILED:
            self._ray.kill(worker.actor)
            return [(self._queue.popleft(), message)] if self._queue else []
        worker.place = message.load()
        self._assign_next(worker)
        return []

    def _assign_next(self, worker: WorkerHandle[T]) -> None:
        if self._queue:
            self._start_task(worker, self._queue.popleft())
        else:
            self._idle.append(worker)

    def _start_task(self, worker: WorkerHandle[T], task: ScheduledTask[T]) -> None:
        worker.task = task
        worker.deadline = None if self._timeout is None else time.monotonic() + self._timeout
        self._pending[worker.actor.run_task.remote(join_message(task.message))] = worker

    def _start_worker(self) -> None:
        actor = self._worker_class.remote()
        self._pending[actor.prepare.remote(self._shared_function, self._versions)] = WorkerHandle(actor)
        if self._start_deadline is None:
            self._start_deadline = time.monotonic() + self._start_seconds

    def _reap(self, worker: WorkerHandle[T], loss: WorkerLost) -> list[tuple[ScheduledTask[T], Event]]:
        self._ray.kill(worker.actor)
        if worker.task is None and not loss.blameless:
            self._count_failed_start("no worker could be started on the cluster", loss.reason, "see the cluster's logs")
        if self._queue:
            self._start_worker()
        return [] if worker.task is None else [(worker.task, loss)]

    def _check_start_timeout(self) -> None:
        """Give up when tasks wait, nobody works, and no worker has started for a long time."""
        at_work = self._idle or any(worker.task for worker in self._pending.values())
        late = self._start_deadline is not None and time.monotonic() >= self._start_deadline
        if self._queue and not at_work and late:
            free = self._ray.available_resources().get("CPU", 0)
            error = EngineError(
                f"the cluster started no worker within {self._start_seconds:g} s (engine.start_seconds); {free:g} of "
                f"its {self._ray.cluster_resources().get('CPU', 0):g} CPUs are free: wait until others are done, or "
                "let it grow"
            )
            error.passing = True
            raise error


_CRASHED = "the worker was killed by a signal or crashed; perhaps its machine ran out of memory"


def explain_loss(ray: Any, error: Exception, place: str) -> WorkerLost:
    """What became of a worker on the cluster.

    Args:
        ray: the module.
        error: what Ray raised in place of the worker's answer.
        place: where the worker was; empty if it had not begun.

    Raises:
        EngineError: workers can never start: what they need cannot be set up, or they cannot import this package.
    """
    known, text = ray.exceptions, str(error)
    where = f" ({place})" if place else ""
    if isinstance(error, known.RuntimeEnvSetupError):
        raise EngineError(f"the cluster cannot set up what workers need (engine.runtime_env): {text}") from error
    if "ModuleNotFoundError" in text or "ImportError" in text:
        raise EngineError(
            "workers of the cluster cannot import brev_pipeline: set engine.ship_package: true, or install the package "
            f"on every machine: {_last_line(text)}"
        ) from error
    if _is_of_machine(known, error, text):
        return WorkerLost(f"the machine of the worker{where} was lost", blameless=True)
    if isinstance(error, known.OutOfMemoryError) or "running low on memory" in text:
        return WorkerLost(f"the worker{where} was ended because its machine ran out of memory")
    if isinstance(error, known.ActorDiedError) and "worker process has died" in text:
        # Ray has no field for the exit code, only the sentence.
        status = re.search(r"exit code (\d+)", text)
        exited = f"the worker exited with status {status[1]}" if status and "INTENDED" in text else _CRASHED
        return WorkerLost(exited + where)
    return WorkerLost(f"the worker{where} was lost: {_last_line(text)}")


def _is_of_machine(known: Any, error: Exception, text: str) -> bool:
    lost = known.ActorUnavailableError, known.NodeDiedError, known.ObjectLostError, known.LocalRayletDiedError
    return isinstance(error, lost) or "node has died" in text or "node was terminated" in text or "node died" in text


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1].strip() if text.strip() else "Ray says nothing"
