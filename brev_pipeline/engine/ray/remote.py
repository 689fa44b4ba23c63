"""What runs on a machine of the cluster: receives a function once, then one task at a time.

The process belongs to Ray, which ends it when the caller's process ends, however that ends.
"""

import os
import socket
from collections.abc import Callable
from typing import Any

from brev_pipeline.engine.failures import Failure, describe
from brev_pipeline.engine.ray.environment import differences, environment
from brev_pipeline.engine.wire import Kind, dump, pack, unpack
from brev_pipeline.engine.worker import NOT_IMPORTED, run


class RemoteWorker:
    """One worker; Ray calls its methods one after the other. Each answers with a packed frame and raises nothing."""

    def begin(self, program: list[Any], ours: dict[str, str]) -> bytes:
        """Get ready.

        Args:
            program: reference to the function as a packed frame (in a list, because Ray fetches bare ones itself).
            ours: the caller's `environment`.

        Returns:
            `Kind.READY` with where this is (host name, process), or `Kind.FAILED`.
        """
        import ray

        if unlike := differences(ours, environment()):
            why = f"the worker on {_place()} has {'; '.join(unlike)}, and might make other bytes: {_ADVICE}"
            return pack(dump(Kind.FAILED, Failure("was not begun", why, "no traceback")))
        try:
            self._function: Callable[[Any], Any] = unpack(ray.get(program[0])).load()
        except BaseException as error:  # noqa: BLE001 (the caller hears of it)
            return pack(dump(Kind.FAILED, describe(error, NOT_IMPORTED)))
        return pack(dump(Kind.READY, _place()))

    def run(self, task: bytes) -> bytes:
        """Do one task: `Kind.DONE` or `Kind.FAILED`."""
        return pack(run(self._function, unpack(task)))


_ADVICE = (
    "install the same versions on the cluster as here (engine.ship_package: true sends brev_pipeline itself along, not "
    "what it uses)"
)


def _place() -> str:
    return f"{socket.gethostname()}, process {os.getpid()}"
