"""Labels are arranged as their photo is: the same places, whatever is cut out, resized and padded."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brev_pipeline.config import ImageSettings
from brev_pipeline.images.arrangement import PhotoArrangement
from brev_pipeline.images.geometry import RoiOutsideError, arrange_regions
from brev_pipeline.labels.objects import arrange_objects
from brev_pipeline.labels.polygons import ONE, as_points, box_places, double_area
from brev_pipeline_tests.labels import oracle

HEIGHT, WIDTH = 24, 30


def settings_of(draw) -> ImageSettings:
    sides = st.integers(1, 40)
    fields = {
        "target_size": draw(st.none() | st.tuples(sides, sides)),
        "keep_aspect_ratio": draw(st.booleans()),
        "center_padding": draw(st.booleans()),
        "resize_method": draw(st.sampled_from(["bilinear", "nearest", "area"])),
        "roi_mode": draw(st.sampled_from(["concatenate_height", "as_timeseries"])),
    }
    width, height = draw(st.integers(1, WIDTH)), draw(st.integers(1, HEIGHT))
    corners = st.tuples(st.integers(0, WIDTH - width), st.integers(0, HEIGHT - height))
    rois = [((x, y), (x + width, y + height)) for x, y in draw(st.lists(corners, max_size=3))]
    return ImageSettings(rois=rois, **fields)


all_settings = st.composite(settings_of)()
places = st.tuples(st.integers(-5 * ONE, 35 * ONE), st.integers(-5 * ONE, 29 * ONE))
polygons = st.lists(places, min_size=3, max_size=6)


@settings(max_examples=150, deadline=None)
@given(all_settings, st.sampled_from(["constant", "reflect", "symmetric"]), st.integers(0, 2**32 - 1))
def test_a_mask_is_arranged_as_a_photo_that_is_its_copy_is_with_nearest(chosen, padding, seed):
    mask = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH), np.uint8)
    chosen = chosen.model_copy(update={"padding_mode": padding})
    copied = chosen.model_copy(update={"resize_method": "nearest", "antialias": False})
    photo = arrange_regions(np.repeat(mask[:, :, None], 3, axis=2), copied)
    arranged = PhotoArrangement(HEIGHT, WIDTH, chosen).arrange_mask(mask)
    assert np.array_equal(arranged, photo[..., 0])
    assert arranged.flags.c_contiguous
    assert set(np.unique(arranged)) <= set(np.unique(mask)) | {0}


@settings(max_examples=150, deadline=None)
@given(all_settings, polygons)
def test_a_polygon_drawn_in_a_mask_and_arranged_covers_the_arranged_polygon_to_within_a_pixel(chosen, polygon):
    arrangement = PhotoArrangement(HEIGHT, WIDTH, chosen)
    drawn = arrangement.arrange_mask(rasterize(polygon, HEIGHT, WIDTH))
    frames = drawn if drawn.ndim == 3 else drawn[None]
    wanted = np.zeros_like(frames)
    near = np.zeros(frames.shape, np.bool_)
    for found in arrangement.arrange_polygon(as_points(polygon)):
        corners = [tuple(corner) for corner in found.points.tolist()]
        wanted[found.frame] |= rasterize(corners, *frames.shape[1:])
        near[found.frame] |= near_edges(corners, *frames.shape[1:], reach(chosen, frames.shape[1:]))
    assert not ((frames != wanted) & ~near)[touched(arrangement, frames.shape)].any()


def rasterize(polygon, height, width):
    """The pixels whose centres a polygon holds: all at once, by the signs of cross products."""
    y, x = np.mgrid[:height, :width] * ONE + ONE // 2
    inside = np.zeros((height, width), np.bool_)
    for (x1, y1), (x2, y2) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        side = ((x - x1) * (y2 - y1) - (y - y1) * (x2 - x1)) * np.sign(y2 - y1)
        inside ^= ((y1 <= y) != (y2 <= y)) & (side >= 0)
    return inside.astype(np.uint8)


@settings(max_examples=10, deadline=None)
@given(polygons)
def test_the_judge_of_this_file_agrees_with_the_oracle_in_fractions(polygon):
    exact = oracle.corners(polygon)
    wanted = [
        [oracle.holds(exact, Fraction(2 * x + 1, 2), Fraction(2 * y + 1, 2)) for x in range(12)] for y in range(9)
    ]
    assert np.array_equal(rasterize(polygon, 9, 12), wanted)


def reach(chosen, size):
    """How far beside an edge a pixel may be otherwise, px: half a pixel of the photo as it is prepared, and a step."""
    width = chosen.rois[0][1][0] - chosen.rois[0][0][0] if chosen.rois else WIDTH
    height = chosen.rois[0][1][1] - chosen.rois[0][0][1] if chosen.rois else HEIGHT
    if chosen.roi_mode == "concatenate_height":
        height *= max(1, len(chosen.rois))
    return size[1] / width / 2 + 0.02, size[0] / height / 2 + 0.02


def near_edges(corners, height, width, distance):
    """Whether an edge passes within so many px of a pixel's centre, across and along."""
    y, x = (part + 0.5 for part in np.mgrid[:height, :width])
    near, (across, along) = np.zeros((height, width), np.bool_), distance
    for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
        x1, y1, x2, y2 = (value / ONE for value in (*start, *end))
        line = np.abs((x - x1) * (y2 - y1) - (y - y1) * (x2 - x1)) <= abs(y2 - y1) * across + abs(x2 - x1) * along
        beside = (x >= min(x1, x2) - across) & (x <= max(x1, x2) + across)
        near |= line & beside & (y >= min(y1, y2) - along) & (y <= max(y1, y2) + along)
    return near


