"""One worker process, as its parent sees it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from brev_pipeline.engine.cores import ONE_THREAD
from brev_pipeline.engine.job import Death, Job
from brev_pipeline.engine.program import Program
from brev_pipeline.engine.wire import Frame, Kind, Part, Receiver, dump, send
from brev_pipeline.engine.worker import GRACE_SECONDS

T = TypeVar("T")

# -P keeps the current folder out of the import path until the parent's own path is in place.
_FLAGS = ["-P", "-c"]
_BOOT = (
    "import sys; sys.path[:] = sys.argv[3:]; "
    "from brev_pipeline.engine.worker import main; main(int(sys.argv[1]), int(sys.argv[2]))"
)
_START_SECONDS = 120.0
"""A worker that is not ready by then never will be."""
_AHEAD = 64 * 1024  # bytes that surely fit into a socket's buffer


class Child(Generic[T]):
    """Starts a worker process for a job; then it takes further jobs, one at a time.

    Args:
        program: what it runs.
        job: what it does first.
        timeout: seconds that a task may take, not counting the worker's start.
    """

    def __init__(self, program: Program, job: Job[T], timeout: float | None) -> None:
        self.job: Job[T] | None = job
        self.ready = False
        self._given = False
        self.deadline: float | None = time.monotonic() + _START_SECONDS
        self._timeout = timeout
        self._connection, theirs = socket.socketpair()
        self._connection.setblocking(False)
        self._receiver = Receiver(self._connection)
        self._lifeline, their_lifeline = socket.socketpair()
        with theirs, their_lifeline:
            self._process = _start(program.path, [theirs.fileno(), their_lifeline.fileno()])
        self._send(program.frame)
        # The first job waits in the socket for the worker to be ready, unless so large that we had to wait as well.
        if sum(map(len, [*program.frame, *job.parts])) <= _AHEAD:
            self._give(job)

    def fileno(self) -> int:
        """What to wait on for the next frame."""
        return self._connection.fileno()

    def receive(self) -> Frame | None:
        """Return a frame if one has arrived in full. Raises `EOFError` or `OSError` if the worker is gone."""
        return self._receiver.receive()

    def begin(self, job: Job[T]) -> None:
        """Let it work on a job; it is ready. If it is gone, `receive` says so later."""
        self.job = job
        self.ready = True
        if not self._given:
            self._give(job)
        self._given = False
        self.extend()

    def extend(self) -> None:
        """Begin to count the task's seconds (again: while a result arrives, the worker does not hang)."""
        self.deadline = None if self._timeout is None else time.monotonic() + self._timeout

    def rest(self) -> None:
        """It has done its job."""
        self.job = self.deadline = None

    @property
    def overdue(self) -> str:
        """Why it is ended when its deadline has passed."""
        if not self.ready:
            return f"the worker was not ready after {_START_SECONDS:g} s"
        return f"the task took longer than {self._timeout:g} s (task_timeout), and its worker was ended"

    @property
    def gone(self) -> bool:
        """Whether the process has ended (something that it started may still hold the socket open)."""
        return self._process.poll() is not None

    def bury(self, reason: str | None = None) -> Death:
        """End what is left of it, and say why it died: by itself, unless there is a reason."""
        try:
            self._process.wait(GRACE_SECONDS if reason is None else 0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            reason = reason or "the worker closed its connection"
        self._close()
        return Death(reason) if reason else _explain(self._process.returncode)

    def _give(self, job: Job[T]) -> None:
        self._given = True
        self._send(job.parts)

    def _send(self, parts: list[Part]) -> None:
        self._connection.settimeout(_START_SECONDS)
        try:
            send(self._connection, parts)
        except TimeoutError:
            self._process.kill()
        except OSError:
            pass  # it is gone: `receive` meets the end of the stream, where deaths are handled
        finally:
            self._connection.setblocking(False)

    def dismiss(self, *, gently: bool) -> None:
        """Tell it to end: by a word when it is idle, else by SIGTERM."""
        if gently:
            self._send(dump(Kind.BYE))
        else:
            self._process.terminate()

    def wait(self, until: float) -> None:
        """Wait for its end, but kill it at a moment of `time.monotonic`."""
        try:
            self._process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Leave nothing of it."""
        self._process.kill()
        self._process.wait()
        self._close()

    def _close(self) -> None:
        self._connection.close()
        self._lifeline.close()


def end(children: Iterable[Child[Any]], *, gently: bool) -> None:
    """End workers; those that need longer than half a second are killed."""
    children = list(children)
    try:
        for child in children:
            child.dismiss(gently=gently)
        until = time.monotonic() + GRACE_SECONDS
        for child in children:
            child.wait(until)
    finally:
        for child in children:
            child.kill()


def _start(path: list[str], descriptors: list[int]) -> subprocess.Popen[bytes]:
    command = [sys.executable, *_FLAGS, _BOOT, *map(str, descriptors), *path]
    # A process inherits the blocked signals: Ctrl-C cannot hit a worker before it has learnt to ignore it.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return subprocess.Popen(  # noqa: S603 (our own interpreter)
            command, pass_fds=descriptors, stdin=subprocess.DEVNULL, env=os.environ | ONE_THREAD
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _explain(status: int) -> Death:
    if status >= 0:
        return Death(f"the worker exited with status {status}")
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = "unknown"
    hint = "; perhaps the system ran out of memory" if -status == signal.SIGKILL else ""
    return Death(f"the worker was ended by signal {-status} ({name}){hint}", signal=-status)
