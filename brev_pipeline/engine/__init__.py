"""The engine: runs one function over many independent tasks, on this machine's cores or elsewhere.

Stages receive an `Engine` and know nothing of where it works. A task's result depends on the function and the
task alone; only the order in which results arrive differs between engines and runs. All names are imported on
first use, because every worker process imports this package and should start fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brev_pipeline.engine.base import Counted, Engine, Lost, Progress
    from brev_pipeline.engine.choose import engine_of
    from brev_pipeline.engine.local import LocalEngine
    from brev_pipeline.engine.ray.engine import RayEngine
    from brev_pipeline.engine.serial import SerialEngine

__all__ = ["Counted", "Engine", "LocalEngine", "Lost", "Progress", "RayEngine", "SerialEngine", "engine_of"]

_HOMES = {
    "Counted": "base",
    "Engine": "base",
    "Lost": "base",
    "Progress": "base",
    "LocalEngine": "local",
    "RayEngine": "ray.engine",
    "SerialEngine": "serial",
    "engine_of": "choose",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
