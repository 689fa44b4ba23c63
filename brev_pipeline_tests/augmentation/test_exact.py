"""Every pixel operation equals its definition in exact arithmetic, bit for bit: that is why CPUs cannot differ."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brev_pipeline.augmentation.appearance import (
    add_white_noise,
    apply_colour,
    apply_emboss,
    colour_matrix,
    mean_grey,
    noise_table,
)
from brev_pipeline.augmentation.geometry import ONE, AffineMatrix, affine_matrix, warp_image, warp_labels
from brev_pipeline.augmentation.portable_math import cos_sin, raw_words
from brev_pipeline_tests.augmentation.images import numbered, picture

Exact = npt.NDArray[np.int64]

shapes = st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([(), (3,)])).map(
    lambda s: (s[0], s[1], *s[2])
)
matrices = st.builds(
    lambda height, width, **how: (height, width, how),
    st.integers(1, 40),
    st.integers(1, 40),
    flip_up_down=st.booleans(),
    flip_left_right=st.booleans(),
    scale=st.floats(-0.9, 0.9),
    rotate=st.floats(-180, 180),
    translate_horizontal=st.floats(-1, 1),
    translate_vertical=st.floats(-1, 1),
    shear=st.tuples(st.floats(-0.9, 0.9), st.floats(-0.9, 0.9)),
)


def mirrored(place: Exact, length: int) -> Exact:
    if length == 1:
        return np.zeros_like(place)
    place = np.abs(place) % (2 * (length - 1))
    return np.minimum(place, 2 * (length - 1) - place)


def rounded(numerator: Exact, denominator: int) -> Exact:
    """Exact division, ties to even."""
    whole, rest = np.divmod(numerator, denominator)
    return whole + ((2 * rest > denominator) | ((2 * rest == denominator) & (whole % 2 == 1)))


def bilinear(image: npt.NDArray[np.uint8], matrix: AffineMatrix) -> npt.NDArray[np.uint8]:
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width]
    at_x = matrix.xx * x + matrix.xy * y + matrix.x0
    at_y = matrix.yx * x + matrix.yy * y + matrix.y0
    left, right = mirrored(at_x // ONE, width), mirrored(at_x // ONE + 1, width)
    upper, lower = mirrored(at_y // ONE, height), mirrored(at_y // ONE + 1, height)
    a, b = (part.reshape(height, width, *[1] * (image.ndim - 2)) for part in (at_x % ONE, at_y % ONE))
    grey = image.astype(np.int64)
    total = (ONE - b) * ((ONE - a) * grey[upper, left] + a * grey[upper, right])
    total = total + b * ((ONE - a) * grey[lower, left] + a * grey[lower, right])
    return rounded(total, ONE * ONE).astype(np.uint8)


@settings(max_examples=300, deadline=None)
@given(matrices, st.booleans(), st.integers(0, 255))
def test_a_warp_is_the_exact_bilinear_sum(how, colour, salt):
    height, width, parts = how
    image = picture(height, width, *([3] if colour else []), salt=salt)
    matrix = affine_matrix(height, width, **parts)
    assert np.array_equal(warp_image(image, matrix), bilinear(image, matrix))


@pytest.mark.parametrize("shape", [(480, 640, 3), (300, 500), (700, 900, 3), (1, 3000, 3), (2000, 1)])
def test_a_warp_of_a_large_image_is_the_exact_bilinear_sum(shape):
    matrix = affine_matrix(
        *shape[:2], rotate=33, scale=-0.4, shear=(0.2, -0.1), translate_horizontal=0.3, translate_vertical=0.2
    )
    image = picture(*shape)
    assert np.array_equal(warp_image(image, matrix), bilinear(image, matrix))


def test_a_warp_from_beyond_exact_float_places_goes_through_integers():
    image = picture(20, 30000, 3)
    matrix = affine_matrix(20, 30000, scale=-0.9, rotate=20)
    near = np.abs(warp_image(image, matrix).astype(int) - bilinear(image, matrix))
    assert abs(matrix.xx) * 30000 > 65536 * ONE
    assert near.max() <= 8  # 1/32 px instead of 1/256 px: a few grey levels at sharp edges
    assert near.mean() < 1


@settings(max_examples=100, deadline=None)
@given(matrices)
def test_labels_come_from_the_pixel_nearest_to_the_place(how):
    height, width, parts = how
    matrix = affine_matrix(height, width, **parts)
    y, x = np.mgrid[:height, :width]
    at_x = matrix.xx * x + matrix.xy * y + matrix.x0
    at_y = matrix.yx * x + matrix.yy * y + matrix.y0
    got = warp_labels(numbered(height, width), matrix)
    for got_place, place, length in ((got % width, at_x, width), (got // width, at_y, height)):
        period = max(1, 2 * ONE * (length - 1))
        inside = np.minimum(place % period, -place % period)
        assert (np.abs(got_place * ONE - inside) <= ONE // 2).all()


colours = st.tuples(st.floats(0, 5), st.floats(-0.5, 0.5), st.floats(0, 5), st.floats(-500, 500))


@settings(max_examples=200, deadline=None)
@given(shapes, colours, st.integers(0, 255))
def test_the_colour_matrix_is_applied_exactly(shape, colour, salt):
    image = picture(*shape, salt=salt)
    drawn = dict(zip(("contrast", "hue", "saturation", "brightness"), colour, strict=True))
    drawn["brightness"] /= 500
    offset = drawn["brightness"] * 255 + (1 - drawn["contrast"]) * mean_grey(image)
    if drawn["contrast"] == 1:
        offset = drawn["brightness"] * 255
    got = apply_colour(image, drawn)
    if image.ndim == 2:
        total = image.astype(np.int64) * round(drawn["contrast"] * 1024) + round(offset * 1024)
        wanted = rounded(total, 1024)
    else:
        matrix = np.array(colour_matrix(drawn["contrast"], drawn["hue"], drawn["saturation"], offset)) * 1024
        factors = matrix.astype(np.int64)
        assert np.array_equal(factors, matrix)
        total = image.astype(np.int64) @ factors[:, :3].T + factors[:, 3]
        diagonal = not (factors[:, :3] * (1 - np.eye(3, dtype=np.int64))).any()
        wanted = rounded(total, 1024) if diagonal else (total + 512) >> 10  # OpenCV rounds ties up where colours mix
    assert np.array_equal(got, wanted.clip(0, 255))


@settings(max_examples=200, deadline=None)
@given(shapes, st.floats(-1, 1), st.floats(-1, 1), st.integers(0, 255))
def test_emboss_is_the_exact_sum_of_the_image_and_its_sobel_gradients(shape, right, down, salt):
    image = picture(*shape, salt=salt)
    height, width = shape[:2]
    rows = [mirrored(np.arange(height) + step, height) for step in (-1, 0, 1)]
    columns = [mirrored(np.arange(width) + step, width) for step in (-1, 0, 1)]
    grey = image.astype(np.int64)
    total = grey * 256
    for i, weight in enumerate((1, 2, 1)):
        across = grey[rows[i]][:, columns[2]] - grey[rows[i]][:, columns[0]]
        along = grey[rows[2]][:, columns[i]] - grey[rows[0]][:, columns[i]]
        total = total + weight * (round(right * 256) * across + round(down * 256) * along)
    assert np.array_equal(apply_emboss(image, right, down), rounded(total, 256).clip(0, 255))


@pytest.mark.parametrize("stddev", [0.003, 0.01, 0.1, 0.115, 0.2, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1), (2, 2, 3), (1, 1, 3), (31, 17, 3), (128, 128)])
def test_noise_is_the_table_s_value_of_each_word_added_and_saturated(stddev, shape):
    image = picture(*shape)
    image.flat[::3], image.flat[1::3] = 0, 255
    words = raw_words(5, b"white noise", (image.size + 3) // 4).view(np.uint16)[: image.size].reshape(shape)
    wanted = (image + noise_table(stddev)[0][words].astype(np.int64)).clip(0, 255)
    got = add_white_noise(image, stddev, 5)
    assert got.shape == shape
    assert np.array_equal(got, wanted)


@given(st.floats(-3, 3))
def test_sine_and_cosine_are_right_far_below_the_grids_they_are_rounded_to(turns):
    cos, sin = cos_sin(turns)
    assert abs(cos - np.cos(2 * np.pi * turns)) < 2e-10
    assert abs(sin - np.sin(2 * np.pi * turns)) < 2e-10


def test_sine_and_cosine_of_quarter_turns_are_exact():
    assert [cos_sin(quarter / 4) for quarter in range(-4, 5)] == [
        (1, 0), (0, 1), (-1, 0), (0, -1), (1, 0), (0, 1), (-1, 0), (0, -1), (1, 0),
    ]  # fmt: skip
