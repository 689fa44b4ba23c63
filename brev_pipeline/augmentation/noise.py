"""Noise: white noise, and salt and pepper.

White noise is a table look-up: 65,536 quantiles of the normal distribution, one for each value of a random 16-bit
word. The table is made of integers, so that nothing depends on how a machine rounds logarithms: no quantile lies
nearer than 4e-9 to a rounding border, a million times further than libraries differ. The tails end at ± 4.3 sigma.
"""

from functools import lru_cache
from statistics import NormalDist
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from brev_pipeline.augmentation.geometry import Image
from brev_pipeline.augmentation.portable_math import raw_words

_SIZE: Final = 65536
_SIGMA: Final = 4096  # table steps per standard deviation
_HALF: Final = np.uint8(128)
_SHIFT: Final = 20  # binary places of the standard deviation in grey levels


def add_white_noise(image: Image, stddev: float, seed: int) -> Image:
    """Add Gaussian noise, independent in every pixel and channel, rounded to grey levels and saturated.

    Args:
        image: (h, w) or (h, w, 3).
        stddev: fraction of full scale.
        seed: the image's.
    """
    words = raw_words(seed, b"white noise", (image.size + 3) // 4).view("<u2")[: image.size]
    noise = cv2.LUT(words.reshape(1, -1), noise_table(stddev)).reshape(image.shape)
    if noise.dtype == np.int16:
        return cv2.add(image, noise, dtype=cv2.CV_8U)  # type: ignore[no-any-return]
    # Grey levels less 128 are int8, whose addition saturates where that of grey levels does: at 0 and 255. It takes a
    # third of the time of a sum of two types.
    return cv2.add((image ^ _HALF).view(np.int8), noise).view(np.uint8) ^ _HALF  # type: ignore[no-any-return]


@lru_cache(maxsize=1)
def normal_quantiles() -> npt.NDArray[np.int64]:
    """Quantiles (i + ½) / 65,536 of the standard normal distribution in 1/4096, ascending and symmetric about 0."""
    inverse = NormalDist().inv_cdf
    upper = [round(inverse((place + 0.5) / _SIZE) * _SIGMA) for place in range(_SIZE // 2, _SIZE)]
    half = np.array(upper, np.int64)
    return np.concatenate([-half[::-1], half])


@lru_cache(maxsize=16)
def noise_table(stddev: float) -> npt.NDArray[np.int8] | npt.NDArray[np.int16]:
    """Noise in grey levels for each 16-bit word; (1, 65536), int8 where that holds it, else int16; read-only.

    Args:
        stddev: fraction of full scale, 0 to 1.
    """
    factor = int(stddev * 255 * 2**_SHIFT + 0.5)
    size = np.abs(normal_quantiles()) * factor
    levels = (size + _SIGMA * 2 ** (_SHIFT - 1)) // (_SIGMA * 2**_SHIFT)
    noise = (np.sign(normal_quantiles()) * levels)[None]
    table: npt.NDArray[Any] = noise.astype(np.int8 if levels.max() < 128 else np.int16)
    table.flags.writeable = False
    return table


def add_salt_and_pepper(image: Image, fraction: float, side: int, seed: int) -> Image:
    """Set specks to full scale or to zero, half of them each; where two meet, salt lies on top.

    Args:
        image: (h, w) or (h, w, 3).
        fraction: share of the pixels at which a speck is centred.
        side: of a speck, px: 1, 3 or 5.
        seed: the image's.
    """
    height, width = image.shape[:2]
    words = raw_words(seed, b"salt and pepper", (height * width + 1) // 2).view("<u4")[: height * width]
    words = words.reshape(height, width)
    limit = int(fraction * 2**32)
    out = image.copy()
    for specks, level in ((words < limit // 2, 0), ((words >= limit // 2) & (words < limit), 255)):
        covered = cv2.dilate(specks.astype(np.uint8), np.ones((side, side), np.uint8))
        out[covered.astype(bool)] = level
    return out
