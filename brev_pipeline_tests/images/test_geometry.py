"""Regions, resizing and padding: half-pixel centres, whole numbers, nothing lost at the border."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.config import ImageSettings
from brev_pipeline.errors import DecodeError
from brev_pipeline.images.geometry import RoiOutsideError, arrange_regions, inner_size
from brev_pipeline_tests.images import worlds

PHOTO = worlds.photo(1, 60, 80)


def arranged(pixels=PHOTO, **fields):
    return arrange_regions(pixels, ImageSettings(**fields))


def test_without_settings_an_image_stays_as_it_is():
    assert np.array_equal(arranged(), PHOTO)


def test_rois_are_cut_exactly():
    assert np.array_equal(arranged(rois=[((10, 20), (30, 25))]), PHOTO[20:25, 10:30])


def test_rois_are_put_under_each_other_in_their_order():
    found = arranged(rois=[((10, 20), (30, 25)), ((0, 0), (20, 3))])
    assert np.array_equal(found, np.concatenate([PHOTO[20:25, 10:30], PHOTO[0:3, 0:20]]))


def test_a_time_series_has_an_axis_of_frames_in_front():
    rois = [((10, 20), (30, 25)), ((0, 0), (20, 5))]
    found = arranged(rois=rois, roi_mode="as_timeseries")
    assert found.shape == (2, 5, 20, 3)
    assert np.array_equal(found[1], PHOTO[0:5, 0:20])
    assert arranged(roi_mode="as_timeseries").shape == (1, 60, 80, 3)


def test_the_frames_of_a_time_series_are_resized_each_for_itself():
    rois = [((10, 20), (30, 25)), ((0, 0), (40, 9))]
    found = arranged(rois=rois, roi_mode="as_timeseries", target_size=(8, 12))
    assert found.shape == (2, 8, 12, 3)
    assert np.array_equal(found[1], arranged(rois=rois[1:], target_size=(8, 12)))


@pytest.mark.parametrize("roi", [((0, 0), (81, 10)), ((70, 50), (80, 61)), ((90, 90), (95, 95))])
def test_a_roi_outside_of_the_image_is_an_error_that_names_both(roi):
    with pytest.raises(RoiOutsideError, match=r"reaches outside of the image of 80×60 px") as caught:
        arranged(rois=[roi])
    assert isinstance(caught.value, DecodeError)
    assert caught.value.status == "unsupported"


@pytest.mark.parametrize("method", ["bilinear", "nearest", "area"])
@pytest.mark.parametrize("antialias", [False, True])
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    channels=st.sampled_from([1, 3]),
    keep=st.booleans(),
)
def test_any_size_becomes_any_size(method, antialias, height, width, rows, columns, channels, keep):
    pixels = worlds.photo(2, height, width, channels)
    found = arranged(
        pixels,
        target_size=(rows, columns),
        resize_method=method,
        antialias=antialias,
        keep_aspect_ratio=keep,
        padding_mode="symmetric",
    )
    assert found.shape == (rows, columns, channels)
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    assert pixels.min() <= found.min() <= found.max() <= pixels.max()


@pytest.mark.parametrize("target", [(37, 90), (7, 11), (120, 160), (60, 5)])
def test_nearest_takes_the_pixel_under_the_new_pixels_centre(target):
    rows = (np.arange(target[0]) * 2 + 1) * 60 // (2 * target[0])
    columns = (np.arange(target[1]) * 2 + 1) * 80 // (2 * target[1])
    found = arranged(target_size=target, resize_method="nearest")
    assert np.array_equal(found, PHOTO[rows][:, columns])


@pytest.mark.parametrize("target", [(128, 128), (33, 47), (60, 100)])
def test_bilinear_has_half_pixel_centres(target):
    def weights(old, new):
        centres = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        low = np.minimum(centres.astype(int), old - 1)
        return low, np.minimum(low + 1, old - 1), centres - low

    y0, y1, fy = weights(60, target[0])
    x0, x1, fx = weights(80, target[1])
    p = PHOTO.astype(float)
    fx, fy = fx[None, :, None], fy[:, None, None]
    upper = p[y0][:, x0] * (1 - fx) + p[y0][:, x1] * fx
    lower = p[y1][:, x0] * (1 - fx) + p[y1][:, x1] * fx
    assert np.abs(arranged(target_size=target) - (upper * (1 - fy) + lower * fy)).max() <= 1


def test_area_averages_over_what_a_new_pixel_covers():
    means = PHOTO.reshape(15, 4, 16, 5, 3).astype(float).mean(axis=(1, 3))
    for fields in ({"resize_method": "area"}, {"antialias": True}):
        assert np.abs(arranged(target_size=(15, 16), **fields) - means).max() <= 0.5 + 1e-9


def test_area_averages_only_in_the_direction_that_shrinks():
    found = arranged(target_size=(15, 160), resize_method="area")
    squeezed = arranged(target_size=(15, 80), resize_method="area")
    assert np.array_equal(found, arranged(squeezed, target_size=(15, 160)))


def test_antialias_changes_nothing_where_an_image_grows():
    assert np.array_equal(arranged(target_size=(70, 90), antialias=True), arranged(target_size=(70, 90)))


@pytest.mark.parametrize(
    ("shape", "target", "size"),
    [
        ((60, 80), (30, 30), (23, 30)),  # 22.5 rounds up
        ((80, 60), (30, 30), (30, 23)),
        ((60, 80), (30, 40), (30, 40)),
        ((1, 1000), (10, 10), (1, 10)),
        ((1000, 1), (10, 10), (10, 1)),
        ((10, 10), (100, 40), (40, 40)),
    ],
)
def test_the_aspect_ratio_is_kept_to_the_nearest_pixel(shape, target, size):
    assert inner_size(shape, target) == size


@pytest.mark.parametrize("mode", ["constant", "reflect", "symmetric"])
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("target", [(45, 40), (30, 71), (30, 400)])
def test_padding_is_that_of_numpy(mode, center, target):
    fields = {"target_size": target, "keep_aspect_ratio": True, "padding_mode": mode, "center_padding": center}
    size = inner_size((60, 80), target)
    inner = arranged(target_size=size)
    spare = target[0] - size[0], target[1] - size[1]
    before = (spare[0] // 2, spare[1] // 2) if center else (0, 0)
    widths = [(before[0], spare[0] - before[0]), (before[1], spare[1] - before[1]), (0, 0)]
    assert np.array_equal(arranged(**fields), np.pad(inner, widths, mode=mode))


def test_one_pixel_fills_any_padding():
    pixels = np.full((1, 1, 3), 9, np.uint8)
    for mode, filled in (("reflect", 9), ("symmetric", 9), ("constant", 0)):
        found = arranged(pixels, target_size=(2, 5), keep_aspect_ratio=True, padding_mode=mode)
        assert found[:, 2:].tolist() == np.full((2, 3, 3), filled).tolist()


def test_frames_of_unequal_size_are_refused_by_the_settings():
    rois = [((0, 0), (10, 10)), ((0, 0), (20, 10))]
    with pytest.raises(ValueError, match="equally wide"):
        ImageSettings(rois=rois)
    with pytest.raises(ValueError, match="equally large"):
        ImageSettings(rois=rois, roi_mode="as_timeseries")
    assert ImageSettings(rois=rois, roi_mode="as_timeseries", target_size=(5, 5)).rois
