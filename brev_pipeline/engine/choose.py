"""From a configuration to an engine."""

from typing import TYPE_CHECKING

from brev_pipeline.config import EngineSettings

if TYPE_CHECKING:
    from brev_pipeline.engine.base import Engine
    from brev_pipeline.engine.ticker import Listener


def engine_of(
    settings: EngineSettings, on_progress: "Listener | None" = None, progress_seconds: float = 2.0
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
