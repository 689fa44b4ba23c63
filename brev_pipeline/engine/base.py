"""What every engine promises, wherever the work is done; the plainest one; and which one a configuration asks for."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict, TypeVar, Unpack, overload

from brev_pipeline.engine.progress import ProgressListener, ProgressReporter
from brev_pipeline.engine.transport import task_name
from brev_pipeline.errors import BrevPipelineError, EngineError

if TYPE_CHECKING:
    from brev_pipeline.config import EngineSettings

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class LostTask:
    """Stands for the result of a task whose worker died each time that the task was tried; it tells of the last."""

    reason: str
    """What is known of the death, for example ``"the worker was ended by signal 11 (SIGSEGV)"``."""
    signal: int | None = None
    """The signal that ended the worker, where that is known."""


class MapOptions(NamedTuple):
    """How one call of `Engine.map` is to be done; see its arguments."""

    label: str
    lost: Literal["raise", "yield"]
    timeout: float | None
    tries: int


class _Limits(TypedDict, total=False):
    label: str
    task_timeout: float | None
    tries: int


class Engine(ABC):
    """Runs a function over independent tasks. Which engine it is never changes a result.

    A further engine says how many workers it has, and how one call is run::

        class TwiceEngine(Engine):
            workers = 1

            def _run(self, function, tasks, options, reporter):
                for task in tasks:
                    function(task)
                    yield task, function(task)
                    reporter.count_task(task)

    Args:
        on_progress: called now and then during `map`, and once at its end, in the thread that iterates.
        progress_seconds: seconds between those calls.
        task_timeout: seconds that one task may take before its worker is killed, which counts as a death;
            None: any time.

    Raises:
        EngineError: a number is out of range.
    """

    def __init__(
        self,
        on_progress: ProgressListener | None = None,
        progress_seconds: float = 2.0,
        task_timeout: float | None = None,
    ) -> None:
        if not progress_seconds >= 0:
            raise EngineError(f"progress_seconds is {progress_seconds!r}: give 0 or more")
        self._on_progress = on_progress
        self._progress_seconds = progress_seconds
        self._task_timeout = check_timeout(task_timeout)

    @property
    @abstractmethod
    def workers(self) -> int:
        """Tasks that run at the same time."""

    @overload
    def map(
        self, function: Callable[[T], R], tasks: Iterable[T], *, lost: Literal["raise"] = ..., **limits: Unpack[_Limits]
    ) -> Iterator[tuple[T, R]]: ...

    @overload
    def map(
        self, function: Callable[[T], R], tasks: Iterable[T], *, lost: Literal["yield"], **limits: Unpack[_Limits]
    ) -> Iterator[tuple[T, R | LostTask]]: ...

    def map(
        self,
        function: Callable[[T], R],
        tasks: Iterable[T],
        *,
        label: str = "",
        lost: Literal["raise", "yield"] = "raise",
        task_timeout: float | None = None,
        tries: int = 2,
    ) -> Iterator[tuple[T, R | LostTask]]:
        """Run ``function`` on every task; yield ``(task, result)`` in order of completion.

        Args:
            function: importable by name (or picklable); takes one task.
            tasks: picklable; taken one by one as workers become free, never all at once. `Counted` tasks: progress
                counts what they hold.
            label: what is being done, for progress and errors.
            lost: what happens when a worker dies on a task, each time that it is tried: an
                `EngineError` that names the task, or a `LostTask` in place of its result.
            task_timeout: seconds that one task may take before its worker is ended, which counts as a death;
                None: what the engine was made with.
            tries: workers that may die on a task before it is lost.

        Raises:
            BrevPipelineError: ``function`` raised it in a worker, its class and attributes kept; the rest is stopped.
            EngineError: ``function`` raised anything else; a task was lost; the function, a task or a result cannot
                be pickled; workers cannot be started, or a cluster not be reached.
        """
        timeout = self._task_timeout if task_timeout is None else check_timeout(task_timeout)
        reporter = ProgressReporter(label, tasks, self._on_progress, self._progress_seconds)
        return self._run(function, tasks, MapOptions(label, lost, timeout, tries), reporter)

    @abstractmethod
    def _run(
        self, function: Callable[[T], Any], tasks: Iterable[T], options: MapOptions, reporter: ProgressReporter
    ) -> Iterator[tuple[T, Any]]:
        """Do what `map` promises; count finished tasks with ``reporter``."""


class SerialEngine(Engine):
    """Runs one task after the other in this process, taking each just before it is run. For notebooks and small work.

    The function need not be importable nor the tasks picklable. No task can be lost: what would end a worker ends
    this process, and ``task_timeout`` is not watched. Results come in the order of the tasks.
    """

    workers = 1

    def _run(
        self, function: Callable[[T], Any], tasks: Iterable[T], options: MapOptions, reporter: ProgressReporter
    ) -> Iterator[tuple[T, Any]]:
        for task in tasks:
            try:
                result = function(task)
            except BrevPipelineError as error:
                error.add_note(f"in {task_name(options.label, task)}")
                raise
            except Exception as error:
                what = f"{task_name(options.label, task)} failed: {type(error).__name__}: {error}"
                raise EngineError(what) from error
            reporter.count_task(task)
            reporter.report_if_due()
            yield task, result
        reporter.report_now(ended=True)


def check_workers(workers: int) -> int:
    """A number of workers. Raises `EngineError` below 1."""
    if workers < 1:
        raise EngineError(f"workers is {workers!r}: give 1 or more, or 'auto'")
    return workers


def check_timeout(timeout: float | None) -> float | None:
    """Seconds that a task may take, or None. Raises `EngineError` for what is no time."""
    if timeout is not None and not 0 < timeout < math.inf:
        raise EngineError(f"task_timeout is {timeout!r}: give seconds above 0, or None for any time")
    return timeout


def create_engine(
    settings: "EngineSettings", on_progress: ProgressListener | None = None, progress_seconds: float = 2.0
) -> Engine:
    """The engine that a configuration asks for; nothing is started or reached before it is used.

    Args:
        settings: ``engine`` of the configuration.
        on_progress: called now and then during the work.
        progress_seconds: seconds between those calls.
    """
    if settings.kind == "local" or settings.address is None:
        from brev_pipeline.engine.process_pool import LocalEngine

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
