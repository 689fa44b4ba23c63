"""Glass: the empty vial. Its outline, what is seen through it, and what it mirrors."""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Final

import numpy as np

from brev_pipeline.demo.exact import Field, band, bell, clip, colour, lookup, over, root, sample, smooth
from brev_pipeline.demo.frame import Frame
from brev_pipeline.demo.item import Item
from brev_pipeline.demo.light import Normal, flared, fresnel, reflection, round_wall, surroundings

BODY: Final = 15.0  # mm, radius
WALL: Final = 1.1  # mm
LIP: Final = 10.2  # mm, radius of the flange that the cap grips
TOP: Final = 55.0  # mm above the foot
BORE: Final = 6.3  # mm, radius of the opening

# Outline of the outer surface: height, radius, in mm.
_OUTLINE: Final = [(0, 12.6), (0.6, 14.0), (2.2, 15.0), (32.4, 15.0), (35.6, 13.6), (39.2, 9.6), (41.5, 8.3)]
_OUTLINE_TOP: Final = [(50.0, 8.3), (51.2, 9.8), (52.0, 10.2), (54.2, 10.2), (55.0, 9.6)]
_FINE: Final = 20  # entries of the outline's table per mm


@dataclass(frozen=True)
class Glass:
    """The glass as one photo sees it: coverage 0..1, height on its front in mm, place across it −1..1, normal."""

    coverage: Field
    height: Field
    across: Field
    normal: Normal


def glass_of(frame: Frame) -> Glass:
    """The vial's outer surface in a photo."""
    radius = _radius(frame.y)
    height = frame.height(np.minimum(radius, BODY))
    radius_there = _radius(height)
    across = clip(frame.u / radius_there, -1, 1)
    inside = np.minimum(radius - np.abs(frame.u), np.minimum(height, TOP - frame.y))
    normal = flared(round_wall(across), _slope(height))
    return Glass(frame.edge(inside), height, across, normal)


def through_glass(picture: Field, frame: Frame, glass: Glass) -> Field:
    """The picture behind, as the empty vial's walls bend and dim it."""
    n, s = glass.normal, glass.across
    s2 = s * s
    bent = 5 * frame.scale * s * s2 * s2
    behind = sample(picture, frame.row + 26 * n.y, frame.column - bent + 14 * n.y * s)
    return behind * _transmission(n, s) + colour(0.010, 0.014, 0.015)


def _transmission(n: Normal, s: Field) -> Field:
    edge: Field = np.abs(s)
    wall: Field = 0.90 - 0.74 * smooth(0.84, 0.985, edge) + 0.30 * band(0.905, 0.945, 0.03, edge)
    shoulder = 1 - 0.62 * smooth(0.10, 0.75, np.abs(n.y))
    green = 1 - colour(0.10, 0.02, 0.05) * smooth(0.6, 1, edge)
    return wall * shoulder * green


def on_glass(picture: Field, item: Item, glass: Glass, turn: float) -> Field:
    """The picture with what the glass mirrors, and with its scratches, added."""
    n = glass.normal
    rim = fresnel(n)
    lamps = reflection(n, 0.05) * (0.42 + rim)
    shine = lamps * colour(0.97, 1.0, 1.03) + surroundings(n) * rim
    shine = shine + _foot(glass) + _scratches(item, glass, turn)
    return picture * (1 - rim) + shine


def _foot(glass: Glass) -> Field:
    """The thick foot gathers light in a bright line above a dark one."""
    lens = bell(glass.height, 1.5, 0.45) * 0.32 - bell(glass.height, 0.3, 0.5) * 0.10
    return lens * (1 - np.abs(glass.across) * 0.6)


def _scratches(item: Item, glass: Glass, turn: float) -> Field:
    """Two to five fine marks that turn with the vial."""
    light = np.zeros_like(glass.height)
    for mark in range(2 + int(item.draws.between(0, 4, "marks"))):
        draws = item.draws.about("mark", mark)
        place = draws.between(-0.9, 0.9, "place") + 2.0 * turn
        slope, middle = draws.near(0, 0.05, "slope"), draws.between(4, 32, "middle")
        length, strength = draws.between(0.5, 3.5, "length"), draws.between(0.06, 0.22, "strength")
        along = glass.height - middle
        line = bell(glass.across - along * slope, place, 0.012)
        light = light + line * band(-length, length, 0.8, along) * strength
    return light


def in_mouth(picture: Field, frame: Frame) -> Field:
    """The open mouth: the lip's flat ring of glass, and the bore in it, dark toward the camera."""
    ring = frame.disc(LIP - 0.5, TOP)
    bore = frame.disc(BORE, TOP)
    across, along = frame.radial(BORE, TOP)
    near = smooth(-1, 1, (frame.y - TOP) / (BORE * frame.down))
    glow = colour(0.44, 0.48, 0.50) + colour(0.30, 0.32, 0.33) * bell(frame.u, -4.5, 3.5)
    picture = over(picture, glow, ring * 0.85)
    deep = colour(0.035, 0.045, 0.05) + colour(0.26, 0.29, 0.30) * near
    picture = over(picture, deep, bore * 0.92)
    edge = bell(root(across + along), 1.06, 0.10)
    return picture + edge * 0.22 * ring


@cache
def _tables() -> tuple[Field, Field]:
    """Radius and its growth per mm of height, at every 1/20 mm from the foot to the top."""
    points = [*_OUTLINE, *_OUTLINE_TOP]
    radii = np.array([_between(points, step / _FINE) for step in range(int(TOP * _FINE) + 2)], np.float32)
    for reach in (3, 5, 7, 9, 11):
        # Rounds the corners over about 2 mm.
        padded = np.pad(radii, reach, mode="edge")
        radii = (padded[: -2 * reach] + padded[2 * reach :] + radii * 2) * 0.25
    growth = np.diff(radii, append=radii[-1:]) * _FINE
    return radii, growth


def _between(points: list[tuple[float, float]], height: float) -> float:
    for (low, r0), (high, r1) in pairwise(points):
        if height <= high:
            return r0 + (r1 - r0) * (height - low) / (high - low)
    return points[-1][1]


def _radius(height: Field) -> Field:
    return lookup(_tables()[0], height * _FINE)


def _slope(height: Field) -> Field:
    return lookup(_tables()[1], height * _FINE)
