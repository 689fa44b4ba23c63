"""The example's segmenter learns the demo's defects from photos and masks, in the time and to the IoU that are stated.

Arrays stand for a version here: the caps of the photos, cut out of them as `examples/segmentation.yaml` does it.
"""

import importlib.util
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from brev_pipeline.config import load_config
from brev_pipeline.demo import draw_demo
from brev_pipeline.demo.labels import VALUES, place_mask

EXAMPLES = Path(__file__).parents[2] / "examples"
CLASSES = ["background", "bad_cap", "missing_cap"]


class Labelled(NamedTuple):
    """Photos with their masks."""

    photos: np.ndarray  # float32 (n, height, width, 3), 0..1
    masks: np.ndarray  # uint8 (n, height, width)
    classes: np.ndarray  # folder of each


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_segmenter", EXAMPLES / "train_segmenter.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["train_segmenter"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _read_demo(folder: Path, region: tuple[slice, slice]) -> tuple[Labelled, Labelled]:
    """The demo's photos for training, and those of every fifth item to judge by."""
    names = np.zeros(256, np.uint8)
    for fault, value in VALUES.items():
        names[value] = CLASSES.index("missing_cap" if fault in ("stoppered", "open") else "bad_cap")
    photos, masks, classes, held_out = [], [], [], []
    for path in sorted(folder.glob("*/*.bmp")):
        mask = Image.open(folder / place_mask(path.relative_to(folder).as_posix()))
        photos.append(np.asarray(Image.open(path), np.float32)[region] / 255)
        masks.append(names[np.asarray(mask)[region]])
        classes.append(path.parent.name)
        held_out.append(int(path.name.partition("_")[0]) % 5 == 2)
    everything = Labelled(np.stack(photos), np.stack(masks), np.array(classes))
    chosen = np.array(held_out)
    train, devel = (Labelled(*(part[rows] for part in everything)) for rows in (~chosen, chosen))
    return train, devel


def _draw_batches(data: Labelled, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of 16, classes alike often, mirrored and moved by a few pixels."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.array([(data.classes == name).sum() for name in data.classes])
    while True:
        rows = rng.choice(len(weights), 16, p=weights / weights.sum())
        photos, masks = data.photos[rows], data.masks[rows]
        if rng.random() < 0.5:
            photos, masks = photos[:, :, ::-1], masks[:, :, ::-1]
        by = tuple(rng.integers(-4, 5, 2))
        yield np.roll(photos, by, (1, 2)), np.roll(masks, by, (1, 2))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_learns_the_demos_defects_to_the_stated_iou_in_two_minutes(example: ModuleType, tmp_path: Path) -> None:
    import keras

    draw_demo(tmp_path, labels=True)
    (((left, top), (right, bottom)),) = load_config(EXAMPLES / "segmentation.yaml").image.rois
    train, devel = _read_demo(tmp_path, (slice(top, bottom), slice(left, right)))
    keras.utils.set_random_seed(1)
    model = example.segmenter(train.photos.shape[1:], len(CLASSES))
    began = time.process_time()  # of all cores together
    example.fit(model, _draw_batches(train, 0), steps=9, epochs=36)
    taken = time.process_time() - began
    iou = dict(zip(CLASSES, example.measure_iou(model, [devel[:2]], len(CLASSES)), strict=True))
    print(f"{taken:.0f} CPU-s, {iou}")
    assert taken < 120
    assert iou["background"] > 0.98
    assert iou["bad_cap"] > 0.75
    assert iou["missing_cap"] > 0.75


@pytest.mark.slow
def test_an_iou_is_what_both_have_of_what_either_has(example: ModuleType) -> None:
    """By hand: 2 of 4 pixels of class 1, 1 of 3 of class 2; class 3 does not occur; 255 does not count."""
    found = np.array([[0, 1, 1, 1], [2, 2, 0, 0]])
    wanted = np.array([[0, 1, 1, 2], [2, 1, 255, 255]], np.uint8)

    def model(photos: np.ndarray) -> np.ndarray:
        return np.eye(4)[photos]

    iou = example.measure_iou(model, [(found[None, :1], wanted[None, :1]), (found[None, 1:], wanted[None, 1:])], 4)
    assert iou[:3] == [1.0, 2 / 4, 1 / 3]
    assert np.isnan(iou[3])
