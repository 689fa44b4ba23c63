"""Starts runs in the nursery, and says what became of them."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 150.0
"""Seconds that a run may take on a busy machine."""


@dataclass
class Run:
    """A run that was started.

    Args:
        nursery: where it was.
        pid: its process, and its session.
        out: file with what it says.
    """

    nursery: "Nursery"
    pid: int
    out: Path
    status: int | None = field(default=None, init=False)
    """Exit status once it has ended; minus the signal if one ended it."""

    @property
    def said(self) -> str:
        """What it has printed so far."""
        return self.out.read_text(errors="replace")

    def wait(self, seconds: float = PATIENCE) -> int:
        """Wait for its end; kill it and fail if that does not come in time."""
        if self.status is None:
            if not self.has_ended(seconds):
                self.kill()
                raise TimeoutError(f"the run did not end within {seconds:g} s:\n{self.said}")
            self.status = int(self.nursery.order({"wait": self.pid}))
        return self.status

    def has_ended(self, seconds: float = 0) -> bool:
        """Whether it has ended, or ends within some seconds."""
        if self.status is not None:
            return True
        handle = os.pidfd_open(self.pid)
        try:
            return bool(select.select([handle], [], [], seconds)[0])
        finally:
            os.close(handle)

    def stops(self, seconds: float = PATIENCE) -> bool:
        """Whether it comes to stand still (by a signal of its own) before it ends."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.has_ended():
            if Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T":
                return True
            time.sleep(0.005)
        return False

    def go_on(self) -> None:
        """Let it go on after it stopped."""
        os.killpg(self.pid, signal.SIGCONT)

    def kill(self) -> int:
        """kill -9, workers included; its status."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        if self.status is None:
            self.status = int(self.nursery.order({"wait": self.pid}))
        return self.status


class Nursery:
    """A context in which runs can be started; several threads may start them."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="nursery-")
        self._count = 0
        self._lock = threading.Lock()
        environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "brev_pipeline_tests.faults.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=REPOSITORY,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._folder.cleanup()

    def order(self, order: Mapping[str, Any]) -> str:
        """The answer to an order."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return self._process.stdout.readline()

    def start(self, *arguments: str | Path, **order: Any) -> Run:
        """Start ``brev-pipeline`` with these arguments.

        Args:
            arguments: of the command.
            order: ``environment`` to be added; ``signal``: see `before`; ``clock``: seconds by which its clock is off;
                ``call``: a function ``module:name`` that takes the arguments, in place of the command.
        """
        with self._lock:
            self._count += 1
            out = Path(self._folder.name) / f"{self._count}.out"
        answer = self.order({"arguments": [str(argument) for argument in arguments], "out": str(out), **order})
        return Run(self, int(answer), out)


def before(number: signal.Signals, pattern: str, nth: int = 1) -> dict[str, Any]:
    """The order ``signal``: to send itself one before its nth operation that changes a path like ``pattern``."""
    return {"number": int(number), "pattern": pattern, "nth": nth}
