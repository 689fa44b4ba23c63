"""The augmenter's contract: shapes, purity, independence of everything but pixels, seed and settings; errors."""

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brev_pipeline.augmentation import (
    AugmentationSettings,
    ImageAugmenter,
    ImageDeformation,
    ImageFiltering,
    ImageNoise,
    ImageSaltAndPepper,
    RandomTransformer,
)
from brev_pipeline.errors import AugmentError, BrevPipelineError
from brev_pipeline_tests.augmentation.images import numbered, picture

EVERYTHING = ImageAugmenter(
    deformation=ImageDeformation(), salt_and_pepper=ImageSaltAndPepper(fraction=0.01), noise=ImageNoise(stddev=0.1)
)
seeds = st.integers(0, 2**64 - 1)
shapes = st.tuples(st.integers(1, 50), st.integers(1, 50), st.sampled_from([(), (1,), (3,)])).map(
    lambda s: (s[0], s[1], *s[2])
)


@settings(max_examples=300, deadline=None)
@given(shapes, seeds)
def test_an_image_of_any_size_gives_a_fresh_one_of_its_shape_and_is_left_alone(shape, seed):
    image = picture(*shape)
    before = image.copy()
    image.flags.writeable = False
    labels = numbered(*shape[:2])
    out, out_labels = EVERYTHING.augment(image, seed, labels)
    assert (out.shape, out.dtype) == (shape, np.uint8)
    assert (out_labels.shape, out_labels.dtype) == (labels.shape, labels.dtype)
    assert out.flags.c_contiguous
    assert out.flags.writeable
    assert out_labels.flags.c_contiguous
    assert not np.shares_memory(out, image)
    assert not np.shares_memory(out_labels, labels)
    assert np.array_equal(image, before)
    assert np.array_equal(EVERYTHING.augment(image, seed), out)


@settings(max_examples=50, deadline=None)
@given(seeds)
def test_one_channel_is_the_same_with_and_without_its_axis(seed):
    image = picture(20, 30)
    assert np.array_equal(EVERYTHING.augment(image, seed), EVERYTHING.augment(image[..., None], seed)[..., 0])


@settings(max_examples=50, deadline=None)
@given(seeds)
def test_how_an_image_lies_in_memory_does_not_matter(seed):
    image = picture(24, 40, 3)
    wide = np.zeros((24, 80, 3), np.uint8)
    wide[:, ::2] = image
    views = [np.asfortranarray(image), wide[:, ::2], image[::-1, ::-1].copy()[::-1, ::-1]]
    wanted = EVERYTHING.augment(image, seed, numbered(24, 40))
    for view in views:
        got = EVERYTHING.augment(view, seed, np.asfortranarray(numbered(24, 40)))
        assert all(np.array_equal(a, b) and a.flags.c_contiguous for a, b in zip(got, wanted, strict=True))


@pytest.mark.parametrize("shape", [(40, 50, 3), (40, 50), (1, 1, 3)])
def test_nothing_happens_where_every_chance_is_zero_or_every_part_is_off(shape):
    image = picture(*shape)
    never = ImageAugmenter(
        transform=RandomTransformer(chance=0, rotate_chance=0),
        deformation=ImageDeformation(chance=0),
        filtering=ImageFiltering(chance=0),
        noise=ImageNoise(chance=0),
        salt_and_pepper=ImageSaltAndPepper(chance=0),
    )
    off = ImageAugmenter(transform=None, filtering=None, noise=None)
    for augmenter in (never, off):
        out = augmenter.augment(image, 3)
        assert np.array_equal(out, image)
        assert not np.shares_memory(out, image)


def test_the_result_depends_on_no_neighbour_order_thread_or_pickle():
    images = [picture(48, 64, 3, salt=salt) for salt in range(40)]
    alone = [EVERYTHING.augment(image, seed) for seed, image in enumerate(images)]
    backwards = [EVERYTHING.augment(images[seed], seed) for seed in reversed(range(40))][::-1]
    copy = pickle.loads(pickle.dumps(EVERYTHING))
    with ThreadPoolExecutor(8) as pool:
        threaded = list(pool.map(copy.augment, images * 5, list(range(40)) * 5))
    for got in (backwards, threaded[:40], threaded[-40:]):
        assert all(np.array_equal(a, b) for a, b in zip(got, alone, strict=True))


def test_other_seeds_give_other_images():
    image = picture(48, 64, 3)
    assert len({EVERYTHING.augment(image, seed).tobytes() for seed in range(200)}) == 200


