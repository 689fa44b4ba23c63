"""The workers of one call on a cluster: Ray actors, one CPU each, started as they are needed; and what runs in them.

Actors rather than Ray's tasks: an actor takes one task at a time from us alone, so we know when a task begins (its
timeout counts from there) and whose death it was; the function travels once per worker; and the whole pool can be
killed at once. Tasks are not bound to an actor before it runs: on a busy cluster those that have started do all of
the work, while the others still wait for a CPU. Their processes belong to Ray, which ends them when the caller's
process ends, however that ends.

On one machine all processes run the same code. Machines of a cluster may not, and another OpenCV can mean other bytes
in a shard: so every worker compares the versions that it has with the caller's before it does anything.
"""

import hashlib
import os
import re
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Generic, TypeVar

from brev_pipeline.engine.scheduler import HEARTBEAT, Events, ScheduledTask, WorkerLost, WorkerPool, describe_timeout
from brev_pipeline.engine.transport import (
    Failure,
    MessageKind,
    SerializedFunction,
    describe_error,
    encode_message,
    parse_message,
)
from brev_pipeline.engine.worker import NOT_IMPORTED, run_task
from brev_pipeline.errors import EngineError
from brev_pipeline.stages import package_versions

T = TypeVar("T")
PACKAGE_FOLDER: Final = Path(__file__).parents[2]
"""Where this package's source lies."""
_ADVICE = (
    "install the same versions on the cluster as here (engine.ship_package: true sends brev_pipeline itself along, not "
    "what it uses)"
)
# Ray has exceptions for only some of the ways in which a machine is lost.
_MACHINE_GONE = ("node has died", "node was terminated", "node died")
_CRASHED = "the worker was killed by a signal or crashed; perhaps its machine ran out of memory"


class RemoteWorker:
    """One worker; Ray calls its methods one after the other. Each answers with a message in one piece, raises nothing.

    It is given the function once, then one task at a time.
    """

    def prepare(self, function: list[Any], versions: dict[str, str]) -> bytes:
        """Get ready: `MessageKind.READY` with where this is (host name, process), or `MessageKind.FAILED`.

        Args:
            function: reference to the function as a message (in a list: Ray fetches bare ones itself).
            versions: the caller's `collect_versions`.
        """
        address, here = f"{socket.gethostname()}, process {os.getpid()}", collect_versions()
        if unlike := [
            f"{name} {here.get(name)}, not {ours}" for name, ours in versions.items() if here.get(name) != ours
        ]:
            why = f"the worker on {address} has {'; '.join(unlike)}, and might make other bytes: {_ADVICE}"
            return b"".join(encode_message(MessageKind.FAILED, Failure("was not begun", why, "no traceback")))
        try:
            import ray

            self._function: Callable[[Any], Any] = parse_message(ray.get(function[0])).load()
        except BaseException as error:  # noqa: BLE001 (the caller hears of it)
            return b"".join(encode_message(MessageKind.FAILED, describe_error(error, NOT_IMPORTED)))
        return b"".join(encode_message(MessageKind.READY, address))

    def run_task(self, task: bytes) -> bytes:
        """Do one task: `MessageKind.DONE` or `MessageKind.FAILED`."""
        return b"".join(run_task(self._function, parse_message(task)))


def collect_versions() -> dict[str, str]:
    """Versions of Python and of what bytes depend on in this process, and a hash of this package's own source."""
    digest = hashlib.sha256()
    # Stubs count: what a room's names are is read from them at run time.
    files = [*PACKAGE_FOLDER.rglob("*.py"), *PACKAGE_FOLDER.rglob("*.pyi")]
    for name, file in sorted((file.relative_to(PACKAGE_FOLDER).as_posix(), file) for file in files):
        digest.update(f"{name}\0".encode() + file.read_bytes() + b"\0")
    python = "{}.{}".format(*sys.version_info[:2])
    return {**package_versions(), "Python": python, "brev-pipeline": f"with source {digest.hexdigest()[:12]}"}


@dataclass(eq=False)
class WorkerHandle(Generic[T]):
    """One actor."""

    actor: Any
    task: ScheduledTask[T] | None = None
    address: str = ""  # host and process, once it has begun
    deadline: float | None = None  # moment of time.monotonic


