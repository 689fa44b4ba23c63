"""Where Dagster's steps run: in the run's own process, or each in a process of its own.

A pipeline has thirteen steps, one after the other, most of them short, so in the run's own process they cost next to
nothing beside the work. A process of its own costs each step an interpreter with Dagster, the code location and the
libraries of its stage, and gives two things for it: memory that is given back when the step ends, and a step that
can be killed (by the kernel, for its memory, or by a crash in a library) without the run.

Processes are forked off one that has imported beforehand what all steps need (multiprocessing's forkserver), so that
it is imported once in a run, and not thirteen times.
"""

from typing import Final, Literal

import dagster as dg

PRELOADED: Final = (
    "brev_pipeline.definitions",
    "brev_pipeline.orchestration.preloaded",
)
"""Modules that the forking process imports: Dagster with the code location, and the libraries of most steps."""


def executor_of(kind: Literal["in_process", "multiprocess"]) -> dg.ExecutorDefinition:
    """The executor of a pipeline's job."""
    if kind == "in_process":
        return dg.in_process_executor
    start = {"forkserver": {"preload_modules": list(PRELOADED)}}
    return dg.multiprocess_executor.configured({"start_method": start}, name="multiprocess")
