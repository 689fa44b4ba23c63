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

from brev_pipeline.engine.transport import (
    IMPORT_ADVICE,
    Message,
    MessageKind,
    Part,
    describe_error,
    encode_message,
    read_messages,
    send_message,
)

# One process per core: threads below that (OpenCV, OpenBLAS, Arrow) would only fight for it.
ONE_THREAD = dict.fromkeys(
    ["OPENCV_FOR_THREADS_NUM", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1"
)
"""Environment of a worker process."""

GRACE_SECONDS = 0.5
"""Time for a task that is cut off to remove its temporary files (its ``finally`` blocks)."""

NOT_IMPORTED = f"was not begun: the function cannot be imported in the worker ({IMPORT_ADVICE})"


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
    signal.signal(signal.SIGTERM, _on_sigterm)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    for inherited in (descriptor, lifeline):
        os.set_inheritable(inherited, False)
    _die_at_hang_up(lifeline)
    try:
        _serve(socket.socket(fileno=descriptor))
    except (_Stopped, EOFError, OSError):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)


def _on_sigterm(*_: object) -> NoReturn:
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
    connection.setblocking(True)  # so every message is whole
    messages = filter(None, read_messages(connection))
    function = _load_function(next(messages), connection)
    send_message(connection, encode_message(MessageKind.READY))
    while (message := next(messages)).kind is MessageKind.TASK:
        send_message(connection, run_task(function, message))
        # The task is not kept in memory while waiting for the next one.
        del message


def _load_function(message: Message, connection: socket.socket) -> Callable[[Any], Any]:
    try:
        function: Callable[[Any], Any] = message.load()
    except _Stopped:
        raise
    except BaseException as error:  # noqa: BLE001 (the caller hears of it)
        send_message(connection, encode_message(MessageKind.FAILED, describe_error(error, NOT_IMPORTED)))
        # Until the parent has read that and ends this process: a task may lie in the socket, which must not close.
        while True:
            signal.pause()
    return function


def run_task(function: Callable[[Any], Any], message: Message) -> list[Part]:
    """Do one task; whatever comes of it is a message: `MessageKind.DONE` or `MessageKind.FAILED`."""
    global _is_worker
    _is_worker = True
    what = f"cannot be read in the worker ({IMPORT_ADVICE})"
    try:
        task = message.load()
        what = "failed"
        result = function(task)
        what = "was done, but its result cannot be sent back"
        return encode_message(MessageKind.DONE, result)
    except _Stopped:
        raise
    except BaseException as error:  # noqa: BLE001 (the caller hears of it)
        return encode_message(MessageKind.FAILED, describe_error(error, what))
