"""Masks: from the bytes of a file to a class number for each pixel.

A mask is decoded as photos are, by the same decoders and within the same limits, but its numbers count as they are
stored: no palette is applied (an index is the value), nothing is scaled to 8 bits, and no colours are mixed. As
everywhere, 0 is black whatever a file's own convention is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from brev_pipeline.config import ImageSettings
from brev_pipeline.errors import DecodeError, LabelError
from brev_pipeline.images.decoding import convert_to_greyscale, decode_file
from brev_pipeline.images.formats import add_format_title, read_image_header
from brev_pipeline.images.formats.base import (
    MAX_SAMPLE,
    ImageHeader,
    Raster,
    restore_samples,
    unsupported_error,
)
from brev_pipeline.images.formats.jpeg2000 import Jpeg2000Header
from brev_pipeline.images.formats.pnm import PnmHeader
from brev_pipeline.images.formats.tiff import SIGNED, TiffHeader
from brev_pipeline.images.geometry import apply_orientation, resize_to_nearest
from brev_pipeline.labels.base import BACKGROUND
from brev_pipeline.labels.mask import size_error

MaskValue: TypeAlias = int | tuple[int, int, int]
"""What stands for a class in a file: a grey value or palette index, or red, green and blue."""
_UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class DecodedMask:
    """The numbers of a mask's file."""

    values: npt.NDArray[Any]
    """(height, width) integers, standing upright: grey values or palette indexes as they are stored, or colours."""
    is_coloured: bool
    """Whether the values are colours: 65536 · red + 256 · green + blue."""
    note: str | None
    """What a person should know of the file, for example ``"first page of 3"``."""


def decode_mask(data: bytes, settings: ImageSettings) -> DecodedMask:
    """Decode a mask's file: the whole of it, or a refusal; EXIF orientation is applied.

    Grey of any depth and palettes give their stored numbers; of a GIF its colours count. RGB whose three channels are
    equal is grey. Pixels that are wholly transparent are 0.

    Args:
        data: the file.
        settings: max_pixels and strict_jpeg count.

    Raises:
        DecodeError: ``corrupt``, ``unsupported`` or ``too_large``, with a reason for people.
    """
    header = read_image_header(data)
    # Of a mask's colours nothing is asked; what bayer refuses must not keep a mask out.
    settings = settings.model_copy(update={"color_mode": "rgb"})
    try:
        raster, note = decode_file(data, header, settings, wants_indexes=True)
        values, is_coloured = _get_values(raster, header)
    except DecodeError as error:
        raise add_format_title(error, header.format) from error
    upright = apply_orientation(values[:, :, None], raster.orientation)[:, :, 0]
    return DecodedMask(np.ascontiguousarray(upright), is_coloured, note)


def _get_values(raster: Raster, header: ImageHeader) -> tuple[npt.NDArray[Any], bool]:
    """Grey values or colours (height, width), and whether they are colours."""
    samples = _drop_alpha(raster)
    if samples.shape[2] == 3:
        red, green, blue = (samples[:, :, channel] for channel in range(3))
        if not (np.array_equal(red, green) and np.array_equal(red, blue)):
            if samples.dtype != np.uint8:
                raise unsupported_error("its colours have more than 8 bits: a mask's have 8, or it is grey")
            wide = samples.astype(np.uint32)
            return wide[:, :, 0] << 16 | wide[:, :, 1] << 8 | wide[:, :, 2], True
    grey, white, zero = samples[:, :, 0], _scaled_white(raster, header), _stored_zero(raster, header)
    if white is not None:
        grey = restore_samples(np.ascontiguousarray(grey), white)
    return (grey.astype(np.int32) + zero if zero else grey), False


def _drop_alpha(raster: Raster) -> npt.NDArray[Any]:
    """The samples without alpha; what is transparent is 0."""
    samples = raster.samples
    if samples.shape[2] not in (2, 4):
        return samples
    colours, alpha = samples[:, :, :-1], samples[:, :, -1:]
    between = (alpha != 0) & (alpha != raster.white)
    if between.any():
        row, column = np.argwhere(between[:, :, 0])[0].tolist()
        raise unsupported_error(
            f"{int(between.sum())} pixels are half transparent, the first in row {row}, column {column}: of which "
            "class they are nobody can say; save the mask without alpha"
        )
    return colours * (alpha != 0)  # type: ignore[no-any-return]


def _scaled_white(raster: Raster, header: ImageHeader) -> int | None:
    """The largest value of grey that was scaled to 8 bits; None where the samples are as they were stored."""
    stored = header.maxval if isinstance(header, PnmHeader) else (1 << header.bit_depth) - 1
    return stored if header.channels == 1 and stored < raster.white == 255 else None


