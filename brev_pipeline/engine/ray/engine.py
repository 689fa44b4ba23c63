"""The engine of a Ray cluster, as stages see it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, TypeVar, overload

from brev_pipeline.engine.base import Lost
from brev_pipeline.engine.call import Call
from brev_pipeline.engine.checks import checked_progress, checked_timeout, checked_workers
from brev_pipeline.engine.program import Program, program
from brev_pipeline.engine.ray.address import Address, parse
from brev_pipeline.engine.ray.session import connection, worker_environment
from brev_pipeline.engine.ticker import Listener, Ticker
from brev_pipeline.errors import EngineError

T = TypeVar("T")
R = TypeVar("R")


class RayEngine:
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
        on_progress: called now and then during `map`, and once at its end, in the thread that iterates.
        progress_seconds: seconds between those calls.
        task_timeout: seconds that one task may take before its worker is killed, which counts as a death;
            None: any time.

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
        on_progress: Listener | None = None,
        progress_seconds: float = 2.0,
        task_timeout: float | None = None,
    ) -> None:
        self._address: Address = parse(address)
        self._limit = None if workers == "auto" else checked_workers(workers)
        self._env = worker_environment(dict(runtime_env or {}), ship_package=ship_package)
        self._connect_seconds = connect_seconds
        self._start_seconds = start_seconds
        self._on_progress = on_progress
        self._progress_seconds = checked_progress(progress_seconds)
        self._task_timeout = checked_timeout(task_timeout)

    @property
    def workers(self) -> int:
        """Tasks that run at the same time, at most; for ``"auto"`` the cluster is asked, which takes a moment."""
        if self._limit is not None:
            return self._limit
        with connection(self._address, self._env, self._connect_seconds) as ray:
            return _cpus(ray, self._address)

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
                cannot be pickled; Ray is not installed; the cluster cannot be reached, has other versions, or starts
                no worker.
        """
        timeout = self._task_timeout if task_timeout is None else checked_timeout(task_timeout)
        ticker = Ticker(label, tasks, self._on_progress, self._progress_seconds)
        return self._results(program(function), tasks, timeout, label, lost, ticker, tries)

    def _results(
        self,
        what: Program,
        tasks: Iterable[T],
        timeout: float | None,
        label: str,
        lost: Literal["raise", "yield"],
        ticker: Ticker,
        tries: int,
    ) -> Iterator[tuple[T, Any | Lost]]:
        from brev_pipeline.engine.ray.crew import RayCrew

        with connection(self._address, self._env, self._connect_seconds) as ray:
            size = self._limit or _cpus(ray, self._address)
            crew: RayCrew[T] = RayCrew(ray, what, size, timeout, self._start_seconds)
            yield from Call[T, Any](crew, iter(tasks), size + 1, label, lost, ticker, tries).results()


def _cpus(ray: Any, address: Address) -> int:
    count = int(ray.cluster_resources().get("CPU", 0))
    if count < 1:
        raise EngineError(
            f"engine.address: the cluster {address.text} has no CPUs at the moment; where it grows on demand, give "
            "engine.workers a number"
        )
    return count
