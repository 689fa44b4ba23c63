"""A worker process: receives a function once, then one task at a time, until it is told or its parent is gone.

It is a fresh interpreter, so it holds no lock, thread or memory of the parent, and knows nothing of the parent's
main script. It imports this module and whatever the function needs.

When the parent vanishes (SIGKILL, a crash), the kernel ends the worker: the hang-up of a socket on which nothing is
ever sent raises SIGIO, whose default is death. That works in the middle of C code too, where no Python thread could.
Linux's parent-death signal would be simpler and wrong: it fires when the *thread* that started the worker ends, which
in Dagster may be long before the work does.
"""

import fcntl
import os
import select
import signal
import socket
from collections.abc import Callable
from typing import Any, NoReturn

from brev_pipeline.engine.failures import describe
from brev_pipeline.engine.wire import Frame, Kind, Part, Receiver, dump, send

GRACE_SECONDS = 0.5
"""Time for a task that is cut off to remove its temporary files (its ``finally`` blocks)."""

HINT = "define it at the top level of a module that can be imported, not in the script that runs or a notebook"


NOT_IMPORTED = f"was not begun: the function cannot be imported in the worker ({HINT})"


_is_worker = False


def is_worker() -> bool:
    """Whether this process works for an engine, which survives its death; it is then not the user's own."""
    return _is_worker


class _Stopped(BaseException):
    """Raised in the middle of a task by SIGTERM."""


def main(descriptor: int, lifeline: int) -> None:
    """Serve the parent at the other end of a socket, as long as it holds the other end of the lifeline."""
    # Ctrl-C goes to the whole terminal; it is the parent who decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    for one in (descriptor, lifeline):
        os.set_inheritable(one, False)
    _die_at_hang_up(lifeline)
    try:
        _serve(socket.socket(fileno=descriptor))
    except (_Stopped, EOFError, OSError):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)


def _stop(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Stopped


def _die_at_hang_up(lifeline: int) -> None:
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGIO})
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC)
    # If the parent was gone before, no signal comes any more.
    hang_up = select.poll()
    hang_up.register(lifeline, select.POLLHUP)
    if hang_up.poll(0):
        signal.raise_signal(signal.SIGIO)


def _serve(connection: socket.socket) -> None:
    receiver = Receiver(connection)
    function = _load_function(_next(receiver), connection)
    send(connection, dump(Kind.READY))
    while (frame := _next(receiver)).kind is Kind.TASK:
        send(connection, run(function, frame))
        # The task is not kept in memory while waiting for the next one.
        del frame


def _next(receiver: Receiver) -> Frame:
    frame = receiver.receive()
    assert frame is not None, "the worker's socket blocks"
    return frame


def _load_function(frame: Frame, connection: socket.socket) -> Callable[[Any], Any]:
    try:
        function: Callable[[Any], Any] = frame.load()
    except _Stopped:
        raise
    except BaseException as error:  # noqa: BLE001 (the caller hears of it)
        send(connection, dump(Kind.FAILED, describe(error, NOT_IMPORTED)))
        # Until the parent has read that and ends this process: a task may lie in the socket, which must not close.
        while True:
            signal.pause()
    return function


def run(function: Callable[[Any], Any], frame: Frame) -> list[Part]:
    """Do one task; whatever comes of it is a frame: `Kind.DONE` or `Kind.FAILED`."""
    global _is_worker
    _is_worker = True
    what = f"cannot be read in the worker ({HINT})"
    try:
        task = frame.load()
        what = "failed"
        result = function(task)
        what = "was done, but its result cannot be sent back"
        return dump(Kind.DONE, result)
    except _Stopped:
        raise
    except BaseException as error:  # noqa: BLE001 (the caller hears of it)
        return dump(Kind.FAILED, describe(error, what))
