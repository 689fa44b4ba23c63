"""What takes long to make and is only read or copied: made once for all worker processes of a test session."""

import fcntl
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder that ``make`` fills; the first process that asks lets it, the others wait.

    Args:
        factory: of the session.
        name: of what is made; the same for the same contents.
        make: gets an empty folder.
    """
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # each worker has a folder of its own in that of the session
    folder = base / f"once-{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}"
    finished = folder.with_suffix(".finished")
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            folder.mkdir()
            make(folder)
            finished.touch()
    return folder
