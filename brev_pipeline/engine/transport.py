"""Messages between a process and its workers, on a socket, without copies of large arrays.

A message is a head (kind, sizes), a pickle, and the large buffers that pickle protocol 5 leaves out of it (NumPy
arrays, Arrow tables). Buffers go from the array's own memory into the socket and from the socket into the new
array's memory. Large ``bytes`` leave without a copy too. Nothing of this is ever written to a disk: both ends are one
program, and the socket has no name. Between machines of a cluster a message travels as one piece of bytes
(`join_message`, `parse_message`), by the cluster's own means.
"""

import os
import pickle
import socket
import struct
import sys
from collections.abc import Callable, Generator, Iterator
from enum import IntEnum
from types import SimpleNamespace
from typing import Any, NamedTuple

from brev_pipeline.errors import EngineError

_HEAD = struct.Struct("!BIQ")  # kind, number of large buffers, bytes of the pickle
_SIZE = struct.Struct("!Q")
# Smaller buffers are cheaper inside the pickle than as a part of their own.
_LARGE = 64 * 1024  # bytes
# The kernel takes at most 1024 parts per call (IOV_MAX).
_PARTS_PER_CALL = 1024

IMPORT_ADVICE = "define it at the top level of a module that can be imported, not in the script that runs or a notebook"

Part = bytes | bytearray | memoryview


class MessageKind(IntEnum):
    """What a message says."""

    FUNCTION = 0
    """To the worker: the function to run."""
    TASK = 1
    """To the worker: run it on this."""
    BYE = 2
    """To the worker: that was all."""
    READY = 3
    """From the worker: the function is there."""
    DONE = 4
    """From the worker: the task's result."""
    FAILED = 5
    """From the worker: a `failures.Failure`."""


class Message(NamedTuple):
    """One message as received."""

    kind: MessageKind
    parts: list[bytearray]

    def load(self) -> Any:
        """Unpickle it; arrays are writable. Raises whatever the objects' own code raises."""
        return pickle.loads(self.parts[0], buffers=self.parts[1:])  # noqa: S301


def encode_message(kind: MessageKind, value: Any = None) -> list[Part]:
    """Make a message of any picklable object; it refers to the object's large buffers instead of copying them.

    Raises:
        Exception: whatever pickling raises (`pickle.PicklingError`, `TypeError`, `AttributeError`, …).
    """
    pickled: list[Part] = []
    large: list[Part] = []

    def stays_inside(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < _LARGE:
            return True
        large.append(raw)
        return False

    # Pickling to a "file" hands over large bytes objects as they are.
    pickle.Pickler(SimpleNamespace(write=pickled.append), 5, buffer_callback=stays_inside).dump(value)
    head = _HEAD.pack(kind, len(large), sum(map(len, pickled)))
    return [head + b"".join(_SIZE.pack(len(part)) for part in large), *pickled, *large]


def send_message(connection: socket.socket, parts: list[Part]) -> None:
    """Send a whole message. Raises `OSError` if the other end is gone, or takes nothing for the socket's timeout."""
    left = [memoryview(part).cast("B") for part in parts if part]
    first = 0
    while first < len(left):
        sent = connection.sendmsg(left[first : first + _PARTS_PER_CALL])
        while first < len(left) and sent >= len(left[first]):
            sent -= len(left[first])
            first += 1
        if sent:
            left[first] = left[first][sent:]


def join_message(parts: list[Part]) -> bytes:
    """A message as one piece."""
    return b"".join(parts)


def parse_message(data: bytes) -> Message:
    """The message that `join_message` made a piece of; its parts are copies, so arrays are writable."""
    view = memoryview(data)
    kind, count, size = _HEAD.unpack_from(view)
    start = _HEAD.size + _SIZE.size * count
    sizes = [size, *(large for (large,) in _SIZE.iter_unpack(view[_HEAD.size : start]))]
    parts = []
    for length in sizes:
        parts.append(bytearray(view[start : start + length]))
        start += length
    return Message(MessageKind(kind), parts)


class MessageReceiver:
    """Puts messages together from what arrives on a socket, blocking or not."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._messages = self._read_messages()

    def receive_message(self) -> Message | None:
        """Return the next message; None if it has not arrived in full yet (only on a non-blocking socket).

        Raises:
            EOFError: the other end is gone.
            OSError: likewise.
        """
        return next(self._messages)

    def _read_messages(self) -> Iterator[Message | None]:
        while True:
            head = yield from self._read_bytes(_HEAD.size)
            kind, count, size = _HEAD.unpack(head)
            sizes = yield from self._read_bytes(_SIZE.size * count)
            parts = [(yield from self._read_bytes(size))]
            for (size,) in _SIZE.iter_unpack(sizes):
                parts.append((yield from self._read_bytes(size)))
            yield Message(MessageKind(kind), parts)

    def _read_bytes(self, size: int) -> Generator[None, None, bytearray]:
        buffer = bytearray(size)
        view = memoryview(buffer)
        while view:
            try:
                received = self._connection.recv_into(view)
            except BlockingIOError:
                yield
                continue
            if not received:
                raise EOFError("the other end is gone")
            view = view[received:]
        return buffer


class SerializedFunction(NamedTuple):
    """A function on its way to workers."""

    message: list[Part]
    import_path: list[str]
    """Import path of the workers: ours, made absolute."""


def serialize_function(function: Callable[..., Any]) -> SerializedFunction:
    """Prepare a function for workers.

    Raises:
        EngineError: it cannot be pickled, or belongs to the main script, which workers do not import.
    """
    # A partial object has no module of its own.
    core: Any = function
    while hasattr(core, "func"):
        core = core.func
    module = getattr(core, "__module__", None) or ""
    if module == "__main__":
        raise EngineError(f"workers cannot import {core!r} from the main script: {IMPORT_ADVICE}")
    try:
        message = encode_message(MessageKind.FUNCTION, function)
    except Exception as error:
        raise EngineError(f"{function!r} cannot be sent to workers: {error}; {IMPORT_ADVICE}") from error
    # Dagster imports a code location with a path that it takes back afterwards, so the path of this process may
    # no longer lead to modules that it has.
    folders = [*sys.path, *filter(None, map(_import_folder, [__package__, module]))]
    return SerializedFunction(message, list(dict.fromkeys(os.path.abspath(folder) for folder in folders)))


def _import_folder(module: str) -> str | None:
    """Folder on the import path from which a module of this process came; None for built-in ones."""
    file: str | None = getattr(sys.modules.get(module), "__file__", None)
    if not file:
        return None
    for _ in range(1 + module.count(".") + os.path.basename(file).startswith("__init__.")):
        file = os.path.dirname(file)
    return file
