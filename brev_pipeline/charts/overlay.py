"""Overlay: labels drawn over photos: contours of masks, boxes and outlines of objects, and the names of their classes.

Lines lie outside of what they enclose, one by one along its pixels' borders, so that nothing labelled is hidden and a
label that is a pixel off is seen to be; only at the photo's own border they lie within. Small photos are enlarged by a
whole number, each pixel a square. Where a mask says that nobody labelled the place (255), it is hatched.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from brev_pipeline.charts.figure import (
    CARD,
    FAINT,
    INK,
    MARGIN,
    PURPOSES,
    SHEET_BYTES,
    SOFT,
    WIDTH,
    Sheet,
    make_card,
    measure_text,
    shorten_text,
)  # fmt: skip
from brev_pipeline.frames import Pixels
from brev_pipeline.labels.base import UNLABELLED
from brev_pipeline.labels.objects import PlacedObject
from brev_pipeline.labels.polygons import ONE

if TYPE_CHECKING:
    from PIL.Image import Image

_LINE, _HALO = 2, 1  # px, thickness of a line and of the light one about it
_HATCH: Final = 6  # px from one line of the hatching to the next
_TAG, _TEXT, _PAD = 14, 10, 4  # px: height of a name's tag, its text, and what is left free beside it
_TOP, _LEGEND = 78, 30  # px, heights
_TILE: Final = 168  # px, longest side of a picture on the sheet
_PAIRS: Final = 2  # pairs of pictures in a row
_ROWS: Final = 6  # classes on a sheet

Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class ShownObject:
    """An object on a photo, in px: pixel i lies between i and i + 1."""

    label: str  # name of its class
    box: Box  # left, top, right, bottom
    outline: Sequence[tuple[float, float]] | None = None  # corners (x, y) of a polygon, drawn instead of the box

    def find_bounds(self) -> Box:
        """Left, top, right and bottom of what is drawn."""
        if self.outline is None:
            return self.box
        x, y = zip(*self.outline, strict=True)
        return min(x), min(y), max(x), max(y)


@dataclass(frozen=True, eq=False)
class ShownLabels:
    """Labels of one photo, as they are drawn over it."""

    mask: NDArray[np.uint8] | None = None  # (height, width): index into mask_classes; 0 background, 255 unlabelled
    mask_classes: Sequence[str] = ()  # names by index, that of the background first
    objects: Sequence[ShownObject] = ()

    @classmethod
    def from_prepared(
        cls,
        mask: NDArray[np.uint8] | None,
        mask_classes: Sequence[str],
        objects: Iterable[PlacedObject] = (),
        *,
        frame: int = 0,
    ) -> "ShownLabels":
        """Labels as the room `labels` holds them, prepared and perhaps moved.

        Args:
            mask: (height, width), or (frames, height, width) of a time series.
            mask_classes: names by index, that of the background first.
            objects: of all frames.
            frame: of a time series, the one that is drawn.
        """
        shown = []
        for one in objects:
            if one.frame == frame:
                outline = [(x / ONE, y / ONE) for x, y in one.places]
                box = one.box
                edges = (box.left / ONE, box.top / ONE, box.right / ONE, box.bottom / ONE)
                shown.append(ShownObject(one.label, edges, outline))
        return cls(mask if mask is None or mask.ndim == 2 else mask[frame], mask_classes, shown)

    def list_classes(self) -> list[str]:
        """Names of the classes that are to be seen, in their order."""
        named = [self.name_value(value) for value in self.list_values()]
        return list(dict.fromkeys([*named, *(each.label for each in self.objects)]))

    def list_values(self) -> list[int]:
        """The mask's values, without those of background and unlabelled."""
        values = [] if self.mask is None else np.unique(self.mask).tolist()
        return [value for value in values if value not in (0, UNLABELLED)]

    def name_value(self, value: int) -> str:
        """Name of a mask's value."""
        return self.mask_classes[value] if value < len(self.mask_classes) else f"value {value}"


class LabelledPair(NamedTuple):
    """A photo as prepared and as augmented, each with its labels."""

    name: str  # of the photo
    prepared: Pixels
    before: ShownLabels
    augmented: Pixels
    after: ShownLabels


class _Tag(NamedTuple):
    x: int
    y: int
    width: int
    text: str
    colour: str


