"""The judge: Pillow, which decodes everything that is unusual, and refuses what is damaged.

It runs with truncated images forbidden whatever the process has set, with this format's plugin only, and with
its warnings read: one that speaks of truncation is a refusal. These switches are global in Pillow, so one
judgement runs at a time in a process; the fast decoders do not wait for it.
"""

import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from brev_pipeline.errors import DecodeError
from brev_pipeline.images.depth import to_8_bits
from brev_pipeline.images.formats import FORMATS
from brev_pipeline.images.formats.header import Header, damaged, unsupported

if TYPE_CHECKING:
    from PIL.Image import Image

_LOCK = threading.RLock()
_EXIF_ORIENTATION = 0x0112


class Raster(NamedTuple):
    """Decoded pixels, not yet turned or brought to the wanted channels."""

    pixels: npt.NDArray[np.uint8]
    """(height, width, channels): grey, RGB or RGBA."""
    orientation: int
    """How they are still to be turned, 1..8."""


def judge(data: bytes, header: Header, max_pixels: int) -> Raster:
    """Decode the first picture of an image file with Pillow, or refuse it.

    Raises:
        DecodeError: the file is damaged, of a kind that Pillow does not read, or larger than ``max_pixels``.
    """
    with _LOCK, _strict(max_pixels) as warned:
        try:
            image = _load(data, header, max_pixels)
            raster = Raster(_pixels(image, data, header), _orientation(image))
        except DecodeError:
            raise
        # Pillow's plugins raise whatever a damaged file leads them to: OSError, SyntaxError, TypeError, struct.error…
        except Exception as error:
            raise _refusal(error, header) from error
    if cut := next((text for text in warned if "truncated" in text.lower()), None):
        raise damaged(f"it is cut short ({cut})")
    return raster


@contextmanager
def _strict(max_pixels: int) -> Iterator[list[str]]:
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


def _load(data: bytes, header: Header, max_pixels: int) -> "Image":
    from PIL import Image

    image = Image.open(BytesIO(data), formats=[FORMATS[header.format].plugin])
    if image.width * image.height > max_pixels:
        raise too_large(image.height, image.width, max_pixels)
    image.load()
    return image


def _orientation(image: "Image") -> int:
    try:
        turn = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - damaged EXIF says nothing of the pixels, and is read by a parser that raises anything
        return 1
    return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1


def _pixels(image: "Image", data: bytes, header: Header) -> npt.NDArray[np.uint8]:
    """(height, width, 1, 3 or 4)."""
    mode = image.mode
    if mode == "F":
        raise unsupported("its samples are floating-point numbers, which have no declared white")
    if mode.startswith("I"):
        samples = np.asarray(image)
        return to_8_bits(samples, header.bit_depth, signed=getattr(header, "signed", False))[:, :, None]
    if image.has_transparency_data:
        image = image.convert("LA").convert("RGBA") if mode == "La" else image.convert("RGBA")
    elif mode in ("1", "L"):
        image = image.convert("L")
    else:
        image = image.convert("RGB")
    pixels = np.asarray(image)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    return _deep(data, pixels) if header.bit_depth == 16 and mode in ("RGB", "RGBA") else pixels


def _deep(data: bytes, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """16-bit colour by the rule of `depth`; Pillow keeps only the high bytes.

    OpenCV reads all 16 bits. It is believed only where its high bytes are Pillow's pixels, every one; elsewhere
    (premultiplied alpha, for example) the high bytes stand for the values, which is within one grey level.
    """
    import cv2

    samples: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None or samples.dtype != np.uint16 or samples.shape != pixels.shape:
        return pixels
    samples = cv2.cvtColor(samples, cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)
    return to_8_bits(samples, 16) if np.array_equal(samples >> 8, pixels) else pixels


def too_large(height: int, width: int, max_pixels: int) -> DecodeError:
    """The error for more pixels than the configuration allows."""
    return DecodeError("too_large", f"{width}×{height} px are more than the limit max_pixels = {max_pixels}")


_VARIANT = "this variant of the format is not read"
_REASONS = (
    (r"[Pp]alette size", "its palette's size is damaged"),
    (r"MAX_TEXT|metadata too large", "a text in it unpacks to more than is allowed"),
    (r"truncated|not enough image data|read next frame|create decoder", "it ends before its image does"),
    (r"unknown pixel mode|[Uu]nsupported|not supported|cannot decode", _VARIANT),
    (r"broken data stream|decoder error|cannot load|unrecognized data stream", "its compressed image data are damaged"),
    (r"cannot identify", "its header is damaged, or of a variant that is not read"),
)


def _refusal(error: Exception, header: Header) -> DecodeError:
    """What Pillow says, for people. Its own words follow where they say more."""
    from PIL.Image import DecompressionBombError

    words = re.sub(r"\s*<_io\.BytesIO.*?>", "", str(error)).strip()
    if isinstance(error, DecompressionBombError):
        return DecodeError("too_large", f"a part of it claims more pixels than the limit ({words})")
    if isinstance(error, MemoryError):
        return DecodeError("too_large", f"{header.width}×{header.height} px do not fit into the memory of a worker")
    known = next((text for pattern, text in _REASONS if re.search(pattern, words)), None)
    odd = header.format == "tiff" and header.bit_depth not in (1, 2, 4, 8, 16)
    if known == _VARIANT or (odd and "cannot identify" in words):
        return unsupported(f"{known} ({words})")
    if isinstance(error, (OSError, ValueError, SyntaxError, EOFError)) and words:
        return damaged(f"{known or 'it cannot be decoded'} ({words})")
    return damaged(f"{known or 'it cannot be decoded'} (the decoder stopped: {type(error).__name__})")
