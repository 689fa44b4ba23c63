"""The engine: runs one function over many independent tasks, on this machine's cores or on a Ray cluster.

Stages receive an `Engine` and know nothing of where it works. A task's result depends on the function and the
task alone; only the order in which results arrive differs between engines and runs. All names are imported on
first use, because every worker process imports this package and should start fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brev_pipeline.config import EngineSettings
    from brev_pipeline.engine.base import Engine, LostTask
    from brev_pipeline.engine.local import LocalEngine, SerialEngine
    from brev_pipeline.engine.progress import Counted, Progress, ProgressListener
    from brev_pipeline.engine.ray.engine import RayEngine

__all__ = ["Counted", "Engine", "LocalEngine", "LostTask", "Progress", "RayEngine", "SerialEngine", "create_engine"]

_MODULES = {
    "Counted": "progress",
    "Engine": "base",
    "LocalEngine": "local",
    "LostTask": "base",
    "Progress": "progress",
    "RayEngine": "ray.engine",
    "SerialEngine": "local",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def create_engine(
    settings: "EngineSettings", on_progress: "ProgressListener | None" = None, progress_seconds: float = 2.0
) -> "Engine":
    """The engine that a configuration asks for; nothing is started or reached before it is used.

    Args:
        settings: ``engine`` of the configuration.
        on_progress: called now and then during the work.
        progress_seconds: seconds between those calls.
    """
    if settings.kind == "local" or settings.address is None:
        from brev_pipeline.engine.local import LocalEngine

        return LocalEngine(settings.workers, on_progress=on_progress, progress_seconds=progress_seconds)
    from brev_pipeline.engine.ray.engine import RayEngine

    return RayEngine(
        settings.address,
        settings.workers,
        ship_package=settings.ship_package,
        runtime_env=settings.runtime_env,
        connect_seconds=settings.connect_seconds,
        start_seconds=settings.start_seconds,
        on_progress=on_progress,
        progress_seconds=progress_seconds,
    )
