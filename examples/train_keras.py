"""Train a small classifier from a published version, with Keras on TensorFlow.

    python examples/train_keras.py data/store/demo --out vials.keras

Without ``--version`` the newest published version is looked up once, and pinned: everything after that reads this one
version, whatever is published meanwhile. Its id goes into the model's metadata, so that one can tell years later which
photos the model was trained on: ``brev-pipeline trace`` knows each of them.
"""

import argparse
import json
import zipfile
from pathlib import Path
from typing import Any

import brev_pipeline


def classifier(shape: tuple[int, int, int], classes: int) -> Any:
    """Four convolutions, each halving the picture, over the part of it that the cap is in: about 55,000 weights."""
    import keras
    from keras import layers

    def block(filters: int) -> list[Any]:
        convolution = layers.Conv2D(filters, 3, padding="same", use_bias=False)
        return [convolution, layers.BatchNormalization(momentum=0.9), layers.ReLU(), layers.MaxPooling2D(2)]

    return keras.Sequential(
        [
            keras.Input(shape),
            layers.Cropping2D(((4, 64), (34, 34))),  # vials stand upright in the middle; the cap makes the class
            *(layer for filters in (16, 32, 48, 64) for layer in block(filters)),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def train(store: str, version: str | None, epochs: int, out: Path) -> float:
    """Train, evaluate and save; returns the accuracy on devel, 0 to 1."""
    import keras

    keras.utils.set_random_seed(1)
    train_set = brev_pipeline.read(store, "train", version=version)
    pinned = train_set.version
    devel_set = brev_pipeline.read(store, "devel", version=pinned)
    classes = train_set.classes
    print(f"version {pinned}: train {len(train_set)}, devel {len(devel_set)} records; classes {', '.join(classes)}")

    model = classifier(train_set.shape.array_shape, len(classes))
    steps = len(train_set) // train_set.epochs // 16
    schedule = keras.optimizers.schedules.CosineDecay(2e-3, steps * epochs)
    optimizer = keras.optimizers.Adam(schedule)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    # One written epoch after the other, each with other augmentations of other draws.
    batches = train_set.to_tf(batch_size=16, shuffle=True, repeat=True, rescale="unit")
    devel = devel_set.to_tf(batch_size=64, rescale="unit")
    history = model.fit(batches, steps_per_epoch=steps, validation_data=devel, epochs=epochs, verbose=2)

    accuracy = float(history.history["val_accuracy"][-1])
    model.save(out)
    remember(out, {"brev_pipeline_version": pinned, "classes": classes, "devel_accuracy": accuracy})
    print(f"devel accuracy {accuracy:.3f}; wrote {out}, trained on version {pinned}")
    return accuracy


def remember(model: Path, facts: dict[str, Any]) -> None:
    """Write facts into the model's own file; a .keras file is a zip archive."""
    with zipfile.ZipFile(model, "a") as archive:
        archive.writestr("training.json", json.dumps(facts, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", help="folder of a pipeline in the store, such as data/store/demo")
    parser.add_argument("--version", help="id of a published version; default: the newest")
    parser.add_argument("--epochs", type=int, default=32)
    parser.add_argument("--out", type=Path, default=Path("model.keras"))
    arguments = parser.parse_args()
    train(arguments.store, arguments.version, arguments.epochs, arguments.out)
