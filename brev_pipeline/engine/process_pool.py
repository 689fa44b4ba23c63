"""The engine of one machine: a few worker processes, one task each at a time.

Why a pool of our own: in `concurrent.futures` the death of one worker breaks the whole pool and loses every task in
it, and `multiprocessing` imports the parent's main script into each worker. Here a worker that is killed, crashes or
hangs costs the one task that it held, and no process outlives the call, however that ends.
"""

import math
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Literal, TypeVar

from brev_pipeline.engine.base import Engine, MapOptions, check_workers
from brev_pipeline.engine.progress import ProgressListener, ProgressReporter
from brev_pipeline.engine.scheduler import (
    HEARTBEAT,
    Events,
    ScheduledTask,
    Scheduler,
    WorkerLost,
    WorkerPool,
    describe_timeout,
)
from brev_pipeline.engine.transport import (
    MessageKind,
    Part,
    SerializedFunction,
    encode_message,
    read_messages,
    send_message,
    serialize_function,
)
from brev_pipeline.engine.worker import GRACE_SECONDS, ONE_THREAD
from brev_pipeline.errors import EngineError

T = TypeVar("T")

_CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")
# -P keeps the current folder out of the import path until the parent's own path is in place.
_FLAGS = ["-P", "-c"]
_BOOT = (
    "import sys; sys.path[:] = sys.argv[3:]; "
    "from brev_pipeline.engine.worker import main; main(int(sys.argv[1]), int(sys.argv[2]))"
)
_START_SECONDS = 120.0  # a worker that is not ready by then never will be
_SOCKET_BUFFER = 64 * 1024  # bytes that surely fit into it


class LocalEngine(Engine):
    """Runs tasks in worker processes of this machine.

    Workers are fresh interpreters that live for one call of `map`; no more are started than there are tasks. At most
    ``workers + 1`` tasks are taken from the iterable ahead of the results. When the call ends (used up, an error, the
    caller stops iterating or is interrupted), its workers have ended within a second; when this process is killed, they
    end by themselves. Safe in a process with threads, and in several threads at once.

    A task whose worker dies is tried once more on a fresh worker, if the call does not want it otherwise. What workers
    print appears where this process prints; set ``PYTHONFAULTHANDLER=1`` to see there at which line one crashed.

    Args:
        workers: processes; ``"auto"``: one per core that this process may use.
        on_progress: as for `Engine`, like the others.
        progress_seconds: seconds between calls of ``on_progress``.
        task_timeout: seconds that one task may take.

    Raises:
        EngineError: ``workers``, ``progress_seconds`` or ``task_timeout`` is out of range.
    """

    def __init__(
        self,
        workers: int | Literal["auto"] = "auto",
        on_progress: ProgressListener | None = None,
        progress_seconds: float = 2.0,
        task_timeout: float | None = None,
    ) -> None:
        super().__init__(on_progress, progress_seconds, task_timeout)
        self._workers = usable_cores() if workers == "auto" else check_workers(workers)

    @property
    def workers(self) -> int:
        """Tasks that run at the same time."""
        return self._workers

    def _run(
        self, function: Callable[[T], Any], tasks: Iterable[T], options: MapOptions, reporter: ProgressReporter
    ) -> Iterator[tuple[T, Any]]:
        pool: ProcessPool[T] = ProcessPool(serialize_function(function), self._workers, options.timeout)
        return Scheduler(pool, iter(tasks), options, reporter).run()


