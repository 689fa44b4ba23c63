"""Figure: a sheet that charts and pictures are drawn on with matplotlib, in px, with one palette and one font.

Each sheet is drawn at twice its size and halved, which smooths text and edges. Matplotlib is imported when the first
sheet is made: 0.4 s that no code location should wait for. Its global state (pyplot, styles) is not touched.
"""

import functools
import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from brev_pipeline.frames import Pixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

# The report's page has these colours by day too: one class or purpose looks the same in both.
INK: Final = "#1a1e23"
SOFT: Final = "#59626c"
FAINT: Final = "#c9cdd2"
LINE: Final = "#e1e5e9"
CARD: Final = "#ffffff"
PAPER: Final = "#f5f6f7"
ACCENT: Final = "#0a6a8f"
ALERT: Final = "#b3261e"
# Of the split's sides, in their order; told apart by hue and brightness, and dark enough for white numbers.
PURPOSES: Final = ("#3568ad", "#c76f08", "#1f8a68", "#8e55ab", "#b8435f", "#6d7c1f", "#2c8fa3", "#8a6742")

WIDTH: Final = 760  # px of a card: it fits into the dialogue in which Dagster's UI shows markdown
MARGIN: Final = 24
CHART_BYTES: Final = 60_000  # most bytes of a chart's PNG
SHEET_BYTES: Final = 96_000  # most of a sheet's PNG: base64, tables beside it: some 150 kB of Dagster's database
_FONT: Final = "DejaVu Sans"  # knows most scripts; matplotlib brings it along
_SCALE: Final = 2
_POINTS: Final = 72  # per inch: at this many dots a point is a px


@functools.cache
def _prepare_measuring(size: int, bold: bool) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.font_manager import FontProperties

    renderer: Any = RendererAgg
    font = FontProperties(family=_FONT, size=size, weight="bold" if bold else "normal")
    return renderer(8, 8, _POINTS * _SCALE), font


def measure_text(text: str, size: int, *, bold: bool = False) -> float:
    """Width of a line in px, as matplotlib draws it."""
    renderer, font = _prepare_measuring(size, bold)
    with warnings.catch_warnings(action="ignore"):  # of signs that the font lacks: boxes stand for them
        width, _, _ = renderer.get_text_width_height_descent(text, font, ismath=False)
    return float(width) / _SCALE


def plain_text(text: str) -> str:
    r"""Text in one line, as it can be drawn.

    What has no picture (controls and line feeds, marks of direction, halves of characters that undecodable file names
    are made of) is written out, as ``\u000a``.
    """
    return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text)


def shorten_text(text: str, width: float, size: int, *, bold: bool = False, middle: bool = True) -> str:
    """Text in one line of at most ``width`` px; what is too long loses its middle, or its end."""

    def cut(kept: int) -> str:
        tail = kept // 2 if middle else 0
        return text[: kept - tail].rstrip(" ,") + "…" + text[len(text) - tail :]

    text = plain_text(text)
    if measure_text(text, size, bold=bold) <= width:
        return text
    low, high = 0, len(text) - 1
    while low < high:
        kept = (low + high + 1) // 2
        low, high = (kept, high) if measure_text(cut(kept), size, bold=bold) <= width else (low, kept - 1)
    return cut(low) if low else ""


def wrap_text(text: str, width: float, size: int, lines: int | None = None, *, separator: str = " ") -> list[str]:
    """Text in lines of ``width`` px, broken behind a separator; what exceeds ``lines`` or a line is cut and marked."""
    parts = plain_text(text).split(separator)
    out: list[str] = []
    for number, part in enumerate(parts):
        part += separator.rstrip() * (number < len(parts) - 1)
        longer = f"{out[-1]} {part}" if out else part
        if out and (len(out) == lines or measure_text(longer, size) <= width):
            out[-1] = longer
        else:
            out.append(part)
    return [shorten_text(line, width, size, middle=False) for line in out]


