"""Feeds mutated image files to the decoder, in a process of its own, and tells what came of it.

    python -m brev_pipeline_tests.images.fuzz COUNT SEED LAST_CASE [FOLDER OF MORE FILES]

Three ways of mutating: injuries to the structure (`fuzz_structure`), to any bytes, and cutting the file short. The last
line is JSON: how many files were accepted and refused (by status), the slowest one in CPU-seconds, the memory that the
process took at most, and the cases that were cut short and read as if nothing were missing, with other pixels. The file
LAST_CASE holds the case that the process died of, if it dies.
"""

import collections
import faulthandler
import json
import sys
import time
from pathlib import Path

import numpy as np

from brev_pipeline.config import ImageSettings
from brev_pipeline.errors import DecodeError
from brev_pipeline.images.decoding import decode_image
from brev_pipeline.images.limits import decoding_limits
from brev_pipeline_tests.images import fuzz_structure, worlds

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


def main(count, seed, last_case, folder=None):
    """Run the cases."""
    faulthandler.enable()
    draw = np.random.default_rng(seed)
    files = [*worlds.one_of_each_kind(height=40, width=50).values(), *fuzz_structure.deep_files()]
    files += [file.read_bytes() for file in sorted(Path(folder).rglob("*")) if file.is_file()] if folder else []
    files = [data for data in files if 0 < len(data) < 200_000]
    found = {"outcomes": collections.Counter(), "ways": collections.Counter(), "slowest": 0.0, "halves": []}
    settings = ImageSettings(max_pixels=MAX_PIXELS)
    with decoding_limits(MAX_PIXELS), open(last_case, "wb", 0) as kept:
        for number in range(count):
            whole = files[int(draw.integers(0, len(files)))]
            way = str(draw.choice(["structure", "bytes", "cut"], p=[0.6, 0.25, 0.15]))
            if way == "structure":
                data = fuzz_structure.injure(whole, draw, files)
            else:
                data = mutate(whole, draw, files) if way == "bytes" else whole[: int(draw.integers(0, len(whole)))]
            kept.seek(0)
            kept.truncate()
            kept.write(data)
            began = time.process_time()
            try:
                outcome = _outcome(data, settings)
            except BaseException:
                print(f"case {number} of seed {seed}, in {last_case}", file=sys.stderr)
                raise
            if way == "cut" and outcome == "ok" and _differ(data, whole, settings):
                found["halves"].append(number)
                Path(f"{last_case}.half.{number}").write_bytes(data)
            found["outcomes"][outcome] += 1
            found["ways"][way] += 1
            seconds = time.process_time() - began
            if seconds > found["slowest"]:
                found["slowest"], found["slowest_case"] = seconds, number
                Path(f"{last_case}.slowest").write_bytes(data)
    found["megabytes"] = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1000
    print(json.dumps(found))


def _outcome(data, settings):
    try:
        decoded = decode_image(data, settings)
    except DecodeError as error:
        return error.status if str(error) else "refused without a reason"
    height, width, channels = decoded.pixels.shape
    told = {(decoded.header.height, decoded.header.width), (decoded.header.width, decoded.header.height)}
    assert decoded.pixel_id
    return "ok" if (height, width) in told and channels == 3 else "of another size than its header tells"


def _differ(data, whole, settings):
    """Whether a file that was cut short is decoded to other pixels than the whole."""
    try:
        return not np.array_equal(decode_image(data, settings).pixels, decode_image(whole, settings).pixels)
    except DecodeError:
        # The whole is not read, and the rest is.
        return True


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