def usable_cores() -> int:
    """Cores that this process may use: its CPU affinity, and a container's CPU limit (cgroup v2, rounded up)."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        # "max 100000", or "150000 100000": microseconds of CPU per period of microseconds.
        quota, period = _CGROUP_LIMIT.read_text().split()
        return max(1, min(allowed, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):
        return allowed


class WorkerProcess(Generic[T]):
    """A worker process, started for a task; then it takes further tasks, one at a time.

    A task may take ``timeout`` seconds, not counting the worker's start; None: any time.
    """

    def __init__(self, function: SerializedFunction, task: ScheduledTask[T], timeout: float | None) -> None:
        self.task: ScheduledTask[T] | None = task
        self.ready = False
        self._sent_ahead = False
        self.deadline: float | None = time.monotonic() + _START_SECONDS
        self._timeout = timeout
        self.connection, theirs = socket.socketpair()
        self.connection.setblocking(False)
        self.messages = read_messages(self.connection)
        # Nothing is ever sent on it: its hang-up tells the worker that this process is gone.
        self._lifeline, their_lifeline = socket.socketpair()
        with theirs, their_lifeline:
            self.process = _start_process(function.import_path, [theirs.fileno(), their_lifeline.fileno()])
        self.send(function.message)
        # The first task waits in the socket for the worker to be ready, unless so large that we had to wait as well.
        if sum(map(len, [*function.message, *task.message])) <= _SOCKET_BUFFER:
            self._sent_ahead = True
            self.send(task.message)

    def start_task(self, task: ScheduledTask[T]) -> None:
        """Let it work on a task; it is ready. If it is gone, reading its messages says so later."""
        self.task = task
        self.ready = True
        if not self._sent_ahead:
            self.send(task.message)
        self._sent_ahead = False
        self.reset_deadline()

    def reset_deadline(self) -> None:
        """Begin to count the task's seconds (again: while a result arrives, the worker does not hang)."""
        self.deadline = None if self._timeout is None else time.monotonic() + self._timeout

    def reap(self, reason: str | None = None) -> WorkerLost:
        """End what is left of it, and say why it died: by itself, unless there is a reason."""
        try:
            self.process.wait(GRACE_SECONDS if reason is None else 0)
        except subprocess.TimeoutExpired:
            reason = reason or "the worker closed its connection"
        self.kill()
        return WorkerLost(reason) if reason else explain_exit(self.process.returncode)

    def send(self, message: list[Part]) -> None:
        """Send it a whole message; if it takes none, it is ended."""
        self.connection.settimeout(_START_SECONDS)
        try:
            send_message(self.connection, message)
        except TimeoutError:
            self.process.kill()
        except OSError:
            pass  # it is gone: whoever reads its messages meets the end of the stream, where deaths are handled
        finally:
            self.connection.setblocking(False)

    def kill(self) -> None:
        """Leave nothing of it."""
        self.process.kill()  # does nothing to a process whose end is known
        self.process.wait()
        self.connection.close()
        self._lifeline.close()


