"""Geometry: exact flips and quarter turns, nothing lost at the borders, labels that stay on their pixels."""

import numpy as np
import pytest

from brev_pipeline.augmentation import ImageAugmenter, ImageDeformation, RandomTransformer
from brev_pipeline.augmentation.geometry import (
    ONE,
    affine_matrix,
    displacement_field,
    spline_weights,
    warp_image,
    warp_labels,
)
from brev_pipeline_tests.augmentation.images import numbered, picture

STILL = {"scale": 0, "rotate": 0, "translate_horizontal": 0, "translate_vertical": 0, "shear": 0}
SHAPES = [(128, 128, 3), (5, 8, 3), (8, 5), (7, 7), (1, 1, 3), (1, 9), (9, 1, 3), (2, 2)]


def geometry(**transform: object) -> ImageAugmenter:
    return ImageAugmenter(transform=RandomTransformer(**transform), filtering=None, noise=None)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("up_down", "left_right"), [(True, False), (False, True), (True, True)])
def test_a_flip_is_the_flipped_array_and_two_give_the_input_back(shape, up_down, left_right):
    augmenter = geometry(chance=1, flip_up_down=up_down, flip_left_right=left_right, **STILL)
    image = picture(*shape)
    once = augmenter.augment(image, 1)
    assert np.array_equal(once, image[:: -1 if up_down else 1, :: -1 if left_right else 1])
    assert np.array_equal(augmenter.augment(once, 2), image)


@pytest.mark.parametrize("shape", [(128, 128, 3), (7, 7), (8, 8, 3), (1, 1)])
def test_a_quarter_turn_is_the_turned_array_and_four_give_the_input_back(shape):
    image = turned = picture(*shape)
    quarter = affine_matrix(*shape[:2], rotate=90)
    for number in range(1, 5):
        turned = warp_image(turned, quarter)
        assert np.array_equal(turned, np.rot90(image, number))
        assert np.array_equal(warp_image(image, affine_matrix(*shape[:2], rotate=90 * number)), turned)
    assert np.array_equal(turned, image)


def test_a_quarter_turn_of_an_oblong_image_moves_whole_pixels_where_it_can():
    image = picture(20, 30, 3)
    turned = warp_image(image, affine_matrix(20, 30, rotate=90))
    assert np.array_equal(turned[:, 5:25], np.rot90(image)[5:25])


