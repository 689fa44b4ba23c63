"""How many cores this process may use: what ``workers: auto`` stands for. And one thread on each."""

import math
import os
from pathlib import Path

# One process per core: threads below that (OpenCV, OpenBLAS, Arrow) would only fight for it.
ONE_THREAD = dict.fromkeys(
    ["OPENCV_FOR_THREADS_NUM", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1"
)
"""Environment of a worker process."""

_CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")


def usable_cores() -> int:
    """Cores that this process may use: its CPU affinity, and a container's CPU limit (cgroup v2, rounded up)."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, _container_limit() or allowed))


def _container_limit(file: Path = _CGROUP_LIMIT) -> int | None:
    # "max 100000", or "150000 100000": microseconds of CPU per period of microseconds.
    try:
        quota, period = file.read_text().split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        return None