def _stored_zero(raster: Raster, header: ImageHeader) -> int:
    """The stored value of the sample 0: below 0 where samples are signed."""
    is_signed = (isinstance(header, TiffHeader) and header.sample_format == SIGNED) or (
        isinstance(header, Jpeg2000Header) and header.signed
    )
    return -(1 << header.bit_depth - 1) if is_signed and header.bit_depth <= 8 else raster.zero


@dataclass(frozen=True)
class MaskClasses:
    """What the values of masks stand for.

    Args:
        values: grey value or palette index, or (red, green, blue) → class number, 0..255. 0 and black are background
            unless they are among them; any other value is an error.
        threshold: in place of values: this grey value and all above are ``above``, the others background.
        above: class number.
    """

    values: Mapping[MaskValue, int]
    threshold: int | None = None
    above: int = 1

    def classify(self, mask: DecodedMask) -> npt.NDArray[np.uint8]:
        """The class number of each pixel, (height, width).

        Raises:
            LabelError: a value stands for no class; the message names it, how often it occurs, and where first.
        """
        if self.threshold is not None:
            reached = self._to_grey(mask) >= self.threshold
            return np.where(reached, np.uint8(self.above), np.uint8(BACKGROUND))
        if mask.is_coloured:
            found = np.full(mask.values.shape, _UNKNOWN, np.int16)
            for colour, number in self._colours.items():
                found[mask.values == colour] = number
        else:
            inside = mask.values.clip(0, MAX_SAMPLE)
            found = np.where(inside == mask.values, self._table[inside], np.int16(_UNKNOWN))
        if (found == _UNKNOWN).any():
            raise self._unknown_value_error(mask, found == _UNKNOWN)
        return found.astype(np.uint8)

    @cached_property
    def _colours(self) -> dict[int, int]:
        """Colour → class number; a grey value is a colour too."""
        known = {0: BACKGROUND}
        for value, number in self.values.items():
            if not isinstance(value, int):
                known[_pack(value)] = number
            elif value <= 255:
                known[_pack((value, value, value))] = number
        return known

    @cached_property
    def _table(self) -> npt.NDArray[np.int16]:
        """(65536,) class number of each grey value; a colour without colour is a grey value too."""
        table = np.full(MAX_SAMPLE + 1, _UNKNOWN, np.int16)
        table[0] = BACKGROUND
        for value, number in self.values.items():
            if isinstance(value, int):
                table[value] = number
            elif len(set(value)) == 1:
                table[value[0]] = number
        return table

    def _to_grey(self, mask: DecodedMask) -> npt.NDArray[Any]:
        if not mask.is_coloured:
            return mask.values
        rgb = np.stack([mask.values >> shift & 255 for shift in (16, 8, 0)], axis=-1).astype(np.uint8)
        return convert_to_greyscale(rgb)[:, :, 0]

    def _unknown_value_error(self, mask: DecodedMask, unknown: npt.NDArray[np.bool_]) -> LabelError:
        row, column = (int(place) for place in np.unravel_index(int(unknown.argmax()), unknown.shape))
        value = int(mask.values[row, column])
        count = int((mask.values == value).sum())
        others = len(np.unique(mask.values[unknown])) - 1
        name = f"#{value:06x}" if mask.is_coloured else str(value)
        more = f", and {others} other value(s) stand for none either" if others else ""
        return LabelError(
            f"the mask's value {name} stands for no class: {count} px have it, the first in row {row}, column "
            f"{column}{more}; add it to values, or use threshold"
        )


def _pack(colour: tuple[int, int, int]) -> int:
    return colour[0] << 16 | colour[1] << 8 | colour[2]


def read_mask(
    data: bytes, settings: ImageSettings, classes: MaskClasses, size: tuple[int, int], *, resize: bool = False
) -> npt.NDArray[np.uint8]:
    """The class number of each pixel of a photo, from the file of its mask.

    Args:
        data: the file.
        settings: of the photos, see `decode_mask`.
        classes: what the values stand for.
        size: height and width of the upright photo, px.
        resize: bring a mask of another size to the photo's, by the nearest neighbour.

    Returns:
        C-contiguous (height, width).

    Raises:
        DecodeError: the file cannot be decoded.
        LabelError: the mask is of another size than the photo, or a value stands for no class.
    """
    decoded = decode_mask(data, settings)
    if decoded.values.shape != size and not resize:
        raise size_error(decoded.values.shape, size)
    mask = classes.classify(decoded)
    return mask if mask.shape == size else np.ascontiguousarray(resize_to_nearest(mask, size))