@pytest.mark.parametrize("parts", [{"flip_left_right": True, "rotate": 90}, {"flip_up_down": True, "rotate": -90}])
def test_a_flip_and_a_quarter_turn_together_only_move_pixels(parts):
    image = picture(31, 31, 3)
    moved = warp_image(image, affine_matrix(31, 31, **parts))
    assert np.array_equal(np.sort(moved, axis=None), np.sort(image, axis=None))
    flipped = np.flip(image, 1 if "flip_left_right" in parts else 0)
    assert np.array_equal(moved, np.rot90(flipped, parts["rotate"] // 90))


def test_a_translation_by_whole_pixels_moves_right_and_down():
    image = picture(40, 50)
    moved = warp_image(image, affine_matrix(40, 50, translate_horizontal=10 / 50, translate_vertical=4 / 40))
    assert np.array_equal(moved[4:, 10:], image[:-4, :-10])
    assert np.array_equal(moved[:4, 10:], image[1:5, :-10][::-1])  # mirrored about the centre of the first row


def test_a_positive_scale_enlarges_and_a_positive_angle_turns_counter_clockwise():
    image = np.zeros((101, 101), np.uint8)
    image[45:56, 45:101] = 255  # from the centre to the right
    assert warp_image(image, affine_matrix(101, 101, scale=0.5))[:, 90].sum() > image[:, 90].sum() * 1.4
    up = warp_image(image, affine_matrix(101, 101, rotate=80))
    assert up[:40].sum() > 10 * up[61:].sum()


def test_a_shear_slants_and_keeps_areas():
    image = np.zeros((201, 201), np.uint8)
    image[80:121, 80:121] = 255
    slanted = warp_image(image, affine_matrix(201, 201, shear=(0.3, -0.2)))
    assert abs(int(slanted.sum()) - int(image.sum())) < 0.01 * image.sum()
    rows = [np.average(np.arange(201), weights=slanted[y].astype(float) + 1e-9) for y in (90, 110)]
    assert rows[1] - rows[0] == pytest.approx(0.3 * 20, abs=1.5)


@pytest.mark.parametrize("shape", [(64, 64, 3), (64, 64), (33, 70, 3), (1, 50), (50, 1), (3, 2, 3)])
def test_a_constant_image_stays_constant_up_to_its_last_border_pixel(shape):
    augmenter = ImageAugmenter(
        transform=RandomTransformer(chance=1, rotate_chance=1, translate_horizontal=0.5, translate_vertical=0.5),
        deformation=ImageDeformation(chance=0.5, alpha=0.3),
        noise=None,
    )
    image = np.full(shape, 201, np.uint8)
    assert all((augmenter.augment(image, seed) == 201).all() for seed in range(100))


def test_a_bright_image_gets_no_dark_border():
    image = (picture(96, 96, 3) // 4 + 180).astype(np.uint8)
    augmenter = geometry(chance=1, rotate_chance=1)
    assert min(int(augmenter.augment(image, seed).min()) for seed in range(100)) >= image.min()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64, np.bool_])
@pytest.mark.parametrize("channels", [(), (1,), (2,), (5,)])
def test_labels_of_any_type_and_depth_keep_theirs_and_get_no_new_values(dtype, channels):
    labels = (numbered(40, 60) % 7 * 30).astype(dtype)
    labels = np.ascontiguousarray(np.broadcast_to(labels.reshape(40, 60, *(1 for _ in channels)), (40, 60, *channels)))
    augmenter = ImageAugmenter(deformation=ImageDeformation())
    for seed in range(20):
        image, got = augmenter.augment(picture(40, 60, 3), seed, labels)
        assert (got.dtype, got.shape) == (labels.dtype, labels.shape)
        assert set(np.unique(got)) <= set(np.unique(labels))
        assert np.array_equal(image, augmenter.augment(picture(40, 60, 3), seed))


@pytest.mark.parametrize("deformation", [None, ImageDeformation(chance=1)])
def test_labels_move_with_the_image(deformation):
    """The image's grey is a smooth function of the place, and so of the label: both must say the same place."""
    y, x = np.mgrid[:90, :120]
    places = (y * 120 + x).astype(np.int32)
    image = np.stack([x * 2, y * 2, x + y], axis=-1).astype(np.uint8)
    augmenter = ImageAugmenter(
        transform=RandomTransformer(chance=1), deformation=deformation, filtering=None, noise=None
    )
    for seed in range(50):
        got, labels = augmenter.augment(image, seed, places)
        from_y, from_x = np.divmod(labels, 120)
        inside = (from_x > 0) & (from_x < 119) & (from_y > 0) & (from_y < 89)  # elsewhere the mirror bends the gradient
        told = np.stack([from_x * 2, from_y * 2, from_x + from_y], axis=-1)
        error = np.abs(got.astype(int) - told).max(axis=-1)
        assert error[inside].max() <= 2  # half a pixel is 1 grey level, and 1 for rounding


def test_whole_pixel_moves_take_labels_and_pixels_to_the_same_place():
    image = picture(16, 16)
    for matrix in (
        affine_matrix(16, 16, flip_left_right=True),
        affine_matrix(16, 16, rotate=90),
        affine_matrix(16, 16, translate_horizontal=0.25, translate_vertical=-0.5),
    ):
        assert np.array_equal(warp_image(image, matrix), warp_labels(image, matrix))


def test_the_matrix_of_the_parameters_is_the_one_that_acts():
    augmenter = geometry(chance=1, rotate_chance=1)
    parameters = augmenter.parameters(9, 50, 70)
    matrix = np.array(parameters["transform"]["matrix"])
    labels = augmenter.augment(picture(50, 70), 9, numbered(50, 70))[1]
    for x, y in ((35, 25), (30, 20), (40, 28)):
        from_x, from_y = matrix @ (x, y, 1)
        assert abs(labels[y, x] % 70 - from_x) <= 0.5
        assert abs(labels[y, x] // 70 - from_y) <= 0.5


class TestDeformation:
    settings = ImageDeformation(alpha=0.1, sigma=0.1)

    @pytest.mark.parametrize("size", [(128, 128), (40, 90), (1, 1), (1, 50), (3, 2)])
    def test_displacements_stay_within_alpha(self, size):
        for seed in range(20):
            field = displacement_field(self.settings, seed, *size)
            assert field.shape == (2, *size)
            assert np.abs(field).max() <= 0.1 * min(size) * ONE + 1

    def test_the_field_is_smooth_and_does_not_fold_the_picture(self):
        for seed in range(50):
            x, y = displacement_field(self.settings, seed, 128, 128) / ONE
            (x_down, x_along), (y_down, y_along) = np.gradient(x), np.gradient(y)
            assert ((1 + x_along) * (1 + y_down) - x_down * y_along).min() > 0

    def test_a_larger_sigma_is_smoother(self):
        rough, smooth = (
            np.mean(
                [
                    np.abs(np.diff(displacement_field(ImageDeformation(sigma=s), seed, 96, 96))).mean()
                    for seed in range(10)
                ]
            )
            for s in (0.05, 0.3)
        )
        assert rough > 3 * smooth

    def test_displacements_lean_neither_way(self):
        means = [displacement_field(self.settings, seed, 64, 64).mean(axis=(1, 2)) for seed in range(400)]
        error = np.std(means, axis=0) / 20
        assert (np.abs(np.mean(means, axis=0)) < 4.5 * error).all()

    @pytest.mark.parametrize("spacing", [1.0, 2.5, 17.3, 1000.0])
    def test_the_weights_of_each_pixel_are_whole_and_sum_to_1024(self, spacing):
        weights = spline_weights(50, spacing)
        assert (weights.sum(axis=1) == 1024).all()
        assert (weights >= 0).all()
        assert (weights == weights.astype(int)).all()