class RayPool(WorkerPool[T]):
    """Workers on a cluster that ``ray``, the module, is connected to; the first has to start in ``start_seconds``."""

    def __init__(
        self, ray: Any, function: SerializedFunction, size: int, timeout: float | None, start_seconds: float
    ) -> None:
        super().__init__(function, size, timeout)
        self._ray = ray
        self._start_seconds = start_seconds
        # Nothing is tried again behind our back: the scheduler counts deaths, and names the task.
        self._worker_class = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(RemoteWorker)
        # In a list, because Ray fetches bare references itself, and every worker is to fetch this one.
        self._shared_function = [ray.put(b"".join(function.message))]
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

    def wait_for_events(self, seconds: float) -> Events[T]:
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

    def _receive(self, reference: Any) -> Events[T]:
        worker = self._pending.pop(reference)
        try:
            message = parse_message(self._ray.get(reference))
        except self._ray.exceptions.RayError as error:
            return self._reap(worker, explain_loss(self._ray, error, worker.address))
        task, worker.task, worker.deadline = worker.task, None, None
        if task is None:
            # It has started, or tells why it cannot begin.
            self._failed_starts, self._start_deadline = 0, None
            if message.kind is MessageKind.FAILED:
                self._ray.kill(worker.actor)
                return [(self._queue.popleft(), message)] if self._queue else []
            worker.address = message.load()
        if self._queue:
            self._start_task(worker, self._queue.popleft())
        else:
            self._idle.append(worker)
        return [] if task is None else [(task, message)]

    def _start_task(self, worker: WorkerHandle[T], task: ScheduledTask[T]) -> None:
        worker.task = task
        worker.deadline = None if self._timeout is None else time.monotonic() + self._timeout
        self._pending[worker.actor.run_task.remote(b"".join(task.message))] = worker

    def _start_worker(self) -> None:
        actor = self._worker_class.remote()
        self._pending[actor.prepare.remote(self._shared_function, self._versions)] = WorkerHandle(actor)
        if self._start_deadline is None:
            self._start_deadline = time.monotonic() + self._start_seconds

    def _reap(self, worker: WorkerHandle[T], loss: WorkerLost) -> Events[T]:
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
            raise EngineError(
                f"the cluster started no worker within {self._start_seconds:g} s (engine.start_seconds); {free:g} of "
                f"its {self._ray.cluster_resources().get('CPU', 0):g} CPUs are free: wait until others are done, or "
                "let it grow",
                passing=True,
            )


def explain_loss(ray: Any, error: Exception, address: str) -> WorkerLost:
    """What became of a worker on the cluster, by what Ray raised in place of its answer.

    Raises:
        EngineError: workers can never start: what they need cannot be set up, or they cannot import this package.
    """
    known, text = ray.exceptions, str(error)
    where = f" ({address})" if address else ""
    if isinstance(error, known.RuntimeEnvSetupError):
        raise EngineError(f"the cluster cannot set up what workers need (engine.runtime_env): {text}") from error
    if "ModuleNotFoundError" in text or "ImportError" in text:
        raise EngineError(
            "workers of the cluster cannot import brev_pipeline: set engine.ship_package: true, or install the package "
            f"on every machine: {_last_line(text)}"
        ) from error
    gone = known.ActorUnavailableError, known.NodeDiedError, known.ObjectLostError, known.LocalRayletDiedError
    if isinstance(error, gone) or any(words in text for words in _MACHINE_GONE):
        return WorkerLost(f"the machine of the worker{where} was lost", blameless=True)
    if isinstance(error, known.OutOfMemoryError) or "running low on memory" in text:
        return WorkerLost(f"the worker{where} was ended because its machine ran out of memory")
    if isinstance(error, known.ActorDiedError) and "worker process has died" in text:
        # Ray has no field for the exit code, only the sentence.
        status = re.search(r"exit code (\d+)", text)
        exited = f"the worker exited with status {status[1]}" if status and "INTENDED" in text else _CRASHED
        return WorkerLost(exited + where)
    return WorkerLost(f"the worker{where} was lost: {_last_line(text)}")


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1].strip() if text.strip() else "Ray says nothing"
