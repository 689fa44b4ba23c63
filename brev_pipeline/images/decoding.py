"""Decoding: bytes to pixels, whole or not at all.

The size is read from the header and checked first. JPEG and the common kinds of BMP and PNG go through
fast decoders that refuse damage; everything else, and what they complain of, is for Pillow to judge.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brev_pipeline.config import ImageSettings
from brev_pipeline.errors import DecodeError
from brev_pipeline.images.channels import to_channels
from brev_pipeline.images.formats import FORMATS, bmp, entitled, jpeg, png, sniff, tiff
from brev_pipeline.images.formats.header import Header, damaged, unsupported
from brev_pipeline.images.judge import Raster, judge, too_large
from brev_pipeline.images.orient import orient


@dataclass(frozen=True, eq=False)
class Decoded:
    """An image, and what its file says of itself."""

    pixels: npt.NDArray[np.uint8]
    """(height, width, channels), C-contiguous, 0..255, standing upright; channels as ``color_mode`` asks."""
    header: Header
    """Format and size as stored, before the image was turned."""
    note: str | None
    """What a person should know of it, for example ``"first page of 3"``."""

    @property
    def format(self) -> str:
        """The file's format."""
        return self.header.format

    @property
    def height(self) -> int:
        """px, as stored."""
        return self.header.height

    @property
    def width(self) -> int:
        """px, as stored."""
        return self.header.width

    @property
    def channels(self) -> int:
        """Values per pixel, as stored."""
        return self.header.channels

    @property
    def bit_depth(self) -> int:
        """Bits per value, as stored."""
        return self.header.bit_depth


def decode(data: bytes, settings: ImageSettings, header: Header | None = None) -> Decoded:
    """Decode an image file: the whole image, or a refusal; the same pixels on every CPU.

    EXIF orientation is applied; the first page or frame counts; samples of more than 8 bits are scaled as
    `depth` declares; transparency is composed on ``settings.background``.

    Args:
        data: the file.
        settings: color_mode, background, strict_jpeg and max_pixels count.
        header: what `sniff` told of the file, if that is known already.

    Raises:
        DecodeError: ``corrupt``, ``unsupported`` or ``too_large``, with a reason for people.
    """
    header = header or sniff(data)
    try:
        if header.height * header.width > settings.max_pixels:
            raise too_large(header.height, header.width, settings.max_pixels)
        raster, note = _decode(data, header, settings)
        pixels = orient(to_channels(raster.pixels, settings), raster.orientation)
    except DecodeError as error:
        raise entitled(error, header.format) from error
    return Decoded(pixels, header, note)


def _decode(data: bytes, header: Header, settings: ImageSettings) -> tuple[Raster, str | None]:
    if isinstance(header, bmp.BmpHeader) and (pixels := bmp.fast(data, header)) is not None:
        return Raster(pixels, 1), None
    if isinstance(header, jpeg.JpegHeader):
        return _decode_jpeg(data, header, settings)
    if isinstance(header, png.PngHeader):
        return _decode_png(data, header, settings)
    if isinstance(header, tiff.TiffHeader):
        return _decode_tiff(data, header, settings)
    verify = FORMATS[header.format].verify
    note = verify(data, header) if verify else None
    return judge(data, header, settings.max_pixels), note


def _decode_jpeg(data: bytes, header: jpeg.JpegHeader, settings: ImageSettings) -> tuple[Raster, str | None]:
    if header.lossless:
        raise unsupported("lossless JPEG is not read")
    found = jpeg.fast(data, header)
    note = (
        _warned(found, settings) if isinstance(found, str) else "first picture of several" if header.several else None
    )
    if isinstance(found, np.ndarray):
        return Raster(found, header.orientation or 1), note
    return judge(data, header, settings.max_pixels), note


def _decode_png(data: bytes, header: png.PngHeader, settings: ImageSettings) -> tuple[Raster, str | None]:
    found = png.survey(data)
    pixels = png.fast(data, header, found)
    if pixels is not None:
        return Raster(pixels, 1), found.note
    png.check_rows(data, header, found)
    return judge(data, header, settings.max_pixels), found.note


def _decode_tiff(data: bytes, header: tiff.TiffHeader, settings: ImageSettings) -> tuple[Raster, str | None]:
    if header.orientation != 1 and settings.color_mode == "bayer":
        raise unsupported("color_mode bayer wants the sensor's rows as they were read, and this image is turned")
    note = tiff.verify(data, header)
    if complaint := tiff.jpeg_complaint(data):
        note = _warned(complaint, settings)
    return judge(data, header, settings.max_pixels), note


def _warned(complaint: str, settings: ImageSettings) -> str:
    """The note on an image that the strict JPEG decoder complains of, unless that is a refusal."""
    cut = complaint.startswith("Premature end of JPEG file")
    if cut or (settings.strict_jpeg and jpeg.damage(complaint)):
        raise damaged(
            f"it ends before its image does ({complaint})" if cut else f"its image data are damaged ({complaint})"
        )
    return f"read in spite of a warning: {complaint}"
