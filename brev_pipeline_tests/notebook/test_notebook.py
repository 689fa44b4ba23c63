"""The seed's notebook, line for line on the demo's photos; only its imports and its bucket are others."""

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from brev_pipeline.demo import draw_demo


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    dataset_path = str(tmp_path_factory.mktemp("bucket") / "vials")
    draw_demo(Path(dataset_path))

    from brev_pipeline import Dataset

    ds = Dataset(name="My Test Dataset", bucket=dataset_path)
    samples = ds.get_image_samples()

    from brev_pipeline import SampleSplit

    uniqueness_regex = r"/(\d*)_\d*.bmp"
    samples = SampleSplit(stratification=["folder"], uniqueness=uniqueness_regex, split=0.8, seed=42).assign(
        samples, remainder="devel"
    )

    from brev_pipeline import StratifiedSampler

    batch_size = 4
    generator = StratifiedSampler(batch_size=batch_size, groupby=["folder"], group_weighing="logx+1", seed=3).get(
        samples, shuffle=True, repeat=True
    )

    from brev_pipeline import ImagePipeline

    pipeline = ImagePipeline(target_size=(128, 128))
    img_generator = generator.map(pipeline)

    from brev_pipeline import ImageAugmenter

    img_aug = ImageAugmenter()
    img_generator_aug = img_generator.map(img_aug)
    return locals()


def test_the_listing_is_the_seeds(notebook: dict[str, Any]) -> None:
    counts = notebook["samples"].groupby("folder").count()["path"]
    assert counts.to_dict() == {"bad_cap": 22, "good": 146, "missing_cap": 12}


def test_the_split_keeps_items_together(notebook: dict[str, Any]) -> None:
    samples = notebook["samples"]
    item = samples["path"].str.extract(notebook["uniqueness_regex"])[0]
    assert (samples.groupby(["folder", item])["purpose"].nunique() == 1).all()
    assert set(samples["purpose"]) == {"train", "devel"}


def test_batches_of_paths_can_be_taken(notebook: dict[str, Any]) -> None:
    taken = [sample["path"].numpy() for sample in notebook["generator"].get_dataset().take(2)]
    assert [len(paths) for paths in taken] == [4, 4]


def test_drawn_frequencies_follow_the_weights(notebook: dict[str, Any]) -> None:
    generator, samples = notebook["generator"], notebook["samples"]
    drawn_samples = pd.DataFrame(islice(generator.get_dataset_numpy(batch=False), len(samples)))
    drawn = drawn_samples.groupby("folder").count()["path"]
    assert drawn.to_dict() == {"bad_cap": 54, "good": 80, "missing_cap": 46}
    assert drawn_samples["path"].nunique() == 22 + 80 + 12


def test_drawing_the_same_sample_twice_produces_the_same_augmented_images(notebook: dict[str, Any]) -> None:
    imgs_gen = next(iter(notebook["img_generator"]))
    imgs_aug = next(iter(notebook["img_generator_aug"]))
    imgs_aug_repeated = next(iter(notebook["img_generator_aug"]))
    assert imgs_gen["img"].shape == (4, 128, 128, 3)
    assert np.array_equal(imgs_aug["img"], imgs_aug_repeated["img"])
    assert not np.array_equal(imgs_gen["img"], imgs_aug["img"])
    assert imgs_gen["path"].numpy().tolist() == imgs_aug["path"].numpy().tolist()


def test_the_pictures_of_the_notebook_can_be_shown(notebook: dict[str, Any]) -> None:
    import tensorflow as tf

    imgs_aug = next(iter(notebook["img_generator_aug"]))
    shown = [tf.cast(imgs_aug["img"][ii], tf.uint8).numpy() for ii in range(notebook["batch_size"])]
    assert all(image.std() > 0 for image in shown)


def test_keras_fits_on_the_generator(notebook: dict[str, Any]) -> None:
    import tensorflow as tf

    from brev_pipeline import ImageAugmenter, ImagePipeline, OneHotEncoder, StratifiedSampler

    samples = notebook["samples"]
    classes = sorted({name for names in samples["category"] for name in names})
    train = StratifiedSampler(batch_size=16, groupby=["folder"], group_weighing="logx+1", seed=3).get(
        samples[samples["purpose"] == "train"], shuffle=True, repeat=True
    )
    train = train.map([ImagePipeline(target_size=(128, 128)), OneHotEncoder(classes=classes), ImageAugmenter()])
    dataset = train.get_dataset(structure=("img", "onehot"))
    model = tf.keras.Sequential(
        [
            tf.keras.Input((128, 128, 3)),
            tf.keras.layers.Rescaling(1 / 255),
            tf.keras.layers.AveragePooling2D(16),
            tf.keras.layers.Flatten(),
            tf.keras.layers.Dense(len(classes), activation="softmax"),
        ]
    )
    model.compile(loss="categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(dataset, epochs=1, steps_per_epoch=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert len(train) == -(-int((samples["purpose"] == "train").sum()) // 16)
