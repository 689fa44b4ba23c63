"""Fitting: the window that images need, and what is said of images that a window clips."""

from typing import Any

import numpy as np
import pytest

from brev_pipeline.config import ImageSettings
from brev_pipeline.images.intensity import SampleRanges, advise_window, fitting_window, measure_fit

NONE = (16, 0, 0, 0, 0, 0.0)


def ranges(*images: tuple[Any, ...]) -> SampleRanges:
    """Of images: bits, min, low, high, max, used."""
    columns = [np.array(column) for column in zip(*(images or [NONE]), strict=True)]
    return SampleRanges(*(column[: len(images)] for column in columns))


@pytest.mark.parametrize(
    ("low", "high", "used", "intensity", "share"),
    [
        (12, 235, 0.003, "full_range", 0.003),
        (0, 1000, 1.0, {"window": (0, 1000)}, 1.0),
        (0, 1000, 1.0, {"window": (0, 100)}, 0.1),  # nine tenths of the image are clipped
        (500, 1500, 0.5, {"window": (0, 1000)}, 0.5),
        (0, 10, 0.01, {"window": (0, 1000)}, 0.01),
        (2000, 3000, 0.0, {"window": (0, 1000)}, 0.0),
        (7, 7, 0.0, {"window": (0, 1000)}, 0.0),
    ],
)
def test_an_image_and_its_window_have_to_fit_each_other(
    low: int, high: int, used: float, intensity: Any, share: float
) -> None:
    given = ranges((16, low, low, high, high, used))
    assert measure_fit(given, ImageSettings(intensity=intensity).intensity).tolist() == [share]


def test_the_window_that_fits_spans_all_images() -> None:
    assert fitting_window(ranges((16, 3, 12, 200, 250, 0.1), (16, 9, 20, 235, 260, 0.1))) == (12, 235)
    for value in (0, 65_535):
        low, high = fitting_window(ranges((16, value, value, value, value, 0.0)))
        assert ImageSettings(intensity={"window": (low, high)})


def test_the_advice_is_what_to_write() -> None:
    said = advise_window(ranges((16, 3, 12, 235, 250, 0.003)), ranges(), 0.3)
    assert said == (
        "Their samples lie at 12..235 (extremes 3..250): write image: {intensity: {window: [12, 235]}}, "
        "or window: [0, 255] for all that 8 bits can hold"
    )
    assert "[0, 4095] for all that 12 bits" in advise_window(ranges((16, 3, 12, 3900, 4000, 0.06)), ranges(), 0.3)
    assert "can hold" not in advise_window(ranges((12, 3, 12, 3900, 4000, 0.06)), ranges(), 0.3)
    assert "can hold" not in advise_window(ranges((16, -3, 12, 3900, 4000, 0.06)), ranges(), 0.3)


def test_the_advice_says_whom_the_window_would_clip() -> None:
    others = ranges((16, 0, 0, 60_000, 65_535, 0.9), (16, 0, 20, 100, 110, 0.4))
    said = advise_window(ranges((16, 3, 12, 235, 250, 0.003)), others, 0.3)
    assert said.endswith(
        "would clip 1 other image(s), which reach 0..60000: {percentile: [0.1, 99.9]} fits each image by itself"
    )


def test_images_that_no_one_window_shows_are_told_so():
    said = advise_window(ranges((16, 0, 0, 200, 250, 0.003), (16, 60_000, 60_000, 65_535, 65_535, 0.08)), ranges(), 0.3)
    assert "no one window shows them all" in said
    assert "{percentile: [0.1, 99.9]}" in said
    assert "window: [" not in said
