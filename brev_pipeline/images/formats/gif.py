"""GIF: the header's facts, and whether a second frame follows the first. Pillow decodes it.

Pillow's header would do but for the number of bits, which it does not tell.
"""

import struct

from brev_pipeline.config import ImageSettings
from brev_pipeline.images.formats.base import ImageHeader, corrupt_error, too_large_error
from brev_pipeline.images.formats.pillow_decoder import decode_with_pillow

decode_samples = decode_with_pillow  # the first picture
NAME, TITLE = "gif", "GIF"
_EXTENSION, _IMAGE = 0x21, 0x2C
_BLOCKS = 65_536  # that a file may have besides those of its pixels


def matches_signature(data: bytes) -> bool:
    """Whether a file begins as a GIF does."""
    return data.startswith((b"GIF87a", b"GIF89a"))


def read_header(data: bytes) -> ImageHeader:
    """Read a GIF's logical screen."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    return ImageHeader("gif", height, width, 1, (flags & 7) + 1)


def check_file(data: bytes, header: ImageHeader, settings: ImageSettings) -> str | None:
    """Refuse more blocks than the pixels account for; returns the note on an animation."""
    if not (images := _count_images(data, header)):
        raise corrupt_error("no picture is found among its blocks")
    return "first frame of an animation" if images == 2 else None


def _count_images(data: bytes, header: ImageHeader) -> int:
    """Images in the file, counted up to two; damage ends the count."""
    images = blocks = 0
    # A code has 12 bits at most and gives a pixel at least, and a block holds a byte of codes at least.
    most_blocks = _BLOCKS + 2 * header.height * header.width
    try:
        place = 13 + _count_table_bytes(data[10])
        while images < 2:
            block, place = data[place], place + 1
            if block == _IMAGE:
                images += 1
                if images == 1:
                    _check_frame(data, place, header)
                place += 9 + _count_table_bytes(data[place + 8]) + 1
            elif block == _EXTENSION:
                place += 1
            else:
                break
            length = 1
            while length:
                length = data[place]
                place += length + 1
                if (blocks := blocks + 1) > most_blocks:
                    raise too_large_error(
                        f"it has more than {most_blocks} blocks of data, which its size does not account for"
                    )
    except IndexError:
        pass
    return images


def _check_frame(data: bytes, place: int, header: ImageHeader) -> None:
    """Refuse a frame that lies outside of the screen: Pillow would enlarge the image, others cut the frame."""
    left, top, width, height = (int.from_bytes(data[at : at + 2], "little") for at in range(place, place + 8, 2))
    if left + width > header.width or top + height > header.height:
        reach, screen = f"{left + width}×{top + height} px", f"{header.width}×{header.height} px"
        raise corrupt_error(f"its first frame reaches to {reach}, where its header claims {screen}")


def _count_table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
