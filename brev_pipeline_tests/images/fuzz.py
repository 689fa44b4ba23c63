"""Feeds mutated image files to the decoder, in a process of its own, and tells what came of it.

    python -m brev_pipeline_tests.images.fuzz COUNT SEED [FOLDER OF MORE FILES]

The last line is JSON: how many files were accepted and refused (by status), the slowest one in CPU-seconds, and the
memory that the process took at most. The number of the case stands on stderr if the process dies.
"""

import collections
import faulthandler
import json
import sys
import time
from pathlib import Path

import numpy as np

from brev_pipeline.errors import DecodeError
from brev_pipeline.images import ImagePipeline
from brev_pipeline.images.limits import decoding_limits
from brev_pipeline_tests.images import worlds

MAX_PIXELS = 4_000_000
EXTREMES = [b"\0", b"\xff", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80"]


def mutate(data, draw, files):
    """One to a few small injuries."""
    data = bytearray(data)
    for _ in range(int(draw.integers(1, 5))):
        # Headers are where the interesting bytes are.
        reach = len(data) if draw.random() < 0.5 else min(len(data), 256)
        place = int(draw.integers(0, max(1, reach)))
        length = int(draw.integers(1, 64))
        way = int(draw.integers(0, 7))
        if way == 0 and data:
            data[place] ^= 1 << int(draw.integers(0, 8))
        elif way == 1 and data:
            data[place] = int(draw.integers(0, 256))
        elif way == 2:
            extreme = EXTREMES[int(draw.integers(0, len(EXTREMES)))]
            data[place : place + len(extreme)] = extreme
        elif way == 3:
            del data[place : place + length]
        elif way == 4:
            data[place:place] = draw.bytes(length)
        elif way == 5:
            del data[int(draw.integers(0, len(data) + 1)) :]
        else:
            other = files[int(draw.integers(0, len(files)))]
            data[place : place + length] = other[place : place + length]
    return bytes(data)


def main(count, seed, folder=None):
    """Run the cases."""
    faulthandler.enable()
    draw = np.random.default_rng(seed)
    files = [*worlds.one_of_each_kind(height=40, width=50).values()]
    files += [file.read_bytes() for file in sorted(Path(folder).rglob("*")) if file.is_file()] if folder else []
    files = [data for data in files if len(data) < 200_000]
    outcomes, slowest = collections.Counter(), 0.0
    prepare = ImagePipeline(max_pixels=MAX_PIXELS, target_size=(32, 32)).prepare
    mutants = (mutate(files[int(draw.integers(0, len(files)))], draw, files) for _ in range(count))
    with decoding_limits(MAX_PIXELS):
        for number, data in enumerate(mutants):
            began = time.process_time()
            try:
                outcome = str(prepare(data).shape)
            except DecodeError as error:
                outcome = error.status if str(error) else "refused without a reason"
            except BaseException:
                print(f"case {number} of seed {seed}", file=sys.stderr)
                raise
            outcomes[outcome] += 1
            slowest = max(slowest, time.process_time() - began)
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1000
    print(json.dumps({"outcomes": outcomes, "slowest": round(slowest, 2), "megabytes": peak}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
