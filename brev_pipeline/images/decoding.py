"""Decoding: bytes to upright 8-bit pixels in the wanted channels, whole or not at all.

How a format is read is the affair of its module; here its samples are turned, brought to 8 bits and to what
``color_mode`` asks for. Whole numbers only, so equal on every CPU.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from brev_pipeline.config import ImageSettings
from brev_pipeline.errors import DecodeError
from brev_pipeline.images.formats import FORMATS, INDEX_DECODERS, add_format_title, read_image_header
from brev_pipeline.images.formats.base import (
    ImageHeader,
    Raster,
    apply_table,
    check_pixel_count,
    corrupt_error,
    unsupported_error,
)
from brev_pipeline.images.geometry import apply_orientation
from brev_pipeline.images.intensity import HighDepthSamples

_Pixels = npt.NDArray[np.uint8]
_BAND = 1 << 16  # pixels


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """An image, and what its file says of itself."""

    pixels: _Pixels
    """(height, width, channels), C-contiguous, 0..255, standing upright; channels as ``color_mode`` asks."""
    header: ImageHeader
    """Format and size as stored, before the image was turned."""
    note: str | None
    """What a person should know of it, for example ``"first page of 3"``."""
    samples: HighDepthSamples | None
    """The samples before they became 8 bits, where they have more; None: they have not."""
    settings: ImageSettings

    @cached_property
    def pixel_id(self) -> str:
        """Identity of the decoded image at its full depth, see `compute_pixel_id`.

        Samples of more than 8 bits count as 16-bit ones. If each is one of the 256 full-range images of 8-bit values
        (257·v), they count as these, so that an 8-bit image and its 16-bit copy are copies.
        """
        if self.samples is None:
            return compute_pixel_id(self.pixels)
        canonical = self.samples.to_canonical()
        if canonical.dtype == np.uint8:
            if self.settings.intensity == "full_range":
                return compute_pixel_id(self.pixels)
            canonical = convert_channels(canonical, self.settings)
        return compute_pixel_id(apply_orientation(canonical, self.samples.raster.orientation))


def decode_image(data: bytes, settings: ImageSettings, header: ImageHeader | None = None) -> DecodedImage:
    """Decode an image file: the whole image, or a refusal; the same pixels on every CPU.

    EXIF orientation is applied; the first page or frame counts; samples of more than 8 bits are scaled as
    `intensity` declares and ``intensity`` asks; transparency is composed on ``background``.

    Args:
        data: the file.
        settings: color_mode, background, intensity, strict_jpeg and max_pixels count.
        header: what `read_image_header` told of the file, if that is known already.

    Raises:
        DecodeError: ``corrupt``, ``unsupported`` or ``too_large``, with a reason for people.
    """
    header = header or read_image_header(data)
    try:
        raster, note = decode_file(data, header, settings)
        samples = None if raster.samples.dtype == np.uint8 else HighDepthSamples(raster, settings.intensity)
        levels = raster.samples if samples is None else samples.to_8_bits()
        pixels = apply_orientation(convert_channels(levels, settings), raster.orientation)
    except DecodeError as error:
        raise add_format_title(error, header.format) from error
    return DecodedImage(pixels, header, note, samples, settings)


def decode_file(
    data: bytes, header: ImageHeader, settings: ImageSettings, *, wants_indexes: bool = False
) -> tuple[Raster, str | None]:
    """A file's samples as its format decodes them, not yet turned, and the note on it.

    Args:
        data: the file.
        header: what `read_image_header` told of it.
        settings: max_pixels and what the format looks at.
        wants_indexes: give the indexes into a palette, not their colours, where the file has one.

    Raises:
        DecodeError: the file is refused; its format's title is not yet part of the reason.
    """
    check_pixel_count(header.height, header.width, settings.max_pixels)
    format_ = FORMATS[header.format]
    note = format_.check_file(data, header, settings)
    raster = None
    if wants_indexes and header.format in INDEX_DECODERS:
        raster = INDEX_DECODERS[header.format](data, header, settings)
    if raster is None:
        raster = format_.decode_samples(data, header, settings)
    height, width = raster.samples.shape[:2]
    # Some decoders have turned the image already.
    if (height, width) not in ((header.height, header.width), (header.width, header.height)):
        raise corrupt_error(
            f"it decodes to {width}×{height} px, and its header claims {header.width}×{header.height} px"
        )
    return raster, "; ".join(filter(None, (note, raster.note))) or None


def compute_pixel_id(pixels: _Pixels | npt.NDArray[np.uint16]) -> str:
    """Identity of decoded pixels: equal for a BMP and its PNG copy, different where any value or the shape is.

    Args:
        pixels: (height, width, channels), C-contiguous, upright, in the wanted channels, not yet cropped or resized; or
            16-bit samples.

    Returns:
        XXH3-128 (xxHash 0.8) of "height width channels ", for 16 bits also "16 ", and the bytes (16 bits: low byte
        first), 32 hex digits.
    """
    deep = pixels.dtype == np.uint16
    state = xxhash.xxh3_128(("{} {} {} " + "16 " * deep).format(*pixels.shape).encode())
    state.update(pixels.astype("<u2", copy=False).data if deep else pixels.data)
    return state.hexdigest()


def convert_channels(pixels: _Pixels, settings: ImageSettings) -> _Pixels:
    """Bring decoded pixels (height, width, 1..4), grey or RGB with or without alpha, to what ``color_mode`` asks for.

    Transparent pixels are composed on ``background``: (c·a + b·(255 − a) + 127) // 255.

    Returns:
        C-contiguous (height, width, 3) for rgb and bayer, (height, width, 1) for greyscale.

    Raises:
        DecodeError: ``color_mode`` is bayer and the image is not one raw channel.
    """
    if settings.color_mode == "bayer":
        return _demosaic_bayer(pixels)
    if pixels.shape[2] in (2, 4):
        pixels = _composite_alpha(pixels, settings.background)
    wanted = 3 if settings.color_mode == "rgb" else 1
    if pixels.shape[2] == wanted:
        return np.ascontiguousarray(pixels)
    return np.repeat(pixels, 3, axis=2) if wanted == 3 else convert_to_greyscale(pixels)


def _composite_alpha(pixels: _Pixels, background: tuple[int, int, int]) -> _Pixels:
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
            pair = np.ascontiguousarray(pairs[:, :, channel : channel + 1] if pairs.shape[2] == 3 else pairs)
            composed[rows, :, channel : channel + 1] = apply_table(_compositing_table(behind), pair)
    return composed


@lru_cache(maxsize=8)
def _compositing_table(behind: int) -> _Pixels:
    """(65536,) what each 256·value + alpha becomes in front of a value."""
    value, alpha = np.divmod(np.arange(1 << 16), 256)
    return ((value * alpha + behind * (255 - alpha) + 127) // 255).astype(np.uint8)  # type: ignore[no-any-return]


def convert_to_greyscale(rgb: _Pixels) -> _Pixels:
    """Luma (height, width, 1) by ITU-R BT.601 in whole numbers: (9798·R + 19235·G + 3735·B + 16384) >> 15."""
    import cv2

    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[:, :, None]  # type: ignore[no-any-return]


_CROSS = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]], np.float32)
_FULL = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32)


def _demosaic_bayer(raw: _Pixels) -> _Pixels:
    """RGB from a sensor's raw image (height, width, 1) under a BGGR filter, bilinear: each missing colour is the
    rounded mean of its two or four nearest neighbours; the image is mirrored at its border pixels.
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

    # Rows 0, 2, … are B G B G …, rows 1, 3, … are G R G R …, as in the reference, which halves the sides of the image.
    planes = np.zeros((3, *raw.shape[:2]), np.uint8)
    planes[0, 1::2, 1::2] = raw[1::2, 1::2, 0]
    planes[1, 0::2, 1::2] = raw[0::2, 1::2, 0]
    planes[1, 1::2, 0::2] = raw[1::2, 0::2, 0]
    planes[2, 0::2, 0::2] = raw[0::2, 0::2, 0]
    rgb = [interpolate_plane(*pair) for pair in zip(planes, (_FULL, _CROSS, _FULL), strict=True)]
    return np.stack(rgb, axis=2).astype(np.uint8)
