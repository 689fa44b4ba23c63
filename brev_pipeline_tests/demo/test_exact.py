"""The arithmetic of the pictures: what it computes, and that it stays in float32."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.demo import exact
from brev_pipeline.demo.draws import Draws


def _plane(height: int = 9, width: int = 11, name: str = "plane") -> exact.Field:
    return Draws(1, ("test",)).grain((height, width), name)


def test_ramps_run_from_0_to_1_between_their_ends_in_either_direction() -> None:
    x = np.array([-1, 0, 1, 2, 3], np.float32)
    assert exact.ramp(0, 2, x).tolist() == [0, 0, 0.5, 1, 1]
    assert exact.smooth(0, 2, x).tolist() == [0, 0, 0.5, 1, 1]
    assert exact.ramp(2, 0, x).tolist() == [1, 1, 0.5, 0, 0]


def test_a_band_is_1_inside_and_0_outside() -> None:
    x = np.array([-2, 0, 2], np.float32)
    assert exact.band(-1, 1, 0.2, x).tolist() == [0, 1, 0]


@given(st.integers(0, 5), st.integers(0, 5), st.integers(1, 3))
def test_a_blur_keeps_an_even_picture_and_the_mean_within_its_step(ry: int, rx: int, passes: int) -> None:
    even = np.full((3, 12, 10), 0.375, np.float32)
    assert np.abs(exact.blur(even, ry, rx, passes) - even).max() < 1 / 4096
    dot = np.zeros((31, 33), np.float32)
    dot[15, 16] = 100
    # No border is reached within the radii for one pass: the light is only spread.
    assert exact.blur(dot, ry, rx, 1).sum() == pytest.approx(100, rel=0.05)


def test_a_blur_is_the_running_mean() -> None:
    plane = np.rint(_plane() * 256).astype(np.float32) / 256
    padded = np.pad(plane, ((1, 1), (2, 2)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 5))
    assert exact.blur(plane, 1, 2, 1) == pytest.approx(windows.mean(axis=(2, 3)), abs=1 / 4096)


def test_sampling_at_whole_pixels_gives_the_pixels_and_between_them_their_mean() -> None:
    plane = _plane()
    y, x = np.mgrid[0:8, 0:10].astype(np.float32)
    assert np.array_equal(exact.sample(plane, y, x), plane[:8, :10])
    middle = (plane[:8, :10] + plane[:8, 1:11]) / 2
    assert exact.sample(plane, y, x + np.float32(0.5)) == pytest.approx(middle, abs=1e-6)


def test_sampling_outside_repeats_the_border() -> None:
    plane = np.arange(6, dtype=np.float32).reshape(2, 3)
    far = np.array([[-50, 50]], np.float32)
    assert exact.sample(plane, far, far) == pytest.approx(np.array([[0, 5]]), abs=0.01)


def test_everything_stays_in_float32() -> None:
    plane = _plane()
    results = [
        exact.ramp(0, 1, plane), exact.smooth(0, 1, plane), exact.band(0, 1, 0.1, plane), exact.bell(plane, 0, 1),
        exact.root(plane), exact.over(plane, plane, plane), exact.blur(plane, 1, 2), exact.soften(plane, 0.2),
        exact.sample(plane, plane, plane), exact.lookup(plane[0], plane), exact.colour(1, 0.5, 0),
    ]  # fmt: skip
    assert {result.dtype for result in results} == {np.dtype(np.float32)}


def test_draws_depend_on_their_names_and_on_nothing_else() -> None:
    vial = Draws(3, ("good", 7))
    first = vial.between(0, 1, "fill")
    vial.grain((4, 4), "other")
    assert vial.between(0, 1, "fill") == first == Draws(3, ("good", 7)).between(0, 1, "fill")
    assert first != vial.between(0, 1, "light")
    assert first != Draws(4, ("good", 7)).between(0, 1, "fill")
    assert first != Draws(3, ("good", 8)).between(0, 1, "fill")


@given(st.integers(0, 2**63 - 1), st.floats(-10, 10), st.floats(0.001, 10))
def test_numbers_lie_within_their_bounds(seed: int, low: float, width: float) -> None:
    draws = Draws(seed, ())
    assert low <= draws.between(low, low + width, "x") <= low + width
    assert abs(draws.near(low, width, "x") - low) <= width * 1.0001
    assert draws.pick("abc", "x") in "abc"


def test_grain_has_mean_0_and_deviation_1() -> None:
    grain = Draws(0, ()).grain((300, 301), "noise")
    assert grain.shape == (300, 301)
    assert grain.mean() == pytest.approx(0, abs=0.02)
    assert grain.std() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("radius", [1, 2, 5, 8])
def test_clouds_have_about_deviation_1_at_every_size(radius: int) -> None:
    assert Draws(0, ()).clouds((160, 160), radius, "clouds").std() == pytest.approx(1, abs=0.3)
