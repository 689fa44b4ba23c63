"""Fitting: which window images of more than 8 bits would need, where the present one shows little of them."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from brev_pipeline.config import Intensity, WindowIntensity
from brev_pipeline.images.levels import MAX_SAMPLE

_Integers = npt.NDArray[np.integer[Any]]
_Share = npt.NDArray[np.float64]


class Ranges(NamedTuple):
    """What images of more than 8 bits use: (images,) each, as the columns of ``prepared_images``."""

    bits: _Integers
    """Bits per sample, as stored."""
    min: _Integers
    """Stored values from here on, see `depth.SampleRange`."""
    low: _Integers
    high: _Integers
    max: _Integers
    used: _Share
    """0..1"""

    def where(self, chosen: npt.NDArray[np.bool_]) -> "Ranges":
        """Those of some images."""
        bits, least, low, high, most, used = (column[chosen] for column in self)
        return Ranges(bits, least, low, high, most, used)  # type: ignore[arg-type]


def shown(ranges: Ranges, intensity: Intensity) -> _Share:
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


def fitting_window(ranges: Ranges) -> tuple[int, int]:
    """The window that shows at least 99.8 % of the samples of each image."""
    low = min(int(ranges.low.min()), MAX_SAMPLE - 1)
    return low, max(int(ranges.high.max()), low + 1)


def advise(ranges: Ranges, others: Ranges, share: float) -> str:
    """In words, what these images hold and what to write, so that it is seen.

    Args:
        ranges: of the images that are meant, at least one.
        others: of all other images of more than 8 bits: the window is for them too.
        share: of a window that each should use, 0..1.
    """
    low, high = fitting_window(ranges)
    least, most = int(ranges.min.min()), int(ranges.max.max())
    said = f"Their samples lie at {low}..{high} (extremes {least}..{most}): "
    if (ranges.high - ranges.low).min() < share * (high - low):
        return said + "no one window shows them all; image: {intensity: {percentile: [0.1, 99.9]}} fits each by itself"
    said += f"write {to_write(low, high)}"
    whole = 2 ** max(8, most.bit_length()) - 1
    if least >= 0 and whole < 2 ** int(ranges.bits.min()) - 1:
        said += f", or window: [0, {whole}] for all that {whole.bit_length()} bits can hold"
    clipped = others.where((others.low < low) | (others.high > high))
    if len(clipped.low):
        reach = f"{clipped.low.min()}..{clipped.high.max()}"
        said += (
            f". That window would clip {len(clipped.low):,} other image(s), which reach {reach}: "
            "{percentile: [0.1, 99.9]} fits each image by itself"
        )
    return said


def to_write(low: int, high: int) -> str:
    """A window as the configuration says it."""
    return f"image: {{intensity: {{window: [{low}, {high}]}}}}"
