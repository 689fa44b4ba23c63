"""What all formats share: the facts of a header, decoded samples, the kinds of refusal, and exact look-up tables.

A sample v from 0 to white w becomes, of n levels, floor((2·(n − 1)·v + w) / (2·w)): the nearest, halves up. `intensity`
says what this rule is applied to.
"""

import struct
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from brev_pipeline.errors import DecodeError


@dataclass(frozen=True)
class ImageHeader:
    """Facts of an image file, as stored: before orientation, cropping and conversion."""

    format: str  # bmp, jpeg, png, tiff, webp, gif, jpeg2000, pnm or avif
    height: int  # px, ≥ 1
    width: int  # px, ≥ 1
    channels: int  # values per pixel in the file; 1 where they are indexes into a palette
    bit_depth: int  # bits per value in the file

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise corrupt_error(f"its header claims a size of {self.width}×{self.height} px")


corrupt_error = partial(DecodeError, "corrupt")  # for a file that is not whole
unsupported_error = partial(DecodeError, "unsupported")  # for one that may be whole, but of a kind that is not read
# For one that asks for more than is allowed: pixels, or work that its size does not account for.
too_large_error = partial(DecodeError, "too_large")


def check_pixel_count(height: int, width: int, max_pixels: int) -> None:
    """Refuse, as ``too_large``, an image of more pixels than the configuration allows."""
    if height * width > max_pixels:
        raise too_large_error(f"{width}×{height} px are more than the limit max_pixels = {max_pixels}")


class Raster(NamedTuple):
    """Decoded samples, not yet turned, brought to 8 bits or to the wanted channels."""

    # (height, width, 1..4): grey, grey and alpha, RGB, or RGB and alpha; 0 is black. uint8 where the file has 8 bits
    # per sample or less, then 0..255; uint16 where it has more, then 0..``white``.
    samples: npt.NDArray[Any]
    # The sample that is white, and for alpha opaque: 2ⁿ − 1 of the declared depth n, or a PNM's largest value.
    white: int = 255
    zero: int = 0  # stored value of the sample 0: −2ⁿ⁻¹ for signed samples
    orientation: int = 1  # how they are still to be turned, 1..8 (EXIF)
    note: str | None = None  # what a person should know of the image


def read_box_header(data: bytes, place: int) -> tuple[bytes, int, int]:
    """Kind of a box of a JP2 or AVIF file (ISO 14496-12, 4.2), first byte of its body, and its length in bytes from
    ``place`` on (0: to the end of what holds it). Raises `struct.error` where it is cut short.
    """
    length, kind = struct.unpack_from(">I4s", data, place)
    if length == 1:  # 64 bits of length follow
        return kind, place + 16, int(struct.unpack_from(">Q", data, place + 8)[0])
    return kind, place + 8, length


MAX_SAMPLE = 65_535  # the largest sample there is


@lru_cache(maxsize=64)
def quantization_table(black: int, white: int, top: int = 255) -> npt.NDArray[Any]:
    """(65536,) the level 0..top of each 16-bit sample, clipped to black..white; uint8 where top is 255, else uint16."""
    values, span = np.clip(np.arange(MAX_SAMPLE + 1), black, white) - black, white - black
    return ((2 * top * values + span) // (2 * span)).astype(np.uint8 if top <= 255 else np.uint16)


def apply_table(table: npt.NDArray[Any], samples: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """``table[samples]`` of a table (65536,), uint8 or uint16, and uint16 samples (height, width, channels)."""
    import cv2

    # Five times as fast as NumPy, and without its 8 bytes per index.
    return cv2.LUT(samples, table).reshape(samples.shape)  # type: ignore[no-any-return]


def apply_palette(table: npt.NDArray[np.uint8], indexes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """``table[indexes]``: (height, width, channels) of a (256, channels) palette and (height, width)."""
    import cv2

    pixels = np.empty((*indexes.shape, table.shape[1]), np.uint8)
    for channel, column in enumerate(table.T):
        pixels[:, :, channel] = cv2.LUT(indexes, np.ascontiguousarray(column))
    return pixels


def scale_to_8_bits(samples: npt.NDArray[Any], white: int) -> npt.NDArray[np.uint8]:
    """Samples of any shape, whole numbers 0..white, as levels 0..255; white is 255 at most."""
    import cv2

    table, rows = quantization_table(0, white)[:256], samples.astype(np.uint8, copy=False).reshape(1, -1)
    return cv2.LUT(rows, table).reshape(samples.shape)  # type: ignore[no-any-return]


def restore_samples(levels: npt.NDArray[np.uint8], white: int) -> npt.NDArray[np.uint8]:
    """What `scale_to_8_bits` made levels of: whole numbers 0..white."""
    import cv2

    samples = np.zeros(256, np.uint8)
    samples[quantization_table(0, white)[: white + 1]] = np.arange(white + 1)
    return cv2.LUT(levels.reshape(1, -1), samples).reshape(levels.shape)  # type: ignore[no-any-return]
