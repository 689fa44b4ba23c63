"""What travels between a process and its workers: messages, without copies of large arrays, and errors.

A message is a head (kind, sizes), a pickle, and the large buffers that pickle protocol 5 leaves out of it (NumPy
arrays, Arrow tables). Buffers go from the array's own memory into the socket and from the socket into the new
array's memory. Large ``bytes`` leave without a copy too. Nothing of this is ever written to a disk: both ends are one
program, and the socket has no name. Between machines of a cluster a message travels as one piece of bytes, its parts
joined, by the cluster's own means.

Exceptions do not travel well: one whose constructor takes two arguments pickles and then cannot be unpickled, others
hold what cannot be pickled at all. So ours are taken apart and put together again without calling their constructor,
and everybody else's become text.
"""

import os
import pickle
import socket
import struct
import sys
import traceback
from collections.abc import Callable, Generator, Iterator
from enum import IntEnum
from reprlib import Repr
from types import SimpleNamespace
from typing import Any, NamedTuple

from brev_pipeline.errors import BrevPipelineError, EngineError

_HEAD = struct.Struct("!BIQ")  # kind, number of large buffers, bytes of the pickle
_SIZE = struct.Struct("!Q")
# Smaller buffers are cheaper inside the pickle than as a part of their own.
_LARGE = 64 * 1024  # bytes
_PARTS_PER_CALL = 1024  # the kernel's IOV_MAX
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 200  # characters

IMPORT_ADVICE = "define it at the top level of a module that can be imported, not in the script that runs or a notebook"

Part = bytes | bytearray | memoryview


class MessageKind(IntEnum):
    """What a message says."""

    # To the worker:
    FUNCTION = 0  # the function to run
    TASK = 1  # run it on this
    BYE = 2  # that was all
    # From the worker:
    READY = 3  # the function is there
    DONE = 4  # the task's result
    FAILED = 5  # a `Failure`


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


def parse_message(data: bytes) -> Message:
    """The message whose parts were joined to one piece; they are copies, so arrays are writable."""
    view = memoryview(data)
    kind, count, size = _HEAD.unpack_from(view)
    start = _HEAD.size + _SIZE.size * count
    sizes = [size, *(large for (large,) in _SIZE.iter_unpack(view[_HEAD.size : start]))]
    parts = []
    for length in sizes:
        parts.append(bytearray(view[start : start + length]))
        start += length
    return Message(MessageKind(kind), parts)


def read_messages(connection: socket.socket) -> Iterator[Message | None]:
    """Yield messages as they arrive on a socket, blocking or not; None: the next one is not there in full yet.

    Raises:
        EOFError: the other end is gone.
        OSError: likewise.
    """
    while True:
        kind, count, size = _HEAD.unpack((yield from _read_bytes(connection, _HEAD.size)))
        sizes = yield from _read_bytes(connection, _SIZE.size * count)
        parts = [(yield from _read_bytes(connection, size))]
        for (size,) in _SIZE.iter_unpack(sizes):
            parts.append((yield from _read_bytes(connection, size)))
        yield Message(MessageKind(kind), parts)
        # A worker that waits for the next message does not keep the last one in memory.
        del parts


def _read_bytes(connection: socket.socket, size: int) -> Generator[None, None, bytearray]:
    buffer = bytearray(size)
    view = memoryview(buffer)
    while view:
        try:
            received = connection.recv_into(view)
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
    import_path: list[str]  # of the workers: ours, made absolute


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


class Failure(NamedTuple):
    """What a worker tells of an error: text, and bytes that `rebuild_error` understands. Always picklable."""

    what: str  # could not be done, for example "failed"
    summary: str
    trace: str
    ours: bytes | None = None  # pickle of (class, args, attributes) of an error of this package's family


class RemoteTraceback(Exception):  # noqa: N818 (it is a cause, not an error of its own)
    """Stands as ``__cause__`` of an error that arose in a worker; its text is the worker's traceback."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def task_name(label: str, task: object) -> str:
    """How errors name a task: by its ``repr``, cut in the middle to some 200 characters."""
    return f"{label}: task {_SHORT.repr(task)}" if label else f"task {_SHORT.repr(task)}"


def describe_error(error: BaseException, what: str = "failed") -> Failure:
    """Take an error apart, in the worker."""
    summary = "".join(traceback.format_exception_only(error)).strip()
    ours = _pack(error) if isinstance(error, BrevPipelineError) else None
    return Failure(what, summary, "".join(traceback.format_exception(error)), ours)


def rebuild_error(failure: Failure, label: str, task: object) -> BrevPipelineError:
    """Put an error together again, in the caller's process, with the worker's traceback as its ``__cause__``.

    An error of this package's family is of its own type, with its attributes and a note that names the task; anything
    else is an `EngineError` that names the task.
    """
    error = _unpack(failure.ours) if failure.ours else None
    if error:
        error.add_note(f"in {task_name(label, task)}")
    else:
        error = EngineError(f"{task_name(label, task)} {failure.what}: {failure.summary}")
    error.__cause__ = RemoteTraceback(failure.trace)
    return error


def _pack(error: BrevPipelineError) -> bytes | None:
    args = error.args if _travels(error.args) else (str(error),)
    attributes = {key: value for key, value in vars(error).items() if _travels(value)}
    # A class that the other side cannot import, one defined in a function say, falls back on its base.
    for cls in type(error).__mro__:
        if cls is Exception:
            break
        if _travels(cls):
            return pickle.dumps((cls, args, attributes))
    return None


def _unpack(data: bytes) -> BrevPipelineError | None:
    try:
        cls, args, attributes = pickle.loads(data)  # noqa: S301 (our own worker's)
        error = cls.__new__(cls, *args)
        vars(error).update(attributes)
    except Exception:  # noqa: BLE001 (foreign code; the text is there in any case)
        return None
    return error if isinstance(error, BrevPipelineError) else None


def _travels(value: Any) -> bool:
    try:
        pickle.loads(pickle.dumps(value))  # noqa: S301 (just made)
    except Exception:  # noqa: BLE001 (foreign code)
        return False
    return True
