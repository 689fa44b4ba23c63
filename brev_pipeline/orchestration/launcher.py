"""Dagster's run launcher, able to say whether a run still lives.

Runs work beside the code server, as its children. Dagster's own launcher starts them there, but cannot be asked for
their health: a run whose process died with a restarted server would count as running until its maximum runtime,
and would hold up its pipeline's queue as long. The code server knows which runs it works on, so we ask it. What run
monitoring then finds dead is failed within one poll, and `run_retries` of dagster.yaml may start it again.

The code server and its runs must live and die together, as in a container or a systemd unit they do.

A run that no code server was given, as one of ``brev-pipeline run``, names its process in its tags, so that run
monitoring neither fails a run that works in a terminal, nor waits half a day for one whose terminal was closed.
"""

import os
import socket
from pathlib import Path

from dagster import DagsterRun
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._grpc.types import GetCurrentRunsResult
from dagster._serdes import deserialize_value

PROCESS_TAG = "brev_pipeline/process"
"""Tag of a run: host, process id and start time of the process that works on it."""


def identify_process() -> str:
    """What `has_process_ended` recognizes this process by."""
    return f"{socket.gethostname()}:{os.getpid()}:{_read_start_ticks(os.getpid())}"


def has_process_ended(process: str) -> bool:
    """Whether a process has ended. One of another host, or one that cannot be read, has not, as far as is known."""
    *host, number, started = process.split(":")
    if ":".join(host) != socket.gethostname() or not started:
        return False
    return _read_start_ticks(int(number)) != started


def _read_start_ticks(process: int) -> str:
    """When a process was started, in the kernel's ticks; empty where it is not there, or the system is not Linux."""
    try:
        # Field 22 of proc(5): a process id alone is given again. The name, in parentheses, may hold spaces.
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


class WatchedRunLauncher(DefaultRunLauncher):
    """Launches runs on their code server, and asks it whether they still work there."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Run monitoring may ask."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the code server that was given ``run`` works on it.

        A server that does not answer leaves the question open: the run counts as running until the server is back,
        or the maximum runtime is over. Only a server of `dagster dev` is known to be gone: its socket is.
        """
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if client is None:
            if has_process_ended(run.tags.get(PROCESS_TAG, "::")):
                return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "its process is gone")
            return CheckRunHealthResult(WorkerStatus.RUNNING, "not launched on a code server, so it cannot be asked")
        try:
            working = deserialize_value(client.get_current_runs(), GetCurrentRunsResult).current_runs
        except DagsterUserCodeUnreachableError:
            with socket.socket(socket.AF_UNIX) as probe:
                gone = client.socket and probe.connect_ex(client.socket) != 0
            if gone:
                return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "its code server is gone")
            return CheckRunHealthResult(WorkerStatus.RUNNING, "the code server does not answer; asked again later")
        if run.run_id in working:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "its process is gone: the code server was restarted")
