"""What files cost that were made to cost much: CPU time and memory of each, against what its image's size allows.

``python -m brev_pipeline_tests.images.bombs [NAME OR FOLDER …]`` prints the table, of those in the folder ``shared``
beside the repository and of those that `bombs_made` makes.
"""

import gzip
import json
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from brev_pipeline.config import ImageSettings
from brev_pipeline.images.limits import decoding_limits
from brev_pipeline.images.prepare_task import prepare_row
from brev_pipeline.storage.fetcher import SourceRow
from brev_pipeline_tests.images.bombs_made import BOMBS

SETTINGS = ImageSettings(target_size=(128, 128))
MOST_SECONDS = SETTINGS.max_seconds
_FIXED = 200  # MB that any image may take, whatever its size
_REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Cost:
    """What one file cost."""

    status: str
    reason: str
    seconds: float
    """Of CPU."""
    megabytes: float
    """By which the process's peak of memory rose."""
    allowed: float
    """MB, by the size of the image: eight times its decoded bytes, and 200."""

    @property
    def fault(self):
        """What is wrong with it, or nothing."""
        if self.status not in ("ok", "corrupt", "unsupported", "too_large"):
            return "UNDECIDED"
        if self.seconds > MOST_SECONDS:
            return "SLOW"
        return "OVER" if self.megabytes > self.allowed else ""


def measure(data):
    """The cost of a file, in a process of its own."""
    command = [sys.executable, "-m", "brev_pipeline_tests.images.bombs", "-"]
    done = subprocess.run(command, input=data, capture_output=True, timeout=200, check=False, cwd=_REPOSITORY)
    if done.returncode:
        return Cost(f"died {-done.returncode}", done.stderr.decode()[-300:], 0, 0, 0)
    return Cost(*json.loads(done.stdout))


def shared_bombs(folder):
    """Name → file, of those in a folder."""
    files = sorted(path for path in Path(folder).iterdir() if path.is_file())
    return {
        file.name: gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes() for file in files
    }


def _measure_here(data):
    # What decoders bring along is not the image's.
    import cv2  # noqa: F401
    import imagecodecs  # noqa: F401
    import simplejpeg  # noqa: F401

    Path("/proc/self/clear_refs").write_text("5")
    before, began = _peak(), time.process_time()
    with decoding_limits(SETTINGS.max_pixels):
        row, _ = prepare_row(SourceRow("", "", None, "none", ""), data, SETTINGS)
    seconds = time.process_time() - began
    height, width, channels, depth = (row.get(key) or 0 for key in ("height", "width", "channels", "bit_depth"))
    allowed = _FIXED + 8 * height * width * channels * (2 if depth > 8 else 1) / 1e6
    return Cost(row["status"], row["reason"] or row.get("note") or "", seconds, _peak() - before, allowed)


def _peak():
    """MB."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024 / 1e6


def main(*chosen):
    """Print the table."""
    files = dict(BOMBS)
    folders = [Path(one) for one in chosen if Path(one).is_dir()] or [_REPOSITORY.parent / "shared/cases/bombs"]
    for folder in folders:
        if folder.is_dir():
            files |= {name: lambda data=data: data for name, data in shared_bombs(folder).items()}
    names = [one for one in chosen if not Path(one).is_dir()]
    print(f"{'file':26} {'bytes':>11} {'status':11} {'CPU s':>6} {'MB':>6} {'of':>6}")
    for name, make in files.items():
        if names and not any(name.startswith(one) for one in names):
            continue
        data = make()
        cost = measure(data)
        figures = f"{cost.seconds:6.2f} {cost.megabytes:6.0f} {cost.allowed:6.0f}"
        print(f"{name:26} {len(data):11} {cost.status:11} {figures} {cost.fault} {cost.reason[:110]}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["-"]:
        cost = _measure_here(sys.stdin.buffer.read())
        print(json.dumps([cost.status, cost.reason, cost.seconds, cost.megabytes, cost.allowed]))
    else:
        main(*sys.argv[1:])
