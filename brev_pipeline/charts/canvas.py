"""The canvas: a white card with bars, lines, dots, pictures and text in px, and the PNG that it becomes.

Everything is drawn at twice its size and halved, which smooths its edges; 760 px fit into the dialogue in which
Dagster's UI shows markdown.
"""

import io
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from brev_pipeline import fonts

Pixels = npt.NDArray[np.uint8]

INK: Final = "#1d1f23"
SOFT: Final = "#5d636d"
FAINT: Final = "#c9cdd2"
LINE: Final = "#dedcd6"
CARD: Final = "#ffffff"
ACCENT: Final = "#0b6e99"
ALERT: Final = "#b3261e"
PURPOSES: Final = ("#0b6e99", "#e0982f", "#7d4f8a", "#3f9b7c", "#b4574a", "#8a8f98")
"""Colours of the split's sides, in their order; told apart with any colour vision, and by brightness."""

WIDTH: Final = 760
"""px of a card."""
SCALE: Final = 2
MARGIN: Final = 24
CHART_BYTES: Final = 60_000
"""Most bytes of a chart's PNG."""
SHEET_BYTES: Final = 96_000
"""Most bytes of a sheet's PNG: in base64, with the tables beside it, some 150 kB of Dagster's database."""


def font(size: int, *, bold: bool = False) -> Any:
    """The font of a size in px of the card."""
    return fonts.font(size * SCALE, bold=bold)


def shortened(text: str, width: float, size: int, *, bold: bool = False) -> str:
    """Text in one line of at most ``width`` px; what is too long loses its middle, where names differ least."""
    text = _plain(text)
    own = font(size, bold=bold)
    if own.getlength(text) <= width * SCALE:
        return text
    low, high = 0, len(text)
    while low < high:
        kept = (low + high + 1) // 2
        low, high = (kept, high) if own.getlength(_elided(text, kept)) <= width * SCALE else (low, kept - 1)
    return _elided(text, low)


def wrapped(text: str, width: float, size: int, lines: int) -> list[str]:
    """Text in at most ``lines`` lines of ``width`` px, broken between words; what is too long ends with an ellipsis."""
    own = font(size)
    out: list[str] = []
    for word in _plain(text).split():
        longer = f"{out[-1]} {word}" if out else word
        if out and (own.getlength(longer) <= width * SCALE or len(out) == lines):
            out[-1] = longer
        else:
            out.append(word)
    return [_cut(line, width, size) for line in out]


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _cut(text: str, width: float, size: int) -> str:
    kept = len(text)
    while kept and font(size).getlength(text[:kept] + "…" * (kept < len(text))) > width * SCALE:
        kept -= 1
    return text[:kept] + "…" * (kept < len(text))


def _elided(text: str, kept: int) -> str:
    return text[: kept - kept // 2] + "…" + text[len(text) - kept // 2 :]


class Canvas:
    """A card of `WIDTH` px and the given height, with a title and a line below it.

    Args:
        height: px.
        title: in bold, top left.
        said: below it, in one line.
    """

    def __init__(self, height: int, title: str, said: str) -> None:
        self.image = Image.new("RGB", (WIDTH * SCALE, height * SCALE), CARD)
        self._draw = ImageDraw.Draw(self.image)
        edge = (0, 0, WIDTH * SCALE - 1, height * SCALE - 1)
        self._draw.rectangle(edge, outline=LINE, width=SCALE)
        self.text(MARGIN, 32, title, 17, bold=True)
        self.text(MARGIN, 54, said, 13, SOFT)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: int = 13,
        colour: str = INK,
        *,
        bold: bool = False,
        align: Literal["left", "middle", "right"] = "left",
        width: float = WIDTH,
    ) -> float:
        """Write one line whose middle is at ``y``; returns its width in px."""
        own = font(size, bold=bold)
        short = shortened(text, min(width, WIDTH - MARGIN - x if align == "left" else width), size, bold=bold)
        anchor = {"left": "l", "middle": "m", "right": "r"}[align] + "m"
        # Pillow's own bitmap font, the last resort, knows no anchors.
        place = (x * SCALE, y * SCALE)
        self._draw.text(place, short, colour, own, anchor=anchor if hasattr(own, "getbbox") else None)
        return float(own.getlength(short)) / SCALE

    def bar(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """A filled rectangle; one that would vanish is drawn 1 px wide."""
        if width > 0:
            right = max((x + width) * SCALE - 1, x * SCALE + 1)
            self._draw.rectangle((x * SCALE, y * SCALE, right, (y + height) * SCALE - 1), colour)

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str = LINE, width: float = 1) -> None:
        """A straight line."""
        self._draw.line((x1 * SCALE, y1 * SCALE, x2 * SCALE, y2 * SCALE), colour, round(width * SCALE))

    def dot(self, x: float, y: float, radius: float, colour: str, *, hollow: bool = False) -> None:
        """A dot, or a ring."""
        box = [(x - radius) * SCALE, (y - radius) * SCALE, (x + radius) * SCALE, (y + radius) * SCALE]
        self._draw.ellipse(box, CARD if hollow else colour, colour, round(1.5 * SCALE))

    def picture(self, x: float, y: float, pixels: Pixels, box: tuple[int, int]) -> tuple[int, int]:
        """Pixels (height, width, 1 or 3) as large as fits into a box (width, height) px; returns their size in px."""
        image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels[..., :3]).convert("RGB")
        scale = min(box[0] / image.width, box[1] / image.height)
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        # Tiny images in whole pixels, so that what was done to them can be seen.
        way = Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.LANCZOS
        self.image.paste(image.resize((size[0] * SCALE, size[1] * SCALE), way), (round(x * SCALE), round(y * SCALE)))
        return size

    def png(self, limit: int = CHART_BYTES) -> bytes:
        """The card as a PNG of at most 256 colours; fewer, and at last a smaller card, where it would exceed ``limit``.

        Args:
            limit: bytes.
        """
        image = self.image.reduce(SCALE)
        while True:
            for colours in (256, 96, 32):
                data = _encoded(image, colours)
                if len(data) <= limit or image.width < 100:
                    return data
            image = image.resize((image.width * 3 // 4, image.height * 3 // 4), Image.Resampling.LANCZOS)


def _encoded(image: Image.Image, colours: int) -> bytes:
    few = image.quantize(colours, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    few.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
