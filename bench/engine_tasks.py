"""What bench/engine.py lets workers do; a module of its own so that workers can import it."""

import time
from pathlib import Path


def nothing(task: int) -> int:
    """An empty task."""
    return task


def array(size: int) -> object:
    """A large result, in bytes."""
    import numpy as np

    return np.ones(size, np.uint8)


def image_megabytes(size: int) -> float:
    """Touch OpenCV as image tasks do; return the process's own memory (not shared with others)."""
    import cv2
    import numpy as np

    cv2.resize(np.zeros((480, 640, 3), np.uint8), (size, size), interpolation=cv2.INTER_AREA)
    return own_megabytes(size)


def own_megabytes(_: int) -> float:
    """Memory that this process shares with no other, in MB of 10^6 bytes."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) * 1024 / 1e6


def burn(milliseconds: float) -> float:
    """Work of a given number of CPU milliseconds."""
    end = time.thread_time() + milliseconds / 1000
    while time.thread_time() < end:
        pass
    return milliseconds
