"""Channels: from what the file holds to what ``color_mode`` asks for. Whole numbers only, so equal on every CPU."""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from brev_pipeline.config import ImageSettings
from brev_pipeline.images.formats.base import apply_table, unsupported_error

_Pixels = npt.NDArray[np.uint8]
_BAND = 1 << 16  # pixels


def convert_channels(pixels: _Pixels, settings: ImageSettings) -> _Pixels:
    """Bring decoded pixels to the wanted channels.

    Transparent pixels are composed on ``background``: (c·a + b·(255 − a) + 127) // 255.

    Args:
        pixels: (height, width, 1..4): grey, grey and alpha, RGB, or RGB and alpha.
        settings: color_mode and background count.

    Returns:
        C-contiguous (height, width, 3) for rgb and bayer, (height, width, 1) for greyscale.

    Raises:
        DecodeError: ``color_mode`` is bayer and the image is not one raw channel.
    """
    if settings.color_mode == "bayer":
        return demosaic_bayer(pixels)
    if pixels.shape[2] in (2, 4):
        pixels = composite_alpha(pixels, settings.background)
    wanted = 3 if settings.color_mode == "rgb" else 1
    if pixels.shape[2] == wanted:
        return np.ascontiguousarray(pixels)
    return np.repeat(pixels, 3, axis=2) if wanted == 3 else convert_to_greyscale(pixels)


def composite_alpha(pixels: _Pixels, background: tuple[int, int, int]) -> _Pixels:
    """Lay (height, width, 2 or 4) on a colour; returns (height, width, 3), or 1 channel of opaque grey."""
    colour, alpha = pixels[:, :, :-1], pixels[:, :, -1:]
    if alpha.min() == 255:
        return colour
    height, width = pixels.shape[:2]
    composed = np.empty((height, width, 3), np.uint8)
    # A band at a time, which stays in the cache.
    step = -(-_BAND // width)
    for rows in (slice(start, start + step) for start in range(0, height, step)):
        pairs = colour[rows].astype(np.uint16) << 8 | alpha[rows]
        for channel, behind in enumerate(background):
            one = pairs[:, :, channel : channel + 1] if pairs.shape[2] == 3 else pairs
            composed[rows, :, channel : channel + 1] = apply_table(
                _compositing_table(behind), np.ascontiguousarray(one)
            )
    return composed


@lru_cache(maxsize=8)
def _compositing_table(behind: int) -> npt.NDArray[np.uint8]:
    """(65536,) what each 256·value + alpha becomes in front of a value."""
    value, alpha = np.divmod(np.arange(1 << 16), 256)
    return ((value * alpha + behind * (255 - alpha) + 127) // 255).astype(np.uint8)  # type: ignore[no-any-return]


def convert_to_greyscale(rgb: _Pixels) -> _Pixels:
    """Luma by ITU-R BT.601 in whole numbers: (9798·R + 19235·G + 3735·B + 16384) >> 15.

    Args:
        rgb: (height, width, 3).

    Returns:
        (height, width, 1).
    """
    import cv2

    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[:, :, None]  # type: ignore[no-any-return]


_CROSS = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]], np.float32)
_FULL = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32)


def demosaic_bayer(raw: _Pixels) -> _Pixels:
    """Colours from a sensor's raw image under a BGGR filter, bilinear: each missing colour is the rounded mean of
    its two or four nearest neighbours; the image is mirrored at its border pixels.

    Rows 0, 2, … are B G B G …, rows 1, 3, … are G R G R …, as in the reference, which halves the image's sides;
    here it keeps its size.

    Args:
        raw: (height, width, 1), both sides at least 2 px.

    Returns:
        (height, width, 3), RGB.

    Raises:
        DecodeError: the image has more than one channel, or a side of 1 px.
    """
    import cv2

    if raw.shape[2] != 1:
        raise unsupported_error(
            "color_mode bayer wants a sensor's raw image of one channel, and this is a colour image"
        )
    if min(raw.shape[:2]) < 2:
        raise unsupported_error("color_mode bayer wants at least 2×2 px")

    def interpolate_plane(plane: Any, kernel: npt.NDArray[np.float32]) -> Any:
        # Sums stay below 2**24, so the float32 kernel is exact.
        sums = cv2.filter2D(plane, cv2.CV_16S, kernel, borderType=cv2.BORDER_REFLECT_101)
        return (sums + 2) >> 2

    planes = np.zeros((3, *raw.shape[:2]), np.uint8)
    planes[0, 1::2, 1::2] = raw[1::2, 1::2, 0]
    planes[1, 0::2, 1::2] = raw[0::2, 1::2, 0]
    planes[1, 1::2, 0::2] = raw[1::2, 0::2, 0]
    planes[2, 0::2, 0::2] = raw[0::2, 0::2, 0]
    rgb = [
        interpolate_plane(planes[0], _FULL),
        interpolate_plane(planes[1], _CROSS),
        interpolate_plane(planes[2], _FULL),
    ]
    return np.stack(rgb, axis=2).astype(np.uint8)
