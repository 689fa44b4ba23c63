"""The engine of a Ray cluster, as stages see it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, TypeVar

from brev_pipeline.engine.base import Engine, MapOptions, check_workers
from brev_pipeline.engine.progress import ProgressListener, ProgressReporter
from brev_pipeline.engine.ray.connection import Address, open_connection, parse_address, worker_environment
from brev_pipeline.engine.scheduler import Scheduler
from brev_pipeline.engine.transport import SerializedFunction, serialize_function
from brev_pipeline.errors import EngineError

T = TypeVar("T")


class RayEngine(Engine):
    """Runs tasks in worker processes of a Ray cluster: the same results as `LocalEngine`'s, byte for byte.

    Nothing of Ray is touched before the first result is asked for. A call then connects, starts up to ``workers``
    workers of one CPU each, no more than there are tasks, and takes at most ``workers + 1`` tasks ahead of the results.
    When the call ends (used up, an error, the caller stops iterating), its workers are killed and the connection is
    closed; when this process is killed, Ray ends them. A worker refuses to begin where Python, this package or a
    package that touches pixels has another version than here.

    A task whose worker dies is tried once more on another worker; one whose machine is lost, up to five times.
    Workers find credentials as their machine gives them (environment, profile, role): none are sent.

    Args:
        address: ``host:port`` of the cluster's head, on a machine that belongs to the cluster, or
            ``ray://host:port`` from anywhere.
        workers: tasks at the same time, at most; ``"auto"``: as many as the cluster has CPUs when a call begins. Where
            it grows on demand, give a number: it grows to that.
        ship_package: whether to send this package to the workers; else it has to be installed there, the same one.
        runtime_env: what else the workers need, as Ray's ``runtime_env`` says it.
        connect_seconds: to wait for the cluster's answer.
        start_seconds: to wait for a first free CPU.
        on_progress: as for `Engine`, like the others.
        progress_seconds: seconds between calls of ``on_progress``.
        task_timeout: seconds that one task may take.

    Raises:
        EngineError: ``address`` is none, or a number is out of range.
    """

    def __init__(
        self,
        address: str,
        workers: int | Literal["auto"] = "auto",
        *,
        ship_package: bool = True,
        runtime_env: Mapping[str, Any] | None = None,
        connect_seconds: float = 30.0,
        start_seconds: float = 600.0,
        on_progress: ProgressListener | None = None,
        progress_seconds: float = 2.0,
        task_timeout: float | None = None,
    ) -> None:
        super().__init__(on_progress, progress_seconds, task_timeout)
        self._address: Address = parse_address(address)
        self._limit = None if workers == "auto" else check_workers(workers)
        self._env = worker_environment(dict(runtime_env or {}), ship_package=ship_package)
        self._connect_seconds = connect_seconds
        self._start_seconds = start_seconds

    @property
    def workers(self) -> int:
        """Tasks that run at the same time, at most; for ``"auto"`` the cluster is asked, which takes a moment."""
        if self._limit is not None:
            return self._limit
        with open_connection(self._address, self._env, self._connect_seconds) as ray:
            return self._count_cpus(ray)

    def _run(
        self, function: Callable[[T], Any], tasks: Iterable[T], options: MapOptions, reporter: ProgressReporter
    ) -> Iterator[tuple[T, Any]]:
        return self._run_connected(serialize_function(function), tasks, options, reporter)

    def _run_connected(
        self, function: SerializedFunction, tasks: Iterable[T], options: MapOptions, reporter: ProgressReporter
    ) -> Iterator[tuple[T, Any]]:
        from brev_pipeline.engine.ray.pool import RayPool

        with open_connection(self._address, self._env, self._connect_seconds) as ray:
            size = self._limit or self._count_cpus(ray)
            pool: RayPool[T] = RayPool(ray, function, size, options.timeout, self._start_seconds)
            yield from Scheduler(pool, iter(tasks), options, reporter).run()

    def _count_cpus(self, ray: Any) -> int:
        count = int(ray.cluster_resources().get("CPU", 0))
        if count < 1:
            raise EngineError(
                f"engine.address: the cluster {self._address.text} has no CPUs at the moment; where it grows on "
                "demand, give engine.workers a number"
            )
        return count