def touched(arrangement, shape):
    """The frames' pixels that are no padding."""
    full = arrangement.arrange_mask(np.ones((HEIGHT, WIDTH), np.uint8))
    return full.reshape(shape).astype(np.bool_)


@given(st.integers(1, 5), st.integers(1, 5), st.data())
def test_a_box_on_the_edges_of_pixels_enlarged_by_whole_factors_is_exact(down, across, data):
    x, y = (sorted(data.draw(st.tuples(st.integers(0, s), st.integers(0, s)))) for s in (WIDTH, HEIGHT))
    box = box_places(x[0] * ONE, y[0] * ONE, x[1] * ONE, y[1] * ONE)
    arrangement = PhotoArrangement(HEIGHT, WIDTH, ImageSettings(target_size=(HEIGHT * down, WIDTH * across)))
    found = arrangement.arrange_polygon(as_points(box))
    if not double_area(box):
        assert found == []
        return
    ((frame, points),) = found
    assert frame == 0
    assert points.tolist() == [[cx * across, cy * down] for cx, cy in box]
    mask = arrangement.arrange_mask(rasterize(box, HEIGHT, WIDTH))
    assert np.array_equal(mask, rasterize([tuple(p) for p in points.tolist()], HEIGHT * down, WIDTH * across))


def arranged(polygon, **fields):
    """Frame, and corners in px in the order of their places."""
    found = PhotoArrangement(HEIGHT, WIDTH, ImageSettings(**fields)).arrange_polygon(as_points(polygon))
    return [
        (frame, sorted(tuple(value / ONE for value in place) for place in points.tolist())) for frame, points in found
    ]


BOX = box_places(8 * ONE, 4 * ONE, 12 * ONE, 10 * ONE)


