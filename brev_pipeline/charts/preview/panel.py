"""The sheet's panel about photos of more than 8 bits: what they hold, how it is shown, which window would fit."""

from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from brev_pipeline.charts.preview.depth import Depth, name, ranges_of, say
from brev_pipeline.charts.preview.exhibits import Preview
from brev_pipeline.charts.preview.style import ACCENT, CARD, INK, LINE, SOFT
from brev_pipeline.charts.preview.text import font, lines_of, plain, shortened
from brev_pipeline.images.intensity import fitting_window, shown, to_write

HEIGHT: Final = 204
"""px"""
_TEXT, _THUMBNAIL, _PLOT = 556, 110, 330  # px, widths
_BARS, _RAMP = 96, 14  # px, heights
_GAP, _PAD = 14, 16  # px


def draw_panel(sheet: Image.Image, place: tuple[int, int, int], preview: Preview) -> None:
    """Draw it between two x, from y on, for photos of which at least one has more than 8 bits."""
    left, y, right = place
    draw = ImageDraw.Draw(sheet)
    draw.rounded_rectangle((left, y, right, y + HEIGHT), 8, CARD, LINE)
    depths, intensity = preview.depths, preview.config.image.intensity
    draw.text((left + _PAD, y + 12), "More than 8 bits", INK, font(17, bold=True))
    ranges = ranges_of(depths)
    window = fitting_window(ranges)
    yaml, text_y = to_write(*window), y + 46
    for sentence, colour in zip(say(depths, len(preview.shown), preview.config), (INK, ACCENT), strict=True):
        for line in lines_of(plain(sentence).replace(yaml, yaml.replace(" ", "\N{NO-BREAK SPACE}")), font(13), _TEXT):
            draw.text((left + _PAD, text_y), line, colour, font(13))
            text_y += 19
        text_y += 7
    shares = shown(ranges, intensity)
    worst = depths[int(np.argmin(shares))]
    views: list[tuple[str, tuple[int, int]]] = [(f"now: {name(intensity)}", worst.interval)]
    if shares.min() < preview.config.validation.prepared_images.min_range_used:
        views.append(("with window [{}, {}]".format(*window), window))
    for number, (title, interval) in enumerate(views):
        x = left + _PAD + _TEXT + 2 * _GAP + number * (_THUMBNAIL + _PLOT + 3 * _GAP)
        _draw_view(sheet, (x, y + 16), title, worst, interval)


def _draw_view(sheet: Image.Image, place: tuple[int, int], title: str, depth: Depth, interval: tuple[int, int]) -> None:
    """A photo by an interval that becomes black to white, and how its samples lie in it."""
    x, y = place
    draw = ImageDraw.Draw(sheet)
    photo = Image.fromarray(depth.picture(interval))
    photo.thumbnail((_THUMBNAIL, HEIGHT - 56))
    draw.text((x, y), shortened(title, font(13, bold=True), _THUMBNAIL + _GAP + _PLOT), INK, font(13, bold=True))
    sheet.paste(photo, (x, y + 26))
    draw.rectangle((x - 1, y + 25, x + photo.width, y + 26 + photo.height), outline=LINE)
    x, y = x + _THUMBNAIL + _GAP, y + 26
    least = min(interval[0], depth.range.min)
    most = max(interval[1], depth.range.max)
    bars = Image.fromarray(_bars(depth, least, most), "L")
    sheet.paste(Image.new("RGB", bars.size, ACCENT), (x, y), bars)
    ramp = np.clip((np.linspace(least, most, _PLOT) - interval[0]) / (interval[1] - interval[0]), 0, 1) * 255
    sheet.paste(Image.fromarray(np.tile(ramp.astype(np.uint8), (_RAMP, 1))), (x, y + _BARS))
    draw.rectangle((x, y + _BARS, x + _PLOT - 1, y + _BARS + _RAMP), outline=LINE)
    draw.text((x, y + _BARS + _RAMP + 4), str(least), SOFT, font(11))
    draw.text((x + _PLOT, y + _BARS + _RAMP + 4), str(most), SOFT, font(11), anchor="ra")
    draw.text((x + _PLOT // 2, y + _BARS + _RAMP + 4), "stored values", SOFT, font(11), anchor="ma")


def _bars(depth: Depth, least: int, most: int) -> npt.NDArray[np.uint8]:
    """(_BARS, _PLOT) 255 where a bar is: how often the values occur, square roots, so that rare ones are seen."""
    values = np.arange(len(depth.counts)) + depth.scale[0]
    column = (values - least) * _PLOT // (most - least + 1)
    inside = (column >= 0) & (column < _PLOT)
    counts = np.bincount(column[inside], depth.counts[inside], _PLOT)
    high = np.ceil(np.sqrt(counts / max(counts.max(), 1)) * _BARS)
    return np.where(np.arange(_BARS)[::-1, None] < high, 255, 0).astype(np.uint8)