def colour_classes(names: Iterable[str]) -> dict[str, str]:
    """Class name → colour, in the order given; from the ninth on colours come again, and names tell them apart."""
    return {name: PURPOSES[number % len(PURPOSES)] for number, name in enumerate(dict.fromkeys(names))}


def draw_labels(photo: Pixels, labels: ShownLabels, colours: Mapping[str, str], *, factor: int = 1) -> Pixels:
    """A photo, enlarged by a whole number, with contours, boxes and outlines over it, without names.

    Args:
        photo: uint8 (height, width) or (height, width, 1 or 3).
        labels: of this photo.
        colours: class name → colour (#rrggbb), as `colour_classes` gives them.
        factor: how many pixels wide and high each pixel becomes.

    Returns:
        uint8 (height·factor, width·factor, 3).

    Raises:
        ValueError: the mask has another size than the photo.
    """
    height, width = photo.shape[:2]
    _check_mask(labels.mask, (height, width))
    return _draw_scaled(photo, labels, colours, (height * factor, width * factor))


def add_labelled_picture(
    sheet: Sheet,
    x: float,
    y: float,
    photo: Pixels,
    labels: ShownLabels,
    box: tuple[int, int],
    colours: Mapping[str, str],
) -> tuple[int, int]:
    """Put a photo with its labels and their names on a sheet.

    It is enlarged by the largest whole number, or made smaller, to fit into a box of (width, height) px; lines are as
    thick either way.

    Args:
        sheet: to draw on.
        x: px, of its left border.
        y: px, of its upper border.
        photo: uint8 (height, width) or (height, width, 1 or 3).
        labels: of this photo.
        box: px, the most that it may cover.
        colours: class name → colour.

    Returns:
        Its (width, height) on the sheet, px.

    Raises:
        ValueError: the mask has another size than the photo.
    """
    _check_mask(labels.mask, photo.shape[:2])
    size = _fit_size(photo.shape[:2], box)
    drawn = _draw_scaled(photo, labels, colours, size)
    tags = _place_tags(labels, colours, photo.shape[:2], size)
    for tag in tags:
        drawn[tag.y : tag.y + _TAG, tag.x : tag.x + tag.width] = _read_colour(tag.colour)
    sheet.add_picture(x, y, drawn, (size[1], size[0]), exact=True)
    for tag in tags:
        sheet.add_text(x + tag.x + _PAD, y + tag.y + _TAG / 2, tag.text, _TEXT, CARD, bold=True)
    return size[1], size[0]


def draw_labelled_photo(photo: Pixels, labels: ShownLabels, *, longest: int = 640) -> "Image":
    """One photo with its labels, their names, and a legend below.

    Args:
        photo: uint8 (height, width) or (height, width, 1 or 3).
        labels: of this photo.
        longest: px, longest side of the photo in the picture.

    Returns:
        RGB.
    """
    classes = labels.list_classes()
    height, width = _fit_size(photo.shape[:2], (longest, longest))
    sheet = Sheet(width, height + (_LEGEND if classes else 0))
    add_labelled_picture(sheet, 0, 0, photo, labels, (width, height), colour_classes(classes))
    if classes:
        _add_legend(sheet, 6, height + _LEGEND / 2, colour_classes(classes))
    return sheet.to_image()


def label_sheet(pairs: Mapping[str, Sequence[LabelledPair]]) -> bytes:
    """For each class some photos with their labels, as prepared and as augmented, side by side.

    Args:
        pairs: class name → its photos; two of each of the first six classes are shown.

    Returns:
        PNG.
    """
    return draw_label_sheet(pairs).to_png(SHEET_BYTES)


