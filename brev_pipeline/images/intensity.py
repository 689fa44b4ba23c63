"""Intensity: how samples of more than 8 bits become 8 bits, how much of its range an image uses, and which window fits.

The rule, for every format and every depth. A stored value v lies between black b and white w: 0 and 2ⁿ − 1 for n bits,
−2ⁿ⁻¹ and 2ⁿ⁻¹ − 1 for signed ones, 0 and the largest value of a PNM. Where 0 is white (TIFF's MinIsWhite), v stands for
w + b − v. The value becomes

    floor((2·255·(v − b) + (w − b)) / (2·(w − b)))

which is 255·(v − b) / (w − b) rounded to the nearest, halves up. ``image.intensity`` puts other values in the place of
b and w, and what lies outside of them is clipped. 32-bit whole numbers are taken for 16-bit values if they fit;
floating point has no declared white, and is refused.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from brev_pipeline.config import Intensity, PercentileIntensity, WindowIntensity
from brev_pipeline.images.formats.base import MAX_SAMPLE, Raster, apply_table, quantization_table

_BLOCK = 1 << 20  # samples that are counted at a time: counting widens each to 8 bytes
_EXTREMES = 0.1  # percent of the samples at either end that do not count as the range, such as hot and dead pixels


class SampleRange(NamedTuple):
    """What an image uses of its range: over its colour channels jointly, in stored values."""

    min: int
    low: int  # 0.1 % of the samples are below it, at most
    high: int  # 0.1 % of the samples are above it, at most
    max: int
    used: float  # share of the values from black to white that lie between ``low`` and ``high``, 0..1


@dataclass(frozen=True, eq=False)
class HighDepthSamples:
    """Samples of more than 8 bits, and how they are to become 8."""

    raster: Raster
    intensity: Intensity

    def to_8_bits(self) -> npt.NDArray[np.uint8]:
        """Scale to 0..255; alpha by its full range. Shape as the raster's."""
        of_colour, of_alpha = quantization_table(*self._sample_interval), quantization_table(0, self.raster.white)
        colour, alpha = self._colour_and_alpha
        if of_colour is of_alpha or not alpha.shape[2]:
            return apply_table(of_colour, self.raster.samples)
        return np.concatenate([apply_table(of_colour, colour), apply_table(of_alpha, alpha)], axis=2)

    def to_canonical(self) -> npt.NDArray[Any]:
        """The samples by their full range as what their identity is taken of.

        Returns:
            uint8 if every sample is exactly one of 256 levels; else 16 bits, with one channel where all colours are
            equal, and without alpha where all is opaque.
        """
        values = quantization_table(0, self.raster.white, MAX_SAMPLE)
        colour, alpha = self._colour_and_alpha
        used = np.union1d(np.flatnonzero(self.value_counts), np.flatnonzero(_count_values(alpha, self.raster.white)))
        if not np.any(values[used] % 257):  # 65535 = 257 · 255
            return apply_table((values // 257).astype(np.uint8), self.raster.samples)
        if colour.shape[2] == 3 and all(np.array_equal(colour[:, :, 0], colour[:, :, other]) for other in (1, 2)):
            colour = colour[:, :, :1]
        opaque = not alpha.shape[2] or int(alpha.min()) == self.raster.white
        return apply_table(values, colour if opaque else np.concatenate([colour, alpha], axis=2))

    @cached_property
    def sample_range(self) -> SampleRange:
        """What the image uses of its range."""
        low, high = _find_percentiles(self.value_counts, (_EXTREMES, 100 - _EXTREMES))
        black, white = self._sample_interval
        used = max(0, min(high, white) - max(low, black)) / (white - black)
        least, most = _find_percentiles(self.value_counts, (0, 100))
        zero = self.raster.zero
        return SampleRange(least + zero, low + zero, high + zero, most + zero, used)

    @property
    def _colour_and_alpha(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Views of the samples; alpha has no channel where there is none."""
        colours = 1 if self.raster.samples.shape[2] <= 2 else 3
        return self.raster.samples[:, :, :colours], self.raster.samples[:, :, colours:]

    @cached_property
    def value_counts(self) -> npt.NDArray[np.int64]:
        """(white + 1,) how often each sample occurs among the colours."""
        return _count_values(self._colour_and_alpha[0], self.raster.white)

    @property
    def stored_interval(self) -> tuple[int, int]:
        """The stored values that become 0 and 255."""
        black, white = self._sample_interval
        return black + self.raster.zero, white + self.raster.zero

    @cached_property
    def _sample_interval(self) -> tuple[int, int]:
        """The samples that become 0 and 255."""
        if isinstance(self.intensity, WindowIntensity):
            low, high = self.intensity.window
            return low - self.raster.zero, high - self.raster.zero
        if self.intensity == "full_range":
            return 0, self.raster.white
        wanted = self.intensity.percentile if isinstance(self.intensity, PercentileIntensity) else (0, 100)
        low, high = _find_percentiles(self.value_counts, wanted)
        # An image of one value is black.
        return low, max(high, low + 1)


def _count_values(samples: npt.NDArray[Any], white: int) -> npt.NDArray[np.int64]:
    """(white + 1,) how often each value occurs."""
    counts = np.zeros(white + 1, np.int64)
    step = max(1, _BLOCK // (samples.shape[1] * samples.shape[2] or 1))
    for start in range(0, len(samples), step):
        counts += np.bincount(samples[start : start + step].reshape(-1), minlength=len(counts))
    return counts


def _find_percentiles(counts: npt.NDArray[np.int64], wanted: tuple[float, float]) -> tuple[int, int]:
    """The lowest value that has at least p % of all samples at or below it; for 0 % the lowest that occurs."""
    below = np.cumsum(counts)
    low, high = (max(1, -(-round(share * 10_000) * int(below[-1]) // 1_000_000)) for share in wanted)
    return int(np.searchsorted(below, low)), int(np.searchsorted(below, high))


_Integers = npt.NDArray[np.integer[Any]]
_Share = npt.NDArray[np.float64]


class SampleRanges(NamedTuple):
    """What images of more than 8 bits use: (images,) each, as the columns of ``prepared_images``."""

    bits: _Integers  # bits per sample, as stored
    min: _Integers  # stored values from here on, see `SampleRange`
    low: _Integers
    high: _Integers
    max: _Integers
    used: _Share  # 0..1

    def select_images(self, chosen: npt.NDArray[np.bool_]) -> "SampleRanges":
        """Those of some images."""
        bits, least, low, high, most, used = (column[chosen] for column in self)
        return SampleRanges(bits, least, low, high, most, used)  # type: ignore[arg-type]


def measure_fit(ranges: SampleRanges, intensity: Intensity) -> _Share:
    """(images,) how well each image and its interval of intensity fit each other, 0..1.

    It is the share of the interval that the image uses; of a window that shows less of the image's own range than
    that, because it clips the rest, the share that it shows.
    """
    if not isinstance(intensity, WindowIntensity):
        return ranges.used
    black, white = intensity.window
    inside = np.minimum(ranges.high, white) - np.maximum(ranges.low, black)
    own: _Share = np.maximum(inside, 0) / np.maximum(ranges.high - ranges.low, 1)
    return np.minimum(ranges.used, own)


def fitting_window(ranges: SampleRanges) -> tuple[int, int]:
    """The window that shows at least 99.8 % of the samples of each image."""
    low = min(int(ranges.low.min()), MAX_SAMPLE - 1)
    return low, max(int(ranges.high.max()), low + 1)


def advise_window(ranges: SampleRanges, others: SampleRanges, share: float) -> str:
    """In words, what these images hold and what to write, so that it is seen.

    Args:
        ranges: of the images that are meant, at least one.
        others: of all other images of more than 8 bits: the window is for them too.
        share: of a window that each should use, 0..1.
    """
    low, high = fitting_window(ranges)
    least, most = int(ranges.min.min()), int(ranges.max.max())
    advice = f"Their samples lie at {low}..{high} (extremes {least}..{most}): "
    if (ranges.high - ranges.low).min() < share * (high - low):
        advice += "no one window shows them all; image: {intensity: {percentile: [0.1, 99.9]}} fits each by itself"
        return advice
    advice += f"write {format_window(low, high)}"
    whole = 2 ** max(8, most.bit_length()) - 1
    if least >= 0 and whole < 2 ** int(ranges.bits.min()) - 1:
        advice += f", or window: [0, {whole}] for all that {whole.bit_length()} bits can hold"
    clipped = others.select_images((others.low < low) | (others.high > high))
    if len(clipped.low):
        reach = f"{clipped.low.min()}..{clipped.high.max()}"
        advice += (
            f". That window would clip {len(clipped.low):,} other image(s), which reach {reach}: "
            "{percentile: [0.1, 99.9]} fits each image by itself"
        )
    return advice


def format_window(low: int, high: int) -> str:
    """A window as the configuration says it."""
    return f"image: {{intensity: {{window: [{low}, {high}]}}}}"
