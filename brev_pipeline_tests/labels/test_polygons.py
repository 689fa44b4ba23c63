"""Polygons in whole numbers, against an oracle in fractions."""

from fractions import Fraction
from math import pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.errors import LabelError
from brev_pipeline.labels.polygons import (
    ONE,
    Rectangle,
    as_places,
    as_points,
    bounds,
    box_places,
    clip_polygon,
    double_area,
    pixel_bounds,
    rasterize_polygon,
    to_grid,
    to_square_pixels,
)
from brev_pipeline_tests.labels import oracle

WIDTH, HEIGHT = 30, 20
FRAME = Rectangle(0, 0, WIDTH * ONE, HEIGHT * ONE)
places = st.tuples(st.integers(-40 * ONE, 70 * ONE), st.integers(-40 * ONE, 60 * ONE))
polygons = st.lists(places, min_size=3, max_size=9)
triangles = st.lists(places, min_size=3, max_size=3)
boxes = st.builds(
    lambda x, y, w, h: box_places(x, y, x + w, y + h),
    st.integers(-9000, 9000),
    st.integers(-9000, 9000),
    st.integers(1, 9000),
    st.integers(1, 9000),
)


@given(polygons)
def test_the_area_is_that_of_a_fan_of_triangles(polygon):
    exact = oracle.fan_area(oracle.corners(polygon))
    assert Fraction(double_area(polygon), 2 * ONE * ONE) == exact
    assert to_square_pixels(double_area(polygon)) == float(exact)
    assert double_area(polygon[::-1]) == double_area(polygon) == double_area(polygon[1:] + polygon[:1])


def test_the_area_of_a_pixel_is_one():
    assert to_square_pixels(double_area(box_places(5 * ONE, 7 * ONE, 6 * ONE, 8 * ONE))) == 1.0


def test_places_far_outside_lose_nothing():
    side = 2**40
    assert double_area(box_places(-side, -side, side, side)) == 8 * side * side


@given(triangles | boxes)
def test_clipping_a_convex_polygon_is_the_exact_cut_but_for_the_grid(polygon):
    clipped = clip_polygon(polygon, FRAME)
    exact = oracle.clip_convex(oracle.corners(polygon), Fraction(WIDTH), Fraction(HEIGHT))
    area = oracle.fan_area(exact) if exact else Fraction(0)
    # Each cut is at most half a step beside its place: at most so much area along an edge.
    error = abs(Fraction(double_area(clipped), 2 * ONE * ONE) - area)
    assert error <= Fraction(4 * (WIDTH + HEIGHT), ONE)
    for x, y in clipped:
        assert 0 <= x <= FRAME.right
        assert 0 <= y <= FRAME.bottom


@given(boxes)
def test_clipping_a_box_is_exact(polygon):
    left, top, right, bottom = bounds(polygon)
    wanted = max(left, 0), max(top, 0), min(right, FRAME.right), min(bottom, FRAME.bottom)
    clipped = clip_polygon(polygon, FRAME)
    if wanted[0] < wanted[2] and wanted[1] < wanted[3]:
        assert tuple(bounds(clipped)) == wanted
        assert double_area(clipped) == 2 * (wanted[2] - wanted[0]) * (wanted[3] - wanted[1])
    else:
        assert clipped == []


@given(polygons)
def test_what_is_clipped_stays_as_it_is_when_it_is_clipped_again(polygon):
    clipped = clip_polygon(polygon, FRAME)
    assert clip_polygon(clipped, FRAME) == clipped


@given(polygons)
def test_an_edge_is_cut_at_one_place_whichever_way_it_is_walked(polygon):
    assert sorted(set(clip_polygon(polygon, FRAME))) == sorted(set(clip_polygon(polygon[::-1], FRAME)))


@given(polygons)
def test_the_parts_on_both_sides_of_a_line_make_up_the_whole(polygon):
    whole = double_area_by_parts(polygon)
    assert abs(whole - signed(polygon)) <= 2 * 110 * ONE * len(polygon)


def signed(polygon):
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(polygon, polygon[1:] + polygon[:1], strict=True))