def draw_label_sheet(pairs: Mapping[str, Sequence[LabelledPair]]) -> Sheet:
    """The card that `label_sheet` makes a PNG of."""
    shown = {name: list(own)[:_PAIRS] for name, own in list(pairs.items())[:_ROWS]}
    every = [pair for own in shown.values() for pair in own]
    colours = colour_classes(
        sorted({name for pair in every for side in (pair.before, pair.after) for name in side.list_classes()})
    )
    heights = [max((_pair_size(pair)[0] for pair in own), default=0) + 50 for own in shown.values()]
    hidden = len(pairs) - len(shown)
    said = "Left as prepared, right as augmented; lines lie just outside of what they enclose."
    card = make_card(
        _TOP + _LEGEND + sum(heights) + (30 if hidden > 0 else 8),
        "Labels",
        said if every else "There are no labelled photos.",
    )
    _add_legend(card, MARGIN, _TOP + 6, colours)
    y = _TOP + _LEGEND
    for (name, own), height in zip(shown.items(), heights, strict=True):
        card.add_text(MARGIN, y + 8, name, 13, bold=True)
        x = MARGIN
        for pair in own:
            _add_pair(card, x, y + 22, pair, colours)
            x += 2 * _pair_size(pair)[1] + 28
        y += height
    if hidden > 0:
        card.add_text(MARGIN, y + 10, f"and {hidden} more {'class' if hidden == 1 else 'classes'}", 12, SOFT)
    return card


def _add_pair(card: Sheet, x: float, y: float, pair: LabelledPair, colours: Mapping[str, str]) -> None:
    width, height = add_labelled_picture(card, x, y, pair.prepared, pair.before, (_TILE, _TILE), colours)
    add_labelled_picture(card, x + width + 6, y, pair.augmented, pair.after, (_TILE, _TILE), colours)
    card.add_box(x + width + 2.5, y, 1, height, FAINT)
    card.add_text(x, y + height + 10, pair.name, 11, SOFT, width=2 * width)


def _pair_size(pair: LabelledPair) -> tuple[int, int]:
    return _fit_size(pair.prepared.shape[:2], (_TILE, _TILE))


def _add_legend(sheet: Sheet, x: float, y: float, colours: Mapping[str, str]) -> None:
    """Colours and names in one line; what does not fit is counted."""
    for number, (name, colour) in enumerate(colours.items()):
        needed, rest = 22 + measure_text(name, 12), len(colours) - number
        if x + min(needed, 160) > min(sheet.width, WIDTH) - 60 * (rest > 1):
            sheet.add_text(x, y, f"and {rest} more", 12, SOFT)
            return
        sheet.add_box(x, y - 6, 12, 12, colour)
        x += 38 + sheet.add_text(x + 18, y, name, 12, INK, width=160)


def _check_mask(mask: NDArray[np.uint8] | None, size: tuple[int, ...]) -> None:
    if mask is not None and mask.shape != size:
        raise ValueError(f"the mask has {mask.shape} pixels, the photo {size}: a mask is drawn over its own photo")


