"""The rule by which samples become fewer or more bits; `depth` says what it is applied to.

A sample v from 0 to white w becomes, of n levels, floor((2·(n − 1)·v + w) / (2·w)): the nearest, halves up.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

MOST = 65_535
"""The largest sample there is."""


@lru_cache(maxsize=64)
def levels(black: int, white: int) -> npt.NDArray[np.uint8]:
    """(65536,) the level 0..255 of each 16-bit sample, clipped to black..white."""
    values, span = np.clip(np.arange(MOST + 1), black, white) - black, white - black
    return ((2 * 255 * values + span) // (2 * span)).astype(np.uint8)


@lru_cache(maxsize=64)
def deep_levels(white: int) -> npt.NDArray[np.uint16]:
    """(65536,) the level 0..65535 of each 16-bit sample, clipped to 0..white."""
    values = np.minimum(np.arange(MOST + 1), white)
    return ((2 * MOST * values + white) // (2 * white)).astype(np.uint16)


def to_8_bits(samples: npt.NDArray[Any], white: int) -> npt.NDArray[np.uint8]:
    """Samples of any shape, whole numbers 0..white, as levels 0..255."""
    return levels(0, white)[samples]
