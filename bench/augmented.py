"""Preparing and augmenting, beside a bare loop of the same OpenCV calls, TensorFlow's graph, and albumentations.

    python -m bench.augmented [--count 400] [--rounds 7] [--tensorflow] [--albumentations] [--workers]

BMP and JPEG photos of 640×480 px become 128×128×3 and are augmented with all defaults. Two figures, in images per
CPU-second, each with its ratio to the bare loop. Short turns one after the other, and the quickest of each, so that a
busy machine slows all of them alike:

* (b) from the files' bytes: decoded, prepared, augmented
* (c) from prepared pixels: augmented

The bare loop knows all parameters beforehand and checks nothing; see `bench.images` and `bench.augment`. "generator"
is (b) through a `DataGenerator`, with its draws and dicts, as NumPy batches. TensorFlow's graph does the same steps as
far as it has them, in a tf.data pipeline without parallel calls. albumentations (not among our dependencies; install it
to look) does its closest ones, each with the same chance. --workers: images per wall-second of 1 and 2 processes.
"""

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import cv2
import numpy as np

from bench.augment import bare, ready
from bench.images import SIDE, bare_jpeg, bare_opencv, encoded
from brev_pipeline import DataGenerator, ImageAugmenter, ImagePipeline
from brev_pipeline.augmentation.appearance import noise_table
from brev_pipeline.notebook.columns import stack_samples

REFERENCE = {"BMP": 87, "JPEG": 83}  # of the reference package, images per CPU-second, on two busy cores
SUFFIX = {"BMP": ".bmp", "JPEG": ".jpg"}
BARE = {"BMP": bare_opencv, "JPEG": bare_jpeg}

CHUNK = 40  # images in one turn

Inputs = list[tuple[int, Any]]  # seed, and a file's bytes or pixels
Step = Callable[[int, Any], object]
Loop = Callable[[Inputs], object]


def each(step: Step) -> Loop:
    def loop(inputs: Inputs) -> None:
        for seed, one in inputs:
            step(seed, one)

    return loop


def ours() -> tuple[Step, Step]:
    prepare, augment = ImagePipeline(target_size=(SIDE, SIDE)).prepare, ImageAugmenter().augment
    return lambda seed, data: augment(prepare(data), seed), lambda seed, image: augment(image, seed)


def limit(title: str, count: int) -> tuple[Step, Step]:
    augmenter = ImageAugmenter()
    plans = [ready(augmenter.parameters(seed, SIDE, SIDE)) for seed in range(count)]
    bits, table = np.random.SFC64(0), noise_table(augmenter.settings.noise.stddev).astype(np.int16)  # type: ignore[union-attr]
    decode: Any = BARE[title]
    return (
        lambda seed, data: bare(decode(data), plans[seed], bits, table),
        lambda seed, image: bare(image, plans[seed], bits, table),
    )


def generator(files: Inputs) -> Loop:
    by_path = {str(seed): data for seed, data in files}
    samples = DataGenerator({"path": list(by_path), "category": [("good",)] * len(files)}, shuffle=True)
    samples = samples.map([ImagePipeline(target_size=(SIDE, SIDE), read=by_path.__getitem__), ImageAugmenter()])

    def loop(inputs: Inputs) -> None:
        drawn = [samples.sample(position) for position, _ in inputs]
        for start in range(0, len(drawn), 16):
            stack_samples(drawn[start : start + 16])

    return loop


def albumentations(title: str) -> tuple[Step, Step]:
    import albumentations as a

    half = {"p": 0.5}
    reflect = {"border_mode": cv2.BORDER_REFLECT_101, **half}
    augment = a.Compose(
        [
            a.VerticalFlip(**half),
            a.HorizontalFlip(**half),
            a.Affine(scale=(0.8, 1.2), **reflect),
            a.Affine(rotate=(-90, 90), **reflect),
            a.Affine(translate_percent=(-0.1, 0.1), **reflect),
            a.Affine(shear=(-2.3, 2.3), **reflect),
            a.Emboss(alpha=(0, 0.25), **half),
            a.Blur(3, **half),
            a.GaussianBlur(sigma_limit=(0.5, 0.5), blur_limit=3, **half),
            a.ColorJitter((0.75, 1.25), (0.5, 1.25), (0, 2), (-0.05, 0.05), **half),
            a.GaussNoise(std_range=(0.01, 0.01), **half),
        ]
    )
    decode: Any = BARE[title]
    return lambda _, data: augment(image=decode(data))["image"], lambda _, image: augment(image=image)["image"]


