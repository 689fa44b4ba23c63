"""What every engine promises: the same function over independent tasks, wherever the work is done."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar, overload

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Counted(Generic[T]):
    """Tasks of different sizes, for `Engine.map`: progress then counts what they hold, for example images."""

    tasks: Iterable[T]
    size: Callable[[T], int]
    """How much one task holds."""
    total: int | None = None
    """How much all tasks hold, where that is known."""
    unit: str = "tasks"
    """What is counted, for example ``"images"``."""

    def __iter__(self) -> Iterator[T]:
        return iter(self.tasks)


@dataclass(frozen=True)
class Progress:
    """How far a call of `Engine.map` is."""

    label: str
    """What is being done, for example ``"prepare images"``."""
    done: int
    """Tasks finished, or what they held (see `Counted`)."""
    total: int | None
    """In all, where that is known."""
    seconds: float
    """Seconds since the call began."""
    unit: str = "tasks"
    """What is counted."""
    ended: bool = False
    """Whether this is the call's last report."""


@dataclass(frozen=True)
class Lost:
    """Stands for the result of a task whose worker died each time that the task was tried; it tells of the last."""

    reason: str
    """What is known of the death, for example ``"the worker was ended by signal 11 (SIGSEGV)"``."""
    signal: int | None = None
    """The signal that ended the worker, where that is known."""


class Engine(Protocol):
    """Runs a function over independent tasks. Which engine it is never changes a result."""

    @property
    def workers(self) -> int:
        """Tasks that run at the same time."""
        ...

    @overload
    def map(
        self,
        function: Callable[[T], R],
        tasks: Iterable[T],
        *,
        label: str = ...,
        lost: Literal["raise"] = ...,
        task_timeout: float | None = ...,
        tries: int = ...,
    ) -> Iterator[tuple[T, R]]: ...

    @overload
    def map(
        self,
        function: Callable[[T], R],
        tasks: Iterable[T],
        *,
        label: str = ...,
        lost: Literal["yield"],
        task_timeout: float | None = ...,
        tries: int = ...,
    ) -> Iterator[tuple[T, R | Lost]]: ...

    def map(
        self,
        function: Callable[[T], R],
        tasks: Iterable[T],
        *,
        label: str = "",
        lost: Literal["raise", "yield"] = "raise",
        task_timeout: float | None = None,
        tries: int = 2,
    ) -> Iterator[tuple[T, R | Lost]]:
        """Run ``function`` on every task; yield ``(task, result)`` in order of completion.

        Args:
            function: importable by name (or picklable); takes one task.
            tasks: picklable; taken one by one as workers become free, never all at once. `Counted` tasks: progress
                counts what they hold.
            label: what is being done, for progress and errors.
            lost: what happens when a worker dies on a task, each time that it is tried: an
                `EngineError` that names the task, or a `Lost` in place of its result.
            task_timeout: seconds that one task may take before its worker is ended, which counts as a death;
                None: what the engine was made with.
            tries: workers that may die on a task before it is lost.

        Raises:
            BrevPipelineError: ``function`` raised it; the rest is stopped.
            EngineError: ``function`` raised anything else, or a task was lost.
        """
        ...
