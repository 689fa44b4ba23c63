"""What photos of more than 8 bits hold, and what the configuration's intensity shows of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from brev_pipeline.config import ImageSettings, Intensity, PercentileIntensity, PipelineConfig, WindowIntensity
from brev_pipeline.images.decoding import DecodedImage, convert_channels
from brev_pipeline.images.geometry import apply_orientation
from brev_pipeline.images.intensity import (
    HighDepthSamples,
    SampleRange,
    SampleRanges,
    advise_window,
    fitting_window,
    measure_fit,
)

_THINNED: Final = 400  # px, shorter side of what is kept of a photo, at least


@dataclass(frozen=True, eq=False)
class Depth:
    """A photo of more than 8 bits."""

    bits: int
    """Per sample, as stored."""
    range: SampleRange
    """What it uses."""
    interval: tuple[int, int]
    """Stored values that become black and white."""
    scale: tuple[int, int]
    """Stored values that are black and white by the file's own depth."""
    counts: npt.NDArray[np.int64]
    """How often each value of ``scale`` occurs."""
    thinned: HighDepthSamples
    """Some of its pixels."""
    settings: ImageSettings

    def picture(self, window: tuple[int, int] | None = None) -> npt.NDArray[np.uint8]:
        """(height, width, 3) by a window, or by the configuration's intensity."""
        # What one image holds may end beyond what a configuration takes.
        black_to_white = WindowIntensity.model_construct(window=window or self.interval)
        levels = replace(self.thinned, intensity=black_to_white).to_8_bits()
        return apply_orientation(convert_channels(levels, self.settings), self.thinned.raster.orientation)


def measure_depth(photo: DecodedImage) -> Depth | None:
    """What a photo holds; None for one of 8 bits or less."""
    deep = photo.samples
    if deep is None:
        return None
    raster = deep.raster
    step = max(1, min(raster.samples.shape[:2]) // _THINNED)
    return Depth(
        photo.header.bit_depth,
        deep.sample_range,
        deep.stored_interval,
        (raster.zero, raster.white + raster.zero),
        deep.value_counts,
        HighDepthSamples(raster._replace(samples=raster.samples[::step, ::step].copy()), deep.intensity),
        photo.settings,
    )


def ranges_of(depths: Sequence[Depth]) -> SampleRanges:
    """What several photos use."""
    bits = np.array([depth.bits for depth in depths])
    return SampleRanges(bits, *(np.array(column) for column in zip(*(depth.range for depth in depths), strict=True)))


def describe_depths(depths: Sequence[Depth], photos: int, config: PipelineConfig) -> tuple[str, str]:
    """What the photos on show use, and which window would fit them, if theirs does not: two sentences.

    Args:
        depths: of those of more than 8 bits, at least one.
        photos: on show, whatever they hold.
        config: its image.intensity and least range that is to be used count.
    """
    ranges, intensity = ranges_of(depths), config.image.intensity
    least, most = (f"{share:.1%}" for share in (ranges.used.min(), ranges.used.max()))
    used = f"use {least} of" if least == most else f"use {least} to {most} of"
    clipped = int((measure_fit(ranges, intensity) < np.minimum(ranges.used, 0.5)).sum())
    lost = f"; {clipped} of them have most of their own range outside of it" if clipped else ""
    setting = name_intensity(intensity)
    said = f"{len(depths)} of {photos} photos here have more than 8 bits. With image.intensity {setting} they "
    enough = config.validation.prepared_images.min_range_used
    advice = advise_window(ranges, ranges.select_images(ranges.bits < 0), enough)
    if measure_fit(ranges, intensity).min() >= enough:
        advice = "Their samples lie at {}..{}, which fits".format(*fitting_window(ranges))
    return f"{said}{used} what becomes black to white{lost}.", f"{advice}."


def name_intensity(intensity: Intensity) -> str:
    """An intensity in a few words."""
    if isinstance(intensity, WindowIntensity):
        return "window [{}, {}]".format(*intensity.window)
    if isinstance(intensity, PercentileIntensity):
        return "percentile [{:g}, {:g}]".format(*intensity.percentile)
    return intensity
