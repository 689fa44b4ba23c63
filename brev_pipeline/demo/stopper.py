"""Stopper: the rubber plug in the vial's neck, hidden by the cap or standing bare."""

from typing import Final

import numpy as np

from brev_pipeline.demo.exact import Field, bell, clip, colour, over, root, smooth
from brev_pipeline.demo.frame import Frame
from brev_pipeline.demo.glass import TOP
from brev_pipeline.demo.item import Item
from brev_pipeline.demo.light import Normal, diffuse, fresnel, reflection, round_wall

_PLUG: Final = 6.6  # mm, radius
_PLUG_FOOT: Final = 45.5  # mm above the vial's foot
_HEAD: Final = 9.4  # mm, radius
_HEAD_HIGH: Final = 3.0  # mm


def plug(picture: Field, frame: Frame, item: Item, lift: float = 0) -> Field:
    """The picture with the part of the stopper that stands in the neck."""
    n, inside = _cylinder(frame, _PLUG)
    foot = frame.height(_PLUG) - (_PLUG_FOOT + lift)
    top = frame.edge(TOP + lift - frame.y)
    shade = diffuse(n) * 0.85 * (0.5 + 0.5 * smooth(0, 2.5, foot))
    return over(picture, shade * colour(*item.rubber) + 0.012, inside * frame.edge(foot) * top)


def head(picture: Field, frame: Frame, item: Item, lift: float) -> Field:
    """The picture with the stopper's head, which lies on the lip or stands ``lift`` mm above it."""
    foot, top = TOP + lift, TOP + lift + _HEAD_HIGH
    n, _ = _cylinder(frame, _HEAD)
    height = frame.height(_HEAD)
    shade = diffuse(n) * (0.75 + 0.25 * smooth(foot, foot + 1.2, height))
    rubber = colour(*item.rubber)
    picture = _shaft(picture, frame, item, foot) * (1 - 0.55 * _shadow(frame, foot))
    paint = shade * rubber + (reflection(n, 0.5) + 0.2) * fresnel(n) * 0.5
    picture = over(picture, paint, frame.drum(_HEAD, foot, top))
    return over(picture, _face(frame, rubber, top), frame.disc(_HEAD - 0.15, top))


def _shaft(picture: Field, frame: Frame, item: Item, top: float) -> Field:
    """The part of the plug that stands between lip and head."""
    n, inside = _cylinder(frame, _PLUG)
    height = frame.height(_PLUG)
    shown = inside * frame.edge(height - TOP) * frame.edge(top + 0.5 - height)
    return over(picture, diffuse(n) * 0.8 * colour(*item.rubber), shown)


def _face(frame: Frame, rubber: Field, top: float) -> Field:
    """The top of the head: a dimple for the needle, a raised rim that catches the lamp above."""
    across, along = frame.radial(_HEAD, top)
    out = root(across + along)
    far = (frame.y - top) / (_HEAD * frame.down)
    light = 1.02 + 0.16 * far
    rings = 0.22 * bell(out, 0.93, 0.06) - 0.22 * bell(out, 0.42, 0.05)
    return (light + rings) * rubber + 0.028 + 0.02 * far


def _cylinder(frame: Frame, radius: float) -> tuple[Normal, Field]:
    s = clip(frame.u / radius, -1, 1)
    return round_wall(s), frame.edge(radius - np.abs(frame.u))


def _shadow(frame: Frame, foot: float) -> Field:
    below = foot - frame.height(_HEAD)
    return smooth(2.6, 0, below) * smooth(-0.4, 0, below) * frame.edge(_HEAD - np.abs(frame.u))
