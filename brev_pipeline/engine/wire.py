"""Messages between a process and its workers: frames, on a socket without copies of large arrays.

A frame is a head (kind, sizes), a pickle, and the large buffers that pickle protocol 5 leaves out of it (NumPy
arrays, Arrow tables). Buffers go from the array's own memory into the socket and from the socket into the new
array's memory. Large ``bytes`` leave without a copy too. Nothing of this is ever written to a disk: both ends are one
program, and the socket has no name. Between machines of a cluster a frame travels as one piece (`pack`, `unpack`), by
the cluster's own means.
"""

import pickle
import socket
import struct
from collections.abc import Generator, Iterator
from enum import IntEnum
from types import SimpleNamespace
from typing import Any, NamedTuple

_HEAD = struct.Struct("!BIQ")  # kind, number of large buffers, bytes of the pickle
_SIZE = struct.Struct("!Q")
# Smaller buffers are cheaper inside the pickle than as a part of their own.
_LARGE = 64 * 1024  # bytes
# The kernel takes at most 1024 parts per call (IOV_MAX).
_PARTS_PER_CALL = 1024

Part = bytes | bytearray | memoryview


class Kind(IntEnum):
    """What a frame says."""

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


class Frame(NamedTuple):
    """One message as received."""

    kind: Kind
    parts: list[bytearray]

    def load(self) -> Any:
        """Unpickle it; arrays are writable. Raises whatever the objects' own code raises."""
        return pickle.loads(self.parts[0], buffers=self.parts[1:])  # noqa: S301


def dump(kind: Kind, value: Any = None) -> list[Part]:
    """Make a frame of any picklable object; it refers to the object's large buffers instead of copying them.

    Raises:
        Exception: whatever pickling raises (`pickle.PicklingError`, `TypeError`, `AttributeError`, …).
    """
    pickled: list[Part] = []
    large: list[Part] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < _LARGE:
            return True
        large.append(raw)
        return False

    # Pickling to a "file" hands over large bytes objects as they are.
    pickle.Pickler(SimpleNamespace(write=pickled.append), 5, buffer_callback=keep).dump(value)
    head = _HEAD.pack(kind, len(large), sum(map(len, pickled)))
    return [head + b"".join(_SIZE.pack(len(part)) for part in large), *pickled, *large]


def send(connection: socket.socket, parts: list[Part]) -> None:
    """Send a whole frame. Raises `OSError` if the other end is gone, or takes nothing for the socket's timeout."""
    left = [memoryview(part).cast("B") for part in parts if part]
    first = 0
    while first < len(left):
        sent = connection.sendmsg(left[first : first + _PARTS_PER_CALL])
        while first < len(left) and sent >= len(left[first]):
            sent -= len(left[first])
            first += 1
        if sent:
            left[first] = left[first][sent:]


def pack(parts: list[Part]) -> bytes:
    """A frame as one piece."""
    return b"".join(parts)


def unpack(data: bytes) -> Frame:
    """The frame that `pack` made a piece of; its parts are copies, so arrays are writable."""
    view = memoryview(data)
    kind, count, size = _HEAD.unpack_from(view)
    start = _HEAD.size + _SIZE.size * count
    sizes = [size, *(large for (large,) in _SIZE.iter_unpack(view[_HEAD.size : start]))]
    parts = []
    for length in sizes:
        parts.append(bytearray(view[start : start + length]))
        start += length
    return Frame(Kind(kind), parts)


class Receiver:
    """Puts frames together from what arrives on a socket, blocking or not."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._frames = self._receive()

    def receive(self) -> Frame | None:
        """Return the next frame; None if it has not arrived in full yet (only on a non-blocking socket).

        Raises:
            EOFError: the other end is gone.
            OSError: likewise.
        """
        return next(self._frames)

    def _receive(self) -> Iterator[Frame | None]:
        while True:
            head = yield from self._fill(_HEAD.size)
            kind, count, size = _HEAD.unpack(head)
            sizes = yield from self._fill(_SIZE.size * count)
            parts = [(yield from self._fill(size))]
            for (size,) in _SIZE.iter_unpack(sizes):
                parts.append((yield from self._fill(size)))
            yield Frame(Kind(kind), parts)

    def _fill(self, size: int) -> Generator[None, None, bytearray]:
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
