"""This process's connection to a cluster. Ray has one per process; calls that overlap share it.

It lives as long as a call of `RayEngine.map`: when the last one ends, Ray ends every process that worked for it, so
nothing is left on the cluster. A connection that somebody else in this process opened (a notebook) is used and left
as it was found.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from brev_pipeline.engine.cores import ONE_THREAD
from brev_pipeline.engine.ray.address import ADVICE, Address, ask, unreachable
from brev_pipeline.engine.ray.environment import package_folder
from brev_pipeline.errors import EngineError

_lock = threading.RLock()
_users: list[str] = []
"""Address of each call that uses the connection that we opened."""


@contextlib.contextmanager
def connection(address: Address, runtime_env: dict[str, Any], seconds: float) -> Iterator[Any]:
    """Ray, connected; a context.

    Args:
        address: of the cluster.
        runtime_env: what the workers of this process need, see `worker_environment`; it applies if this call opens
            the connection.
        seconds: to wait for an answer.

    Raises:
        EngineError: Ray is not installed, the cluster cannot be reached, or it runs another version of Ray or Python.
    """
    with _lock:
        foreign = not _users and _is_connected()
        if not foreign:
            _open(address, runtime_env, seconds)
    ray = import_ray()
    try:
        yield ray
    finally:
        if not foreign:
            with _lock:
                _users.remove(address.text)
                if not _users:
                    ray.shutdown()


def import_ray() -> Any:
    """Import Ray, with its usage statistics off."""
    # Before the import: Ray reads it then.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    return ray


def _is_connected() -> bool:
    return "ray" in sys.modules and bool(import_ray().is_initialized())


def worker_environment(given: dict[str, Any], *, ship_package: bool) -> dict[str, Any]:
    """What Ray prepares on each machine: this package if it is to be sent, one thread per process, and ``given``."""
    env = {**given, "env_vars": ONE_THREAD | given.get("env_vars", {})}
    if ship_package:
        env["py_modules"] = [str(package_folder()), *given.get("py_modules", [])]
    return env


def _open(address: Address, runtime_env: dict[str, Any], seconds: float) -> None:
    if others := sorted({user for user in _users if user != address.text}):
        raise EngineError(
            f"this process works on the cluster {others[0]}; Ray allows no second one, {address.text}: use another "
            "process for it"
        )
    if not _users:
        # Looked for first, imported last: that takes two seconds.
        if find_spec("ray") is None:
            raise EngineError("engine.kind is ray, but Ray is not installed: pip install 'brev-pipeline[ray]'")
        ask(address, seconds)
        _connect(import_ray(), address, runtime_env)
    _users.append(address.text)


def _connect(ray: Any, address: Address, runtime_env: dict[str, Any]) -> None:
    with _own_sigterm():
        try:
            ray.init(address=address.text, runtime_env=runtime_env, configure_logging=False)
        except Exception as error:
            ray.shutdown()
            raise _explained(address, error) from error


def _explained(address: Address, error: Exception) -> EngineError:
    text = str(error).strip()
    if "mismatch" in text.lower():
        lines = " ".join(line.strip() for line in text.splitlines())
        return EngineError(f"engine.address: {address.text}: {lines}; install the same versions on both sides")
    if isinstance(error, ConnectionError):
        return unreachable(address, text)
    if address.is_client:
        return EngineError(f"engine.address: {address.text}: Ray refused the connection: {text}")
    return EngineError(f"engine.address: {address.text}: this process cannot join the cluster: {text}; {ADVICE}")


@contextlib.contextmanager
def _own_sigterm() -> Iterator[None]:
    """Keep the process's own answer to SIGTERM, which Ray replaces: Dagster stops a run by it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)
