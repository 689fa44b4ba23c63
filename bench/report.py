"""The report: how long it takes, and how large it is.

    python -m bench.report [--images 10000] [--classes 40] [--side 128] [--rounds 3]

Tables of that many photos come from the real stages (listing and pixels are made up), the pictures are painted on the
spot, with grain as in a photograph, and once as pure noise, which no encoder can make small. Each round runs in a fresh
interpreter; the first figure includes the imports of the packages that draw the page. The aim: under 3 s, under 5 MB.
"""

import argparse
import json
import subprocess
import sys
import time


def once(images: int, classes: int, side: int, grain: int) -> dict[str, float]:
    """Build one report in this process."""
    from brev_pipeline_tests.report.world import inputs_of, photos

    found = photos(images, [f"class_{number:02d}" for number in range(classes)])
    inputs = inputs_of(found, side=(side, side), grain=grain)
    began = time.perf_counter(), time.process_time()
    from brev_pipeline.report import build_report

    page = build_report(inputs)
    spent = time.perf_counter() - began[0], time.process_time() - began[1]
    again = time.process_time()
    same = build_report(inputs) == page
    return {
        "wall_s": round(spent[0], 2),
        "cpu_s": round(spent[1], 2),
        "cpu_s_again": round(time.process_time() - again, 2),
        "same_bytes": same,
        "megabytes": round(sum(map(len, page.values())) / 1e6, 2),
        "pictures": page["index.html"].count(b"<img "),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--classes", type=int, default=40)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--grain", type=int, help="run one round in this process, with this much grain")
    given = parser.parse_args()
    if given.grain is not None:
        print(json.dumps(once(given.images, given.classes, given.side, given.grain)))
        return
    sizes = ["--images", given.images, "--classes", given.classes, "--side", given.side]
    for name, grain in (("photographs", 6), ("pure noise", 255)):
        for _ in range(given.rounds):
            command = [sys.executable, "-m", "bench.report", *map(str, sizes), "--grain", str(grain)]
            run = subprocess.run(command, capture_output=True, text=True, check=True)
            print(f"{name}: {run.stdout.strip()}")


if __name__ == "__main__":
    main()
