"""Contents: the liquid or the freeze-dried cake in the vial, as seen through its wall."""

from typing import Final

import numpy as np

from brev_pipeline.demo.exact import Field, band, bell, colour, over, root, sample, smooth
from brev_pipeline.demo.frame import Frame
from brev_pipeline.demo.glass import BODY, WALL
from brev_pipeline.demo.item import Item
from brev_pipeline.demo.light import diffuse, normal_of

_INNER: Final = BODY - WALL  # mm, radius
_FLOOR: Final = 1.7  # mm, thickness of the vial's foot


def fill(picture: Field, behind: Field, frame: Frame, item: Item, turn: float) -> Field:
    """The picture with the item's contents; ``behind`` is the picture without the vial."""
    if item.product == "powder":
        return _cake(picture, frame, item, turn)
    return _liquid(picture, behind, frame, item)


def _liquid(picture: Field, behind: Field, frame: Frame, item: Item) -> Field:
    level = np.float32(item.fill)
    depth = frame.depth(_INNER)
    arc = depth * np.float32(frame.down)
    inside = frame.edge(np.float32(_INNER) - np.abs(frame.u))
    body = inside * frame.edge(level - arc - frame.y) * frame.edge(frame.y + arc - np.float32(_FLOOR))
    surface = inside * frame.edge(level + arc - frame.y) * frame.edge(frame.y - level + arc)
    picture = over(picture, _lens(behind, frame) * _absorbed(item, depth), body)
    picture = over(picture, _surface(behind, frame, item), surface)
    return picture + _meniscus(frame, level - arc) * inside


def _lens(behind: Field, frame: Frame) -> Field:
    """A full cylinder is a strong lens: it shows the scene mirrored, squeezed, and dark at its sides."""
    s = frame.u * np.float32(1 / _INNER)
    rows, columns = np.mgrid[0 : behind.shape[-2], 0 : behind.shape[-1]].astype(np.float32)
    mirrored = columns - frame.u * np.float32(2.3 * frame.scale)
    dark = np.float32(1) - np.float32(0.80) * smooth(0.72, 0.98, np.abs(s))
    glow = np.float32(1.0) + np.float32(0.22) * bell(s, 0.45, 0.22) + np.float32(0.12) * bell(s, -0.6, 0.15)
    return sample(behind, rows, mirrored) * dark * glow


def _absorbed(item: Item, depth: Field) -> Field:
    share = depth * np.float32(1 / _INNER)
    return np.float32(0.93) * (np.float32(1) - (np.float32(1) - colour(item.tint)) * share)


def _surface(behind: Field, frame: Frame, item: Item) -> Field:
    """The liquid's surface from above: it mirrors what lies behind it, most at the far side."""
    far = smooth(-1, 1, (frame.y - np.float32(item.fill)) * np.float32(1 / (_INNER * frame.down)))
    mirror = sample(behind, *_mirrored(behind, frame, item.fill))
    return mirror * colour(item.tint) * (np.float32(0.55) + np.float32(0.65) * far)


def _mirrored(behind: Field, frame: Frame, level: float) -> tuple[Field, Field]:
    rows, columns = np.mgrid[0 : behind.shape[-2], 0 : behind.shape[-1]].astype(np.float32)
    return rows + np.float32(2 * frame.scale) * (frame.y - np.float32(level)), columns


def _meniscus(frame: Frame, front: Field) -> Field:
    """Where the liquid climbs the wall it catches the light, above a dark line."""
    above = frame.y - front
    return bell(above, 0.25, 0.28) * np.float32(0.28) - bell(above, -0.45, 0.35) * np.float32(0.22)


def _cake(picture: Field, frame: Frame, item: Item, turn: float) -> Field:
    radius = _INNER - 0.25 - item.draws.between(0, 0.6, "shrunk")
    depth = frame.depth(radius)
    arc = depth * np.float32(frame.down)
    level = np.float32(item.fill) + _unevenness(frame, item)
    inside = frame.edge(np.float32(radius) - np.abs(frame.u))
    side = inside * frame.edge(level - arc - frame.y) * frame.edge(frame.y + arc - np.float32(_FLOOR - 0.2))
    top = inside * frame.edge(level + arc - frame.y) * frame.edge(frame.y - level + arc)
    picture = over(picture, _cake_side(frame, item, radius, turn), side)
    return over(picture, _cake_top(frame, item, radius), top)


def _unevenness(frame: Frame, item: Item) -> Field:
    """The cake dried higher on one side."""
    slope, bow = item.draws.near(0, 0.035, "slope"), item.draws.near(0, 0.003, "bow")
    return frame.u * np.float32(slope) + frame.u * frame.u * np.float32(bow)


def _cake_side(frame: Frame, item: Item, radius: float, turn: float) -> Field:
    s = np.clip(frame.u * np.float32(1 / radius), -1, 1)
    n = normal_of(s, np.zeros_like(s), root(np.float32(1) - s * s))
    height = frame.height(radius)
    rough = _pattern(item, "side", 2, height * 4, (s + np.float32(turn)) * 55)
    blotch = _pattern(item, "blotch", 8, height * 3, (s + np.float32(turn)) * 45)
    crack = band(1.5, 9.0, 0.3, np.abs(_pattern(item, "crack", 5, height * 2, (s + np.float32(turn)) * 40)) * np.float32(30))
    shade = diffuse(n) * (np.float32(1.02) + np.float32(0.05) * rough + np.float32(0.05) * blotch)
    foot = np.float32(0.72) + np.float32(0.28) * smooth(1.2, 5.0, height)
    return shade * foot * (np.float32(0.90) + np.float32(0.10) * crack) * colour((0.93, 0.92, 0.88))


def _cake_top(frame: Frame, item: Item, radius: float) -> Field:
    far = (frame.y - np.float32(item.fill)) * np.float32(1 / (radius * frame.down))
    rough = _pattern(item, "top", 2, frame.y * 18, frame.u * 4)
    light = np.float32(0.92) + np.float32(0.10) * far + np.float32(0.06) * rough
    light = light - np.float32(0.12) * smooth(0.75, 1.0, np.abs(frame.u) * np.float32(1 / radius))
    return light * colour((0.95, 0.94, 0.91))


def _pattern(item: Item, name: str, radius: int, y: Field, x: Field) -> Field:
    """The item's own smooth noise, read at (y, x) px of it."""
    noise = item.draws.clouds((160, 160), radius, name)
    return sample(noise, y + np.float32(40), x + np.float32(80))
