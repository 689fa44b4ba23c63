"""Geometry: cut out the regions of interest, resize, pad.

One convention everywhere: half-pixel centres (pixel i covers i..i + 1). Only calls that give the same uint8 on
every CPU are used: OpenCV's INTER_LINEAR and INTER_AREA, and copies.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from brev_pipeline.config import ImageSettings
from brev_pipeline.errors import DecodeError

_Pixels = npt.NDArray[np.uint8]


class RoiOutsideError(DecodeError):
    """A region of interest reaches outside of an image."""


def arrange_regions(pixels: _Pixels, settings: ImageSettings) -> _Pixels:
    """Bring a decoded image (height, width, channels) to the form in which it is stored.

    Returns:
        C-contiguous (height, width, channels); with roi_mode as_timeseries (frames, height, width, channels).

    Raises:
        RoiOutsideError: a roi reaches outside; status ``unsupported``.
    """
    crops = [crop_region(pixels, roi) for roi in settings.rois] or [pixels]
    if settings.roi_mode == "as_timeseries":
        return np.stack([fit_to_target(view, settings) for view in crops])
    return fit_to_target(crops[0] if len(crops) == 1 else np.concatenate(crops, axis=0), settings)


def crop_region(pixels: _Pixels, roi: tuple[tuple[int, int], tuple[int, int]]) -> _Pixels:
    """View of the region [[x1, y1], [x2, y2]] (px, x2 and y2 exclusive) of an image."""
    check_region(roi, *pixels.shape[:2])
    (x1, y1), (x2, y2) = roi
    return pixels[y1:y2, x1:x2]


def check_region(roi: tuple[tuple[int, int], tuple[int, int]], height: int, width: int) -> None:
    """Refuse a region of interest that reaches outside of an image of this size, px."""
    (x1, y1), (x2, y2) = roi
    if x2 > width or y2 > height:
        raise RoiOutsideError(
            "unsupported", f"the roi [[{x1}, {y1}], [{x2}, {y2}]] reaches outside of the image of {width}×{height} px"
        )


def fit_to_target(pixels: _Pixels, settings: ImageSettings) -> _Pixels:
    """Resize to ``target_size``; with keep_aspect_ratio as large as fits into it, and padded."""
    target = settings.target_size
    if target is None:
        return np.ascontiguousarray(pixels)
    if not settings.keep_aspect_ratio:
        return resize_image(pixels, target, settings)
    return pad_image(resize_image(pixels, inner_size(pixels.shape, target), settings), target, settings)


def inner_size(shape: Sequence[int], target: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of the largest image of the same shape that fits into ``target``; halves round up."""
    height, width = shape[:2]
    rows, columns = target
    if rows * width <= columns * height:
        return rows, max(1, (2 * width * rows + height) // (2 * height))
    return max(1, (2 * height * columns + width) // (2 * width)), columns


def resize_image(pixels: _Pixels, size: tuple[int, int], settings: ImageSettings) -> _Pixels:
    """Resize to (height, width).

    nearest takes the pixel under each new pixel's centre, bilinear its four neighbours. area, and antialias,
    average over what a new pixel covers in each direction that shrinks; a direction that grows is bilinear.
    """
    import cv2

    if pixels.shape[:2] == size:
        return np.ascontiguousarray(pixels)
    if settings.resize_method == "nearest":
        return resize_to_nearest(pixels, size)
    if settings.resize_method == "area" or settings.antialias:
        # INTER_AREA shrinks only; asked to grow, OpenCV would leave the half-pixel convention.
        smaller = min(pixels.shape[0], size[0]), min(pixels.shape[1], size[1])
        pixels = _resize(pixels, smaller, cv2.INTER_AREA)
    return _resize(pixels, size, cv2.INTER_LINEAR)


def resize_to_nearest(pixels: npt.NDArray[Any], size: tuple[int, int]) -> npt.NDArray[Any]:
    """Resize (height, width[, channels]) of any type to (height, width): the pixel under each new pixel's centre."""
    # OpenCV's INTER_NEAREST_EXACT is off by one where a centre falls on a border between pixels.
    rows, columns = (
        (2 * np.arange(new) + 1) * old // (2 * new) for old, new in zip(pixels.shape[:2], size, strict=True)
    )
    return pixels.take(rows, axis=0).take(columns, axis=1)  # type: ignore[no-any-return]


def _resize(pixels: _Pixels, size: tuple[int, int], interpolation: int) -> _Pixels:
    import cv2

    if pixels.shape[:2] == size:
        return np.ascontiguousarray(pixels)
    resized = cv2.resize(pixels, size[::-1], interpolation=interpolation)
    # OpenCV drops a channel axis of length 1.
    return resized.reshape(*size, pixels.shape[2])  # type: ignore[no-any-return]


def pad_image(pixels: _Pixels, size: tuple[int, int], settings: ImageSettings) -> _Pixels:
    """Pad to (height, width), below and to the right, or with center_padding on all sides.

    constant pads with 0; reflect mirrors at the border pixel (c b | a b c), symmetric at the image's edge
    (b a | a b c), again and again where the padding is larger than the image.
    """
    import cv2

    spare = size[0] - pixels.shape[0], size[1] - pixels.shape[1]
    if spare == (0, 0):
        return pixels
    top, left = padding_before(pixels.shape, size, settings)
    borders = {"constant": cv2.BORDER_CONSTANT, "reflect": cv2.BORDER_REFLECT_101, "symmetric": cv2.BORDER_REFLECT}
    border = borders[settings.padding_mode]
    padded = cv2.copyMakeBorder(pixels, top, spare[0] - top, left, spare[1] - left, border, value=(0, 0, 0))
    return padded.reshape(*size, pixels.shape[2])  # type: ignore[no-any-return]


def padding_before(shape: Sequence[int], size: tuple[int, int], settings: ImageSettings) -> tuple[int, int]:
    """Padding above and to the left of pixels (height, width, …) that are padded to ``size``, px."""
    return ((size[0] - shape[0]) // 2, (size[1] - shape[1]) // 2) if settings.center_padding else (0, 0)


def apply_orientation(pixels: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Turn an image (height, width, channels) of EXIF orientation 1..8 so that it stands as it was seen: C-contiguous,
    (width, height, channels) for 5..8. No value changes; turning costs one copy.
    """
    if orientation == 1:
        return pixels
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    rows = slice(None, None, -1) if orientation in (3, 4, 7, 8) else slice(None)
    columns = slice(None, None, -1) if orientation in (2, 3, 6, 7) else slice(None)
    return np.ascontiguousarray(pixels[rows, columns])
