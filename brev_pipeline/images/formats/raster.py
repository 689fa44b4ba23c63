"""What a decoder gives: samples at the depth of the file, as they stand in it."""

from typing import Any, NamedTuple

import numpy.typing as npt


class Raster(NamedTuple):
    """Decoded samples, not yet turned, brought to 8 bits or to the wanted channels."""

    samples: npt.NDArray[Any]
    """(height, width, 1..4): grey, grey and alpha, RGB, or RGB and alpha; 0 is black. uint8 where the file has 8 bits
    per sample or less, then 0..255; uint16 where it has more, then 0..``white``."""
    white: int = 255
    """The sample that is white, and for alpha opaque: 2ⁿ − 1 of the declared depth n, or a PNM's largest value."""
    zero: int = 0
    """Stored value of the sample 0: −2ⁿ⁻¹ for signed samples."""
    orientation: int = 1
    """How they are still to be turned, 1..8 (EXIF)."""
    note: str | None = None
    """What a person should know of the image."""
