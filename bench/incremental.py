"""What a run costs when one image in a hundred is new, beside the first run over all of them.

Run: python bench/incremental.py [--images 10000] [--new 0.01]

Photographs of 640×480 px are drawn into a folder, and ``brev-pipeline run`` runs three times: over all but the new
ones, over all, and once more with nothing new. CPU seconds of the process and its workers. What every run costs
whatever it finds (Python, Dagster, Great Expectations: the run with nothing new) is shown, and the ratio both with it
and without it.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

CONFIG = """
name: growing
store: store
datasets: [{name: Photos, id: photos, bucket: photos}]
image: {target_size: [128, 128]}
split: {stratification: [folder], uniqueness: '/(\\d+)_', purposes: {train: 0.8}, remainder: devel, seed: 1}
sampling: {groupby: [folder], group_weighing: logx+1, seed: 1}
engine: {workers: 2}
"""


def draw(folder: Path, first: int, last: int) -> None:
    """JPEG photographs number first to last: a bright disc somewhere on a gradient, with noise; one in ten is bad."""
    y, x = np.mgrid[:480, :640].astype(np.float32)
    gradient = (60 + 0.1 * x + 0.1 * y)[..., None]
    grain = np.random.default_rng(1).normal(0, 3, (960, 1280, 3)).astype(np.float32)
    for number in range(first, last):
        rng = np.random.default_rng(number)
        image = gradient + rng.integers(0, 60, 3)
        top, left = rng.integers(0, 480), rng.integers(0, 640)
        image += grain[top : top + 480, left : left + 640]
        centre = tuple(int(side) for side in rng.integers(100, 380, 2))
        cv2.circle(image, centre, int(rng.integers(30, 90)), tuple(map(float, rng.integers(0, 255, 3))), -1)
        path = folder / ("bad" if number % 10 == 0 else "good") / f"{number}_0.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.clip(image, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])


def cpu_of_run(config: Path) -> tuple[float, float]:
    """CPU and wall seconds of one ``brev-pipeline run``, its workers included."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [str(Path(sys.executable).with_name("brev-pipeline")), "run", str(config)]
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--new", type=float, default=0.01, help="share of the images that is new in the second run")
    args = parser.parse_args()
    old = round(args.images * (1 - args.new))
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        (folder / "growing.yaml").write_text(CONFIG)
        seconds = {}
        for name, first, last in (("full", 0, old), ("new images", old, args.images), ("nothing new", 0, 0)):
            draw(folder / "photos", first, last)
            seconds[name] = cpu_of_run(folder / "growing.yaml")
            print(f"{name:12s} {seconds[name][0]:7.1f} CPU-s {seconds[name][1]:7.1f} s", flush=True)
    full, new, fixed = (seconds[name][0] for name in ("full", "new images", "nothing new"))
    report = {
        "images": args.images,
        "cpu_s": {name: round(cpu, 2) for name, (cpu, _) in seconds.items()},
        "ratio": round(new / full, 3),
        "ratio_without_fixed_cost": round((new - fixed) / (full - fixed), 3),
        "load": os.getloadavg()[0],
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
