"""Preparing images, beside a bare hand-written loop of the same decoder and resize calls.

    python -m bench.images [--count 400]

400 photos of 640×480 px in each format become 128×128×3. All loops run in one process, one thread, a little of each in
turn, so that a busy machine slows all of them alike; the figure is images per CPU-second in the quickest
round, and its ratio to the bare loop of that format:

* bare: OpenCV's decoder for BMP and PNG, simplejpeg's strict one for JPEG, ``cv2.resize``, channels to RGB; no checks
* prepare: `ImagePipeline.prepare`, which sniffs, limits, decodes, orients and resizes (this is (a) of the README)
* + statistics: with the hash of the decoded pixels and the statistics of the prepared ones, as in the table
* + MD5: with the MD5 of the file that ties the row to its bytes, as in the stage `prepared_images`
"""

import argparse
import hashlib
import json
import time
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg

from brev_pipeline.config import ImageSettings
from brev_pipeline.images import ImagePipeline
from brev_pipeline.images.prepare_task import prepare_row
from brev_pipeline.storage.fetcher import SourceRow

HEIGHT, WIDTH, SIDE = 480, 640, 128  # px
ROUNDS = 7
SETTINGS = ImageSettings(target_size=(SIDE, SIDE))

Loop = Callable[[bytes], object]


def photo(number: int) -> npt.NDArray[np.uint8]:
    """A smooth, slightly noisy BGR picture, (480, 640, 3): compresses about as a camera's photo does."""
    draw = np.random.default_rng(number)
    blobs = cv2.resize(draw.integers(0, 256, (12, 16, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.clip(blobs + draw.normal(0, 3, blobs.shape), 0, 255).astype(np.uint8)


def encoded(suffix: str, count: int) -> list[bytes]:
    """Photos as files in memory."""
    options = [cv2.IMWRITE_JPEG_QUALITY, 90] if suffix == ".jpg" else []
    return [cv2.imencode(suffix, photo(number), options)[1].tobytes() for number in range(count)]


def bare_opencv(data: bytes) -> object:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), cv2.COLOR_BGR2RGB)


def bare_jpeg(data: bytes) -> object:
    image = simplejpeg.decode_jpeg(data, "RGB")
    return cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)


def with_statistics(data: bytes) -> object:
    return prepare_row(SourceRow("", "", None, "none", ""), data, SETTINGS)


def with_md5(data: bytes) -> object:
    return hashlib.md5(data, usedforsecurity=False).hexdigest(), with_statistics(data)


_FORMATS = (("BMP", ".bmp", bare_opencv), ("JPEG", ".jpg", bare_jpeg), ("PNG", ".png", bare_opencv))


def measured(loops: dict[str, Loop], files: list[bytes]) -> dict[str, float]:
    """Images per CPU-second of each loop, in its quickest round."""
    best = dict.fromkeys(loops, float("inf"))
    for _ in range(ROUNDS):
        for name, loop in loops.items():
            began = time.process_time()
            for data in files:
                loop(data)
            best[name] = min(best[name], time.process_time() - began)
    return {name: len(files) / seconds for name, seconds in best.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=400, help="photos of each format")
    count = parser.parse_args().count
    cv2.setNumThreads(1)
    prepare = ImagePipeline(SETTINGS).prepare
    figures = {}
    for title, suffix, bare in _FORMATS:
        files = encoded(suffix, count)
        loops = {"bare": bare, "prepare": prepare, "+ statistics": with_statistics, "+ MD5": with_md5}
        figures[title] = measured(loops, files)
        print(f"{title}: {count} photos of {WIDTH}×{HEIGHT} px, {sum(map(len, files)) / count / 1e3:.0f} kB each")
        for name, speed in figures[title].items():
            print(f"  {name:14}{speed:8.0f} images per CPU-second   {speed / figures[title]['bare']:.2f} of bare")
    print(json.dumps({"images": figures}))


if __name__ == "__main__":
    main()
