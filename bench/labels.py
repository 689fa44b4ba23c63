"""What labels cost: records with masks, and with boxes, beside records without, in one process.

    python bench/labels.py [--records 400] [--rounds 15] [--size 128]

Made-up photographs, each with a mask of two defects, or with eight boxes, all in memory. Whole records are made:
augmented with all defaults, each with a seed of its own, encoded as PNG and wrapped as ``tf.train.Example``. Short
turns one after the other, and the quickest of each, so that a busy machine slows all alike. CPU seconds; ``ratio`` is
to records without labels: for masks at most 1.5 at 128×128 px.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import cv2
import numpy as np

from brev_pipeline.augmentation import ImageAugmenter
from brev_pipeline.config import ImageSettings, ShardSettings
from brev_pipeline.images.arrangement import PhotoArrangement
from brev_pipeline.labels import KINDS
from brev_pipeline.records.label_encoder import LabelEncoder, PhotoLabels
from brev_pipeline.records.shard_writer import RecordBuilder

CHUNK = 40  # records in one turn
PHOTOS = 50  # distinct ones
BOXES = 8
CLASSES = ("dent", "scratch")

Make = Callable[[dict[str, Any], int], bytes]


def photos(side: int) -> list[tuple[np.ndarray, np.ndarray, Any]]:
    """Photographs (side, side, 3), masks of two defects, and prepared boxes."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    arrangement = PhotoArrangement(side, side, ImageSettings())
    made = []
    for _ in range(PHOTOS):
        image = np.stack([60 + 64 * x / side + 38 * y / side + shift for shift in rng.integers(0, 60, 3)], -1)
        image = cv2.circle(image.astype(np.float32), (side // 2, side // 2), side // 4, (200.0, 190.0, 180.0), -1)
        noisy = cv2.GaussianBlur(image, (0, 0), 1.2) + rng.normal(0, 1.5, image.shape)
        mask = np.zeros((side, side), np.uint8)
        for number in (1, 2):
            cx, cy, radius = (int(value) for value in (*rng.integers(side // 8, 7 * side // 8, 2), side // 16))
            cv2.ellipse(mask, (cx, cy), (2 * radius, radius), int(rng.integers(0, 180)), 0, 360, number, -1)
        corners = rng.uniform(0, 0.85 * side, (BOXES, 2))
        rows = [
            {"label": CLASSES[number % 2], "kind": "box", "relative": False}
            | {"points": [left, top, left + side / 8, top + side / 10]}
            for number, (left, top) in enumerate(corners.tolist())
        ]
        prepared = KINDS["objects"].prepare(rows, arrangement)
        made.append((np.clip(noisy, 0, 255).astype(np.uint8), mask, prepared))
    return made


def makers(side: int) -> dict[str, Make]:
    """What makes the record of a row: without labels, with a mask, with boxes."""
    made = photos(side)
    plain = RecordBuilder(ShardSettings(), ImageAugmenter())
    classes = {"mask": ("background", *CLASSES), "objects": CLASSES}
    with_mask = RecordBuilder(ShardSettings(), ImageAugmenter(), LabelEncoder((KINDS["mask"],), classes))
    with_boxes = RecordBuilder(
        ShardSettings(), ImageAugmenter(border="constant"), LabelEncoder((KINDS["objects"],), classes)
    )
    return {
        "without": lambda row, place: plain(row, made[place][0]),
        "masks": lambda row, place: with_mask(row, made[place][0], PhotoLabels({"mask": made[place][1]})),
        "boxes": lambda row, place: with_boxes(row, made[place][0], PhotoLabels({"objects": made[place][2]})),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--size", type=int, default=128, help="side of the images, px")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    rows = [
        {"augmented": True, "seed": number * 0x9E3779B97F4A7C15 % 2**63, "path": f"bucket/good/{number}.bmp"}
        | {"content_id": f"{number:032x}", "epoch": 0, "item": str(number), "label": 1, "multi_hot": None}
        for number in range(args.records)
    ]
    make = makers(args.size)
    best: dict[tuple[str, int], float] = {}
    for _ in range(args.rounds):
        for start in range(0, args.records, CHUNK):
            for name, function in make.items():
                began = time.process_time()
                for number, row in enumerate(rows[start : start + CHUNK], start):
                    function(row, number % PHOTOS)
                best[name, start] = min(best.get((name, start), 1e9), time.process_time() - began)
    seconds = {name: sum(took for (found, _), took in best.items() if found == name) / args.records for name in make}
    for name, took in seconds.items():
        ratio = round(took / seconds["without"], 3)
        print(json.dumps({"records": name, "size": args.size, "cpu_us_per_record": round(took * 1e6), "ratio": ratio}))


if __name__ == "__main__":
    main()
