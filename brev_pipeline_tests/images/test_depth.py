"""Depth: samples of more than 8 bits against exact fractions and sorted samples, and what stands of them on record."""

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from brev_pipeline.config import ImageSettings
from brev_pipeline.images.decoding import decode_image
from brev_pipeline.images.formats.base import Raster
from brev_pipeline.images.intensity import HighDepthSamples
from brev_pipeline.images.prepare_task import prepare_row
from brev_pipeline.storage.fetcher import SourceRow

INTENSITIES: list[Any] = ["full_range", "min_max", {"window": (3, 200)}, {"percentile": (5, 95)}]


def expected(value: int, black: int, white: int) -> int:
    """The nearest level, halves up, by fractions."""
    share = Fraction(min(max(value, black), white) - black, white - black)
    return int(255 * share + Fraction(1, 2))


def at_rank(samples: list[int], percent: float) -> int:
    """The least sample that so many percent lie at or below."""
    ordered = sorted(samples)
    wanted = Fraction(str(percent)) / 100 * len(ordered)
    return next(value for place, value in enumerate(ordered, 1) if place >= max(wanted, 1))


def deep(samples: Any, intensity: Any = "full_range", white: int = 65_535, zero: int = 0) -> HighDepthSamples:
    array = np.asarray(samples, np.uint16)
    array = array.reshape(1, -1, 1) if array.ndim == 1 else array
    return HighDepthSamples(Raster(array, white, zero), ImageSettings(intensity=intensity).intensity)


def flat(samples: HighDepthSamples) -> list[int]:
    return samples.to_8_bits().ravel().tolist()


def png(samples: np.ndarray) -> bytes:
    return cv2.imencode(".png", samples)[1].tobytes()


def pgm(samples: np.ndarray, largest: int) -> bytes:
    height, width = samples.shape
    kind = ">u2" if largest > 255 else "u1"
    return b"P5\n%d %d\n%d\n" % (width, height, largest) + samples.astype(kind).tobytes()


@pytest.mark.parametrize("bits", range(9, 17))
def test_every_value_of_every_depth_becomes_the_nearest_level_halves_up(bits: int) -> None:
    white = 2**bits - 1
    assert flat(deep(np.arange(white + 1), white=white)) == [expected(v, 0, white) for v in range(white + 1)]


def test_values_counted_by_hand() -> None:
    # 1023·1/255 is 4.01 per level: 2 is half of 4.01 less a bit, so 0; 3 is nearer to 1.
    assert flat(deep([0, 2, 3, 511, 512, 1023], white=1023)) == [0, 0, 1, 127, 128, 255]
    # A window of two levels per step: 1 lies half way, and halves go up.
    assert flat(deep([0, 1, 2, 510, 511], {"window": (0, 510)})) == [0, 1, 1, 255, 255]


@given(
    st.lists(st.integers(0, 4095), min_size=1, max_size=60),
    st.tuples(st.integers(-100, 5000), st.integers(-100, 5000)).filter(lambda pair: pair[0] < pair[1]),
)
def test_a_window_clips_and_is_linear_in_stored_values(samples: list[int], window: tuple[int, int]) -> None:
    assert flat(deep(samples, {"window": window}, 4095)) == [expected(v, *window) for v in samples]


@given(st.lists(st.integers(0, 65_535), min_size=2, max_size=60, unique=True))
def test_min_max_stretches_each_image_from_its_least_to_its_largest(samples: list[int]) -> None:
    assert flat(deep(samples, "min_max")) == [expected(v, min(samples), max(samples)) for v in samples]


@given(
    st.lists(st.integers(0, 300), min_size=1, max_size=200),
    st.tuples(st.decimals(0, 100, places=1), st.decimals(0, 100, places=1)).filter(lambda pair: pair[0] < pair[1]),
)
def test_percentiles_are_those_of_the_sorted_samples(samples: list[int], percentile: tuple[Any, Any]) -> None:
    low, high = (at_rank(samples, share) for share in percentile)
    given_ = {"percentile": tuple(map(float, percentile))}
    assert flat(deep(samples, given_)) == [expected(v, low, max(high, low + 1)) for v in samples]


@pytest.mark.parametrize("share", [0.5, 1, 25, 50, 99.5])
def test_percentiles_are_numpys_inverted_cdf(share: float) -> None:
    samples = np.random.default_rng(1).integers(0, 4096, 5000)
    found = deep(samples, {"percentile": (share, 100)}, 4095).stored_interval[0]
    assert found == np.percentile(samples, share, method="inverted_cdf")


@given(st.lists(st.integers(0, 1023), min_size=2, max_size=40), st.sampled_from(INTENSITIES))
def test_a_brighter_sample_is_never_darker(samples: list[int], intensity: Any) -> None:
    ordered = flat(deep(sorted(samples), intensity, 1023))
    assert ordered == sorted(ordered)


def test_an_image_of_one_value_is_black_where_it_is_stretched() -> None:
    for value in (0, 77, 65_535):
        assert flat(deep([value] * 3, "min_max")) == [0, 0, 0]


def test_colours_are_mapped_jointly_and_alpha_by_its_full_range() -> None:
    pixels = [[[100, 200, 300, 0], [150, 250, 200, 65_535], [100, 100, 100, 32_768]]]
    found = deep(pixels, "min_max").to_8_bits()
    assert found[..., :3].ravel().tolist() == [expected(v, 100, 300) for p in pixels[0] for v in p[:3]]
    assert found[..., 3].ravel().tolist() == [0, 255, 128]
    grey = deep([[[100, 65_535], [300, 0]]], "min_max").to_8_bits()
    assert grey.tolist() == [[[0, 255], [255, 0]]]


