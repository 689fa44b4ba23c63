"""BMP: Windows and OS/2 bitmaps.

The common kinds (8, 16, 24 and 32 bits, not compressed) are no more than rows of bytes, so they are viewed in
place, after a check that every row is there. All others are left to Pillow; run-length codes are walked
first, because Pillow fills in what a damaged stream leaves out.
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from brev_pipeline.config import ImageSettings
from brev_pipeline.images.formats.header import Header, damaged, too_large, unsupported
from brev_pipeline.images.formats.pillow import decode_with_pillow
from brev_pipeline.images.formats.raster import Raster
from brev_pipeline.images.levels import look_up_colours, to_8_bits

NAME, TITLE = "bmp", "BMP"
_OS2 = 12  # bytes of the smallest DIB header, with 16-bit sizes
_SIZES = {_OS2, 16, 40, 52, 56, 64, 108, 124}
_RGB, _RLE8, _RLE4, _MASKS, _JPEG, _PNG = 0, 1, 2, 3, 4, 5
_CODES = 65_536  # of a run-length coded image, besides two per pixel and one per row


@dataclass(frozen=True)
class BmpHeader(Header):
    """A BMP's header."""

    offset: int
    """First byte of the pixels."""
    bits: int
    """Bits per pixel."""
    compression: int
    top_down: bool
    palette: int
    """First byte of the palette."""
    colours: int
    """Entries of the palette, as the header says; 0 stands for all that ``bits`` can name."""


def recognise(data: bytes) -> bool:
    """Whether a file begins as a BMP does."""
    return data.startswith(b"BM")


def read_header(data: bytes) -> BmpHeader:
    """Read a BMP's header."""
    offset, dib = struct.unpack_from("<II", data, 10)
    if dib not in _SIZES:
        raise damaged(f"its header's length of {dib} bytes is that of no BMP")
    compression = colours = 0
    if dib == _OS2:
        width, height, _, bits = struct.unpack_from("<4H", data, 18)
    elif dib == 16:
        width, height, _, bits = struct.unpack_from("<iiHH", data, 18)
    else:
        width, height, _, bits, compression, _, _, _, colours = struct.unpack_from("<iiHHIIiiI", data, 18)
    if compression in (_JPEG, _PNG):
        raise unsupported(f"a {'JPEG' if compression == _JPEG else 'PNG'} image wrapped in a BMP is not read here")
    if bits not in (1, 2, 4, 8, 16, 24, 32):
        raise damaged(f"its header claims {bits} bits per pixel")
    return BmpHeader(
        format="bmp",
        height=abs(height),
        width=width,
        channels=1 if bits <= 8 else 4 if _has_alpha(data, dib, bits) else 3,
        bit_depth=bits if bits <= 8 else 5 if bits == 16 else 8,
        offset=offset,
        bits=bits,
        compression=compression,
        top_down=height < 0,
        palette=14 + dib,
        colours=colours,
    )


def _has_alpha(data: bytes, dib: int, bits: int) -> bool:
    return bits == 32 and dib >= 56 and data[66:70] != bytes(4)


def decode(data: bytes, header: BmpHeader, settings: ImageSettings) -> Raster:
    """Decode the image."""
    pixels = _decode_plain(data, header)
    return decode_with_pillow(data, header, "BMP", settings) if pixels is None else Raster(pixels)


def _decode_plain(data: bytes, header: BmpHeader) -> npt.NDArray[np.uint8] | None:
    """Pixels (height, width, 1 or 3) of a BMP of a common kind; None for one that is left to Pillow."""
    import cv2

    bits, height, width = header.bits, header.height, header.width
    stride = (width * bits + 31) // 32 * 4
    first_row = header.palette + (0 if bits > 8 else 4 * (header.colours or 256))
    plain = bits in (8, 24, 32) and header.compression == _RGB
    if not (plain or (bits == 16 and header.compression in (_RGB, _MASKS))) or header.offset < first_row:
        return None
    if header.offset + stride * height > len(data):
        raise damaged(f"it ends before its last row: {len(data)} bytes of {header.offset + stride * height}")
    rows = np.frombuffer(data, np.uint8, stride * height, header.offset).reshape(height, stride)
    pixels: Any
    if bits == 8:
        pixels = _look_up(rows[:, :width], data, header)
    elif bits == 16:
        pixels = _split_colours(rows.view("<u2")[:, :width], data, header)
    else:
        bgr = rows[:, : width * bits // 8].reshape(height, width, bits // 8)
        pixels = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB if bits == 24 else cv2.COLOR_BGRA2RGB)
    if pixels is None or header.top_down:
        return pixels
    return cv2.flip(pixels, 0).reshape(pixels.shape)  # type: ignore[no-any-return]


def _split_colours(values: npt.NDArray[Any], data: bytes, header: BmpHeader) -> npt.NDArray[np.uint8]:
    """Red, green and blue of 16-bit pixels: 5 bits each, or what the masks after the header say."""
    masks = (0x7C00, 0x03E0, 0x001F)
    if header.compression == _MASKS:
        masks = struct.unpack_from("<III", data, 54)
    planes = []
    for mask in masks:
        shift = (mask & -mask).bit_length() - 1
        white = mask >> max(0, shift)
        if not 0 < white <= 255 or mask > 0xFFFF or white & (white + 1):
            raise unsupported(f"its colours lie under the masks {', '.join(f'{mask:#x}' for mask in masks)}")
        planes.append(to_8_bits((values & mask) >> shift, white))
    return np.stack(planes, axis=2)


_IDENTITY = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)


def _look_up(indexes: npt.NDArray[np.uint8], data: bytes, header: BmpHeader) -> npt.NDArray[np.uint8] | None:
    if header.palette == 14 + _OS2 or header.colours not in (0, 256):
        return None  # three-byte or short palettes
    bgr0 = np.frombuffer(data, np.uint8, 4 * 256, header.palette).reshape(256, 4)
    if np.array_equal(bgr0[:, :3], _IDENTITY):
        return np.ascontiguousarray(indexes)[:, :, None]
    return look_up_colours(bgr0[:, 2::-1], np.ascontiguousarray(indexes))


def verify(data: bytes, header: BmpHeader, settings: ImageSettings) -> None:  # noqa: ARG001 (the protocol's)
    """Refuse a run-length coded BMP whose codes leave their row, end before the image does, or have no end."""
    if header.compression not in (_RLE8, _RLE4) or header.bits > 8:
        return
    most, codes = _CODES + header.height * (2 * header.width + 1), 0
    # A run of 4-bit pixels may be written with an even count where the row's length is odd.
    limit = header.width + (header.compression == _RLE4)
    place, x, y = header.offset, 0, 0
    while place + 1 < len(data):
        count, value = data[place], data[place + 1]
        place += 2
        codes += 1
        if codes > most:
            raise too_large(f"it has more than {most} run-length codes, which its size does not account for")
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
                raise damaged(f"its run-length codes leave the image at row {y}")
    # The last row may end with the end of the image, or with an end of its own before that.
    if y < header.height - 1 or (y == header.height - 1 and x < header.width):
        raise damaged(f"its run-length codes end in row {y} of {header.height}")
