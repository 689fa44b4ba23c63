"""The engine as a Dagster resource: where a pipeline's parallel work runs. Stages get it and know no more."""

from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from brev_pipeline.engine import Engine, Progress


class EngineResource(dg.ConfigurableResource[Any]):
    """Runs tasks on this machine's cores.

    Attributes:
        kind: ``local``.
        workers: number of processes, or ``auto``.
    """

    kind: str = "local"
    workers: str = "auto"

    def make(self, context: Any) -> "Engine":
        """An engine whose progress goes to the log of the run."""
        from brev_pipeline.engine import LocalEngine

        def report(progress: "Progress") -> None:
            context.log.info(describe(progress))

        return LocalEngine("auto" if self.workers == "auto" else int(self.workers), on_progress=report)


def describe(progress: "Progress") -> str:
    """Progress for people: done, rate, time left."""
    rate = progress.done / progress.seconds if progress.seconds else 0.0
    if progress.total is None or not rate:
        return f"{progress.label}: {progress.done} tasks done, {rate:.1f}/s"
    left = (progress.total - progress.done) / rate
    return f"{progress.label}: {progress.done} of {progress.total} tasks, {rate:.1f}/s, {left:.0f} s left"
