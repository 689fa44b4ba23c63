"""What runs on a machine of the cluster: receives a function once, then one task at a time.

The process belongs to Ray, which ends it when the caller's process ends, however that ends. On one machine all
processes run the same code. Machines of a cluster may not, and another OpenCV can mean other bytes in a shard: so
every worker compares the versions that it has with the caller's before it does anything.
"""

import hashlib
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from brev_pipeline.engine.failures import Failure, describe_error
from brev_pipeline.engine.transport import MessageKind, encode_message, join_message, parse_message
from brev_pipeline.engine.worker import NOT_IMPORTED, run_task
from brev_pipeline.stages import package_versions

_ADVICE = (
    "install the same versions on the cluster as here (engine.ship_package: true sends brev_pipeline itself along, not "
    "what it uses)"
)


class RemoteWorker:
    """One worker; Ray calls its methods one after the other. Each answers with a joined message and raises nothing."""

    def prepare(self, function: list[Any], versions: dict[str, str]) -> bytes:
        """Get ready.

        Args:
            function: reference to the function as a joined message (in a list: Ray fetches bare ones itself).
            versions: the caller's `collect_versions`.

        Returns:
            `MessageKind.READY` with where this is (host name, process), or `MessageKind.FAILED`.
        """
        import ray

        place = f"{socket.gethostname()}, process {os.getpid()}"
        if unlike := compare_versions(versions, collect_versions()):
            why = f"the worker on {place} has {'; '.join(unlike)}, and might make other bytes: {_ADVICE}"
            return join_message(encode_message(MessageKind.FAILED, Failure("was not begun", why, "no traceback")))
        try:
            self._function: Callable[[Any], Any] = parse_message(ray.get(function[0])).load()
        except BaseException as error:  # noqa: BLE001 (the caller hears of it)
            return join_message(encode_message(MessageKind.FAILED, describe_error(error, NOT_IMPORTED)))
        return join_message(encode_message(MessageKind.READY, place))

    def run_task(self, task: bytes) -> bytes:
        """Do one task: `MessageKind.DONE` or `MessageKind.FAILED`."""
        return join_message(run_task(self._function, parse_message(task)))


def collect_versions() -> dict[str, str]:
    """Versions of Python and of what bytes depend on in this process, and a hash of this package's own source."""
    folder, digest = package_folder(), hashlib.sha256()
    # Stubs count: what a room's names are is read from them at run time.
    for file in sorted(
        [*folder.rglob("*.py"), *folder.rglob("*.pyi")], key=lambda file: file.relative_to(folder).as_posix()
    ):
        digest.update(f"{file.relative_to(folder).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    python = "{}.{}".format(*sys.version_info[:2])
    return {**package_versions(), "Python": python, "brev-pipeline": f"with source {digest.hexdigest()[:12]}"}


def compare_versions(ours: dict[str, str], theirs: dict[str, str]) -> list[str]:
    """What a worker has in another version than the caller, one text each."""
    return [f"{name} {theirs.get(name)}, not {own}" for name, own in ours.items() if theirs.get(name) != own]


def package_folder() -> Path:
    """Where this package's source lies."""
    return Path(__file__).parents[2]
