"""Contents: the liquid or the freeze-dried cake in the vial, as seen through its wall."""

from typing import Final

import numpy as np

from brev_pipeline.demo.exact import Field, bell, clip, colour, over, sample, smooth
from brev_pipeline.demo.frame import Frame
from brev_pipeline.demo.glass import BODY, WALL
from brev_pipeline.demo.item import Item
from brev_pipeline.demo.light import diffuse, round_wall

_INNER: Final = BODY - WALL  # mm, radius
_FLOOR: Final = 1.7  # mm, thickness of the vial's foot


def fill(picture: Field, behind: Field, frame: Frame, item: Item, turn: float) -> Field:
    """The picture with the item's contents; ``behind`` is the picture without the vial."""
    if item.product == "powder":
        return _cake(picture, frame, item, turn)
    return _liquid(picture, behind, frame, item)


def _liquid(picture: Field, behind: Field, frame: Frame, item: Item) -> Field:
    level, depth = item.fill, frame.depth(_INNER)
    arc = depth * frame.down
    inside = frame.edge(_INNER - np.abs(frame.u))
    body = inside * frame.edge(level - arc - frame.y) * frame.edge(frame.y + arc - _FLOOR)
    surface = inside * frame.edge(level + arc - frame.y) * frame.edge(frame.y - level + arc)
    picture = over(picture, _lens(behind, frame) * _absorbed(item, depth), body)
    picture = over(picture, _surface(behind, frame, item), surface)
    return picture + _meniscus(frame, level - arc) * inside


def _lens(behind: Field, frame: Frame) -> Field:
    """A full cylinder is a strong lens: it shows the scene mirrored, squeezed, and dark at its sides."""
    s = frame.u / _INNER
    mirrored = frame.column - 2.3 * frame.scale * frame.u
    dark = 1 - 0.80 * smooth(0.72, 0.98, np.abs(s))
    glow = 1.0 + 0.22 * bell(s, 0.45, 0.22) + 0.12 * bell(s, -0.6, 0.15)
    return sample(behind, frame.row, mirrored) * dark * glow


def _absorbed(item: Item, depth: Field) -> Field:
    share = depth / _INNER
    return 0.93 * (1 - (1 - colour(*item.tint)) * share)


def _surface(behind: Field, frame: Frame, item: Item) -> Field:
    """The liquid's surface from above: it mirrors what lies behind it, most at the far side."""
    far = smooth(-1, 1, (frame.y - item.fill) / (_INNER * frame.down))
    row = frame.row + 2 * frame.scale * (frame.y - item.fill)
    mirror = sample(behind, row, frame.column)
    return mirror * colour(*item.tint) * (0.55 + 0.65 * far)


def _meniscus(frame: Frame, front: Field) -> Field:
    """Where the liquid climbs the wall it catches the light, above a dark line."""
    above = frame.y - front
    return bell(above, 0.25, 0.28) * 0.28 - bell(above, -0.45, 0.35) * 0.22


def _cake(picture: Field, frame: Frame, item: Item, turn: float) -> Field:
    radius = _INNER - 0.25 - item.draws.between(0, 0.6, "shrunk")
    arc = frame.depth(radius) * frame.down
    level = item.fill + _unevenness(frame, item)
    inside = frame.edge(radius - np.abs(frame.u))
    side = inside * frame.edge(level - arc - frame.y) * frame.edge(frame.y + arc - (_FLOOR - 0.2))
    top = inside * frame.edge(level + arc - frame.y) * frame.edge(frame.y - level + arc)
    picture = over(picture, _cake_side(frame, item, radius, turn), side)
    return over(picture, _cake_top(frame, item, radius), top)


def _unevenness(frame: Frame, item: Item) -> Field:
    """The cake dried higher on one side."""
    slope, bow = item.draws.near(0, 0.035, "slope"), item.draws.near(0, 0.003, "bow")
    return frame.u * slope + frame.u * frame.u * bow


def _cake_side(frame: Frame, item: Item, radius: float, turn: float) -> Field:
    s = clip(frame.u / radius, -1, 1)
    height = frame.height(radius)
    rough = _pattern(item, "side", 2, height * 4, (s + turn) * 55)
    blotch = _pattern(item, "blotch", 8, height * 3, (s + turn) * 45)
    crack = smooth(0.0, 0.30, np.abs(_pattern(item, "crack", 5, height * 2, (s + turn) * 40)))
    shade: Field = diffuse(round_wall(s)) * (1.00 + 0.07 * rough + 0.05 * blotch)
    foot: Field = 0.72 + 0.28 * smooth(1.2, 5.0, height)
    return shade * foot * (0.84 + 0.16 * crack) * colour(0.93, 0.92, 0.88)


def _cake_top(frame: Frame, item: Item, radius: float) -> Field:
    far = (frame.y - item.fill) / (radius * frame.down)
    rough = _pattern(item, "top", 2, frame.y * 18, frame.u * 4)
    light: Field = 0.92 + 0.10 * far + 0.06 * rough
    light = light - 0.12 * smooth(0.75, 1.0, np.abs(frame.u) / radius)
    return light * colour(0.95, 0.94, 0.91)


def _pattern(item: Item, name: str, radius: int, y: Field, x: Field) -> Field:
    """The item's own smooth noise, read at (y, x) px of it."""
    noise = item.draws.clouds((160, 160), radius, name)
    return sample(noise, y + 40, x + 80)