def test_numpy_s_integers_are_seeds_too():
    image = picture(20, 20, 3)
    wanted = EVERYTHING.augment(image, 2**63 + 5)
    assert np.array_equal(EVERYTHING.augment(image, np.uint64(2**63 + 5)), wanted)
    assert type(EVERYTHING.parameters(np.uint64(7), 5, 5)["seed"]) is int


def test_parts_replace_those_of_the_settings():
    strong = AugmentationSettings(noise=ImageNoise(stddev=0.1))
    augmenter = ImageAugmenter(strong, filtering=None, transform={"rotate": 10})
    assert augmenter.settings.noise == strong.noise
    assert augmenter.settings.filtering is None
    assert augmenter.settings.transform == RandomTransformer(rotate=10)
    assert strong.filtering is not None
    assert "rotate=10" in repr(augmenter)


def test_the_reference_package_s_names_of_parts_are_understood():
    theirs = ImageAugmenter(
        random_transformer=None, image_noise=None, image_filter=None, image_deformation=ImageDeformation()
    )
    ours = ImageAugmenter(transform=None, noise=None, filtering=None, deformation=ImageDeformation())
    assert theirs.settings == ours.settings


def test_a_sample_is_augmented_with_its_labels_and_the_rest_is_passed_on():
    image, labels = picture(30, 40, 3), numbered(30, 40)
    sample = {"img": image, "segmentation": labels, "path": "a.bmp"}
    out = EVERYTHING(sample, 12)
    wanted = EVERYTHING.augment(image, 12, labels)
    assert np.array_equal(out["img"], wanted[0])
    assert np.array_equal(out["segmentation"], wanted[1])
    assert out["path"] == "a.bmp"
    assert sample["img"] is image
    assert np.array_equal(EVERYTHING({"img": image}, 12)["img"], wanted[0])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4, 3), np.float32), "float32.*before they are rescaled"),
        (np.zeros((4, 4, 3), np.uint16), "uint16"),
        ([[1, 2], [3, 4]], "list"),
        (np.zeros((4, 4, 2), np.uint8), r"\(4, 4, 2\).*1 or 3 channels"),
        (np.zeros((4, 4, 4), np.uint8), r"\(4, 4, 4\)"),
        (np.zeros(4, np.uint8), r"\(4,\)"),
        (np.zeros((0, 4, 3), np.uint8), "0×4 px"),
        (np.zeros((2, 40000), np.uint8), "2×40000 px.*1 to 32766 px"),
    ],
)
def test_what_is_no_image_is_refused_with_what_it_is(image, message):
    with pytest.raises(AugmentError, match=message):
        EVERYTHING.augment(image, 1)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((5, 4), np.uint8), r"\(5, 4\).*4×6 px"),
        (np.zeros((6, 4), np.uint8), r"\(6, 4\).*4×6 px"),
        (np.zeros((4, 6, 1, 1), np.uint8), r"\(4, 6, 1, 1\)"),
        (np.zeros((4, 6), np.float32), "float32"),
        ("good", "str"),
    ],
)
def test_labels_that_do_not_fit_are_refused_with_both_sizes(labels, message):
    with pytest.raises(AugmentError, match=message) as caught:
        EVERYTHING.augment(np.zeros((4, 6, 3), np.uint8), 1, labels)
    assert isinstance(caught.value, BrevPipelineError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "1", None])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises(AugmentError, match="seed"):
        EVERYTHING.augment(np.zeros((4, 6, 3), np.uint8), seed)
    with pytest.raises(AugmentError, match="seed"):
        EVERYTHING.parameters(seed, 4, 6)


def test_a_size_that_is_none_is_refused():
    with pytest.raises(AugmentError, match="0×5 px"):
        EVERYTHING.parameters(1, 0, 5)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"nois": None}, "nois"),
        ({"noise": {"stddev": 2}}, "stddev"),
        ({"filtering": {"emboss": (0, 2)}}, "between 0 and 1"),
        ({"noise": {"contrast": (0, 9)}}, "between 0 and 5"),
        ({"transform": 3}, "transform"),
    ],
)
def test_parts_that_cannot_be_are_refused(parts, message):
    with pytest.raises(AugmentError, match=message):
        ImageAugmenter(**parts)


def test_the_settings_can_be_imported_without_opencv():
    code = "import sys; from brev_pipeline.augmentation import ImageNoise; assert 'cv2' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