class Sheet:
    """An area of so many px that text, boxes, pictures and axes are put on; places are px from its left and top.

    Args:
        width: px.
        height: px.
        paper: its colour.
    """

    def __init__(self, width: int, height: int, paper: str = CARD) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.width, self.height = width, height
        size = (width / _POINTS, height / _POINTS)
        self._figure = Figure(size, dpi=_POINTS * _SCALE, facecolor=paper)
        self._canvas: Any = FigureCanvasAgg(self._figure)

    def add_text(
        self,
        x: float,
        y: float,
        text: str,
        size: int = 13,
        colour: str = INK,
        *,
        bold: bool = False,
        align: Literal["left", "center", "right"] = "left",
        width: float | None = None,
    ) -> float:
        """Write one line whose middle is at ``y``, at most ``width`` px wide; returns its width in px."""
        from matplotlib.transforms import Bbox

        fitting = self.width - MARGIN - x if align == "left" else self.width
        width = fitting if width is None else min(width, fitting)
        short = shorten_text(text, width, size, bold=bold)
        at = x / self.width, 1 - (y + 0.37 * size) / self.height
        drawn = self._figure.text(*at, short, ha=align, va="baseline", **make_style(size, colour, bold=bold))
        if align == "left":
            # A few signs are drawn wider than their font says.
            drawn.set_clip_box(Bbox.from_extents(0, 0, (x + width) * _SCALE, self.height * _SCALE))
            drawn.set_clip_on(True)
        return measure_text(short, size, bold=bold)

    def add_box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        colour: str,
        *,
        outline: str | None = None,
        radius: float = 0,
    ) -> None:
        """A rectangle, with rounded corners where it has a radius."""
        from matplotlib.patches import BoxStyle, FancyBboxPatch
        from matplotlib.transforms import Affine2D

        style: Any = BoxStyle
        shape = style("Round", pad=0, rounding_size=radius) if radius else style("Square", pad=0)
        box = FancyBboxPatch(
            (x, self.height - y - height), width, height, shape, facecolor=colour, edgecolor=outline or colour,
            linewidth=1 if outline else 0, transform=Affine2D().scale(_SCALE), zorder=-1,  # below axes, pictures, text
        )  # fmt: skip
        self._figure.add_artist(box)

    def add_picture(
        self, x: float, y: float, pixels: Pixels, box: tuple[float, float], *, exact: bool = False
    ) -> tuple[int, int]:
        """Pixels (height, width, 1 or 3) as large as fits into a box (width, height) px; returns their size in px.

        In whole pixels where they grow to twice their size; with ``exact`` always.
        """
        from PIL import Image

        image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels[..., :3]).convert("RGB")
        scale = min(box[0] / image.width, box[1] / image.height)
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        # Tiny images in whole pixels, so that what was done to them can be seen.
        method = Image.Resampling.NEAREST if exact or scale >= 2 else Image.Resampling.LANCZOS
        drawn = np.asarray(image.resize((size[0] * _SCALE, size[1] * _SCALE), method))
        bottom = self.height * _SCALE - round(y * _SCALE) - len(drawn)
        self._figure.figimage(drawn, round(x * _SCALE), bottom, origin="upper")
        return size

    def add_axes(self, x: float, y: float, width: float, height: float) -> "Axes":
        """Axes in a box, without frame and ticks."""
        box = (x / self.width, 1 - (y + height) / self.height, width / self.width, height / self.height)
        axes = self._figure.add_axes(box, frame_on=False)
        axes.tick_params(length=0, pad=12)
        axes.set_xticks([])
        return axes

    def add_legend(self, handles: Sequence[Any], labels: Sequence[str], x: float, y: float) -> None:
        """What marks mean, in one line whose middle is at ``y``."""
        legend = self._figure.legend(
            handles, labels, ncols=len(labels), loc="center left", bbox_to_anchor=(x / self.width, 1 - y / self.height),
            frameon=False, fontsize=12, borderpad=0, borderaxespad=0, handletextpad=0.4, columnspacing=2,
        )  # fmt: skip
        for text in legend.get_texts():
            text.set(**make_style(12))

    def to_image(self) -> "Image":
        """The sheet as an RGB image of its size."""
        from PIL import Image

        with warnings.catch_warnings(action="ignore"):
            self._canvas.draw()
        drawn = np.asarray(self._canvas.buffer_rgba())[..., :3]
        return Image.fromarray(drawn).reduce(_SCALE)

    def to_png(self, limit: int = CHART_BYTES) -> bytes:
        """A PNG of at most 256 colours; fewer, and at last a smaller one, where it would exceed ``limit`` bytes."""
        from PIL import Image

        image = self.to_image()
        while True:
            for colours in (256, 96, 32):
                few = image.quantize(colours, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
                buffer = io.BytesIO()
                few.save(buffer, "PNG", optimize=True)
                if buffer.tell() <= limit or image.width < 100:
                    return buffer.getvalue()
            image = image.resize((image.width * 3 // 4, image.height * 3 // 4), Image.Resampling.LANCZOS)


def make_style(size: int, colour: str = SOFT, *, bold: bool = False) -> dict[str, Any]:
    """How matplotlib is to write a text, whatever a user's own settings of it say."""
    weight = "bold" if bold else "normal"
    return {
        "fontsize": size, "color": colour, "fontweight": weight, "fontfamily": _FONT,
        "parse_math": False, "usetex": False,
    }  # fmt: skip


def make_card(height: int, title: str, subtitle: str) -> Sheet:
    """A white card of `WIDTH` px with a thin edge, a title and a line below it: it reads in a light and a dark page."""
    card = Sheet(WIDTH, height)
    card.add_box(0.5, 0.5, WIDTH - 1, height - 1, CARD, outline=LINE)
    card.add_text(MARGIN, 32, title, 17, bold=True)
    card.add_text(MARGIN, 54, subtitle, 13, SOFT)
    return card
