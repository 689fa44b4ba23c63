"""PNM: PBM, PGM and PPM, as text or binary."""

import re

from brev_pipeline.images.formats.header import Header, damaged

_CHANNELS = {b"1": 1, b"2": 1, b"3": 3, b"4": 1, b"5": 1, b"6": 3}
# Each number may have white space and comments before it.
_NUMBER = rb"(?:\s|#[^\n]*\n)+(\d{1,9})"
_BITMAP = re.compile(rb"P[14]" + _NUMBER * 2)
_OTHER = re.compile(rb"P[2356]" + _NUMBER * 3)


def matches(data: bytes) -> bool:
    """Whether the file begins as a PNM does."""
    return bool(re.match(rb"P[1-6](\s|#)", data))


def read_header(data: bytes) -> Header:
    """Read the size and the largest value."""
    found = (_BITMAP if data[1:2] in b"14" else _OTHER).match(data)
    if found is None:
        raise damaged("its header ends before the size of the image is told")
    width, height, *largest = (int(number) for number in found.groups())
    depth = largest[0].bit_length() if largest else 1
    if not 1 <= depth <= 16:
        raise damaged(f"its header claims {largest[0]} as the largest value; PNM has 1 to 65535")
    return Header("pnm", height, width, _CHANNELS[data[1:2]], depth)
