"""BMP: Windows and OS/2 bitmaps.

Pixels of 8, 16, 24 and 32 bits are no more than rows of numbers, so they are viewed in place, after a check that every
row is there. All others are left to Pillow; run-length codes are walked first, because Pillow fills in what a damaged
stream leaves out.
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from brev_pipeline.config import ImageSettings
from brev_pipeline.images.formats.base import (
    MAX_SAMPLE,
    ImageHeader,
    Raster,
    apply_palette,
    apply_table,
    corrupt_error,
    quantization_table,
    too_large_error,
    unsupported_error,
)
from brev_pipeline.images.formats.pillow_decoder import decode_indexes_with_pillow, decode_with_pillow

NAME, TITLE = "bmp", "BMP"
_OS2 = 12  # bytes of the smallest DIB header, with 16-bit sizes
_SIZES = {_OS2, 16, 40, 52, 56, 64, 108, 124}
_RGB, _RLE8, _RLE4, _MASKS, _JPEG, _PNG = 0, 1, 2, 3, 4, 5
_FIVE_BITS_EACH = (0x7C00, 0x03E0, 0x001F)
_CODES = 65_536  # of a run-length coded image, besides two per pixel and one per row
_MAX_CODES = 8_000_000  # of any, at 0.5 µs each


@dataclass(frozen=True)
class BmpHeader(ImageHeader):
    """A BMP's header."""

    offset: int  # first byte of the pixels
    bits: int  # bits per pixel
    compression: int
    top_down: bool
    palette: int  # first byte of the palette
    colours: int  # entries of the palette, as the header says; 0 stands for all that ``bits`` can name
    # Of red, green, blue and perhaps alpha in a pixel of 16 or 32 bits; none where the kind has no masks.
    masks: tuple[int, ...]


def matches_signature(data: bytes) -> bool:
    """Whether a file begins as a BMP does."""
    return data.startswith(b"BM")


def read_header(data: bytes) -> BmpHeader:
    """Read a BMP's header."""
    offset, dib = struct.unpack_from("<II", data, 10)
    if dib not in _SIZES and 16 < dib <= 64:
        raise unsupported_error(f"its header has {dib} bytes, which is read of {', '.join(map(str, sorted(_SIZES)))}")
    if dib not in _SIZES:
        raise corrupt_error(f"its header's length of {dib} bytes is that of no BMP")
    compression = colours = 0
    if dib == _OS2:
        width, height, _, bits = struct.unpack_from("<4H", data, 18)
    elif dib == 16:
        width, height, _, bits = struct.unpack_from("<iiHH", data, 18)
    else:
        width, height, _, bits, compression, _, _, _, colours = struct.unpack_from("<iiHHIIiiI", data, 18)
    if compression in (_JPEG, _PNG):
        raise unsupported_error(
            f"a {'JPEG' if compression == _JPEG else 'PNG'} image wrapped in a BMP is not read here"
        )
    if bits == 64:
        raise unsupported_error("its pixels have 64 bits")
    if bits not in (1, 2, 4, 8, 16, 24, 32):
        raise corrupt_error(f"its header claims {bits} bits per pixel")
    masks = _read_masks(data, dib, bits, compression)
    depth = max((mask.bit_count() for mask in masks[:3]), default=8)
    return BmpHeader(
        format=NAME,
        height=abs(height),
        width=width,
        channels=1 if bits <= 8 else len(masks) or 3,
        bit_depth=bits if bits <= 8 else depth,
        offset=offset,
        bits=bits,
        compression=compression,
        top_down=height < 0,
        palette=14 + dib,
        colours=colours,
        masks=masks,
    )


def _read_masks(data: bytes, dib: int, bits: int, compression: int) -> tuple[int, ...]:
    if bits == 16 and compression == _RGB:
        return _FIVE_BITS_EACH
    if bits not in (16, 32) or compression != _MASKS:
        return ()
    masks: tuple[int, ...] = struct.unpack_from("<IIII", data, 54)
    masks = masks if dib >= 56 and masks[3] else masks[:3]
    taken = 0
    for mask in masks:
        # Its bits lie together, within the pixel, and are no other's.
        if not 0 < mask < 1 << bits or (mask + (mask & -mask)) & mask or mask & taken or mask.bit_count() > 16:
            raise unsupported_error(f"its colours lie under the masks {', '.join(f'{mask:#x}' for mask in masks)}")
        taken |= mask
    return masks


def decode_samples(data: bytes, header: BmpHeader, settings: ImageSettings) -> Raster:
    """Decode the image."""
    pixels = _decode_plain(data, header)
    if pixels is None:
        return decode_with_pillow(data, header, settings)
    return Raster(pixels, 255 if pixels.dtype == np.uint8 else _white_level(header.masks))


