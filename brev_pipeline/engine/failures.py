"""Errors on their way from a worker to the caller.

Exceptions do not travel well: one whose constructor takes two arguments pickles and then cannot be unpickled,
others hold what cannot be pickled at all. So ours are taken apart and put together again without calling their
constructor, and everybody else's become text.
"""

import pickle
import traceback
from reprlib import Repr
from typing import Any, NamedTuple

from brev_pipeline.errors import BrevPipelineError, EngineError

_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 200


class Failure(NamedTuple):
    """What a worker tells of an error: text, and bytes that `rebuild_error` understands. Always picklable."""

    what: str
    """What could not be done, for example ``"failed"``."""
    summary: str
    trace: str
    ours: bytes | None = None
    """Pickle of (class, args, attributes) of an error of this package's family."""


class RemoteTraceback(Exception):  # noqa: N818 (it is a cause, not an error of its own)
    """Stands as ``__cause__`` of an error that arose in a worker; its text is the worker's traceback."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def short_repr(task: object) -> str:
    """``repr`` of a task, cut in the middle to some 200 characters."""
    return _SHORT.repr(task)


def task_name(label: str, task: object) -> str:
    """How errors name a task."""
    return f"{label}: task {short_repr(task)}" if label else f"task {short_repr(task)}"


def describe_error(error: BaseException, what: str = "failed") -> Failure:
    """Take an error apart, in the worker."""
    lines = traceback.format_exception(error)
    summary = "".join(traceback.format_exception_only(error)).strip()
    return Failure(what, summary, "".join(lines), _pack(error) if isinstance(error, BrevPipelineError) else None)


def rebuild_error(failure: Failure, label: str, task: object) -> BrevPipelineError:
    """Put an error together again, in the caller's process.

    Returns:
        An error of this package's family as its own type, with its attributes and a note that names the task;
        anything else as an `EngineError` that names the task. The worker's traceback is its ``__cause__``.
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