def _fit_size(size: tuple[int, ...], box: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a photo in a box (width, height): enlarged by a whole number, or made smaller."""
    height, width = size
    scale = min(box[0] / width, box[1] / height)
    if scale >= 1:
        return height * int(scale), width * int(scale)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _draw_scaled(photo: Pixels, labels: ShownLabels, colours: Mapping[str, str], size: tuple[int, int]) -> Pixels:
    picture = _scale_photo(photo, size)
    mask = None if labels.mask is None else _scale_nearest(labels.mask, size)
    regions: list[tuple[NDArray[np.bool_], str]] = []
    if mask is not None:
        regions += [(mask == value, labels.name_value(value)) for value in labels.list_values()]
        _hatch(picture, mask == UNLABELLED)
    scale = size[0] / photo.shape[0], size[1] / photo.shape[1]
    regions += [(_fill_object(each, size, scale), each.label) for each in labels.objects]
    rings = [(_surround(region, _LINE), _surround(region, _LINE + _HALO), name) for region, name in regions]
    for line, halo, _ in rings:
        picture[halo & ~line] = _read_colour(CARD)
    for line, _, name in rings:
        picture[line] = _read_colour(colours.get(name, INK))
    return picture


def _scale_photo(photo: Pixels, size: tuple[int, int]) -> Pixels:
    """RGB of another size: nearest where it grows."""
    from PIL import Image

    flat = photo[..., 0] if photo.ndim == 3 and photo.shape[-1] == 1 else photo
    image = Image.fromarray(flat).convert("RGB")
    method = Image.Resampling.NEAREST if size[0] >= photo.shape[0] else Image.Resampling.LANCZOS
    return np.array(image.resize((size[1], size[0]), method))


def _scale_nearest(mask: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    rows, columns = ((2 * np.arange(new) + 1) * old // (2 * new) for new, old in zip(size, mask.shape, strict=True))
    scaled: NDArray[np.uint8] = mask[rows[:, None], columns]
    return scaled


def _fill_object(each: ShownObject, size: tuple[int, int], scale: tuple[float, float]) -> NDArray[np.bool_]:
    """The pixels that an object covers; of one that is smaller than a pixel, that pixel."""
    region = np.zeros(size, np.bool_)
    if each.outline is not None:
        return _fill_polygon(np.array(each.outline, float) * (scale[1], scale[0]), size)
    left, right = _cover_span(each.box[0] * scale[1], each.box[2] * scale[1], size[1])
    top, bottom = _cover_span(each.box[1] * scale[0], each.box[3] * scale[0], size[0])
    region[top:bottom, left:right] = True
    return region


def _cover_span(low: float, high: float, size: int) -> tuple[int, int]:
    first = min(max(round(low), 0), size - 1)
    return first, max(min(round(high), size), first + 1)


def _fill_polygon(points: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels whose middles lie inside: an odd number of edges to their left."""
    y, x = np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5
    inside = np.zeros(size, np.bool_)
    for (x1, y1), (x2, y2) in zip(points, np.roll(points, -1, axis=0), strict=True):
        if y1 == y2:
            continue
        crossed = (y >= min(y1, y2)) & (y < max(y1, y2))
        at = x1 + (y - y1) * ((x2 - x1) / (y2 - y1))
        inside ^= crossed[:, None] & (x >= at[:, None])
    return inside


def _surround(region: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """The pixels about a region, ``width`` of them to every side; within it at the picture's border."""
    height, length = region.shape
    padded = np.pad(region, width)
    grown = np.zeros_like(region)
    for dy in range(2 * width + 1):
        for dx in range(2 * width + 1):
            grown |= padded[dy : dy + height, dx : dx + length]
    grown &= ~region
    grown[:width] |= region[:width] & region[:1]
    grown[-width:] |= region[-width:] & region[-1:]
    grown[:, :width] |= region[:, :width] & region[:, :1]
    grown[:, -width:] |= region[:, -width:] & region[:, -1:]
    return grown


def _hatch(picture: Pixels, region: NDArray[np.bool_]) -> None:
    """Draw slanted lines over a region, in place."""
    y, x = np.indices(region.shape)
    picture[region & ((x + y) % _HATCH == 0)] = _read_colour(FAINT)


def _read_colour(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def _place_tags(
    labels: ShownLabels, colours: Mapping[str, str], photo: tuple[int, ...], size: tuple[int, int]
) -> list[_Tag]:
    """A name beside each object, and beside the largest region of each of the mask's classes; none over another."""
    scale = size[0] / photo[0], size[1] / photo[1]
    places = [(each.label, each.find_bounds()) for each in labels.objects]
    if labels.mask is not None:
        places += [(labels.name_value(value), _bound_largest(labels.mask == value)) for value in labels.list_values()]
    tags: list[_Tag] = []
    for name, (left, top, _, bottom) in places:
        text = shorten_text(name, size[1] - 2 * _PAD, _TEXT, bold=True)
        width = round(measure_text(text, _TEXT, bold=True)) + 2 * _PAD
        x = max(0, min(round(left * scale[1]) - _LINE, size[1] - width))
        above, below = round(top * scale[0]) - _LINE - _TAG, round(bottom * scale[0]) + _LINE
        y = above if above >= 0 else below if below + _TAG <= size[0] else 0
        tag = _Tag(x, y, width, text, colours.get(name, INK))
        if text and width <= size[1] and size[0] >= _TAG and not any(_overlap(tag, other) for other in tags):
            tags.append(tag)
    return tags


def _bound_largest(region: NDArray[np.bool_]) -> Box:
    """Left, top, right and bottom of the largest connected part."""
    import cv2

    _, _, parts, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=8)
    left, top, width, height, _ = max(parts[1:].tolist(), key=lambda part: part[4])
    return left, top, left + width, top + height


def _overlap(one: _Tag, other: _Tag) -> bool:
    apart = one.x + one.width <= other.x or other.x + other.width <= one.x
    return not (apart or abs(one.y - other.y) >= _TAG)
