"""One task on its way, and the news of it."""

from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from brev_pipeline.engine.wire import Frame, Part

T = TypeVar("T")


@dataclass(eq=False)
class Job(Generic[T]):
    """One task on its way."""

    task: T
    parts: list[Part]
    """The task as a frame."""
    deaths: list[str] = field(default_factory=list)
    """Why each worker ended that died on it."""
    mishaps: list[str] = field(default_factory=list)
    """What else cut it off, that says nothing about the task."""


class Death(NamedTuple):
    """A worker died on a job."""

    reason: str
    blameless: bool = False
    """Whether the job cannot be the cause: the whole machine was lost."""
    signal: int | None = None
    """The signal that ended the worker, where that is known."""


News = Frame | Death
"""What became of a job: the worker's frame (`Kind.DONE` or `Kind.FAILED`), or the worker's death."""
