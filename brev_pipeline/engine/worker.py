"""A worker process: receives a function once, then one task at a time, until it is told or its parent is gone.

It is a fresh interpreter, so it holds no lock, thread or memory of the parent, and knows nothing of the parent's
main script. It imports this module and whatever the function needs.

When the parent vanishes (SIGKILL, a crash), the kernel hangs up the socket and a thread that waits for that ends
the process. Linux's parent-death signal would be simpler and wrong: it fires when the *thread* that started the
worker ends, which in Dagster may be long before the work does.
"""

import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

from brev_pipeline.engine.failures import describe
from brev_pipeline.engine.wire import Frame, Kind, Part, Receiver, dump, send

GRACE_SECONDS = 0.5
"""Time for a task that is cut off to remove its temporary files (its ``finally`` blocks)."""

HINT = "define it at the top level of a module that can be imported, not in the script that runs or a notebook"


class _Stopped(BaseException):
    """Raised in the middle of a task by SIGTERM."""


def main(descriptor: int) -> None:
    """Serve the parent at the other end of a socket."""
    # Ctrl-C goes to the whole terminal; it is the parent who decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.set_inheritable(descriptor, False)
    threading.Thread(target=_watch, args=(descriptor,), daemon=True).start()
    try:
        _serve(socket.socket(fileno=descriptor))
    except (_Stopped, EOFError, OSError):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)


def _stop(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Stopped


def _watch(descriptor: int) -> None:
    hang_up = select.poll()
    hang_up.register(descriptor, select.POLLHUP)
    hang_up.poll()
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)


def _serve(connection: socket.socket) -> None:
    receiver = Receiver(connection)
    function, answer = _accept(_next(receiver))
    send(connection, answer)
    while (frame := _next(receiver)).kind is Kind.TASK:
        send(connection, _run(function, frame))
        # Neither the task nor its result is kept in memory while waiting for the next one.
        del frame


def _next(receiver: Receiver) -> Frame:
    frame = receiver.receive()
    assert frame is not None, "the worker's socket blocks"
    return frame


def _accept(frame: Frame) -> tuple[Callable[[Any], Any], list[Part]]:
    try:
        return frame.load(), dump(Kind.READY)
    except _Stopped:
        raise
    except BaseException as error:  # noqa: BLE001 (the caller hears of it)
        what = f"was not begun: the function cannot be imported in the worker ({HINT})"
        return print, dump(Kind.FAILED, describe(error, what))


def _run(function: Callable[[Any], Any], frame: Frame) -> list[Part]:
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
