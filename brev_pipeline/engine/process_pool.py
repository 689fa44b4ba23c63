"""The worker processes of one call: who is busy, who is idle, what they say, and whether they live."""

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Generic, TypeVar

from brev_pipeline.engine.scheduler import (
    HEARTBEAT,
    Event,
    ScheduledTask,
    WorkerLost,
    WorkerPool,
    describe_timeout,
)
from brev_pipeline.engine.transport import (
    Message,
    MessageKind,
    MessageReceiver,
    Part,
    SerializedFunction,
    encode_message,
    send_message,
)
from brev_pipeline.engine.worker import GRACE_SECONDS, ONE_THREAD
from brev_pipeline.errors import EngineError

T = TypeVar("T")

# -P keeps the current folder out of the import path until the parent's own path is in place.
_FLAGS = ["-P", "-c"]
_BOOT = (
    "import sys; sys.path[:] = sys.argv[3:]; "
    "from brev_pipeline.engine.worker import main; main(int(sys.argv[1]), int(sys.argv[2]))"
)
_START_SECONDS = 120.0  # A worker that is not ready by then never will be
_SOCKET_BUFFER = 64 * 1024  # bytes that surely fit into it


class WorkerProcess(Generic[T]):
    """Starts a worker process for a task; then it takes further tasks, one at a time.

    Args:
        function: what it runs.
        task: what it runs it on first.
        timeout: seconds that a task may take, not counting the worker's start.
    """

    def __init__(self, function: SerializedFunction, task: ScheduledTask[T], timeout: float | None) -> None:
        self.task: ScheduledTask[T] | None = task
        self.ready = False
        self._sent_ahead = False
        self.deadline: float | None = time.monotonic() + _START_SECONDS
        self._timeout = timeout
        self._connection, theirs = socket.socketpair()
        self._connection.setblocking(False)
        self._receiver = MessageReceiver(self._connection)
        # Nothing is ever sent on it: its hang-up tells the worker that this process is gone.
        self._lifeline, their_lifeline = socket.socketpair()
        with theirs, their_lifeline:
            self._process = _start_process(function.import_path, [theirs.fileno(), their_lifeline.fileno()])
        self._send(function.message)
        # The first task waits in the socket for the worker to be ready, unless so large that we had to wait as well.
        if sum(map(len, [*function.message, *task.message])) <= _SOCKET_BUFFER:
            self._sent_ahead = True
            self._send(task.message)

    def fileno(self) -> int:
        """What to wait on for the next message."""
        return self._connection.fileno()

    def receive_message(self) -> Message | None:
        """Return a message if one has arrived in full. Raises `EOFError` or `OSError` if the worker is gone."""
        return self._receiver.receive_message()

    def start_task(self, task: ScheduledTask[T]) -> None:
        """Let it work on a task; it is ready. If it is gone, `receive_message` says so later."""
        self.task = task
        self.ready = True
        if not self._sent_ahead:
            self._send(task.message)
        self._sent_ahead = False
        self.reset_deadline()

    def reset_deadline(self) -> None:
        """Begin to count the task's seconds (again: while a result arrives, the worker does not hang)."""
        self.deadline = None if self._timeout is None else time.monotonic() + self._timeout

    def mark_idle(self) -> None:
        """It has done its task."""
        self.task = self.deadline = None

    @property
    def deadline_reason(self) -> str:
        """Why it is ended when its deadline has passed."""
        return describe_timeout(self._timeout) if self.ready else f"the worker was not ready after {_START_SECONDS:g} s"

    @property
    def has_exited(self) -> bool:
        """Whether the process has ended (something that it started may still hold the socket open)."""
        return self._process.poll() is not None

    def reap(self, reason: str | None = None) -> WorkerLost:
        """End what is left of it, and say why it died: by itself, unless there is a reason."""
        try:
            self._process.wait(GRACE_SECONDS if reason is None else 0)
        except subprocess.TimeoutExpired:
            reason = reason or "the worker closed its connection"
        self.kill_process()
        return WorkerLost(reason) if reason else explain_exit(self._process.returncode)

    def _send(self, parts: list[Part]) -> None:
        self._connection.settimeout(_START_SECONDS)
        try:
            send_message(self._connection, parts)
        except TimeoutError:
            self._process.kill()
        except OSError:
            pass  # it is gone: `receive_message` meets the end of the stream, where deaths are handled
        finally:
            self._connection.setblocking(False)

    def request_stop(self, *, gently: bool) -> None:
        """Tell it to end: by a word when it is idle, else by SIGTERM."""
        if gently:
            self._send(encode_message(MessageKind.BYE))
        else:
            self._process.terminate()

    def wait_until(self, moment: float) -> None:
        """Wait for its end, but kill it at a moment of `time.monotonic`."""
        try:
            self._process.wait(max(0.0, moment - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.kill_process()

    def kill_process(self) -> None:
        """Leave nothing of it."""
        self._process.kill()  # does nothing to a process whose end is known
        self._process.wait()
        self._connection.close()
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
            stop_workers([*self._idle, *self._busy], gently=kind is None)

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
            self._selector.unregister(worker)
            stop_workers([worker], gently=True)
        self._start_worker(task)

    def _start_worker(self, task: ScheduledTask[T]) -> None:
        try:
            worker = WorkerProcess(self._function, task, self._timeout)
        except OSError as error:
            raise EngineError(f"a worker process cannot be started: {error}; check the limits on processes") from error
        # An interrupt just before this line loses the worker; its sockets close then, and it ends.
        self._busy.add(worker)
        self._selector.register(worker, selectors.EVENT_READ, worker)

    def wait_for_events(self, seconds: float) -> list[tuple[ScheduledTask[T], Event]]:
        """Wait for events; also look now and then for processes that died without closing their socket."""
        deadlines = [worker.deadline for worker in self._busy if worker.deadline is not None]
        until = min([time.monotonic() + min(seconds, HEARTBEAT), *deadlines])
        ready = self._selector.select(max(0.0, until - time.monotonic()))
        events = [event for key, _ in ready for event in self._receive(key.data) or []]
        if time.monotonic() >= min([self._next_check, *deadlines]):
            self._next_check = time.monotonic() + HEARTBEAT
            events += [event for worker in [*self._busy, *self._idle] for event in self._check_worker(worker)]
        return events

    def _check_worker(self, worker: WorkerProcess[T]) -> list[tuple[ScheduledTask[T], Event]]:
        if worker.deadline is not None and time.monotonic() >= worker.deadline:
            return self._reap(worker, worker.deadline_reason)
        if worker.has_exited:
            # Its last words first; without any, something that it started still holds its socket open.
            events = self._receive(worker)
            return self._reap(worker) if events is None else events
        return []

    def _receive(self, worker: WorkerProcess[T]) -> list[tuple[ScheduledTask[T], Event]] | None:
        try:
            message = worker.receive_message()
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
        worker.mark_idle()
        self._busy.remove(worker)
        self._idle.append(worker)
        return [(task, message)]

    def _reap(self, worker: WorkerProcess[T], reason: str | None = None) -> list[tuple[ScheduledTask[T], Event]]:
        self._selector.unregister(worker)
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


def stop_workers(workers: Iterable[WorkerProcess[Any]], *, gently: bool) -> None:
    """End workers; those that need longer than half a second are killed."""
    workers = list(workers)
    try:
        for worker in workers:
            worker.request_stop(gently=gently)
        until = time.monotonic() + GRACE_SECONDS
        for worker in workers:
            worker.wait_until(until)
    finally:
        for worker in workers:
            worker.kill_process()


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
