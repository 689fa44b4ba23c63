"""The engines of one machine: a few worker processes, one task each at a time; or this process alone.

Why a pool of our own: in `concurrent.futures` the death of one worker breaks the whole pool and loses every task in
it, and `multiprocessing` imports the parent's main script into each worker. Here a worker that is killed, crashes or
hangs costs the one task that it held, and no process outlives the call, however that ends.
"""

import math
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from brev_pipeline.engine.base import Engine, MapOptions, check_workers
from brev_pipeline.engine.failures import task_name
from brev_pipeline.engine.process_pool import ProcessPool
from brev_pipeline.engine.progress import ProgressListener, ProgressReporter
from brev_pipeline.engine.scheduler import Scheduler
from brev_pipeline.engine.transport import serialize_function
from brev_pipeline.errors import BrevPipelineError, EngineError

if TYPE_CHECKING:
    from brev_pipeline.config import EngineSettings

T = TypeVar("T")

_CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")


class LocalEngine(Engine):
    """Runs tasks in worker processes of this machine.

    Workers are fresh interpreters that live for one call of `map`; no more are started than there are tasks. At most
    ``workers + 1`` tasks are taken from the iterable ahead of the results. When the call ends (used up, an error, the
    caller stops iterating or is interrupted), its workers have ended within a second; when this process is killed, they
    end by themselves. Safe in a process with threads, and in several threads at once.

    A task whose worker dies is tried once more on a fresh worker, if the call does not want it otherwise. What workers
    print appears where this process prints; set ``PYTHONFAULTHANDLER=1`` to see there at which line one crashed.

    Args:
        workers: processes; ``"auto"``: one per core that this process may use.
        on_progress: as for `Engine`, like the others.
        progress_seconds: seconds between calls of ``on_progress``.
        task_timeout: seconds that one task may take.

    Raises:
        EngineError: ``workers``, ``progress_seconds`` or ``task_timeout`` is out of range.
    """

    def __init__(
        self,
        workers: int | Literal["auto"] = "auto",
        on_progress: ProgressListener | None = None,
        progress_seconds: float = 2.0,
        task_timeout: float | None = None,
    ) -> None:
        super().__init__(on_progress, progress_seconds, task_timeout)
        self._workers = usable_cores() if workers == "auto" else check_workers(workers)

    @property
    def workers(self) -> int:
        """Tasks that run at the same time."""
        return self._workers

    def _run(
        self, function: Callable[[T], Any], tasks: Iterable[T], options: MapOptions, reporter: ProgressReporter
    ) -> Iterator[tuple[T, Any]]:
        pool: ProcessPool[T] = ProcessPool(serialize_function(function), self._workers, options.timeout)
        return Scheduler(pool, iter(tasks), options, reporter).run()


class SerialEngine(Engine):
    """Runs one task after the other in this process, taking each just before it is run. For notebooks and small work.

    The function need not be importable nor the tasks picklable. No task can be lost: what would end a worker ends
    this process, and ``task_timeout`` is not watched. Results come in the order of the tasks.
    """

    @property
    def workers(self) -> int:
        """One: this process."""
        return 1

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


def usable_cores() -> int:
    """Cores that this process may use: its CPU affinity, and a container's CPU limit (cgroup v2, rounded up)."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, _container_limit() or allowed))


def _container_limit(file: Path = _CGROUP_LIMIT) -> int | None:
    # "max 100000", or "150000 100000": microseconds of CPU per period of microseconds.
    try:
        quota, period = file.read_text().split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        return None


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
