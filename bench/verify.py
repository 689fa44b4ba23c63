"""What `verify` costs: CPU seconds for a version of so many records, by this checkout and by others beside it.

Writes tiny photos (8 × 8 BMP), runs the pipeline of a checkout on them as the command does, and verifies what it
published, in a process of its own: the median of ``--rounds``, with the peak of its memory. ``--against`` names other
checkouts (an older commit, unpacked anywhere), each of which makes and verifies a version of the same photos:

    git archive 55bd539 | tar x -C ../old --one-top-level
    python bench/verify.py [--records 1e5] [--rounds 3] [--against ../old]
"""

import argparse
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
CLASSES = ("bad_cap", "good", "missing_cap", "scratch", "underfilled")
SIDE = 8  # px
PHOTOS_PER_ITEM = 2
CONFIG = r"""
name: bench
store: {store}
datasets: [{{name: Vials, id: v1, bucket: {photos}}}]
integrity: {{label_conflicts: keep}}
split:
  stratification: [folder]
  uniqueness: '/(\d+)_\d+\.bmp$'
  seed: 42
  purposes: {{train: 0.8, test: 0.1}}
sampling: {{group_weighing: logx+1, seed: 3}}
shards: {{records_per_shard: 1000, encoding: raw}}
"""


def draw(folder: Path, count: int) -> None:
    """Photos that all differ, in class folders of equal size, two of each item."""
    size = SIDE * SIDE * 3
    head = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54 + size, 0, 0, 54, 40, SIDE, SIDE, 1, 24, 0, size, 0, 0, 0, 0)
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
    for number in range(count):
        item = number // PHOTOS_PER_ITEM
        file = folder / CLASSES[item % len(CLASSES)] / f"{item}_{number}.bmp"
        file.write_bytes(head + struct.pack("<Q", number) * (size // 8))


def timed(store: str) -> None:
    """Verify the newest version in this process, and print what it cost."""
    sys.path.insert(0, str(HERE / "bench"))
    from memory import forget_peak, peak

    from brev_pipeline.audit import verify_store
    from brev_pipeline.config import load_config
    from brev_pipeline.store import PipelineStore

    pipeline = PipelineStore.from_config(load_config(store))
    forget_peak()
    wall, cpu = time.perf_counter(), time.process_time()
    found = verify_store(pipeline)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    (version,) = found.versions
    if not found.is_well:
        raise SystemExit("\n".join([*found.problems, *version.problems]))
    print(json.dumps({"records": version.records, "wall_s": wall, "cpu_s": cpu, "peak_mb": peak() / 1e6}))


def measure(checkout: Path, photos: Path, folder: Path, rounds: int) -> dict[str, Any]:
    """Make a version by a checkout's package, and verify it by the same."""
    folder.mkdir()
    config = folder / "bench.yaml"
    config.write_text(CONFIG.format(store=folder / "store", photos=photos))
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    subprocess.run(
        [sys.executable, "-m", "brev_pipeline", "run", str(config)],
        env=environment,
        cwd=folder,  # not a checkout's, which Python would look into first
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    command = [sys.executable, str(Path(__file__).resolve()), "--time", str(config)]
    said = [
        json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
        for _ in range(rounds)
    ]
    middle = {key: round(statistics.median(one[key] for one in said), 2) for key in ("wall_s", "cpu_s", "peak_mb")}
    return {"checkout": str(checkout), "records": said[0]["records"], **middle}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=float, default=1e5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--against", type=Path, nargs="*", default=[], help="other checkouts of this package")
    parser.add_argument("--time", metavar="CONFIG", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.time:
        timed(options.time)
        return
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        draw(root / "photos", int(options.records))
        for number, checkout in enumerate([HERE, *options.against]):
            found = measure(checkout.resolve(), root / "photos", root / f"made-{number}", options.rounds)
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
