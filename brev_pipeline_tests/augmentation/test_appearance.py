"""Filters, colour, noise and specks: what each does to a picture, in the terms of its settings."""

import numpy as np
import pytest

from brev_pipeline.augmentation import ImageAugmenter, ImageFiltering, ImageNoise, ImageSaltAndPepper
from brev_pipeline.augmentation.appearance import (
    add_salt_and_pepper,
    add_white_noise,
    apply_colour,
    apply_emboss,
    apply_filters,
    gaussian_size,
    mean_grey,
)
from brev_pipeline_tests.augmentation.images import picture

ODD_SHAPES = [(1, 1, 3), (1, 40), (40, 1, 3), (2, 2), (3, 3, 3), (64, 48, 3)]


@pytest.mark.parametrize("shape", ODD_SHAPES)
@pytest.mark.parametrize(
    "applied", [{"mean": 3}, {"mean": 7}, {"gaussian": 0.5}, {"gaussian": 20.0}, {"emboss": [0.9, -1]}]
)
def test_filters_keep_a_constant_image_constant(shape, applied):
    image = np.full(shape, 137, np.uint8)
    assert np.array_equal(apply_filters(image, applied), image)


@pytest.mark.parametrize("applied", [{"mean": 3}, {"mean": 7}, {"gaussian": 0.5}, {"gaussian": 4.0}])
def test_a_blur_does_not_darken_borders_nor_move_the_picture(applied):
    image = picture(64, 64, 3)
    blurred = apply_filters(image, applied)
    assert abs(blurred[:2].mean() - image[:3].mean()) < 4
    mirrored = apply_filters(np.ascontiguousarray(image[::-1, ::-1]), applied)
    assert np.abs(mirrored[::-1, ::-1].astype(int) - blurred).max() <= 1
    dot = np.zeros((31, 31), np.uint8)
    dot[15, 15] = 255
    spread = apply_filters(dot, applied).astype(float)
    y, x = np.mgrid[:31, :31]
    assert (spread * x).sum() / spread.sum() == pytest.approx(15)
    assert (spread * y).sum() / spread.sum() == pytest.approx(15)


