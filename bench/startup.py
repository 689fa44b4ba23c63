"""Start-up: what loading the code location costs beyond Dagster itself, and what it must not import.

Run ``python bench/startup.py`` (a minute); with ``--demo`` it also runs ``configs/demo.yaml`` into a throw-away store
and says where the seconds go (``make demo`` must have drawn the photos); with ``--steps`` it measures what a step
costs in a process of its own (some minutes; see `startup_steps`). Each import runs in a fresh interpreter,
the two in turn, so that a machine that changes its speed changes both; the medians and the median of the paired
differences are printed. The aim: at most 0.5 s beyond ``import dagster``, and none of the heavy modules.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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


def demo() -> None:
    """Run the demo once, and again with nothing new; print its tables and what its imports cost."""
    with tempfile.TemporaryDirectory() as store:
        command = [
            sys.executable,
            "-X",
            "importtime",
            "-m",
            "brev_pipeline",
            "run",
            "configs/demo.yaml",
            "--store",
            store,
        ]
        for title in ("first run", "nothing new"):
            began = time.perf_counter()
            environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
            run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
            wall = time.perf_counter() - began
            print(f"\n{title}: {wall:.1f} s with interpreter and imports")
            print("\n".join(run.stdout.splitlines()[run.stdout.splitlines().index("demo") :]))
        print("imports of that process, seconds each with what it pulls in first:", imports(run.stderr))


def imports(log: str) -> str:
    """Seconds of the large packages, out of what ``-X importtime`` printed."""
    wanted = ("dagster", "great_expectations", "pandas", "pyarrow", "scipy", "cv2", "rich", "botocore")
    seconds: dict[str, float] = {}
    for line in log.splitlines():
        name = line.rpartition("|")[2].strip()
        if name in wanted and line.startswith("import time:"):
            seconds[name] = float(line.split("|")[1]) / 1e6
    return ", ".join(f"{name} {cost:.2f}" for name, cost in sorted(seconds.items(), key=lambda pair: -pair[1]))


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
    if "--demo" in sys.argv:
        os.chdir(Path(__file__).resolve().parents[1])
        demo()
    if "--steps" in sys.argv:
        from startup_steps import steps

        steps()
