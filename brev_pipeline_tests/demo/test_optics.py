"""The arithmetic of the pictures and of chance: what it computes, and that it stays in float32."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.demo import optics
from brev_pipeline.demo.items import Draws


def _plane(height: int = 9, width: int = 11, name: str = "plane") -> optics.Field:
    return Draws(1, ("test",)).draw_noise((height, width), name)


def test_steps_and_bands_run_between_their_ends_in_either_direction() -> None:
    x = np.array([-1, 0, 1, 2, 3], np.float32)
    assert optics.smooth_step(0, 2, x).tolist() == [0, 0, 0.5, 1, 1]
    assert optics.smooth_step(2, 0, x).tolist() == [1, 1, 0.5, 0, 0]
    assert optics.soft_band(0, 2, 0.2, x).tolist() == pytest.approx([0, 0.5, 1, 0.5, 0], abs=1e-5)


@given(st.integers(0, 5), st.integers(0, 5), st.integers(1, 3))
def test_a_blur_keeps_an_even_picture_and_spreads_light(ry: int, rx: int, passes: int) -> None:
    even = np.full((3, 12, 10), 0.375, np.float32)
    assert optics.blur_box(even, ry, rx, passes) == pytest.approx(even, abs=1e-5)
    dot = np.zeros((31, 33), np.float32)
    dot[15, 16] = 100
    assert optics.blur_box(dot, ry, rx, 1).sum() == pytest.approx(100, rel=0.001)


def test_sampling_at_whole_pixels_gives_the_pixels_and_outside_repeats_the_border() -> None:
    picture = np.stack([_plane(), _plane(name="other")])
    y, x = np.mgrid[0:8, 0:10].astype(np.float32)
    assert optics.sample_at(picture, y, x) == pytest.approx(picture[:, :8, :10])
    assert optics.sample_at(picture, y - 50, x - 50)[:, 3, 3] == pytest.approx(picture[:, 0, 0])


def test_a_cylinder_is_as_wide_as_it_is_and_faces_the_camera_in_its_middle() -> None:
    frame = optics.place_frame(0, 0, 0, 4.0, optics.WIDTH)
    side = frame.find_side([(5, 10), (30, 10)])
    # 20 mm of 4 px, in a row that crosses the middle of its height.
    assert side.coverage[optics.FOOT - 60].sum() == pytest.approx(80, abs=1)
    assert side.normal.z[optics.FOOT - 60, 120] == pytest.approx(1, abs=0.01)
    assert side.normal.x[optics.FOOT - 60, 84] < -0.85
    top = frame.find_face(10, 30)
    assert top.coverage.sum() == pytest.approx(np.pi * 40 * 40 * frame.down, rel=0.03)


def test_everything_stays_in_float32() -> None:
    plane, frame = _plane(), optics.place_frame(0.3, -1.0, 0.01, 4.0, 11)
    side, face = frame.find_side([(1, 2), (3.5, 2)], 2), frame.find_face(2.5, 3.5)
    normal = side.normal
    results = [
        optics.smooth_step(0, 1, plane), optics.soft_band(0, 1, 0.1, plane), optics.bell_curve(plane, 0, 1),
        optics.blend_over(plane, plane, plane), optics.blur_box(plane, 1, 2), optics.make_colour(1, 0.5, 0),
        optics.sample_at(plane, plane, plane), frame.u, *side[:3], *normal, *face, optics.reflect_lamps(normal, 0.1),
        optics.reflect_hall(normal), optics.reflect_share(normal), optics.light_matt(normal),
    ]  # fmt: skip
    assert {result.dtype for result in results} == {np.dtype(np.float32)}


def test_draws_depend_on_their_names_and_on_nothing_else() -> None:
    vial = Draws(3, ("good", 7))
    first = vial.draw_between(0, 1, "fill")
    vial.draw_noise((4, 4), "other")
    assert vial.draw_between(0, 1, "fill") == first == Draws(3, ("good", 7)).draw_between(0, 1, "fill")
    assert first != vial.draw_between(0, 1, "light")
    assert first != Draws(4, ("good", 7)).draw_between(0, 1, "fill")
    assert first != Draws(3, ("good", 8)).draw_between(0, 1, "fill")


@given(st.integers(0, 2**63 - 1), st.floats(-10, 10), st.floats(0.001, 10))
def test_numbers_lie_within_their_bounds(seed: int, low: float, width: float) -> None:
    draws = Draws(seed, ())
    assert low <= draws.draw_between(low, low + width, "x") <= low + width
    assert abs(draws.draw_near(low, width, "x") - low) <= width * 1.0001
    assert draws.choose("abc", "x") in "abc"


@pytest.mark.parametrize("radius", [0, 1, 2, 5, 8])
def test_noise_has_deviation_1_at_every_size(radius: int) -> None:
    noise = Draws(0, ()).draw_noise((160, 160), "noise", radius)
    assert noise.std() == pytest.approx(1, abs=0.001)
    assert noise.mean() == pytest.approx(0, abs=0.3)
