"""A process that has loaded everything once and forks a child per run: a run then costs no imports.

Started as a program, it takes orders on its standard input, one JSON object a line, and answers each with one line;
`brev_pipeline_tests.faults.runs` is the side that gives the orders. A child is a real ``brev-pipeline run``, in a
session of its own with its workers, so that one signal reaches all of them. Nothing is run in this process itself,
so that children inherit code and neither threads nor connections.

A child can be told to send its session a signal right before one of its own file operations: that hits moments
between two operations that no clock would hit.
"""

import contextlib
import importlib
import itertools
import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Self

from brev_pipeline_tests.pipelines import SETTINGS, draw_photos

Order = dict[str, Any]

_CHANGES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
# Audit event → which of its arguments is the path that it changes.
_OPERATIONS = {"open": 0, "os.link": 1, "os.mkdir": 0, "os.remove": 0, "os.rmdir": 0, "os.rename": 1}


def run(*arguments: str) -> None:
    """``brev-pipeline`` with these arguments, as its command does it."""
    from brev_pipeline.cli import main

    sys.argv = ["brev-pipeline", *arguments]
    main()


def main() -> None:
    """Answer orders until there are no more, then end what is left of the children."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    _load_all()
    print("ready", file=answers)
    children: set[int] = set()
    for line in sys.stdin:
        order: Order = json.loads(line)
        if "wait" in order:
            children.discard(order["wait"])
            answer = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
        else:
            answer = _start(order)
            children.add(answer)
        print(answer, file=answers)
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)


def _load_all() -> None:
    """Import what a run imports: a first child runs one, and tells the names."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_photos(folder / "photos", {"good": 4, "bad": 4})
        (folder / "parts.yaml").write_text(SETTINGS)
        names = folder / "modules"
        order = {"call": f"{__spec__.name}:run_and_list", "arguments": [str(folder), str(names)], "out": os.devnull}
        os.waitpid(_start(order), 0)
        for module in names.read_text().split():
            with contextlib.suppress(Exception):
                importlib.import_module(module)


def run_and_list(folder: str, names: str) -> None:
    """Run a small pipeline, then write the names of all modules that are loaded."""
    try:
        run("run", f"{folder}/parts.yaml", "--store", f"{folder}/store")
    finally:
        Path(names).write_text("\n".join(sys.modules))


def _start(order: Order) -> int:
    """Fork a child that does what is ordered; its process id."""
    child = os.fork()
    if child:
        return child
    status = 70
    try:
        os.setsid()
        with open(order["out"], "wb") as out, open(os.devnull, "rb") as nothing:
            for stream, number in ((nothing, 0), (out, 1), (out, 2)):
                os.dup2(stream.fileno(), number)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
        os.environ.update(order.get("environment", {}))
        tempfile.tempdir = None
        if "clock" in order:
            _set_clock(order["clock"])
        if "signal" in order:
            sys.addaudithook(_signaller(**order["signal"]))
        module, _, name = order.get("call", f"{__spec__.name}:run").partition(":")
        getattr(importlib.import_module(module), name)(*order["arguments"])
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0
    except BaseException:  # noqa: BLE001  a child never returns into its parent's loop
        traceback.print_exc()
    finally:
        os._exit(status)


def _set_clock(seconds: float) -> None:
    """Set the clock, as this package reads it."""

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(seconds=seconds)

    readers = [module for name, module in sys.modules.items() if name.startswith("brev_pipeline.")]
    for module in readers:
        if getattr(module, "datetime", None) is datetime:
            vars(module)["datetime"] = Shifted


def _signaller(number: int, pattern: str, nth: int) -> Callable[[str, tuple[Any, ...]], None]:
    """An audit hook that sends this session a signal before the nth operation that changes a path like ``pattern``."""
    count = itertools.count(1)
    parent = os.getpid()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        at = _OPERATIONS.get(event)
        if at is None or (event == "open" and not int(arguments[2] or 0) & _CHANGES):
            return
        folder = arguments[-1] if event != "open" else -1
        path = f"{os.readlink(f'/proc/self/fd/{folder}')}/{arguments[at]}" if folder >= 0 else str(arguments[at])
        if fnmatch(path, pattern) and next(count) == nth and os.getpid() == parent:
            os.killpg(parent, number)

    return hook


if __name__ == "__main__":
    main()
    # To take down all that was imported costs seconds and is of no use.
    os._exit(0)
