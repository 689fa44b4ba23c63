"""The golden augmentations: 200 images and seeds, and the hashes of what comes out.

Run as a script it prints the hashes as JSON, made with so many OpenCV threads:
``python -m brev_pipeline_tests.augmentation.golden THREADS``.

To accept a change on purpose: ``… golden 1 > brev_pipeline_tests/augmentation/golden.json``. Before you do: with new
hashes every shard that was ever published can no longer be made again. That is a new major version.
"""

import hashlib
import json
import sys

import numpy as np

from brev_pipeline.augmentation import (
    ImageAugmenter,
    ImageDeformation,
    ImageFiltering,
    ImageNoise,
    ImageSaltAndPepper,
    RandomTransformer,
)
from brev_pipeline_tests.augmentation.images import numbered, picture

SHAPES = [
    (128, 128, 3),
    (128, 128),
    (97, 131, 3),
    (64, 80, 1),
    (1, 1, 3),
    (1, 37, 3),
    (41, 1),
    (2, 3, 3),
    (5, 4),
    (61, 61, 3),
    (33, 200, 3),
    (300, 420, 3),
]
EVERYTHING = {
    "transform": RandomTransformer(chance=0.8, scale=0.5, shear=0.3, translate_horizontal=0.5, rotate=180),
    "deformation": ImageDeformation(chance=0.5, alpha=0.2),
    "filtering": ImageFiltering(mean=7, gaussian=2.3, emboss=(0.1, 1)),
    "noise": ImageNoise(hue=0.5, contrast=(0, 5), saturation=(0, 5), stddev=0.2, brightness=1),
    "salt_and_pepper": ImageSaltAndPepper(fraction=0.01),
}


def hashes(count: int = 200) -> list[str]:
    """BLAKE2b of the pixels, and where there are labels of the labels too."""
    usual, strong = ImageAugmenter(), ImageAugmenter(**EVERYTHING)
    out = []
    for place in range(count):
        shape = SHAPES[place % len(SHAPES)]
        seed = place * 0x9E3779B97F4A7C15 % 2**64
        image, labels = picture(*shape, salt=place), numbered(*shape[:2])
        if place < count // 2:
            results: tuple[np.ndarray, ...] = (usual.augment(image, seed),)
        else:
            results = strong.augment(image, seed, labels)
        out.append(hashlib.blake2b(b"".join(r.tobytes() for r in results), digest_size=8).hexdigest())
    return out


def print_hashes(make):
    """Print what ``make`` gives as JSON, with as many threads as are asked for; on stderr what the CPU may do."""
    import cv2

    cv2.setNumThreads(int(sys.argv[1]))
    print(cv2.getCPUFeaturesLine(), file=sys.stderr)
    print(json.dumps(make(), indent=0))


if __name__ == "__main__":
    print_hashes(hashes)
