"""Decoding: bytes to upright 8-bit pixels in the wanted channels, whole or not at all.

How a format is read is the affair of its module; here its samples are turned, brought to 8 bits and to channels.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from brev_pipeline.config import ImageSettings
from brev_pipeline.errors import DecodeError
from brev_pipeline.images.channels import convert_channels
from brev_pipeline.images.formats import FORMATS, add_format_title, read_image_header
from brev_pipeline.images.formats.base import ImageHeader, Raster, check_pixel_count, corrupt_error
from brev_pipeline.images.geometry import apply_orientation
from brev_pipeline.images.intensity import HighDepthSamples
from brev_pipeline.images.statistics import compute_pixel_id


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """An image, and what its file says of itself."""

    pixels: npt.NDArray[np.uint8]
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
        """Identity of the decoded image at its full depth, see `statistics.pixel_id`.

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
        raster, note = _decode_file(data, header, settings)
        samples = None if raster.samples.dtype == np.uint8 else HighDepthSamples(raster, settings.intensity)
        levels = raster.samples if samples is None else samples.to_8_bits()
        pixels = apply_orientation(convert_channels(levels, settings), raster.orientation)
    except DecodeError as error:
        raise add_format_title(error, header.format) from error
    return DecodedImage(pixels, header, note, samples, settings)


def _decode_file(data: bytes, header: ImageHeader, settings: ImageSettings) -> tuple[Raster, str | None]:
    check_pixel_count(header.height, header.width, settings.max_pixels)
    format_ = FORMATS[header.format]
    note = format_.check_file(data, header, settings)
    raster = format_.decode_samples(data, header, settings)
    height, width = raster.samples.shape[:2]
    # Some decoders have turned the image already.
    if (height, width) not in ((header.height, header.width), (header.width, header.height)):
        raise corrupt_error(
            f"it decodes to {width}×{height} px, and its header claims {header.width}×{header.height} px"
        )
    return raster, "; ".join(filter(None, (note, raster.note))) or None