def double_area_by_parts(polygon):
    far = 100 * ONE
    left, right = Rectangle(-far, -far, 10 * ONE, far), Rectangle(10 * ONE, -far, far, far)
    return signed(clip_polygon(polygon, left)) + signed(clip_polygon(polygon, right))


@given(st.lists(st.tuples(st.integers(-500, 35 * ONE), st.integers(-500, 25 * ONE)), min_size=3, max_size=7))
def test_a_drawn_polygon_has_the_pixels_whose_centres_it_holds(polygon):
    exact = oracle.corners(polygon)
    wanted = [
        [oracle.holds(exact, Fraction(2 * x + 1, 2), Fraction(2 * y + 1, 2)) for x in range(WIDTH)]
        for y in range(HEIGHT)
    ]
    drawn = rasterize_polygon(polygon, HEIGHT, WIDTH)
    assert drawn.dtype == np.uint8
    if np.any(wanted):
        assert np.array_equal(drawn, wanted)


def test_a_box_on_the_edges_of_pixels_is_drawn_as_those_pixels():
    drawn = rasterize_polygon(box_places(3 * ONE, 4 * ONE, 10 * ONE, 9 * ONE), HEIGHT, WIDTH)
    wanted = np.zeros((HEIGHT, WIDTH), np.uint8)
    wanted[4:9, 3:10] = 1
    assert np.array_equal(drawn, wanted)
    assert pixel_bounds(drawn) == Rectangle(3 * ONE, 4 * ONE, 10 * ONE, 9 * ONE)


@pytest.mark.parametrize(("left", "right", "column"), [(9.6, 10, 9), (9.6, 9.9, 9), (10, 10.3, 10), (29.8, 30, 29)])
def test_a_box_too_thin_for_a_centre_is_drawn_where_its_corners_lie(left, right, column):
    drawn = rasterize_polygon(box_places(round(left * ONE), 0, round(right * ONE), 2 * ONE), HEIGHT, WIDTH)
    assert drawn[:, column].tolist() == [1, 1] + [0] * 18
    assert drawn.sum() == 2


def test_a_drawn_circle_has_its_area():
    angles = np.linspace(0, 2 * pi, 200, endpoint=False)
    circle = [(round((50 + 30 * np.cos(a)) * ONE), round((50 + 30 * np.sin(a)) * ONE)) for a in angles]
    assert rasterize_polygon(circle, 100, 100).sum() == pytest.approx(pi * 900, rel=0.01)
    assert to_square_pixels(double_area(circle)) == pytest.approx(pi * 900, rel=0.001)


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_coordinates_are_rounded_half_up_to_the_grid(x, y):
    def exact(value):
        return (Fraction(value) * ONE + Fraction(1, 2)).__floor__()

    assert to_grid([x, y]) == [(exact(x), exact(y))]


@given(st.floats(-2, 2), st.floats(-2, 2), st.integers(1, 9000), st.integers(1, 9000))
def test_fractions_of_sides_are_rounded_half_up_to_the_grid(x, y, height, width):
    def exact(value, side):
        return (Fraction(value) * side * ONE + Fraction(1, 2)).__floor__()

    assert to_grid([x, y], relative=True, size=(height, width)) == [(exact(x, width), exact(y, height))]


def test_half_a_step_is_rounded_up_and_what_is_a_hair_less_is_not():
    hair = np.nextafter(0.5, 0)
    assert to_grid([0.5 / ONE, -0.5 / ONE, hair / ONE, -1.5 / ONE]) == [(1, 0), (0, -1)]


@pytest.mark.parametrize(
    ("coordinates", "message"),
    [
        ([1.0, float("nan")], "nan"),
        ([float("inf"), 0.0], "inf"),
        ([1e18, 0.0], "1e\\+18 px"),
        ([1.0, 2.0, 3.0], "3 coordinates are no pairs"),
    ],
)
def test_coordinates_that_are_none_are_refused_with_what_they_are(coordinates, message):
    with pytest.raises(LabelError, match=message):
        to_grid(coordinates)


def test_fractions_without_a_size_are_refused():
    with pytest.raises(LabelError, match="need its size"):
        to_grid([0.1, 0.2], relative=True)


@given(polygons)
def test_places_and_arrays_are_the_same(polygon):
    assert as_places(as_points(polygon)) == polygon
    assert as_points(polygon).dtype == np.int64
