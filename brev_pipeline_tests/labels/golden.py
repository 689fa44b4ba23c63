"""Golden labels: 120 masks, boxes and polygons under geometry of all kinds, and the hashes of what comes out.

Run as a script it prints the hashes as JSON, made with so many OpenCV threads:
``python -m brev_pipeline_tests.labels.golden THREADS``. To accept a change on purpose:
``… golden 1 > brev_pipeline_tests/labels/golden.json``; with new hashes no version with labels can be made again.
"""

import hashlib
from typing import Any

import numpy as np

from brev_pipeline.augmentation import ImageAugmenter, ImageDeformation, RandomTransformer
from brev_pipeline.augmentation.geometry import Border
from brev_pipeline.config import ImageSettings
from brev_pipeline.images.arrangement import PhotoArrangement
from brev_pipeline.labels import KINDS
from brev_pipeline_tests.augmentation.golden import print_hashes
from brev_pipeline_tests.augmentation.images import picture

SIZES = [(128, 128), (97, 131), (61, 61), (300, 420), (1, 37), (5, 4)]
BORDERS: list[Border] = ["mirror", "constant"]
WIDE = RandomTransformer(chance=0.8, scale=0.5, shear=0.3, translate_horizontal=0.3, rotate=180)
AUGMENTERS = [
    ImageAugmenter(min_visible=0.1),
    ImageAugmenter(transform=WIDE),
    ImageAugmenter(deformation=ImageDeformation(chance=1, alpha=0.2)),
]
IMAGES = [
    ImageSettings(),
    ImageSettings(target_size=(90, 70), keep_aspect_ratio=True, center_padding=True),
    ImageSettings(target_size=(64, 64)),
]


def objects(height: int, width: int, salt: int) -> list[dict[str, Any]]:
    """Boxes and polygons by integer arithmetic, some of them partly outside."""
    rows: list[dict[str, Any]] = []
    for place in range(6):
        x, y = (salt * 7 + place * 31) % width - 2.25, (salt * 5 + place * 17) % height - 1.5
        across, along = width / 5 + place, height / 4 + place / 3
        points = [x, y, x + across, y + along]
        if place % 2:
            points = [x, y, x + across, y + along / 3, x + across / 2, y + along, x - 1, y + along / 2]
        rows.append(
            {"label": "ab"[place % 2], "kind": "polygon" if place % 2 else "box", "points": points, "relative": False}
        )
    return rows


def hashes(count: int = 120) -> list[str]:
    """BLAKE2b of a record's mask and objects, and of the photo's pixels."""
    out = []
    for place in range(count):
        height, width = SIZES[place % len(SIZES)]
        seed = place * 0x9E3779B97F4A7C15 % 2**64
        arrangement = PhotoArrangement(height, width, IMAGES[place // 2 % 3])
        augmenter, border = AUGMENTERS[place // 3 % 3], BORDERS[place % 2]
        mask = arrangement.arrange_mask(picture(height, width, salt=place) // 90)
        movement = augmenter.plan_movement(seed, *mask.shape, border=border)
        placed = KINDS["objects"].prepare(objects(height, width, place), arrangement)
        parts = [movement.move_image(picture(*mask.shape, 3)), KINDS["mask"].move(mask, movement)]
        encoded = KINDS["objects"].encode(KINDS["objects"].move(placed, movement), mask.shape, {"a": 0, "b": 1})
        parts += [np.asarray(encoded[name]) for name in sorted(encoded)]
        digest = hashlib.blake2b(b"".join(part.tobytes() for part in parts), digest_size=8)
        out.append(digest.hexdigest())
    return out


if __name__ == "__main__":
    print_hashes(hashes)
