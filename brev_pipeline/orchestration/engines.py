"""The engine as a Dagster resource: where a pipeline's parallel work runs. Stages get it and know no more."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from brev_pipeline.config import EngineSettings

if TYPE_CHECKING:
    from brev_pipeline.engine import Engine, Progress


class EngineResource(dg.ConfigurableResource[Any]):
    """Runs tasks on this machine's cores, or on a Ray cluster.

    Attributes:
        kind: ``local`` or ``ray``.
        workers: number of processes, or ``auto``.
        address: of the Ray cluster; empty for ``local``.
        settings: ``engine`` of the configuration in full, which the others are taken from.
    """

    kind: str
    workers: str
    address: str
    settings: dict[str, Any]

    @classmethod
    def of(cls, settings: EngineSettings) -> "EngineResource":
        """The resource of a configuration."""
        return cls(
            kind=settings.kind,
            workers=str(settings.workers),
            address=settings.address or "",
            settings=settings.model_dump(mode="json", exclude_unset=True, exclude_none=True),
        )

    def make(self, context: Any) -> "Engine":
        """An engine whose progress goes to the log of the run."""
        from brev_pipeline.engine import create_engine
        from brev_pipeline.engine.progress import LOG_SECONDS, describe_progress

        def report(progress: "Progress") -> None:
            context.log.info(describe_progress(progress))

        return create_engine(EngineSettings.model_validate(self.settings), report, LOG_SECONDS)
