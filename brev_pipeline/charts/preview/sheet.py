"""The sheet: a picture with a block for each class, a row for each photo, a column for each step."""

from typing import Final

from PIL import Image, ImageDraw

from brev_pipeline.charts.preview.exhibits import DRAWS, Exhibit, Pixels, Preview, purpose_of
from brev_pipeline.charts.preview.panel import HEIGHT, draw_panel
from brev_pipeline.charts.preview.style import ACCENT, CARD, INK, LINE, PAPER, SOFT
from brev_pipeline.charts.preview.text import font, plain, shortened, wrapped
from brev_pipeline.config import PipelineConfig

_TILE: Final = 184  # px, longer side of a prepared image on the sheet
_GAP, _MARGIN, _GROUP_GAP = 12, 36, 14  # px
_HEAD, _HEADINGS, _TITLE, _NOTES, _FOOT = 88, 24, 46, 84, 56  # px, heights
_LINES: Final = 5  # of text below a picture
_COUNT: Final = 180  # px for the number of images beside a class
_COLUMNS: Final = 2 + DRAWS


def draw_sheet(preview: Preview) -> Image.Image:
    """Lay out a preview: RGB, 1,656 px wide, as high as it needs to be."""
    rows = sum(max(1, len(exhibits)) for exhibits in preview.exhibits.values())
    tile = _tile_height(preview)
    top = _HEAD + (HEIGHT + _GAP if preview.depths else 0) + _HEADINGS
    high = top + len(preview.exhibits) * (_TITLE + _GAP) + rows * (tile + _NOTES) + _FOOT
    sheet = Image.new("RGB", (2 * _MARGIN + _COLUMNS * (_TILE + _GAP) + 2 * _GROUP_GAP - _GAP, high), PAPER)
    draw = ImageDraw.Draw(sheet)
    _heading(draw, preview, sheet.width)
    if preview.depths:
        draw_panel(sheet, (_MARGIN - 16, _HEAD, sheet.width - _MARGIN + 16), preview)
    _headings(draw, top - _HEADINGS)
    y = top
    for name, exhibits in preview.exhibits.items():
        y = _class_block(sheet, draw, y, name, preview, exhibits, tile)
    _footer(draw, preview, y, sheet.width)
    return sheet.crop((0, 0, sheet.width, y + _FOOT))


def _tile_height(preview: Preview) -> int:
    """Height of the pictures' row: of the tallest prepared image at the width of a tile, within reason."""
    shapes = [one.prepared.shape for exhibits in preview.exhibits.values() for one in exhibits]
    tallest = max((height / width for height, width, _ in shapes), default=1.0)
    return round(min(max(tallest, 0.5), 2.0) * _TILE)


def _left(column: int) -> int:
    """Left edge of a column: the photo, the prepared one and the augmented ones stand a little apart."""
    return _MARGIN + column * (_TILE + _GAP) + _GROUP_GAP * min(column, 2)


def _heading(draw: ImageDraw.ImageDraw, preview: Preview, width: int) -> None:
    config = preview.config
    draw.text((_MARGIN, 24), plain(config.name), INK, font(26, bold=True))
    draw.text((_MARGIN, 60), shortened(plain(_caption(config)), font(13), width - 2 * _MARGIN), SOFT, font(13))


def _headings(draw: ImageDraw.ImageDraw, y: int) -> None:
    for column, title in [(0, "photo"), (1, "prepared"), (2, f"augmented: draws 1 to {DRAWS}")]:
        draw.text((_left(column), y), title, ACCENT, font(13, bold=True))


def _caption(config: PipelineConfig) -> str:
    image = config.image
    size = (
        f"prepared to {image.target_size[0]} x {image.target_size[1]} px" if image.target_size else "at their own size"
    )
    aspect = ", aspect ratio kept" if image.keep_aspect_ratio else ""
    return (
        f"Photos {size} ({image.color_mode}, {image.resize_method}{aspect}) and augmented as the first "
        f"draws of {purpose_of(config)}, epoch 0, sampling seed {config.sampling.seed}."
    )


def _class_block(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    y: int,
    name: str,
    preview: Preview,
    exhibits: list[Exhibit],
    tile: int,
) -> int:
    high = _TITLE + max(1, len(exhibits)) * (tile + _NOTES)
    draw.rounded_rectangle((_MARGIN - 16, y, sheet.width - _MARGIN + 16, y + high), 8, CARD, LINE)
    own, count = font(17, bold=True), preview.counts[name]
    title = shortened(plain(name) or "(no class)", own, sheet.width - 2 * _MARGIN - _COUNT, middle=True)
    draw.text((_MARGIN, y + 12), title, INK, own)
    beside = _MARGIN + own.getlength(title) + 12
    draw.text((beside, y + 15), f"{count:,} image{'s' * (count != 1)} listed", SOFT, font(13))
    if not exhibits:
        draw.text((_MARGIN, y + _TITLE), "none of the images looked at can be used", INK, font(13))
    for row, exhibit in enumerate(exhibits):
        _row(sheet, draw, y + _TITLE + row * (tile + _NOTES), exhibit, preview.config, tile)
    return y + high + _GAP


def _row(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, y: int, one: Exhibit, config: PipelineConfig, tile: int
) -> None:
    height, width, _ = one.source.shape
    name = shortened(plain(one.path.rsplit("/", 1)[-1]), font(11), _TILE, middle=True)
    ready = "x".join(map(str, one.prepared.shape[:2]))
    held = f"\n{one.depth.bits} bits, {one.depth.range.used:.1%} of the range used" if one.depth else ""
    notes = [f"{name}\n{height}x{width} px{held}", f"{ready} px", *one.words]
    pictures = [_with_rois(one.source, config), *map(_picture, [one.prepared, *one.augmented])]
    for column, (picture, note) in enumerate(zip(pictures, notes, strict=True)):
        fitted = _fitted(picture, tile)
        x = _left(column)
        sheet.paste(fitted, (x, y))
        lines = [line for part in note.split("\n") for line in wrapped(plain(part), font(11), _TILE, _LINES)]
        draw.multiline_text((x, y + fitted.height + 5), "\n".join(lines[:_LINES]), SOFT, font(11), spacing=2)


def _picture(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).convert("RGB")


def _with_rois(pixels: Pixels, config: PipelineConfig) -> Image.Image:
    """The photo with the regions of interest outlined."""
    picture = _picture(pixels)
    wide = max(1, round(max(picture.size) / 150))
    for (x1, y1), (x2, y2) in config.image.rois:
        ImageDraw.Draw(picture).rectangle((x1, y1, x2 - 1, y2 - 1), outline=(255, 190, 0), width=wide)
    return picture


def _fitted(picture: Image.Image, tile: int) -> Image.Image:
    """As large as fits into a tile; tiny images in whole steps, so that their pixels can be seen."""
    scale = min(_TILE / picture.width, tile / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    coarse = scale >= 3
    return picture.resize(size, Image.Resampling.NEAREST if coarse else Image.Resampling.LANCZOS)


def _footer(draw: ImageDraw.ImageDraw, preview: Preview, y: int, width: int) -> None:
    said = "The same seed gives the same pixels in the shards."
    if preview.refused:
        said = f"{len(preview.refused)} left out, for example {preview.refused[0]}   {said}"
    draw.text((_MARGIN, y + 14), shortened(plain(said), font(12), width - 2 * _MARGIN), SOFT, font(12))
