"""Statistics and identity of pixels: what tells a blank, blurred, clipped or copied photo.

Everything is computed from exact integer sums, so the numbers are equal on every CPU, to the last bit.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xxhash

from brev_pipeline.images.channels import convert_to_greyscale

_Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class PixelStatistics:
    """Of the prepared pixels, over all rows, columns, channels and frames."""

    mean: float
    """0..255."""
    std: float
    """Standard deviation (of the population), 0..255."""
    sharpness: float
    """Variance of the Laplacian (0 1 0, 1 -4 1, 0 1 0; mirrored at the border pixels) of the luma. Small means
    blurred or blank; what is small depends on the motif."""
    clipped: float
    """Share of the values that are 0 or 255, 0..1."""


def measure_pixels(pixels: _Pixels) -> PixelStatistics:
    """Statistics of prepared pixels.

    Args:
        pixels: ([frames,] height, width, 1 or 3).
    """
    import cv2

    values = pixels.reshape(-1, pixels.shape[-2] * pixels.shape[-1])  # long rows: OpenCV is slow on columns
    total, squares = _sum_exactly(values)
    extremes = sum(values.size - cv2.countNonZero(one) for one in (values, cv2.bitwise_not(values)))
    return PixelStatistics(
        mean=total / values.size,
        std=math.sqrt(_variance(values.size, total, squares)),
        sharpness=_sharpness(pixels),
        clipped=extremes / values.size,
    )


def _sum_exactly(values: npt.NDArray[np.uint8] | npt.NDArray[np.int16]) -> tuple[int, int]:
    """Exact sums of the values and of their squares; values (rows, columns)."""
    import cv2

    # Sums of whole numbers below 2**53 are exact in float64 in whatever order they are added. OpenCV's Intel
    # library gives the squares' sum as the square of a root, which is off by a few units in the last place.
    return round(cv2.sumElems(values)[0]), round(cv2.norm(values, cv2.NORM_L2SQR))


def _variance(count: int, total: int, squares: int) -> float:
    return (count * squares - total * total) / (count * count)


def _sharpness(pixels: _Pixels) -> float:
    import cv2

    total = squares = count = 0
    for frame in pixels.reshape(-1, *pixels.shape[-3:]):
        luma = convert_to_greyscale(frame) if frame.shape[2] == 3 else frame
        edges = cv2.Laplacian(luma, cv2.CV_16S, ksize=1, borderType=cv2.BORDER_REFLECT_101)
        sums = _sum_exactly(edges)
        total, squares, count = total + sums[0], squares + sums[1], count + edges.size
    return _variance(count, total, squares)


def compute_pixel_id(pixels: _Pixels | npt.NDArray[np.uint16]) -> str:
    """Identity of decoded pixels: equal for a BMP and its PNG copy, different where any value or the shape is.

    Args:
        pixels: (height, width, channels), C-contiguous, upright, in the wanted channels, not yet cropped or
            resized; or 16-bit samples.

    Returns:
        XXH3-128 (xxHash 0.8) of "height width channels ", for 16 bits also "16 ", and the bytes (16 bits: low byte
        first), 32 hex digits.
    """
    deep = pixels.dtype == np.uint16
    state = xxhash.xxh3_128(("{} {} {} " + "16 " * deep).format(*pixels.shape).encode())
    state.update(pixels.astype("<u2", copy=False).data if deep else pixels.data)
    return state.hexdigest()
