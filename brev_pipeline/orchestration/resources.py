"""Where a pipeline's work runs: the engine of its stages as a Dagster resource, and the executor of its steps.

A pipeline has thirteen steps, one after the other, most of them short, so in the run's own process they cost next to
nothing beside the work. A process of its own costs each step an interpreter with Dagster, the code location and the
libraries of its stage, and gives two things for it: memory that is given back when the step ends, and a step that
can be killed (by the kernel, for its memory, or by a crash in a library) without the run.

Processes are forked off one that has imported beforehand what all steps need (multiprocessing's forkserver), so that
it is imported once in a run, and not thirteen times.
"""

from typing import TYPE_CHECKING, Any, Final, Literal

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
    def from_settings(cls, settings: EngineSettings) -> "EngineResource":
        """The resource of a configuration."""
        return cls(
            kind=settings.kind,
            workers=str(settings.workers),
            address=settings.address or "",
            settings=settings.model_dump(mode="json", exclude_unset=True, exclude_none=True),
        )

    def make_engine(self, context: Any) -> "Engine":
        """An engine whose progress goes to the log of the run."""
        from brev_pipeline.engine import create_engine
        from brev_pipeline.engine.progress import LOG_SECONDS, describe_progress

        def report(progress: "Progress") -> None:
            context.log.info(describe_progress(progress))

        return create_engine(EngineSettings.model_validate(self.settings), report, LOG_SECONDS)


PRELOADED_MODULES: Final = (
    "brev_pipeline.definitions",
    # Arrow imports it as soon as it makes an array.
    "pandas",
    "brev_pipeline.images",
    "brev_pipeline.integrity",
    "brev_pipeline.listing",
    "brev_pipeline.orchestration.metadata",
    "brev_pipeline.release.release_version",
    "brev_pipeline.split",
    # Six of the thirteen steps apply a suite. Before Great Expectations, what turns its usage statistics off.
    "brev_pipeline.expectations.validate",
    "great_expectations",
)
"""Modules that the forking process imports, in this order: what loading the code location must never do, and what is
then shared memory of all steps, some 300 MB once."""


def build_executor(kind: Literal["in_process", "multiprocess"]) -> dg.ExecutorDefinition:
    """The executor of a pipeline's job."""
    if kind == "in_process":
        return dg.in_process_executor
    start = {"forkserver": {"preload_modules": list(PRELOADED_MODULES)}}
    return dg.multiprocess_executor.configured({"start_method": start}, name="multiprocess")
