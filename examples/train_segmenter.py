"""Train a small segmenter from a published version whose photos have masks, with Keras on TensorFlow.

    brev-pipeline demo-data data/demo --labels
    brev-pipeline run examples/segmentation.yaml
    python examples/train_segmenter.py data/store/segmentation --out caps.keras

It learns which pixels are wrong, and how: 0 is the background, other numbers are the classes of the masks, and 255 is
what nobody labelled, of which nothing is learned. It is judged by the intersection over union (IoU) of each class on
devel: of all pixels that are of the class or are found, the share that is both. Of the demo's vials that is at least
0.75 for bad and for missing caps, after less than two minutes of one CPU core. The version that it was trained on
stands in the model's own file.
"""

import argparse
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

import brev_pipeline

UNLABELLED = 255


def segmenter(shape: tuple[int, int, int], classes: int) -> Any:
    """An encoder of four steps and a way back with its details, at half the size: about 75,000 weights."""
    import keras
    from keras import layers

    def convolve(x: Any, filters: int, **options: Any) -> Any:
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False, **options)(x)
        return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))

    photo = keras.Input(shape)
    half = convolve(photo, 12, strides=2)
    quarter = convolve(half, 24, strides=2)
    eighth = convolve(quarter, 32, strides=2)
    wide = convolve(convolve(eighth, 48, strides=2), 48)  # sees a third of the photo
    x = layers.Concatenate()([layers.UpSampling2D()(wide), eighth])
    x = layers.Concatenate()([layers.UpSampling2D()(convolve(x, 32)), quarter])
    x = layers.Concatenate()([layers.UpSampling2D()(convolve(x, 24)), half])
    logits = layers.Conv2D(classes, 1)(convolve(x, 12))
    return keras.Model(photo, layers.UpSampling2D(interpolation="bilinear")(logits))


def fit(model: Any, batches: Any, steps: int, epochs: int) -> None:
    """Train on batches of photos (batch, height, width, channels) and masks (batch, height, width), without end."""
    import keras

    schedule = keras.optimizers.schedules.CosineDecay(4e-3, steps * epochs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=UNLABELLED)
    model.compile(optimizer=keras.optimizers.Adam(schedule), loss=loss)
    model.fit(batches, steps_per_epoch=steps, epochs=epochs, verbose=2)


def measure_iou(model: Any, batches: Iterable[tuple[Any, Any]], classes: int) -> list[float]:
    """IoU of each class over all pixels of the batches, 0 to 1; NaN of a class that there is not."""
    confusion = np.zeros((classes, classes), np.int64)  # of each class, as which it was found
    for photos, masks in batches:
        found, wanted = np.asarray(model(photos)).argmax(axis=-1), np.asarray(masks)
        known = wanted != UNLABELLED
        pairs = wanted[known].astype(np.int64) * classes + found[known]
        confusion += np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
    both = confusion.diagonal()
    either = confusion.sum(axis=0) + confusion.sum(axis=1) - both
    return [float(hit / any_) if any_ else float("nan") for hit, any_ in zip(both, either, strict=True)]


def train(store: str, version: str | None, epochs: int, out: Path) -> dict[str, float]:
    """Train, evaluate and save; returns the IoU of each class on devel, 0 to 1."""
    import keras

    keras.utils.set_random_seed(1)
    train_set = brev_pipeline.read(store, "train", version=version)
    pinned = train_set.version
    devel_set = brev_pipeline.read(store, "devel", version=pinned)
    names = train_set.label_classes["mask"]
    print(f"version {pinned}: train {len(train_set)}, devel {len(devel_set)} records; classes {', '.join(names)}")

    model = segmenter(train_set.shape.array_shape, len(names))
    steps = len(train_set) // train_set.epochs // 16
    batches = train_set.to_tf(16, fields=("img", "mask"), shuffle=True, repeat=True, rescale="unit")
    fit(model, batches, steps, epochs)

    devel = devel_set.to_tf(64, fields=("img", "mask"), rescale="unit")
    iou = dict(zip(names, measure_iou(model, devel, len(names)), strict=True))
    model.save(out)
    with zipfile.ZipFile(out, "a") as archive:  # a .keras file is a zip archive
        archive.writestr("training.json", json.dumps({"brev_pipeline_version": pinned, "devel_iou": iou}, indent=1))
    said = ", ".join(f"{name} {value:.3f}" for name, value in iou.items())
    print(f"IoU on devel: {said}; wrote {out}, trained on version {pinned}")
    return iou


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", help="folder of a pipeline in the store, such as data/store/segmentation")
    parser.add_argument("--version", help="id of a published version; default: the newest")
    parser.add_argument("--epochs", type=int, default=36)
    parser.add_argument("--out", type=Path, default=Path("segmenter.keras"))
    arguments = parser.parse_args()
    train(arguments.store, arguments.version, arguments.epochs, arguments.out)
