"""Start-up: what loading the code location costs beyond Dagster itself, and what it must not import.

Run ``python bench/startup.py`` (a minute). Each import runs in a fresh interpreter, the two in turn, so that a
machine that changes its speed changes both; the medians and the median of the paired differences are printed.
The aim: at most 0.5 s beyond ``import dagster``, and none of the heavy modules.
"""

import json
import os
import resource
import statistics
import subprocess
import sys

RUNS = 9
HEAVY = ("tensorflow", "great_expectations", "ray", "pandas", "pyarrow", "numpy", "cv2", "s3fs")

CHILD = """
import json, sys, time
began = time.perf_counter(), time.process_time()
import {module}
spent = time.perf_counter() - began[0], time.process_time() - began[1]
print(json.dumps([*spent, [name for name in {heavy!r} if name in sys.modules]]))
"""


def measure(module: str) -> tuple[float, float, list[str]]:
    """Import ``module`` in a fresh interpreter: wall seconds, CPU seconds, heavy modules that came along."""
    code = CHILD.format(module=module, heavy=HEAVY)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    wall, cpu, heavy = json.loads(run.stdout.splitlines()[-1])
    return wall, cpu, heavy


def main() -> None:
    ours, dagster, heavy = [], [], set()
    for _ in range(RUNS):
        dagster.append(measure("dagster"))
        ours.append(measure("brev_pipeline.definitions"))
        heavy |= set(ours[-1][2])
    print(f"{RUNS} runs each, in turn; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{'':28}{'wall s':>8}{'CPU s':>8}")
    for name, runs in (("import dagster", dagster), ("brev_pipeline.definitions", ours)):
        print(f"{name:28}{statistics.median(r[0] for r in runs):8.2f}{statistics.median(r[1] for r in runs):8.2f}")
    beyond = [[o[i] - d[i] for o, d in zip(ours, dagster, strict=True)] for i in (0, 1)]
    print(f"{'beyond (paired)':28}{statistics.median(beyond[0]):8.2f}{statistics.median(beyond[1]):8.2f}")
    print(f"heavy modules imported: {', '.join(sorted(heavy)) or 'none'} (looked for: {', '.join(HEAVY)})")
    print(f"peak memory of a child: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
