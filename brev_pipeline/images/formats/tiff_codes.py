"""The codes of a TIFF's strips and tiles: each unpacks to a bounded size, and what is damaged is refused.

A code may hold more than its part's size (some writers fill the last strip up), which is left out; but not more than
twice the size and 4 KiB, for its checksum stands at its end, and is looked at. One that ends within its checksum has
lost no pixel, and is read.
"""

import lzma
import zlib
from collections.abc import Callable

from brev_pipeline.errors import DecodeError
from brev_pipeline.images.formats.header import damaged, too_large

ROOM = 4096  # bytes that a part may have, coded or not, beyond twice its size
_XZ_MEMORY = 96 << 20  # bytes; preset 9, the largest, takes 65 MiB
Raw = bytes | bytearray


def unpack_lzw(coded: bytes, size: int) -> Raw:
    """LZW, also of the kind of before 1990, with its bits the other way round."""
    import imagecodecs

    try:
        return imagecodecs.lzw_decode(coded, out=size)
    except imagecodecs.LzwError as error:
        raise _broken() from error


def unpack_packbits(coded: bytes, size: int) -> Raw:
    """PackBits, with or without a byte that makes the length even."""
    import imagecodecs

    for code, room in ((coded, size), (coded[:-1], size), (coded, 2 * size + ROOM)):
        try:
            return imagecodecs.packbits_decode(code, out=room)
        except imagecodecs.PackbitsError:
            continue
    raise _broken()


def unpack_deflate(coded: bytes, size: int) -> Raw:
    """Deflate, with its checksum."""
    import imagecodecs

    try:
        return imagecodecs.deflate_decode(coded, out=size)
    except imagecodecs.DeflateError:
        pass
    # Longer than its size, cut, or damaged: zlib tells which.
    most = 2 * size + ROOM
    try:
        return _bounded(zlib.decompressobj().decompress(coded, most + 1), size)
    except zlib.error as error:
        raise _broken() from error


def unpack_zstd(coded: bytes, size: int) -> Raw:
    """Zstandard."""
    import imagecodecs

    for room in (size, 2 * size + ROOM):
        try:
            return imagecodecs.zstd_decode(coded, out=room)
        except imagecodecs.ZstdError as error:
            caught = error
    if "too small" in str(caught):
        raise _too_long(size) from caught
    raise _broken() from caught


def unpack_lzma(coded: bytes, size: int) -> Raw:
    """LZMA in an XZ container."""
    try:
        stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        return _bounded(stream.decompress(coded, 2 * size + ROOM + 1), size)
    except lzma.LZMAError as error:
        raise _broken() from error


def _bounded(raw: bytes, size: int) -> bytes:
    if len(raw) > 2 * size + ROOM:
        raise _too_long(size)
    return raw


def _broken() -> DecodeError:
    return damaged("its compressed image data are damaged: their checksum or code is wrong")


def _too_long(size: int) -> DecodeError:
    return too_large(f"a strip or tile unpacks to more than {2 * size + ROOM} bytes, where its size asks for {size}")


CODES: dict[int, Callable[[bytes, int], Raw]] = {
    1: lambda coded, _: coded,
    5: unpack_lzw,
    8: unpack_deflate,
    32946: unpack_deflate,
    32773: unpack_packbits,
    34925: unpack_lzma,
    50000: unpack_zstd,
}
"""Compression → what unpacks a part of it, at least to the given size if it holds that much."""
