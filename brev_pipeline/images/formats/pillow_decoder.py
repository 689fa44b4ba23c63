"""Pillow: the decoder of everything unusual with up to 8 bits per sample, and the judge of what is damaged.

It runs with truncated images forbidden whatever the process has set, with one format's plugin only, and with its
warnings read: one that speaks of truncation is a refusal. These switches are global in Pillow, so one call runs at a
time in a process; the fast decoders do not wait for it.
"""

import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from brev_pipeline.config import ImageSettings
from brev_pipeline.errors import DecodeError
from brev_pipeline.images.formats.base import (
    ImageHeader,
    Raster,
    apply_palette,
    check_pixel_count,
    corrupt_error,
    too_large_error,
    unsupported_error,
)

if TYPE_CHECKING:
    from PIL.Image import Image

_LOCK = threading.RLock()
_EXIF_ORIENTATION = 0x0112


def decode_with_pillow(data: bytes, header: ImageHeader, settings: ImageSettings) -> Raster:
    """Decode a file's first picture by Pillow: uint8 (height, width, 1, 3 or 4), grey, RGB or RGBA.

    Raises:
        DecodeError: the file is damaged, of a kind that Pillow does not read, of more than 8 bits per sample, or larger
            than ``max_pixels``.
        MemoryError: no fault of the file.
    """
    return _decode(data, header, settings, _convert_pixels)


def decode_indexes_with_pillow(data: bytes, header: ImageHeader, settings: ImageSettings) -> Raster:
    """The indexes of a file with a palette, uint8 (height, width, 1); see `decode_with_pillow`."""
    return _decode(data, header, settings, _get_indexes)._replace(white=(1 << header.bit_depth) - 1)


def _decode(
    data: bytes,
    header: ImageHeader,
    settings: ImageSettings,
    convert: Callable[["Image"], npt.NDArray[np.uint8]],
) -> Raster:
    with _LOCK, _strict_pillow(settings.max_pixels) as warned:
        try:
            image = _open_image(data, header.format, settings.max_pixels)
            image.load()
            raster = Raster(convert(image), orientation=_get_orientation(image))
        except (DecodeError, MemoryError):
            raise
        # Pillow's plugins raise whatever a damaged file leads them to: OSError, SyntaxError, TypeError, struct.error…
        except Exception as error:
            if re.search(r"(?i)(insufficient|out of) memory|allocate", str(error)):
                raise MemoryError(str(error)) from error
            raise _translate_error(error) from error
    if cut := next((text for text in warned if "truncated" in text.lower()), None):
        raise corrupt_error(f"it is cut short ({cut})")
    return raster


def read_orientation(data: bytes, format_: str, settings: ImageSettings) -> int:
    """The EXIF orientation that Pillow finds in a file that it opens, 1..8; 1 where there is none that can be read."""
    with _LOCK, _strict_pillow(settings.max_pixels):
        try:
            return _get_orientation(_open_image(data, format_, settings.max_pixels))
        except Exception as error:
            raise _translate_error(error) from error


@contextmanager
def _strict_pillow(max_pixels: int) -> Iterator[list[str]]:
    """Pillow's global switches as they are needed here, and as they were afterwards."""
    from PIL import Image, ImageFile

    texts: list[str] = []
    before = ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS
    ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = False, max_pixels
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield texts
            texts += [str(warning.message) for warning in caught]
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = before


def _open_image(data: bytes, format_: str, max_pixels: int) -> "Image":
    from PIL import Image

    image = Image.open(BytesIO(data), formats=[format_.upper()])  # Pillow's names are ours in capitals
    check_pixel_count(image.height, image.width, max_pixels)
    return image


def _get_orientation(image: "Image") -> int:
    try:
        turn = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - damaged EXIF says nothing of the pixels, and is read by a parser that raises anything
        return 1
    return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1


def _convert_pixels(image: "Image") -> npt.NDArray[np.uint8]:
    mode = image.mode
    if mode == "F":
        raise unsupported_error("its samples are floating-point numbers, which have no declared white")
    if mode.startswith("I"):
        raise unsupported_error(
            "its samples have more than 8 bits, in a variant of the format that is not read so deep"
        )
    if mode == "P":
        return _apply_image_palette(image)
    if image.has_transparency_data:
        # Pillow has no direct way from premultiplied grey to RGBA.
        image = image.convert("LA").convert("RGBA") if mode == "La" else image.convert("RGBA")
    elif mode in ("1", "L"):
        image = image.convert("L")
    else:
        image = image.convert("RGB")
    pixels = np.asarray(image)
    return pixels.reshape(*pixels.shape[:2], -1)


def _get_indexes(image: "Image") -> npt.NDArray[np.uint8]:
    # A palette that is a ramp of grey is none to Pillow.
    if image.mode not in ("1", "L", "P"):
        raise unsupported_error("the indexes into its palette cannot be told")
    return np.asarray(image).astype(np.uint8)[:, :, None]


def _apply_image_palette(image: "Image") -> npt.NDArray[np.uint8]:
    """The colours of a palette's indexes: RGB or RGBA."""
    # Pillow's own conversion would take 4 bytes per pixel besides.
    kind = "RGBA" if image.has_transparency_data else "RGB"
    every = image.crop((0, 0, 256, 1))
    every.putdata(range(256))
    return apply_palette(np.asarray(every.convert(kind))[0], np.asarray(image))


_VARIANT = "this variant of the format is not read"
_REASONS = (
    (r"[Pp]alette size", "its palette's size is damaged"),
    (r"truncated|not enough image data|read next frame|create decoder", "it ends before its image does"),
    (r"unknown (pixel|raw) mode|[Uu]nsupported|not supported|cannot decode", _VARIANT),
    (r"broken data stream|decoder error|cannot load|unrecognized data stream", "its compressed image data are damaged"),
    (r"cannot identify", "its header is damaged, or of a variant that is not read"),
)


def _translate_error(error: Exception) -> DecodeError:
    """What Pillow says, for people. Its own words follow where they say more."""
    from PIL.Image import DecompressionBombError

    words = re.sub(r"\s*<_io\.BytesIO.*?>", "", str(error)).strip()
    if re.search(r"MAX_TEXT|metadata too large", words):
        return too_large_error("a text or profile in it unpacks to more than is allowed")
    if isinstance(error, DecompressionBombError):
        return too_large_error(f"a part of it claims more pixels than the limit ({words})")
    known = next((text for pattern, text in _REASONS if re.search(pattern, words)), None)
    if known == _VARIANT:
        return unsupported_error(f"{known} ({words})")
    if isinstance(error, (OSError, ValueError, SyntaxError, EOFError)) and words:
        return corrupt_error(f"{known or 'it cannot be decoded'} ({words})")
    return corrupt_error(f"{known or 'it cannot be decoded'} (the decoder stopped: {type(error).__name__})")
