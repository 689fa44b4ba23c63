"""Put on the PYTHONPATH by `bench/startup.py --steps`: every process tells at its end what its imports cost.

One JSON file per process in ``$STARTUP_PROBE``: its id, its CPU seconds, and the CPU seconds of importing, by package,
each package without what it imports in turn.
"""

import atexit
import json
import multiprocessing.util
import os
import sys
import time
from collections import defaultdict

_importlib = sys.modules["_frozen_importlib"]
_find_and_load = _importlib._find_and_load  # type: ignore[attr-defined]
_seconds: dict[str, float] = defaultdict(float)
_stack: list[float] = []


def _timed(name: str, import_: object) -> object:
    began = time.process_time()
    _stack.append(0.0)
    try:
        return _find_and_load(name, import_)
    finally:
        spent = time.process_time() - began
        inner = _stack.pop()
        _seconds[name.partition(".")[0]] += spent - inner
        if _stack:
            _stack[-1] += spent


def _tell() -> None:
    record = {
        "pid": os.getpid(),
        "command": sys.orig_argv[1:4],
        "cpu": time.process_time() - _cpu_at_start,
        "imports": dict(_seconds),
    }
    with open(os.path.join(os.environ["STARTUP_PROBE"], f"{os.getpid()}.json"), "w") as file:
        json.dump(record, file)


def _forked(_: object) -> None:
    # A forked child begins anew, and ends without atexit.
    global _cpu_at_start
    _cpu_at_start = time.process_time()
    _seconds.clear()
    multiprocessing.util.Finalize(None, _tell, exitpriority=0)


class _Anchor:
    """Something that lives as long as the process; after a fork it is called upon."""


_cpu_at_start = 0.0
_anchor = _Anchor()
if os.environ.get("STARTUP_PROBE"):
    _importlib._find_and_load = _timed  # type: ignore[attr-defined]
    atexit.register(_tell)
    multiprocessing.util.register_after_fork(_anchor, _forked)