class ProcessPool(WorkerPool[T]):
    """Worker processes of this machine."""

    def __init__(self, function: SerializedFunction, size: int, timeout: float | None) -> None:
        super().__init__(function, size, timeout)
        self._selector = selectors.DefaultSelector()
        self._idle: list[WorkerProcess[T]] = []
        self._busy: set[WorkerProcess[T]] = set()
        self._next_check = 0.0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._selector:
            _stop_workers([*self._idle, *self._busy], gently=kind is None)

    @property
    def busy_count(self) -> int:
        """Tasks at work."""
        return len(self._busy)

    def assign(self, task: ScheduledTask[T]) -> None:
        """Have an idle worker run a task, or a fresh one where all are busy."""
        if self._idle:
            worker = self._idle.pop()
            self._busy.add(worker)
            worker.start_task(task)
        else:
            self._start_worker(task)

    def reassign(self, task: ScheduledTask[T]) -> None:
        """Have a fresh worker run a task, in the place of an idle one where there is no other."""
        if self._idle and len(self._idle) + len(self._busy) >= self.size:
            worker = self._idle.pop()
            self._selector.unregister(worker.connection)
            _stop_workers([worker], gently=True)
        self._start_worker(task)

    def _start_worker(self, task: ScheduledTask[T]) -> None:
        try:
            worker = WorkerProcess(self._function, task, self._timeout)
        except OSError as error:
            raise EngineError(f"a worker process cannot be started: {error}; check the limits on processes") from error
        # An interrupt just before this line loses the worker; its sockets close then, and it ends.
        self._busy.add(worker)
        self._selector.register(worker.connection, selectors.EVENT_READ, worker)

    def wait_for_events(self, seconds: float) -> Events[T]:
        """Wait for events; also look now and then for processes that died without closing their socket."""
        deadlines = [worker.deadline for worker in self._busy if worker.deadline is not None]
        until = min([time.monotonic() + min(seconds, HEARTBEAT), *deadlines])
        ready = self._selector.select(max(0.0, until - time.monotonic()))
        events = [event for key, _ in ready for event in self._receive(key.data) or []]
        if time.monotonic() >= min([self._next_check, *deadlines]):
            self._next_check = time.monotonic() + HEARTBEAT
            events += [event for worker in [*self._busy, *self._idle] for event in self._check_worker(worker)]
        return events

    def _check_worker(self, worker: WorkerProcess[T]) -> Events[T]:
        if worker.deadline is not None and time.monotonic() >= worker.deadline:
            late_start = f"the worker was not ready after {_START_SECONDS:g} s"
            return self._reap(worker, describe_timeout(self._timeout) if worker.ready else late_start)
        if worker.process.poll() is None:
            return []
        # Its last words first; without any, something that it started still holds its socket open.
        events = self._receive(worker)
        return self._reap(worker) if events is None else events

    def _receive(self, worker: WorkerProcess[T]) -> Events[T] | None:
        """What a worker's next message makes known; None if it has not arrived in full."""
        try:
            message = next(worker.messages)
        except (EOFError, OSError):
            return self._reap(worker)
        if message is None:
            worker.reset_deadline()
            return None
        task = worker.task
        if task is None:
            return []
        if message.kind is MessageKind.READY:
            self._failed_starts = 0
            worker.start_task(task)
            return []
        worker.task = worker.deadline = None
        self._busy.remove(worker)
        self._idle.append(worker)
        return [(task, message)]

    def _reap(self, worker: WorkerProcess[T], reason: str | None = None) -> Events[T]:
        self._selector.unregister(worker.connection)
        loss = worker.reap(reason)
        # Also an idle worker may die, of what its last task left behind.
        self._busy.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        if worker.task is None:
            return []
        if worker.ready:
            return [(worker.task, loss)]
        # The task is not to blame: it was not begun.
        self._count_failed_start("no worker process could be started", loss.reason, "see what it wrote to stderr")
        self._start_worker(worker.task)
        return []


def _stop_workers(workers: list[WorkerProcess[Any]], *, gently: bool) -> None:
    """End workers, idle ones gently: by a word; those that need longer than half a second are killed."""
    try:
        for worker in workers:
            if gently:
                worker.send(encode_message(MessageKind.BYE))
            else:
                worker.process.terminate()
        until = time.monotonic() + GRACE_SECONDS
        for worker in workers:
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(max(0.0, until - time.monotonic()))
    finally:
        for worker in workers:
            worker.kill()


def _start_process(path: list[str], descriptors: list[int]) -> subprocess.Popen[bytes]:
    command = [sys.executable, *_FLAGS, _BOOT, *map(str, descriptors), *path]
    # A process inherits the blocked signals: Ctrl-C cannot hit a worker before it has learnt to ignore it.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return subprocess.Popen(  # noqa: S603 (our own interpreter)
            command, pass_fds=descriptors, stdin=subprocess.DEVNULL, env=os.environ | ONE_THREAD
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def explain_exit(status: int) -> WorkerLost:
    """Why a worker ended, from its process's return code: negative where a signal ended it."""
    if status >= 0:
        return WorkerLost(f"the worker exited with status {status}")
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = "unknown"
    hint = "; perhaps the system ran out of memory" if -status == signal.SIGKILL else ""
    return WorkerLost(f"the worker was ended by signal {-status} ({name}){hint}", signal=-status)
