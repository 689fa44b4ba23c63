"""The photos that the golden versions are made of: drawn by whole numbers, written by the few lines below.

A changed byte here changes every golden, since a content is known by the MD5 of its file. So nothing is asked of an
encoder: pixels are a polynomial modulo 256, BMP and PNM are headers and rows, PNG has one stored block of zlib's
format, and the one JPEG stands here as text.
"""

import base64
import struct
import zlib
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

_JPEG: Final = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7"
    "gYKBTmCNl4x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8"
    "fHx8fHx8fHz/wAARCAAcABgDASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUF"
    "BAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVW"
    "V1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi"
    "4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAEC"
    "AxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVm"
    "Z2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq"
    "8vP09fb3+Pn6/9oADAMBAAIRAxEAPwDJReavW68iq0a81dt15FKmtD0qmI0NOzXkUVLZryKK2seVUxHvHPRrzV63XpVWMc1etxyK"
    "VNaHLUruw/UZxbaXKcjdIPLXPfPX9M0VR8RMQtogJ2ksSOxIxj+ZoqasmpWTOvBz5afN3P/Z"
)
_SIZES: Final = ((28, 24), (32, 40), (20, 36))  # height, width


def draw(number: int, size: tuple[int, int], channels: int = 3) -> Pixels:
    """Pixels of shape (height, width, channels): gradients and arcs, others for each number."""
    y, x, channel = np.ogrid[: size[0], : size[1], :channels]
    values = 37 * number + (5 + number % 7) * x + (3 + number % 5) * y + (x * x + y * y) // (2 + number % 11)
    return ((values + 61 * channel + (number % 3) * x * y // 9) % 256).astype(np.uint8)


def bmp(pixels: Pixels) -> bytes:
    """A BMP of 24 bits."""
    height, width, _ = pixels.shape
    rows = np.zeros((height, (width * 3 + 3) // 4 * 4), np.uint8)
    rows[:, : width * 3] = pixels[::-1, :, ::-1].reshape(height, width * 3)
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, rows.size, 2835, 2835, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + rows.size, 0, 0, 54) + head + rows.tobytes()


def png(pixels: Pixels) -> bytes:
    """A PNG of 8 bits, grey, RGB or RGBA by its channels; its data is one block that is stored as it is."""
    height, width, channels = pixels.shape
    rows = np.zeros((height, 1 + width * channels), np.uint8)
    rows[:, 1:] = pixels.reshape(height, width * channels)
    data = rows.tobytes()
    stored = b"\x78\x01\x01" + struct.pack("<HH", len(data), len(data) ^ 0xFFFF) + data
    stored += struct.pack(">I", zlib.adler32(data))
    head = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", stored), (b"IEND", b""))
    written = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)


def pnm(pixels: Pixels) -> bytes:
    """A PGM or PPM by its channels."""
    height, width, channels = pixels.shape
    return b"P%d\n%d %d\n255\n" % (5 if channels == 1 else 6, width, height) + pixels.tobytes()


def write_photos(folder: Path) -> None:
    """Write the datasets ``photos``, ``grey`` and ``archive``, and what a link leads to, ``outside``.

    In ``photos`` and ``grey``, ``<line>/<class>/<item>_<number>``; in ``archive`` without a line. In ``photos`` are
    copies, one under two classes, a grey, a transparent, a tiny and a large image, damaged files, and an empty one.
    """
    north = _write_classes(folder / "photos/north", {"ok": 10, "scratch": 6, "dent": 4, "trash": 1}, first=0)
    _write_classes(folder / "photos/south", {"ok": 5, "scratch": 3}, first=100)
    _write_classes(folder / "archive", {"ok": 4, "scratch": 3}, first=200, first_item=20)
    for line, items, first in (("north", {"ok": 8, "scratch": 6}, 500), ("south", {"ok": 2, "scratch": 2}, 600)):
        _write_classes(folder / "grey" / line, items, first=first, channels=1)
    truncated = png(draw(301, (28, 24)))[:-200]
    extras = {
        "photos/north/ok/3_9.jpg": _JPEG,
        "photos/north/scratch/2_9.jpg": _JPEG[:-40] + _JPEG[-2:],
        "photos/north/ok/7_8.bmp": north["ok/7_0"],
        "photos/south/scratch/1_8.bmp": north["ok/1_1"],
        "photos/north/ok/8_7.png": png(_same_pixels("ok", 8)),
        "photos/north/dent/1_7.png": png(draw(302, (28, 24), 4)),
        "photos/north/ok/9_7.pgm": pnm(draw(303, (32, 40), 1)),
        "photos/south/ok/4_9.bmp": bmp(draw(304, (6, 6))),
        "photos/south/ok/0_9.bmp": bmp(draw(305, (64, 80))),
        "photos/south/ok/0_8.bmp": bmp(draw(306, (100, 120))),
        "photos/south/ok/1_9.png": truncated,
        "photos/north/dent/0_9.png": b"",
        "photos/north/ok/no number.png": png(draw(307, (28, 24))),
        "photos/readme.txt": b"no image\n",
        "outside/linked_0.bmp": bmp(draw(308, (28, 24))),
    }
    for name, data in extras.items():
        _write(folder / name, data)
    (folder / "photos/north/scratch/linked_0.bmp").symlink_to("../../../outside/linked_0.bmp")


def write_more_photos(folder: Path) -> None:
    """What came later: further photos of known and of new items, and one that is gone."""
    for name, number in (
        ("ok/0_5", 400),
        ("ok/4_5", 401),
        ("ok/30_0", 402),
        ("scratch/5_5", 403),
        ("scratch/31_0", 404),
    ):
        _write(folder / f"photos/north/{name}.bmp", bmp(draw(number, (28, 24))))
    # The same pixels as an old photo of another item: two leak groups become one.
    _write(folder / "photos/north/ok/32_0.png", png(_same_pixels("ok", 5)))
    (gone,) = (folder / "photos/north/dent").glob("3_1.*")
    gone.unlink()


def _write_classes(
    folder: Path, items: dict[str, int], *, first: int, first_item: int = 0, channels: int = 3
) -> dict[str, bytes]:
    """Two photos of each item; ``<class>/<item>_<number>`` → its bytes."""
    written = {}
    number = first
    for name, count in items.items():
        for item in range(first_item, first_item + count):
            for photo in range(2):
                grey = (("pgm", pnm), ("png", png))
                ending, write = (
                    grey[number % 2] if channels == 1 else (("bmp", bmp), ("png", png), ("ppm", pnm))[number % 3]
                )
                data = write(draw(number, _SIZES[number % len(_SIZES)], channels))
                _write(folder / name / f"{item}_{photo}.{ending}", data)
                written[f"{name}/{item}_{photo}"] = data
                number += 1
    return written


def _same_pixels(name: str, item: int) -> Pixels:
    """The pixels of ``photos/north/<class>/<item>_0``, for another file with them."""
    assert name == "ok"
    number = 2 * item
    return draw(number, _SIZES[number % len(_SIZES)])


def _write(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
