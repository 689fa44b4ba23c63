"""What a step costs in a process of its own, beyond what Dagster itself takes for a step that does nothing.

Called by ``python bench/startup.py --steps``. A small pipeline runs with Dagster's multiprocess executor, once with a
fresh interpreter per step (spawn, Dagster's default) and once as `executor: multiprocess` does it (forkserver, with
what the steps need imported beforehand); a job of the same length whose steps do nothing runs both ways too. Counted
are CPU seconds of importing, by package, in each step's own process. Great Expectations, where a suite is applied,
and TensorFlow are shown apart.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BENCH = Path(__file__).resolve().parent
APART = ("great_expectations", "tensorflow")
SHOWN = 4
"""Packages named for each step."""

TRIVIAL = """
import dagster as dg

def step(number):
    @dg.op(name=f"step_{number}", ins={"after": dg.In(dg.Nothing)}, out=dg.Out(dg.Nothing))
    def nothing():
        pass
    return nothing

@dg.job(executor_def=EXECUTOR)
def trivial():
    last = None
    for number in range(13):
        last = step(number)(after=last) if last is not None else step(number)()
"""
EXECUTORS = {
    "spawn": "dg.multiprocess_executor",
    "forkserver": "dg.multiprocess_executor.configured({'start_method': {'forkserver': {}}})",
}
SPAWNING = """
import dagster as dg
from brev_pipeline.orchestration import automation
automation.executor_of = lambda kind: dg.multiprocess_executor
from brev_pipeline.definitions import defs
"""


@dataclass(frozen=True)
class Probed:
    """One process: CPU seconds in all, and of importing each package."""

    cpu: float
    imports: Mapping[str, float]

    @property
    def importing(self) -> float:
        """CPU seconds of importing, all packages together."""
        return sum(self.imports.values())


def steps() -> None:
    """Run everything and print a table per way of starting."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _pipeline(folder)
        for method, executor in EXECUTORS.items():
            (folder / "nothing.py").write_text(TRIVIAL.replace("EXECUTOR", executor))
            (folder / "spawning.py").write_text(SPAWNING)
            own = ["-f", str(folder / "spawning.py")] if method == "spawn" else ["-m", "brev_pipeline.definitions"]
            dagsters = _run(folder, ["-f", str(folder / "nothing.py"), "-j", "trivial"])
            ours = _run(folder, [*own, "-j", "parts"])
            _show(method, dagsters, ours)


def _pipeline(folder: Path) -> None:
    sys.path.insert(0, str(BENCH.parent))
    from brev_pipeline_tests.pipelines import SETTINGS, draw_photos

    draw_photos(folder / "photos", {"good": 6, "bad": 4})
    (folder / "parts.yaml").write_text(SETTINGS + "executor: multiprocess\n")


def _run(folder: Path, target: list[str]) -> dict[str, Probed]:
    """Run a job in a fresh Dagster home; step → its process. The process that others are forked off is "server"."""
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as probes:
        environment = {
            **os.environ,
            "DAGSTER_HOME": home,
            "DAGSTER_DISABLE_TELEMETRY": "1",
            "BREV_PIPELINE_CONFIGS": str(folder),
            "PYTHONPATH": str(BENCH / "startup_probe"),
            "STARTUP_PROBE": probes,
        }
        (Path(home) / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        command = [str(Path(sys.executable).with_name("dagster")), "job", "execute", *target]
        run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if run.returncode:
            raise SystemExit(run.stdout[-3000:] + run.stderr[-3000:])
        records = [json.loads(file.read_text()) for file in Path(probes).iterdir()]
        names = _steps_by_process(home)
    return {_name(record, names): Probed(record["cpu"], record["imports"]) for record in records}


def _name(record: Mapping[str, Any], names: Mapping[int, str]) -> str:
    if record["pid"] in names:
        return names[record["pid"]]
    return "server" if "forkserver" in " ".join(record["command"]) else f"other {record['pid']}"


def _steps_by_process(home: str) -> dict[int, str]:
    import dagster as dg

    with dg.DagsterInstance.from_config(home) as instance:
        (run,) = instance.get_runs()
        found = {}
        for entry in instance.all_logs(run.run_id):
            event = entry.dagster_event
            if event and event.event_type_value == "STEP_WORKER_STARTED":
                pid = event.event_specific_data.metadata["pid"].value
                found[int(pid)] = str(event.step_key)
    return found


def _show(method: str, dagsters: Mapping[str, Probed], ours: Mapping[str, Probed]) -> None:
    nothing = [probe for name, probe in dagsters.items() if name.startswith("step_")]
    imports = sum(probe.importing for probe in nothing) / len(nothing)
    cpu = sum(probe.cpu for probe in nothing) / len(nothing)
    print(f"\n{method}: a step that does nothing takes {cpu:.2f} CPU-s, {imports:.2f} of them importing")
    print(f"{'step':32}{'CPU s':>8}{'imports':>9}{'beyond':>8}{'apart':>7}  most of it")
    for name, probe in ours.items():
        if name.startswith("other"):
            continue
        apart = sum(probe.imports.get(package, 0.0) for package in APART)
        beyond = probe.importing - imports - apart
        told = sorted(_beyond(probe, nothing).items(), key=lambda pair: -pair[1])[:SHOWN]
        said = ", ".join(f"{package} {seconds:.2f}" for package, seconds in told)
        step = name.partition("__")[2] or name
        print(f"{step:32}{probe.cpu:8.2f}{probe.importing:9.2f}{beyond:8.2f}{apart:7.2f}  {said}")


def _beyond(probe: Probed, nothing: list[Probed]) -> dict[str, float]:
    def usual(package: str) -> float:
        return sum(other.imports.get(package, 0.0) for other in nothing) / len(nothing)

    return {package: seconds - usual(package) for package, seconds in probe.imports.items()}
