"""The eight orientations of EXIF: which way to turn what the camera stored (TIFF 6.0, tag 274)."""

from typing import Any

import numpy as np
import numpy.typing as npt


def orient(pixels: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Turn an image so that it stands as it was seen. No value changes; turning costs one copy.

    Args:
        pixels: (height, width, channels), of any dtype.
        orientation: 1..8.

    Returns:
        C-contiguous; (width, height, channels) for 5..8.
    """
    if orientation == 1:
        return pixels
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    rows = slice(None, None, -1) if orientation in (3, 4, 7, 8) else slice(None)
    columns = slice(None, None, -1) if orientation in (2, 3, 6, 7) else slice(None)
    return np.ascontiguousarray(pixels[rows, columns])