@pytest.mark.parametrize("sigma", [0.3, 0.5, 1.0, 2.3, 7.0])
def test_the_gaussian_kernel_is_odd_and_wide_enough(sigma):
    size = gaussian_size(sigma)
    left_out = np.exp(-((size // 2 + 1) ** 2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))
    assert size % 2 == 1
    assert left_out < 1 / 256


def test_emboss_raises_one_side_of_an_edge_and_lowers_the_other():
    image = np.full((20, 20), 100, np.uint8)
    image[:, 10:] = 150
    relief = apply_emboss(image, 0.1, 0.0).astype(int)
    assert (relief[:, 9] == 100 + 20).all()  # a Sobel gradient is four times the step
    assert (relief[:, 10] == 150 + 20).all()
    assert (apply_emboss(image, -0.1, 0.0)[:, 9] == 80).all()
    assert np.array_equal(apply_emboss(image, 0.0, 0.1), image)


def test_emboss_makes_no_colour_of_grey():
    image = np.repeat(picture(30, 30, 1), 3, axis=2)
    relief = apply_emboss(image, 0.2, -0.15)
    assert (relief == relief[..., :1]).all()


def test_brightness_adds_a_fraction_of_full_scale():
    image = np.full((8, 8, 3), (50, 100, 150), np.uint8)
    assert (apply_colour(image, {"brightness": 0.2}) == (101, 151, 201)).all()
    assert (apply_colour(image, {"brightness": -0.2}) == (0, 49, 99)).all()
    assert (apply_colour(image[..., 0], {"brightness": 0.2}) == 101).all()


@pytest.mark.parametrize("shape", [(60, 60, 3), (60, 60)])
def test_contrast_stretches_about_the_image_s_mean(shape):
    image = (picture(*shape) // 3 + 60).astype(np.uint8)
    for factor in (0.5, 1.25):
        stretched = apply_colour(image, {"contrast": factor}).astype(float)
        assert stretched.mean() == pytest.approx(image.mean(), abs=0.6)
        assert stretched.std() == pytest.approx(factor * image.std(), rel=0.02)
    assert mean_grey(image) == image.mean()


@pytest.mark.parametrize(
    "applied", [{"hue": 0.31}, {"saturation": 0.0}, {"saturation": 2.0}, {"hue": -0.05, "saturation": 5.0}]
)
def test_hue_and_saturation_leave_grey_alone_to_the_bit(applied):
    grey = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(16, 16, 3)
    assert np.array_equal(apply_colour(grey, applied), grey)


@pytest.mark.parametrize("applied", [{"hue": 0.31}, {"saturation": 0.3}, {"hue": -0.05, "saturation": 1.5}])
def test_hue_and_saturation_leave_the_mean_of_the_channels(applied):
    image = (picture(40, 40, 3) // 4 + 96).astype(np.uint8)
    change = apply_colour(image, applied).mean(axis=2) - image.mean(axis=2)
    assert np.abs(change).max() < 1.1


def test_saturation_zero_takes_the_colour_away_and_two_doubles_it():
    image = (picture(40, 40, 3) // 4 + 96).astype(np.uint8)
    distance = image - image.mean(axis=2, keepdims=True)
    grey = apply_colour(image, {"saturation": 0.0}).astype(float)
    vivid = apply_colour(image, {"saturation": 2.0}).astype(float)
    assert np.ptp(grey, axis=2).max() <= 1
    assert np.abs(vivid - vivid.mean(axis=2, keepdims=True) - 2 * distance).max() < 1.5


def test_a_third_of_a_turn_of_hue_takes_red_to_green_to_blue():
    red = np.full((4, 4, 3), (200, 50, 50), np.uint8)
    green = apply_colour(red, {"hue": 1 / 3})
    assert (green == (50, 200, 50)).all()
    assert (apply_colour(green, {"hue": 1 / 3}) == (50, 50, 200)).all()


def test_an_image_of_one_channel_has_no_hue_and_saturation():
    image = picture(30, 30)
    augmenter = ImageAugmenter(
        transform=None, filtering=None, noise=ImageNoise(chance=1, brightness=0, contrast=(1, 1), stddev=0)
    )
    assert np.array_equal(augmenter.augment(image, 4), image)


@pytest.mark.parametrize("stddev", [0.01, 0.05])
def test_white_noise_has_its_deviation_in_grey_levels_and_no_pattern(stddev):
    image = np.full((200, 200, 3), 128, np.uint8)
    noise = add_white_noise(image, stddev, 77).astype(float) - 128
    assert noise.std() == pytest.approx(stddev * 255, rel=0.02)
    assert abs(noise.mean()) < 4.5 * noise.std() / np.sqrt(noise.size)
    for one, other in ((noise[1:], noise[:-1]), (noise[:, 1:], noise[:, :-1]), (noise[..., 1:], noise[..., :-1])):
        assert abs((one * other).mean()) < 4.5 * noise.var() / np.sqrt(one.size)
    assert not np.array_equal(add_white_noise(image, stddev, 78).astype(float) - 128, noise)


class TestSaltAndPepper:
    image = np.full((300, 300, 3), 100, np.uint8)

    def test_the_configured_share_of_pixels_becomes_specks_half_of_them_bright(self):
        out = add_salt_and_pepper(self.image, 0.01, 1, 5)
        salt, pepper = (out == 255).all(axis=2), (out == 0).all(axis=2)
        assert salt.mean() == pytest.approx(0.005, rel=0.15)
        assert pepper.mean() == pytest.approx(0.005, rel=0.15)
        assert (out[~salt & ~pepper] == 100).all()

    @pytest.mark.parametrize("side", [3, 5])
    def test_a_speck_is_a_square_about_its_pixel(self, side):
        single = add_salt_and_pepper(self.image, 0.0005, 1, 5)[..., 0]
        grown = add_salt_and_pepper(self.image, 0.0005, side, 5)[..., 0]
        y, x = np.argwhere(single == 255)[3]
        assert (grown[y - side // 2 : y + side // 2 + 1, x - side // 2 : x + side // 2 + 1] == 255).all()
        assert (grown != 100).sum() == pytest.approx(side**2 * (single != 100).sum(), rel=0.2)

    def test_it_works_on_any_shape_and_up_to_every_pixel(self):
        for shape in ODD_SHAPES:
            assert set(np.unique(add_salt_and_pepper(picture(*shape), 1.0, 1, 9))) <= {0, 255}

    def test_the_augmenter_applies_it(self):
        augmenter = ImageAugmenter(
            transform=None, filtering=None, noise=None, salt_and_pepper=ImageSaltAndPepper(chance=1, fraction=0.002)
        )
        out = augmenter.augment(self.image, 11)
        assert set(np.unique(out)) == {0, 100, 255}


def test_filters_act_in_their_order_before_colour_and_noise():
    image = picture(40, 40, 3)
    augmenter = ImageAugmenter(
        transform=None,
        filtering=ImageFiltering(chance=1),
        noise=ImageNoise(chance=1, stddev=0.02),
        salt_and_pepper=None,
    )
    parameters = augmenter.parameters(21, 40, 40)
    values = {name: one["value"] for part in ("filtering", "noise") for name, one in parameters[part].items()}
    wanted = add_white_noise(apply_colour(apply_filters(image, values), values), 0.02, 21)
    assert np.array_equal(augmenter.augment(image, 21), wanted)
