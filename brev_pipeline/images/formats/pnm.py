"""PNM: PBM, PGM and PPM, as text or binary, with every largest value from 1 to 65535 (the Netpbm formats).

Decoded here, by NumPy: libraries scale by rules of their own where the largest value is not 255.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from brev_pipeline.config import ImageSettings
from brev_pipeline.images.formats.base import ImageHeader, Raster, corrupt_error, scale_to_8_bits, too_large_error

NAME, TITLE = "pnm", "PNM"
_CHANNELS = {b"1": 1, b"2": 1, b"3": 3, b"4": 1, b"5": 1, b"6": 3}
# Each number may have white space and comments before it; one byte of white space, or a comment, ends the last.
_NUMBER = rb"(?:\s|#[^\n]*\n)+(\d{1,9})"
_END = rb"(?:\s|#[^\n]*\n)"
_BITMAP = re.compile(rb"P[14]" + _NUMBER * 2 + _END)
_OTHER = re.compile(rb"P[2356]" + _NUMBER * 3 + _END)
_LONGEST_HEADER = 65_536  # bytes, comments included
_TEXT_BYTES = 64  # per sample, white space and comments included, besides the longest header
_COMMENTS = 65_536  # that a text may have besides one per row
_COMMENT = re.compile(rb"#[^\n]*")


@dataclass(frozen=True)
class PnmHeader(ImageHeader):
    """A PNM's header."""

    kind: bytes  # the digit in its first two bytes: 1 to 3 are text, 4 to 6 binary
    maxval: int  # largest value of a sample, which is white: 1..65535
    offset: int  # first byte of the samples


def matches_signature(data: bytes) -> bool:
    """Whether the file begins as a PNM does."""
    return bool(re.match(rb"P[1-6](\s|#)", data[:4]))


def read_header(data: bytes) -> PnmHeader:
    """Read the size and the largest value."""
    kind = data[1:2]
    header_match = (_BITMAP if kind in b"14" else _OTHER).match(data, 0, _LONGEST_HEADER)
    if header_match is None:
        raise corrupt_error(f"its first {min(len(data), _LONGEST_HEADER)} bytes do not tell the size of the image")
    width, height, *rest = (int(number) for number in header_match.groups())
    largest = rest[0] if rest else 1
    if not 1 <= largest <= 65_535:
        raise corrupt_error(f"its header claims {largest} as the largest value; PNM has 1 to 65535")
    return PnmHeader(NAME, height, width, _CHANNELS[kind], largest.bit_length(), kind, largest, header_match.end())


def check_file(data: bytes, header: PnmHeader, settings: ImageSettings) -> str | None:
    """The note on further pictures in the file; everything else is looked at in decoding."""
    behind = header.offset + _count_row_bytes(header) * header.height
    if header.kind in b"456" and matches_signature(data[behind : behind + 4]):
        return "first picture of several"
    return None


def decode_samples(data: bytes, header: PnmHeader, settings: ImageSettings) -> Raster:
    """Decode the first picture."""
    values: npt.NDArray[Any] = _read_text(data, header) if header.kind in b"123" else _read_binary(data, header)
    if values.size and (most := int(values.max())) > header.maxval:
        raise corrupt_error(f"a sample is {most}, and its header claims {header.maxval} as the largest value")
    if header.kind in b"14":
        values = 1 - values  # a bitmap's 1 is black
    shape = header.height, header.width, header.channels
    if header.maxval > 255:
        return Raster(values.astype(np.uint16, copy=False).reshape(shape), header.maxval)
    if header.maxval < 255:
        values = scale_to_8_bits(values, header.maxval)
    return Raster(values.astype(np.uint8, copy=False).reshape(shape))


def _count_row_bytes(header: PnmHeader) -> int:
    if header.kind == b"4":
        return (header.width + 7) // 8
    return header.width * header.channels * (2 if header.maxval > 255 else 1)


def _read_binary(data: bytes, header: PnmHeader) -> npt.NDArray[Any]:
    wanted = _count_row_bytes(header) * header.height
    if len(data) - header.offset < wanted:
        raise corrupt_error(f"it ends before its image does: {len(data) - header.offset} bytes of pixels of {wanted}")
    if header.kind == b"4":
        rows = np.frombuffer(data, np.uint8, wanted, header.offset).reshape(header.height, -1)
        return np.unpackbits(rows, axis=1, count=header.width)
    kind = np.dtype(">u2") if header.maxval > 255 else np.dtype(np.uint8)
    return np.frombuffer(data, kind, wanted // kind.itemsize, header.offset).astype(kind.newbyteorder("="))


def _read_text(data: bytes, header: PnmHeader) -> npt.NDArray[np.int32]:
    wanted = header.height * header.width * header.channels
    if len(data) - header.offset > _LONGEST_HEADER + _TEXT_BYTES * wanted:
        raise too_large_error(
            f"its text has {len(data) - header.offset} bytes, which {wanted} samples do not account for"
        )
    if (comments := data.count(b"#", header.offset)) > _COMMENTS + header.height:
        raise too_large_error(f"its text has up to {comments} comments, which {header.height} rows do not account for")
    text = _COMMENT.sub(b"", data[header.offset :])
    if header.kind == b"1":
        # Bits need nothing between them.
        digits = np.frombuffer(text, np.uint8)
        values = digits[~np.isin(digits, list(b" \t\n\v\f\r"))].astype(np.int32) - ord("0")
    elif strange := re.search(rb"[^\s\d]|\d{10}", text):
        raise corrupt_error(f"among its samples stands {strange[0].decode('latin-1')!r}, which can be none")
    else:
        values = np.fromstring(text, np.int32, sep=" ")
    if values.size < wanted:
        raise corrupt_error(f"it ends before its image does: {values.size} samples of {wanted}")
    values = values[:wanted]
    if values.min() < 0:
        raise corrupt_error("among its samples stands what can be none")
    return values
