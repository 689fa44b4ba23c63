"""The engine of one machine: a few worker processes, one task each at a time.

Why a pool of our own: in `concurrent.futures` the death of one worker breaks the whole pool and loses every task in
it, and `multiprocessing` imports the parent's main script into each worker. Here a worker that is killed, crashes or
hangs costs the one task that it held, and no process outlives the call, however that ends.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, TypeVar, overload

from brev_pipeline.engine.base import Lost
from brev_pipeline.engine.call import Call
from brev_pipeline.engine.checks import checked_progress, checked_timeout, checked_workers
from brev_pipeline.engine.cores import usable_cores
from brev_pipeline.engine.crew import Crew
from brev_pipeline.engine.program import program
from brev_pipeline.engine.ticker import Listener, Ticker

T = TypeVar("T")
R = TypeVar("R")


class LocalEngine:
    """Runs tasks in worker processes of this machine.

    Workers are fresh interpreters that live for one call of `map`; no more are started than there are tasks. At most
    ``workers + 1`` tasks are taken from the iterable ahead of the results. When the call ends (used up, an error, the
    caller stops iterating or is interrupted), its workers have ended within a second; when this process is killed, they
    end by themselves. Safe in a process with threads, and in several threads at once.

    A task whose worker dies is tried once more on a fresh worker, if the call does not want it otherwise. What workers
    print appears where this process prints; set ``PYTHONFAULTHANDLER=1`` to see there at which line one crashed.

    Args:
        workers: processes; ``"auto"``: one per core that this process may use.
        on_progress: called now and then during `map`, and once at its end, in the thread that iterates.
        progress_seconds: seconds between those calls.
        task_timeout: seconds that one task may take before its worker is killed, which counts as a death;
            None: any time.

    Raises:
        EngineError: ``workers``, ``progress_seconds`` or ``task_timeout`` is out of range.
    """

    def __init__(
        self,
        workers: int | Literal["auto"] = "auto",
        on_progress: Listener | None = None,
        progress_seconds: float = 2.0,
        task_timeout: float | None = None,
    ) -> None:
        self._workers = usable_cores() if workers == "auto" else checked_workers(workers)
        self._on_progress = on_progress
        self._progress_seconds = checked_progress(progress_seconds)
        self._task_timeout = checked_timeout(task_timeout)

    @property
    def workers(self) -> int:
        """Tasks that run at the same time."""
        return self._workers

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
        """Run ``function`` on every task; yield ``(task, result)`` in order of completion. See `Engine.map`.

        Raises:
            BrevPipelineError: ``function`` raised it in a worker; its class and attributes are kept.
            EngineError: ``function`` raised anything else; a task was lost; the function, a task or a result
                cannot be pickled; workers cannot be started.
        """
        timeout = self._task_timeout if task_timeout is None else checked_timeout(task_timeout)
        ticker = Ticker(label, tasks, self._on_progress, self._progress_seconds)
        crew: Crew[T] = Crew(program(function), self._workers, timeout)
        return Call[T, R](crew, iter(tasks), self._workers + 1, label, lost, ticker, tries).results()
