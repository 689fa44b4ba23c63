"""What `plan` costs over a store in which nothing is new, beside the listing alone.

Draws tiny photos (as verify.py does), publishes a version of them by the command, and then takes turns in one process:
the listing as a run has it, without reading a file, and the whole plan. Each figure is the median of the rounds.

    python bench/plan.py [--images 1e5] [--rounds 5] [--folder FOLDER]

``--folder`` keeps photos and store there, so that they are made once for several calls.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

from memory import forget_peak, peak
from verify import CONFIG, draw

from brev_pipeline.config import PipelineConfig, load_config
from brev_pipeline.dry_run import plan_run
from brev_pipeline.listing import list_datasets
from brev_pipeline.storage import Sources


def publish(folder: Path, images: int) -> Path:
    """A version of that many photos, in a process of its own; what there is already is kept."""
    config = folder / "bench.yaml"
    if not config.exists():
        draw(folder / "photos", images)
        config.write_text(CONFIG.format(store=folder / "store", photos=folder / "photos"))
    command = [sys.executable, "-m", "brev_pipeline", "run", str(config)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return config


def list_alone(config: PipelineConfig) -> int:
    return int(list_datasets(config.datasets, config.listing, Sources.from_config(config), hashed=False).num_rows)


def plan(config: PipelineConfig) -> int:
    found = plan_run(config)
    if found["would"] != "nothing":
        raise SystemExit(f"the plan is to {found['would']}: {found['because'] or found['stops']}")
    return int(found["images"]["now"])


def timed(work: Callable[[PipelineConfig], int], config: PipelineConfig) -> tuple[int, dict[str, float]]:
    """What it counted, and its seconds and peak of memory."""
    forget_peak()
    before, wall, cpu = peak(), time.perf_counter(), time.process_time()
    count = work(config)
    spent = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    return count, {**spent, "peak_mb": (peak() - before) / 1e6}


def measure(config: PipelineConfig, rounds: int) -> dict[str, Any]:
    """Both, taking turns; the first round, with its imports, does not count."""
    found: dict[str, list[dict[str, float]]] = {"listing": [], "plan": []}
    for _ in range(rounds + 1):
        counts = set()
        for name, work in (("listing", list_alone), ("plan", plan)):
            count, spent = timed(work, config)
            counts.add(count)
            found[name].append(spent)
        if len(counts) > 1:
            raise SystemExit(f"the listing and the plan count differently: {counts}")
    middle = {
        name: {key: round(statistics.median(one[key] for one in spent[1:]), 2) for key in spent[0]}
        for name, spent in found.items()
    }
    ratio = {key: round(middle["plan"][key] / middle["listing"][key], 2) for key in ("wall_s", "cpu_s")}
    return {"images": counts.pop(), **middle, "plan_of_listing": ratio}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=float, default=1e5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        print(json.dumps(measure(load_config(publish(folder.resolve(), int(options.images))), options.rounds)))


if __name__ == "__main__":
    main()