def test_signed_samples_count_in_stored_values() -> None:
    # 12 bits, signed: -2048 stands at sample 0.
    samples = deep([0, 1948, 2048, 2148, 4095], {"window": (-100, 100)}, 4095, -2048)
    assert flat(samples) == [0, 0, 128, 255, 255]
    assert samples.sample_range[:4] == (-2048, -2048, 2047, 2047)
    assert samples.stored_interval == (-100, 100)


def test_the_range_leaves_out_a_thousandth_at_either_end() -> None:
    samples = [5] + [100] * 499 + [200] * 499 + [60_000]  # 1 of 1000 is hot, 1 dead
    found = deep(samples).sample_range
    assert found[:4] == (5, 5, 200, 60_000)  # 0.1 % lie at or below 5
    assert found.used == (200 - 5) / 65_535
    many = deep([5] + [100] * 1500 + [200] * 1500 + [60_000]).sample_range
    assert many[:4] == (5, 100, 200, 60_000)
    assert many.used == 100 / 65_535


def test_the_range_is_measured_against_the_window() -> None:
    samples = [100, 200] * 50
    assert deep(samples, {"window": (100, 300)}).sample_range.used == 0.5
    assert deep(samples, {"window": (150, 250)}).sample_range.used == 0.5
    assert deep(samples, {"window": (400, 500)}).sample_range.used == 0
    assert deep(samples, "min_max").sample_range.used == 1


@pytest.mark.parametrize("intensity", INTENSITIES)
def test_images_of_8_bits_or_less_are_untouched_by_every_intensity(intensity: Any) -> None:
    levels = np.random.default_rng(2).integers(10, 90, (5, 7, 3)).astype(np.uint8)
    files = [png(levels), png(levels[:, :, 0]), pgm(levels[:, :, 0], 100)]
    buffer = io.BytesIO()
    Image.fromarray(levels[:, :, 0] > 40).save(buffer, "PNG")
    for data in [*files, buffer.getvalue()]:
        found = decode_image(data, ImageSettings(intensity=intensity))
        assert found.samples is None
        assert np.array_equal(found.pixels, decode_image(data, ImageSettings()).pixels)


@pytest.mark.parametrize("intensity", INTENSITIES)
def test_a_decoded_file_has_the_levels_that_are_asked_for(intensity: Any) -> None:
    samples = np.random.default_rng(3).integers(20, 900, (6, 5)).astype(np.uint16)
    for data, white in ((pgm(samples, 1000), 1000), (png(samples), 65_535)):
        found = decode_image(data, ImageSettings(intensity=intensity, color_mode="greyscale"))
        assert np.array_equal(found.pixels, deep(samples[..., None], intensity, white).to_8_bits())


@pytest.mark.parametrize("mode", ["rgb", "greyscale"])
def test_a_16_bit_copy_of_an_8_bit_file_has_the_same_id(mode: Any) -> None:
    levels = np.random.default_rng(4).integers(0, 256, (5, 4, 4)).astype(np.uint8)
    for pixels in (levels[:, :, 0], levels[:, :, :3], levels):
        ids = {
            decode_image(png(copy), ImageSettings(color_mode=mode, intensity=intensity)).pixel_id
            for copy in (pixels, pixels.astype(np.uint16) * 257)
            for intensity in INTENSITIES
        }
        assert len(ids) == 1


def test_deep_images_that_look_alike_are_no_copies() -> None:
    one = np.full((3, 4), 1000, np.uint16)
    other = one.copy()
    other[1, 2] = 1001
    seen = [decode_image(png(samples), ImageSettings()) for samples in (one, other)]
    assert np.array_equal(seen[0].pixels, seen[1].pixels)
    assert seen[0].pixel_id != seen[1].pixel_id


@pytest.mark.parametrize("colours", [1, 3, 4])
def test_intensity_changes_no_id(colours: int) -> None:
    samples = np.random.default_rng(5).integers(0, 60_000, (4, 4, colours)).astype(np.uint16)
    ids = {decode_image(png(samples), ImageSettings(intensity=intensity)).pixel_id for intensity in INTENSITIES}
    assert len(ids) == 1


def test_the_row_tells_the_range_of_deep_images_only(tmp_path: Path) -> None:
    source = SourceRow("b/a.png", "", None, "none", "0" * 32)
    names = ["sample_min", "sample_low", "sample_high", "sample_max", "range_used"]
    samples = np.array([[12, 235, 100]], np.uint16)
    row, _ = prepare_row(source, png(samples), ImageSettings())
    assert [row[name] for name in names] == [12, 12, 235, 235, 223 / 65_535]
    row, _ = prepare_row(source, png(samples), ImageSettings(intensity={"window": (12, 235)}))
    assert [row[name] for name in names] == [12, 12, 235, 235, 1.0]
    row, _ = prepare_row(source, png(samples.astype(np.uint8)), ImageSettings())
    assert [row[name] for name in names] == [None] * 5
    refused, pixels = prepare_row(source, png(samples)[:40], ImageSettings())
    assert pixels is None
    assert not set(names) & set(refused)