def decode_indexes(data: bytes, header: BmpHeader, settings: ImageSettings) -> Raster | None:
    """The indexes into the palette; None where it has none."""
    if header.bits > 8:
        return None
    if header.bits == 8 and header.compression == _RGB:
        indexes = np.ascontiguousarray(_view_rows(data, header)[:, : header.width, None])
        return Raster(indexes if header.top_down else np.ascontiguousarray(indexes[::-1]))
    return decode_indexes_with_pillow(data, header, settings)


def _decode_plain(data: bytes, header: BmpHeader) -> npt.NDArray[Any] | None:
    """Pixels (height, width, 1, 3 or 4) of a BMP without codes; None for one that is left to Pillow."""
    import cv2

    bits, height, width = header.bits, header.height, header.width
    first_row = header.palette + (0 if bits > 8 else 4 * (header.colours or 256))
    if not (header.masks or (bits in (8, 24, 32) and header.compression == _RGB)) or header.offset < first_row:
        return None
    rows = _view_rows(data, header)
    pixels: npt.NDArray[Any] | None
    if bits == 8:
        pixels = _apply_file_palette(rows[:, :width], data, header)
    elif header.masks:
        pixels = _split_colours(rows.view(f"<u{bits // 8}")[:, :width], header.masks)
    else:
        bgr = rows[:, : width * bits // 8].reshape(height, width, bits // 8)
        pixels = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB if bits == 24 else cv2.COLOR_BGRA2RGB)
    if pixels is None or header.top_down:
        return pixels
    return cv2.flip(pixels, 0).reshape(pixels.shape)  # type: ignore[no-any-return]


def _view_rows(data: bytes, header: BmpHeader) -> npt.NDArray[np.uint8]:
    """The bytes of each row, padding included, in the order of the file."""
    stride, height = (header.width * header.bits + 31) // 32 * 4, header.height
    if header.offset + stride * height > len(data):
        raise corrupt_error(f"it ends before its last row: {len(data)} bytes of {header.offset + stride * height}")
    return np.frombuffer(data, np.uint8, stride * height, header.offset).reshape(height, stride)


def _split_colours(values: npt.NDArray[Any], masks: tuple[int, ...]) -> npt.NDArray[Any]:
    """The parts of each pixel at the depth of the colours: 8 bits where none has more, 16 where they differ."""
    top = _white_level(masks)
    pixels = np.empty((*values.shape, len(masks)), np.uint8 if top == 255 else np.uint16)
    for channel, mask in enumerate(masks):
        part = ((values & mask) >> (mask & -mask).bit_length() - 1).astype(np.uint16)
        pixels[:, :, channel] = apply_table(quantization_table(0, (1 << mask.bit_count()) - 1, top), part)
    return pixels


def _white_level(masks: tuple[int, ...]) -> int:
    depths = {mask.bit_count() for mask in masks[:3]}
    if max(mask.bit_count() for mask in masks) <= 8:
        return 255
    return (1 << max(depths)) - 1 if len(depths) == 1 and max(depths) > 8 else MAX_SAMPLE


_IDENTITY = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)


def _apply_file_palette(indexes: npt.NDArray[np.uint8], data: bytes, header: BmpHeader) -> npt.NDArray[np.uint8] | None:
    if header.palette == 14 + _OS2 or header.colours not in (0, 256):
        return None  # three-byte or short palettes
    bgr0 = np.frombuffer(data, np.uint8, 4 * 256, header.palette).reshape(256, 4)
    if np.array_equal(bgr0[:, :3], _IDENTITY):
        return np.ascontiguousarray(indexes)[:, :, None]
    return apply_palette(bgr0[:, 2::-1], np.ascontiguousarray(indexes))


def check_file(data: bytes, header: BmpHeader, settings: ImageSettings) -> None:
    """Refuse a run-length coded BMP whose codes leave their row, end before the image does, or have no end."""
    if header.compression not in (_RLE8, _RLE4) or header.bits > 8:
        return
    most, codes = min(_CODES + header.height * (2 * header.width + 1), _MAX_CODES), 0
    # Runs may go on into the padding of a row to whole groups of four bytes.
    group = 4 if header.compression == _RLE8 else 8
    limit = -(-header.width // group) * group
    place, x, y = header.offset, 0, 0
    while place + 1 < len(data):
        count, value = data[place], data[place + 1]
        place += 2
        if (codes := codes + 1) > most:
            raise too_large_error(f"it has more than {most} run-length codes; an image of its size may have as many")
        if count == 0 and value == 0:
            x, y = 0, y + 1
        elif count == 0 and value == 1:
            break
        elif count == 0 and value == 2:
            x, y, place = x + data[place], y + data[place + 1], place + 2
        else:
            x += count or value
            if count == 0:
                place += (value if header.compression == _RLE8 else (value + 1) // 2) + 1 & ~1
            if x > limit or y >= header.height:
                raise corrupt_error(f"its run-length codes leave the image at row {y}")
    # The last row may end with the end of the image, or with an end of its own before that.
    if y < header.height - 1 or (y == header.height - 1 and x < header.width):
        raise corrupt_error(f"its run-length codes end in row {y} of {header.height}")
