"""Looks at processes from outside (Linux)."""

import os
import time
from pathlib import Path


def children(parent=None):
    """Processes that this one (or another) has started and that have not been collected."""
    parent = os.getpid() if parent is None else parent
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                after_name = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(after_name[1]) == parent:
                found.append(int(entry.name))
    return found


def alive(process):
    """Whether it runs (one that has ended but was not collected does not)."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until(condition, seconds=20.0):
    """Wait for a condition; returns the seconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "waited in vain"
        time.sleep(0.005)
    return time.monotonic() - began


def read_number(file, seconds=20.0):
    """The number that another process writes into a file, as soon as it is there."""
    wait_until(lambda: Path(file).exists() and Path(file).read_text(), seconds)
    return int(Path(file).read_text())
