"""The new-images sensor: what a tick costs over a folder of 100,000 images.

Run ``python bench/sensor.py`` (half a minute). The files are empty: a tick reads none. CPU seconds are those of this
process; the best of three is printed. Of a bucket, a tick costs what the listing costs (see listing.py).
"""

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg

from brev_pipeline.config import PipelineConfig, parse_config
from brev_pipeline.orchestration.automation import build_job, build_sensor

IMAGES, FOLDERS = 100_000, 100
SETTINGS = """
name: watched
store: store
datasets:
  - {name: Photos, id: photos, bucket: photos}
"""


def photos(folder: Path) -> None:
    for number in range(FOLDERS):
        (folder / f"class_{number:03d}").mkdir(parents=True)
    for number in range(IMAGES):
        (folder / f"class_{number % FOLDERS:03d}" / f"{number // FOLDERS:05d}_0.png").touch()


def best(call: Callable[[], Any], runs: int = 3) -> tuple[Any, float, float]:
    """The result, and the least wall and CPU seconds of some calls."""
    found, wall, cpu = None, float("inf"), float("inf")
    for _ in range(runs):
        began = time.perf_counter(), time.process_time()
        found = call()
        wall, cpu = min(wall, time.perf_counter() - began[0]), min(cpu, time.process_time() - began[1])
    return found, wall, cpu


def measure(title: str, config: PipelineConfig) -> None:
    sensor = build_sensor(config, build_job(config))

    def tick(cursor: str | None) -> Any:
        with dg.DagsterInstance.ephemeral() as instance:
            return sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor))

    first, wall, cpu = best(lambda: tick(None), 1)
    print(f"{title}, first tick (imports included): {wall:.2f} s, CPU {cpu:.2f} s, {len(first.run_requests)} run")
    again, wall, cpu = best(lambda: tick(first.cursor))
    print(f"{title}, nothing new: {wall:.2f} s, CPU {cpu:.2f} s: {again.skip_message}")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos(folder / "photos")
        measure(f"folder of {IMAGES:,}", parse_config(SETTINGS, "watched.yaml", folder))
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
