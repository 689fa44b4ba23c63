"""What workers need in order to run a function: the function as a frame, and where to import it from."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from brev_pipeline.engine.wire import Kind, Part, dump
from brev_pipeline.engine.worker import HINT
from brev_pipeline.errors import EngineError


class Program(NamedTuple):
    """A function on its way to workers."""

    frame: list[Part]
    path: list[str]
    """Import path of the workers: ours, made absolute."""


def program(function: Callable[..., Any]) -> Program:
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
        raise EngineError(f"workers cannot import {core!r} from the main script: {HINT}")
    try:
        frame = dump(Kind.FUNCTION, function)
    except Exception as error:
        raise EngineError(f"{function!r} cannot be sent to workers: {error}; {HINT}") from error
    return Program(frame, _path([__package__, module]))


def _path(modules: list[str]) -> list[str]:
    # Dagster imports a code location with a path that it takes back afterwards, so the path of this process may
    # no longer lead to modules that it has.
    wanted = [*sys.path, *filter(None, map(_home, modules))]
    return list(dict.fromkeys(os.path.abspath(entry) for entry in wanted))


def _home(module: str) -> str | None:
    """Folder on the import path from which a module of this process came; None for built-in ones."""
    file: str | None = getattr(sys.modules.get(module), "__file__", None)
    if not file:
        return None
    levels = 1 + module.count(".") + os.path.basename(file).startswith("__init__.")
    return str(Path(*Path(file).parts[:-levels]))