def test_regions_below_each_other_each_show_what_they_touch():
    rois = [((10, 0), (20, 6)), ((0, 5), (10, 15)), ((20, 0), (30, 4))]
    assert arranged(BOX, rois=rois) == [
        (0, [(0, 4), (0, 6), (2, 4), (2, 6)]),
        (0, [(8, 6), (8, 11), (10, 6), (10, 11)]),
    ]
    halved = arranged(BOX, rois=rois, target_size=(10, 5))
    assert halved == [
        (0, [(0, 2), (0, 3), (1, 2), (1, 3)]),
        (0, [(4, 3), (4, 5.5), (5, 3), (5, 5.5)]),
    ]


def test_the_frames_of_a_time_series_are_told_apart():
    rois = [((20, 0), (30, 4)), ((10, 0), (20, 6)), ((6, 2), (16, 12))]
    found = arranged(BOX, rois=rois, roi_mode="as_timeseries", target_size=(12, 10))
    assert found == [
        (1, [(0, 8), (0, 12), (2, 8), (2, 12)]),
        (2, [(2, 2.3984375), (2, 9.6015625), (6, 2.3984375), (6, 9.6015625)]),
    ]


def test_padding_moves_places_only_where_it_stands_before_them():
    fields = {"target_size": (30, 30), "keep_aspect_ratio": True}
    assert arranged(BOX, **fields) == [(0, [(8, 4), (8, 10), (12, 4), (12, 10)])]
    assert arranged(BOX, center_padding=True, **fields) == [(0, [(8, 7), (8, 13), (12, 7), (12, 13)])]


def test_a_roi_outside_of_the_photo_is_refused_for_labels_as_for_the_photo():
    arrangement = PhotoArrangement(HEIGHT, WIDTH, ImageSettings(rois=[((0, 0), (31, 10))]))
    with pytest.raises(RoiOutsideError, match="reaches outside of the image of 30×24 px"):
        arrangement.arrange_polygon(as_points(BOX))
    with pytest.raises(RoiOutsideError, match="reaches outside of the image of 30×24 px"):
        arrangement.arrange_mask(np.zeros((HEIGHT, WIDTH), np.uint8))


def listed(*points, kind="box", relative=False, label="dent"):
    return {"label": label, "kind": kind, "points": list(points), "relative": relative}


class TestObjects:
    arrangement = PhotoArrangement(HEIGHT, WIDTH, ImageSettings(rois=[((0, 0), (20, 24))]))

    def test_what_reaches_outside_is_clipped_and_counted_and_what_lies_outside_is_left_out_with_its_reason(self):
        found = arrange_objects(
            [
                listed(-3, 2, 5, 6),
                listed(0.1, 0.25, 0.2, 0.5, relative=True, label="scratch"),
                listed(40, 2, 50, 6),
                listed(22, 2, 28, 6),
                listed(3, 2, 3, 6),
                listed(3, float("nan"), 5, 6),
                listed(5, 6, 3, 2),
                listed(1, 2, 3, 4, kind="polygon"),
                listed(1, 2, 3, kind="box"),
                listed(0, 0, 4, 0, 0, 4, kind="polygon", label="chip"),
            ],
            self.arrangement,
        )
        assert found.clipped == 1
        assert [(one.label, tuple(value / ONE for value in one.box)) for one in found.objects] == [
            ("chip", (0, 0, 4, 4)),
            ("dent", (0, 2, 5, 6)),
            ("scratch", (3, 6, 6, 12)),
        ]
        assert found.excluded.keys() == {2, 3, 4, 5, 6, 7, 8}
        for place, reason in {
            2: "wholly outside of the photo of 30×24 px",
            3: "outside of every region of interest",
            4: "has no area",
            5: "nan",
            6: "comes before its left or upper",
            7: "at least 3 points, and this one 2",
            8: "3 coordinates are no pairs",
        }.items():
            assert reason in found.excluded[place]

    def test_their_order_in_a_file_does_not_count(self):
        rows = [listed(i, 2, i + 4, 6, label=label) for i, label in enumerate("dbca")]
        assert arrange_objects(rows, self.arrangement) == arrange_objects(rows[::-1], self.arrangement)
