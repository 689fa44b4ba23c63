"""Which process works on a run that no code server was given, as one of ``brev-pipeline run``.

Written into the run's tags, so that run monitoring neither fails a run that works in a terminal, nor waits half a day
for one whose terminal was closed.
"""

import os
import socket
from pathlib import Path

PROCESS_TAG = "brev_pipeline/process"
"""Tag of a run: host, process id and start time of the process that works on it."""


def this_process() -> str:
    """What `is_gone` recognizes this process by."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def is_gone(process: str) -> bool:
    """Whether a process has ended. One of another host, or one that cannot be read, has not, as far as is known."""
    *host, number, started = process.split(":")
    if ":".join(host) != socket.gethostname() or not started:
        return False
    return _started(int(number)) != started


def _started(process: int) -> str:
    """When a process was started, in the kernel's ticks; empty where it is not there, or the system is not Linux."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
