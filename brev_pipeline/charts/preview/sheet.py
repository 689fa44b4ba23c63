"""The sheet: a heading, a panel about deep photos, and a block for each class with a row of pictures for each photo."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from brev_pipeline.charts.figure import (
    ACCENT,
    CARD,
    INK,
    LINE,
    PAPER,
    SOFT,
    Sheet,
    shorten_text,
    wrap_text,
)  # fmt: skip
from brev_pipeline.charts.preview.exhibits import (
    DRAWS,
    Depth,
    Exhibit,
    Preview,
    describe_depths,
    name_intensity,
    ranges_of,
)
from brev_pipeline.config import PipelineConfig
from brev_pipeline.frames import Pixels
from brev_pipeline.images.intensity import fitting_window, format_window, measure_fit

if TYPE_CHECKING:
    from PIL.Image import Image

_TILE: Final = 184  # px, longer side of a prepared image on the sheet
_GAP, _MARGIN, _GROUP_GAP = 12, 36, 14  # px
_HEAD, _HEADINGS, _TITLE, _NOTES, _FOOT = 88, 24, 46, 84, 56  # px, heights
_LINES: Final = 5  # of text below a picture
_COUNT: Final = 180  # px for the number of images beside a class
_WIDTH: Final = 2 * _MARGIN + (2 + DRAWS) * (_TILE + _GAP) + 2 * _GROUP_GAP - _GAP
_PANEL: Final = 204  # px, height
_TEXT, _VIEW, _PLOT = 556, 110, 330  # px, widths in the panel
_BARS, _RAMP = 96, 14  # px, heights in the panel
_UNBROKEN: Final = "\N{OPEN BOX}"  # stands for a space while lines are broken


def draw_sheet(preview: Preview) -> "Image":
    """Lay out a preview: RGB, 1,656 px wide, as high as it needs to be."""
    from PIL import Image

    # Block by block: all of them at once would be a canvas of gigabytes where there are many classes.
    blocks = [block.to_image() for block in _draw_blocks(preview)]
    sheet = Image.new("RGB", (_WIDTH, sum(block.height for block in blocks)))
    y = 0
    for block in blocks:
        sheet.paste(block, (0, y))
        y += block.height
    return sheet


def _draw_blocks(preview: Preview) -> Iterator[Sheet]:
    yield _draw_heading(preview.config)
    if preview.depths:
        yield _draw_panel(preview)
    headings = Sheet(_WIDTH, _HEADINGS, PAPER)
    for column, title in enumerate(("photo", "prepared", f"augmented: draws 1 to {DRAWS}")):
        headings.add_text(_find_left(column), 8, title, 13, ACCENT, bold=True)
    yield headings
    # Height of the pictures: of the tallest prepared image at the width of a tile, within reason.
    tallest = max((one.prepared.shape[0] / one.prepared.shape[1] for one in preview.shown), default=1.0)
    for name, exhibits in preview.exhibits.items():
        yield _draw_class(name, preview, exhibits, round(min(max(tallest, 0.5), 2.0) * _TILE))
    footer = Sheet(_WIDTH, _FOOT, PAPER)
    said = "The same seed gives the same pixels in the shards."
    if preview.refused:
        said = f"{len(preview.refused)} left out, for example {preview.refused[0]}   {said}"
    footer.add_text(_MARGIN, 20, said, 12, SOFT, width=_WIDTH - 2 * _MARGIN)
    yield footer


def _draw_heading(config: PipelineConfig) -> Sheet:
    heading, image = Sheet(_WIDTH, _HEAD, PAPER), config.image
    size = "at their own size"
    if image.target_size:
        size = f"prepared to {image.target_size[0]} x {image.target_size[1]} px"
    aspect = ", aspect ratio kept" if image.keep_aspect_ratio else ""
    purpose = next(iter(config.sampling.purposes), "train")  # the first that is augmented
    said = (
        f"Photos {size} ({image.color_mode}, {image.resize_method}{aspect}) and augmented as the first "
        f"draws of {purpose}, epoch 0, sampling seed {config.sampling.seed}."
    )
    heading.add_text(_MARGIN, 38, config.name, 26, bold=True)
    heading.add_text(_MARGIN, 68, said, 13, SOFT, width=_WIDTH - 2 * _MARGIN)
    return heading


def _find_left(column: int) -> int:
    """Left edge of a column: the photo, the prepared one and the augmented ones stand a little apart."""
    return _MARGIN + column * (_TILE + _GAP) + _GROUP_GAP * min(column, 2)


def _draw_class(name: str, preview: Preview, exhibits: list[Exhibit], tile: int) -> Sheet:
    height = _TITLE + max(1, len(exhibits)) * (tile + _NOTES)
    block, count = Sheet(_WIDTH, height + _GAP, PAPER), preview.counts[name]
    block.add_box(_MARGIN - 16, 0.5, _WIDTH - 2 * _MARGIN + 32, height - 1, CARD, outline=LINE, radius=8)
    width = block.add_text(_MARGIN, 22, name or "(no class)", 17, bold=True, width=_WIDTH - 2 * _MARGIN - _COUNT)
    block.add_text(_MARGIN + width + 12, 23, f"{count:,} image{'s' * (count != 1)} listed", 13, SOFT)
    if not exhibits:
        block.add_text(_MARGIN, _TITLE + 8, "none of the images looked at can be used", 13)
    for row, exhibit in enumerate(exhibits):
        _add_row(block, _TITLE + row * (tile + _NOTES), exhibit, preview.config, tile)
    return block


def _add_row(block: Sheet, y: int, exhibit: Exhibit, config: PipelineConfig, tile: int) -> None:
    height, width, _ = exhibit.source.shape
    name = shorten_text(exhibit.path.rsplit("/", 1)[-1], _TILE, 11)
    size = "x".join(map(str, exhibit.prepared.shape[:2]))
    depth = exhibit.depth
    held = [f"{depth.bits} bits, {depth.range.used:.1%} of the range used"] if depth else []
    notes = [[name, f"{height}x{width} px", *held], [f"{size} px"], *([words] for words in exhibit.words)]
    pictures = [_outline_rois(exhibit.source, config), exhibit.prepared, *exhibit.augmented]
    for column, (picture, note) in enumerate(zip(pictures, notes, strict=True)):
        x = _find_left(column)
        below = y + 12 + block.add_picture(x, y, picture, (_TILE, tile))[1]
        lines = [line for part in note for line in wrap_text(part, _TILE, 11, _LINES, separator=", ")]
        for number, line in enumerate(lines[:_LINES]):
            block.add_text(x, below + 14 * number, line, 11, SOFT, width=_TILE)


def _outline_rois(pixels: Pixels, config: PipelineConfig) -> Pixels:
    """The photo with the regions of interest outlined."""
    from PIL import Image, ImageDraw

    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).convert("RGB")
    wide = max(1, round(max(picture.size) / 150))
    for (x1, y1), (x2, y2) in config.image.rois:
        ImageDraw.Draw(picture).rectangle((x1, y1, x2 - 1, y2 - 1), outline=(255, 190, 0), width=wide)
    return np.asarray(picture)


def _draw_panel(preview: Preview) -> Sheet:
    """About photos of more than 8 bits: what they hold, how it is shown, which window would fit."""
    panel = Sheet(_WIDTH, _PANEL + _GAP, PAPER)
    panel.add_box(_MARGIN - 16, 0.5, _WIDTH - 2 * _MARGIN + 32, _PANEL, CARD, outline=LINE, radius=8)
    depths, intensity = preview.depths, preview.config.image.intensity
    panel.add_text(_MARGIN, 22, "More than 8 bits", 17, bold=True)
    ranges = ranges_of(depths)
    window = fitting_window(ranges)
    yaml, y = format_window(*window), 54
    sentences = describe_depths(depths, len(preview.shown), preview.config)
    for sentence, colour in zip(sentences, (INK, ACCENT), strict=True):
        # What is to be copied stays in one line.
        for line in wrap_text(sentence.replace(yaml, yaml.replace(" ", _UNBROKEN)), _TEXT, 13):
            panel.add_text(_MARGIN, y, line.replace(_UNBROKEN, " "), 13, colour, width=_TEXT + _GAP)
            y += 19
        y += 7
    shares = measure_fit(ranges, intensity)
    worst = depths[int(np.argmin(shares))]
    views: list[tuple[str, tuple[int, int]]] = [(f"now: {name_intensity(intensity)}", worst.interval)]
    if shares.min() < preview.config.validation.prepared_images.min_range_used:
        views.append(("with window [{}, {}]".format(*window), window))
    for number, (title, interval) in enumerate(views):
        x = _MARGIN + _TEXT + 28 + number * (_VIEW + _PLOT + 42)
        _add_view(panel, x, 16, title, worst, interval)
    return panel


def _add_view(panel: Sheet, x: int, y: int, title: str, depth: Depth, interval: tuple[int, int]) -> None:
    """A photo by an interval that becomes black to white, and how its samples lie in it."""
    panel.add_text(x, y + 6, title, 13, bold=True, width=_VIEW + 14 + _PLOT)
    panel.add_picture(x, y + 26, depth.picture(interval), (_VIEW, _PANEL - 56))
    x, y = x + _VIEW + 14, y + 26
    low, high = min(interval[0], depth.range.min), max(interval[1], depth.range.max)
    axes = panel.add_axes(x, y, _PLOT, _BARS + _RAMP)
    axes.set_yticks([])
    axes.set_xlim(low, high + 1)
    axes.set_ylim(-_RAMP, _BARS)
    edges, bars = _bin_samples(depth, low, high)
    axes.stairs(bars, edges, fill=True, color=ACCENT)
    ramp = np.clip((np.linspace(low, high, _PLOT) - interval[0]) / (interval[1] - interval[0]), 0, 1)
    axes.imshow(ramp[None], extent=(low, high + 1, -_RAMP, 0), cmap="gray", vmin=0, vmax=1, aspect="auto")
    y += _BARS + _RAMP + 11
    panel.add_text(x, y, str(low), 11, SOFT)
    panel.add_text(x + _PLOT / 2, y, "stored values", 11, SOFT, align="center")
    panel.add_text(x + _PLOT, y, str(high), 11, SOFT, align="right")


def _bin_samples(depth: Depth, low: int, high: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Edges, and heights up to _BARS: how often values occur, square roots, so that rare ones are seen."""
    values = np.arange(len(depth.counts)) + depth.scale[0]
    counts, edges = np.histogram(values, _PLOT, (low, high + 1), weights=depth.counts)
    return edges, np.ceil(np.sqrt(counts / max(counts.max(), 1)) * _BARS)
