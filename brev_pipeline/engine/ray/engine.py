"""The engine of many machines: the same tasks as on one, on a Ray cluster, and this process's connection to it.

Ray itself is imported inside functions: it costs two seconds, and only those pay who use it. It has one connection per
process; calls that overlap share it. It lives as long as a call of `RayEngine.map`: when the last one ends, Ray ends
every process that worked for it, so nothing is left on the cluster. A connection that somebody else in this process
opened (a notebook) is used and left as it was found.

Ray waits minutes for an address that nobody listens on, and can be stopped only by ending the process. So we ask
first, for a bounded time, by the standard health check that every gRPC server understands.
"""

import contextlib
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any, Literal, TypeVar

from brev_pipeline.engine.base import Engine, MapOptions, check_workers
from brev_pipeline.engine.progress import ProgressListener, ProgressReporter
from brev_pipeline.engine.ray.pool import PACKAGE_FOLDER, RayPool
from brev_pipeline.engine.scheduler import Scheduler
from brev_pipeline.engine.transport import serialize_function
from brev_pipeline.engine.worker import ONE_THREAD
from brev_pipeline.errors import EngineError

T = TypeVar("T")

_ADDRESS = re.compile(r"(ray://)?(\[[0-9a-fA-F:]+\]|[^\s:/\[\]]+):\d{1,5}")
_CLIENT = "ray://"
_ADVICE = "give host:6379 of its head on a machine that belongs to it, or ray://host:10001 from anywhere else"

_lock = threading.RLock()
_users: list[str] = []  # address of each call that uses the connection that we opened


def check_address(text: str) -> str:
    """The address of a cluster's head, ``ray://`` before it where Ray's client is to be used: from another machine.

    Raises:
        EngineError: it is none.
    """
    if not _ADDRESS.fullmatch(text):
        raise EngineError(f"engine.address: {text!r} is no address of a Ray cluster: {_ADVICE}")
    return text


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
        self._address = check_address(address)
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
        # At once: what cannot be sent is refused before anything is reached.
        serialized = serialize_function(function)

        def iterate_results() -> Iterator[tuple[T, Any]]:
            with open_connection(self._address, self._env, self._connect_seconds) as ray:
                size = self._limit or self._count_cpus(ray)
                pool: RayPool[T] = RayPool(ray, serialized, size, options.timeout, self._start_seconds)
                yield from Scheduler(pool, iter(tasks), options, reporter).run()

        return iterate_results()

    def _count_cpus(self, ray: Any) -> int:
        count = int(ray.cluster_resources().get("CPU", 0))
        if count < 1:
            raise EngineError(
                f"engine.address: the cluster {self._address} has no CPUs at the moment; where it grows on "
                "demand, give engine.workers a number"
            )
        return count


@contextlib.contextmanager
def open_connection(address: str, runtime_env: dict[str, Any], seconds: float) -> Iterator[Any]:
    """Ray, connected within some seconds; a context. ``runtime_env`` applies if this call opens the connection.

    Raises:
        EngineError: Ray is not installed, the cluster cannot be reached, or it runs another version of Ray or Python.
    """
    with _lock:
        foreign = not _users and "ray" in sys.modules and bool(_import_ray().is_initialized())
        if not foreign:
            _connect(address, runtime_env, seconds)
    ray = _import_ray()
    try:
        yield ray
    finally:
        if not foreign:
            with _lock:
                _users.remove(address)
                if not _users:
                    ray.shutdown()


def worker_environment(given: dict[str, Any], *, ship_package: bool) -> dict[str, Any]:
    """What Ray prepares on each machine: this package if it is to be sent, one thread per process, and ``given``."""
    env = {**given, "env_vars": ONE_THREAD | given.get("env_vars", {})}
    if ship_package:
        env["py_modules"] = [str(PACKAGE_FOLDER), *given.get("py_modules", [])]
    return env


def _import_ray() -> Any:
    """Import Ray, with its usage statistics off."""
    # Before the import: Ray reads it then.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    return ray


def _connect(address: str, runtime_env: dict[str, Any], seconds: float) -> None:
    if others := sorted({user for user in _users if user != address}):
        raise EngineError(
            f"this process works on the cluster {others[0]}; Ray allows no second one, {address}: use another "
            "process for it"
        )
    if not _users:
        # Looked for first, imported last: that takes two seconds.
        if find_spec("ray") is None:
            raise EngineError("engine.kind is ray, but Ray is not installed: pip install 'brev-pipeline[ray]'")
        check_reachable(address, seconds)
        ray = _import_ray()
        before = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(address=address, runtime_env=runtime_env, configure_logging=False)
        except Exception as error:
            ray.shutdown()
            raise _explain_refusal(address, error) from error
        finally:
            # Ray replaces the process's own answer to SIGTERM, by which Dagster stops a run.
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)
    _users.append(address)


def check_reachable(address: str, seconds: float) -> None:
    """Make sure that a gRPC server answers; raises `EngineError`, which is passing, where none does in time."""
    endpoint = address.removeprefix(_CLIENT)  # host:port
    if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
        host, _, port = endpoint.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), seconds).close()
        except OSError as error:
            raise _unreachable_error(address, str(error)) from None
        return
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    request = health_pb2.HealthCheckRequest()
    # Not through a proxy of the environment: clusters are reached directly.
    with grpc.insecure_channel(endpoint, [("grpc.enable_http_proxy", 0)]) as channel:
        try:
            health_pb2_grpc.HealthStub(channel).Check(request, timeout=seconds, wait_for_ready=True)
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE):
                raise _unreachable_error(address, f"no Ray cluster answered within {seconds:g} s") from None
            # Any other answer is one: it does not know health checks, or wants a token.


def _unreachable_error(address: str, why: str) -> EngineError:
    return EngineError(
        f"engine.address: {address} cannot be reached: {why}; check that the cluster runs and that its address is "
        f"right: {_ADVICE}",
        passing=True,
    )


def _explain_refusal(address: str, error: Exception) -> EngineError:
    text = str(error).strip()
    if "mismatch" in text.lower():
        lines = " ".join(line.strip() for line in text.splitlines())
        return EngineError(f"engine.address: {address}: {lines}; install the same versions on both sides")
    if isinstance(error, ConnectionError):
        return _unreachable_error(address, text)
    if address.startswith(_CLIENT):
        return EngineError(f"engine.address: {address}: Ray refused the connection: {text}")
    return EngineError(f"engine.address: {address}: this process cannot join the cluster: {text}; {_ADVICE}")