def tensorflow(title: str) -> tuple[Loop, Loop]:
    """The same steps as TensorFlow has them, as a graph: one dataset of files, one of pixels."""
    import tensorflow as tf

    def coin(seed: Any, salt: int) -> Any:
        return tf.random.stateless_uniform((), seed + salt) < 0.5

    def uniform(seed: Any, salt: int, low: float, high: float) -> Any:
        return tf.random.stateless_uniform((), seed + salt, low, high)

    def geometry(image: Any, seed: Any) -> Any:
        half = (SIDE - 1) / 2
        turn = tf.where(coin(seed, 1), uniform(seed, 2, -np.pi / 2, np.pi / 2), 0.0)
        zoom = tf.where(coin(seed, 3), uniform(seed, 4, 0.8, 1.2), 1.0)
        shear = tf.where(coin(seed, 5), uniform(seed, 6, -0.04, 0.04), 0.0)
        move = tf.where(coin(seed, 7), uniform(seed, 8, -0.1 * SIDE, 0.1 * SIDE), 0.0)
        mirror, flip = tf.where(coin(seed, 9), -1.0, 1.0), tf.where(coin(seed, 10), -1.0, 1.0)
        a, b = mirror * tf.cos(turn) / zoom, shear - tf.sin(turn) / zoom
        d, e = shear + tf.sin(turn) / zoom, flip * tf.cos(turn) / zoom
        row = [a, b, half - a * half - b * half + move, d, e, half - d * half - e * half + move, 0.0, 0.0]
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=image[None],
            transforms=tf.stack(row)[None],
            output_shape=(SIDE, SIDE),
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="REFLECT",
        )

    def filtered(image: Any, seed: Any, salt: int, kernel: Any) -> Any:
        weights = tf.constant(np.tile(np.asarray(kernel, np.float32)[..., None, None], (1, 1, 3, 1)))
        padded = tf.pad(image, [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT")
        return tf.cond(
            coin(seed, salt), lambda: tf.nn.depthwise_conv2d(padded, weights, [1] * 4, "VALID"), lambda: image
        )

    def augment(image: Any, number: Any) -> Any:
        seed = tf.stack([number, 0])
        image = geometry(tf.cast(image, tf.float32), seed)
        image = filtered(image, seed, 11, [[-0.1, -0.1, 0], [-0.1, 1, 0.1], [0, 0.1, 0.1]])
        image = filtered(image, seed, 12, np.full((3, 3), 1 / 9))
        gauss = np.outer([0.107, 0.786, 0.107], [0.107, 0.786, 0.107])
        image = filtered(image, seed, 13, gauss)[0] / 255
        for salt, change in (
            (14, lambda x: tf.image.stateless_random_brightness(x, 0.25, seed + 15)),
            (16, lambda x: tf.image.stateless_random_contrast(x, 0.5, 1.25, seed + 17)),
            (18, lambda x: tf.image.stateless_random_hue(x, 0.05, seed + 19)),
            (20, lambda x: tf.image.stateless_random_saturation(x, 0.0, 2.0, seed + 21)),
            (22, lambda x: x + tf.random.stateless_normal((SIDE, SIDE, 3), seed + 23, stddev=0.01)),
        ):
            image = tf.cond(
                coin(seed, salt), lambda change=change, image=image: change(image), lambda image=image: image
            )
        return tf.saturate_cast(image * 255, tf.uint8)

    def prepare(data: Any) -> Any:
        image = tf.io.decode_bmp(data, 3) if title == "BMP" else tf.io.decode_jpeg(data, 3)
        return tf.image.resize(image, (SIDE, SIDE))

    def loop(step: Callable[[Any, Any], Any]) -> Loop:
        made: list[Any] = []  # once: tracing the graph is not what is measured

        def run(inputs: Inputs) -> None:
            if not made:
                options = tf.data.Options()
                options.threading.private_threadpool_size = 1
                numbers, values = (tf.data.Dataset.from_tensor_slices(list(part)) for part in zip(*inputs, strict=True))
                dataset = tf.data.Dataset.zip((values, numbers)).map(step)
                made.append(dataset.batch(16).with_options(options))
            for _ in made[0]:
                pass

        return run

    return loop(lambda data, number: augment(prepare(data), number)), loop(augment)


def measured(loops: dict[str, Loop], inputs: Inputs, rounds: int, whole: tuple[str, ...]) -> dict[str, float]:
    """Images per CPU-second of each loop, of the quickest turn of each chunk; those in ``whole`` take all at once."""
    best: dict[tuple[str, int], float] = {}
    for _ in range(rounds):
        for start in range(0, len(inputs), CHUNK):
            for name, loop in loops.items():
                if name in whole and start:
                    continue
                began = time.process_time()
                loop(inputs if name in whole else inputs[start : start + CHUNK])
                best[name, start] = min(best.get((name, start), float("inf")), time.process_time() - began)
    return {name: len(inputs) / sum(best[key] for key in best if key[0] == name) for name in loops}


_files: Inputs = []


def _start(title: str, number: int) -> None:
    cv2.setNumThreads(1)
    _files.extend(enumerate(encoded(SUFFIX[title], number)))


def _work(start: int) -> int:
    step, _ = ours()
    each(step)(_files)
    return start


def walls(title: str, number: int) -> Iterator[tuple[int, float]]:
    """Processes, and images per wall-second of (b) with so many."""
    for workers in (1, 2):
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, initializer=_start, initargs=(title, number)) as pool:
            list(pool.map(_work, range(2 * workers)))  # all have started
            began = time.perf_counter()
            list(pool.map(_work, range(6)))
            yield workers, 6 * number / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=400, help="photos of each format")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tensorflow", action="store_true")
    parser.add_argument("--albumentations", action="store_true")
    parser.add_argument("--workers", action="store_true")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    figures: dict[str, Any] = {}
    for title in SUFFIX:
        files = list(enumerate(encoded(SUFFIX[title], args.count)))
        pipeline = ImagePipeline(target_size=(SIDE, SIDE))
        pixels = [(seed, pipeline.prepare(data)) for seed, data in files]
        pairs = {"bare": limit(title, args.count), "ours": ours()}
        if args.albumentations:
            pairs["albumentations"] = albumentations(title)
        whole: dict[str, Loop] = {name: each(pair[0]) for name, pair in pairs.items()} | {"generator": generator(files)}
        alone: dict[str, Loop] = {name: each(pair[1]) for name, pair in pairs.items()}
        if args.tensorflow:
            whole["TensorFlow"], alone["TensorFlow"] = tensorflow(title)
        parts = {
            part: measured(loops, inputs, args.rounds, ("TensorFlow",))
            for part, loops, inputs in (("b", whole, files), ("c", alone, pixels))
        }
        for part, says in (("b", f"{title} → prepared → augmented"), ("c", "prepared → augmented")):
            print(f"({part}) {says}: {args.count} photos; the reference {REFERENCE[title]} images per CPU-second")
            for name, speed in parts[part].items():
                ratio, gain = speed / parts[part]["bare"], speed / REFERENCE[title]
                print(
                    f"  {name:15}{speed:8.0f} images per CPU-second  {ratio:.2f} of bare  {gain:5.1f} × the reference"
                )
        figures[title] = parts
        if args.workers:
            figures[title]["wall"] = dict(walls(title, args.count))
            for workers, speed in figures[title]["wall"].items():
                print(f"  {workers} process(es): {speed:.0f} images per wall-second of (b)")
    print(json.dumps({"augmented": figures}))


if __name__ == "__main__":
    main()
