"""Cap: an aluminium seal crimped round the vial's lip, with a coloured flip-off button; and its faults."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from brev_pipeline.demo.exact import Field, band, bell, colour, lookup, over, root, sample, smooth
from brev_pipeline.demo.frame import Frame
from brev_pipeline.demo.glass import TOP
from brev_pipeline.demo.item import Item
from brev_pipeline.demo.light import Normal, diffuse, fresnel, normal_of, reflection, surroundings

_SEAL: Final = 10.65  # mm, radius
_SEAL_TOP: Final = TOP + 0.9  # mm above the vial's foot
_CRIMP: Final = 48.0  # mm above the vial's foot: where the seal is rolled in under the lip
_BUTTON: Final = 10.75  # mm, radius
_BUTTON_TOP: Final = _SEAL_TOP + 2.3  # mm above the vial's foot
_FINE: Final = 20  # entries of the skirt's table per mm


@dataclass(frozen=True)
class _Fit:
    """How the cap sits: turned by ``slope`` about its side, lifted, seen from another height, rolled in or not."""

    slope: float = 0.0
    lift: float = 0.0
    down: float = 0.105
    rolled: float = 1.0
    dent: float = 0.0


def put_on(picture: Field, frame: Frame, item: Item, turn: float) -> Field:
    """The picture with the item's cap."""
    fit = _fit(item)
    own = _dented(_seated(frame, item, fit), item, fit)
    picture = _skirt(picture, own, item, fit, turn)
    return _button(picture, own, item, fit)


def shade(picture: Field, frame: Frame, item: Item) -> Field:
    """The picture of the glass with the shadow that the item's cap throws on the neck: the light comes from above."""
    below = np.float32(_CRIMP) - _seated(frame, item, _fit(item)).height(_SEAL - 1.5)
    return picture * (np.float32(1) - np.float32(0.65) * smooth(4.5, 0, below))


def _seated(frame: Frame, item: Item, fit: _Fit) -> Frame:
    # A tilted cap rests on one end of its lower edge.
    return frame.turned(fit.slope, -0.9 * _SEAL * item.side, _CRIMP, fit.lift, fit.down)


def _fit(item: Item) -> _Fit:
    draws, strength = item.draws.about("cap"), item.severity
    slope, down = draws.near(0, 0.006, "slope"), draws.near(0.105, 0.012, "down")
    if item.fault == "tilted":
        return _Fit(-item.side * (0.14 + 0.12 * strength), 0.4, down + draws.between(-0.02, 0.09, "nod"), 0.5)
    if item.fault == "loose":
        return _Fit(-item.side * draws.between(0.0, 0.05, "cant"), 3.0 + 1.5 * strength, down, 0.0)
    if item.fault == "dented":
        return _Fit(slope, 0.0, down, 1.0, 1.6 + 1.3 * strength)
    return _Fit(slope, 0.0, down)


def _dented(frame: Frame, item: Item, fit: _Fit) -> Frame:
    """The frame of a cap that was crushed from above near one side: what was high there is lower now."""
    if not fit.dent:
        return frame
    height = smooth(_CRIMP - 1, _BUTTON_TOP, frame.y)
    crushed = np.float32(fit.dent) * bell(frame.u, item.side * item.draws.between(8.0, 10.5, "dent"), 6.5) * height
    return Frame(frame.u, frame.y + crushed, frame.scale, frame.down)


def _skirt(picture: Field, frame: Frame, item: Item, fit: _Fit, turn: float) -> Field:
    height = frame.height(_SEAL)
    radius = lookup(_outline(fit.rolled), (height - np.float32(_CRIMP)) * np.float32(_FINE))
    growth = lookup(_growth(fit.rolled), (height - np.float32(_CRIMP)) * np.float32(_FINE))
    s = np.clip(frame.u / radius, -1, 1)
    n = _pushed(normal_of(s, growth, root(np.float32(1) - s * s)), s, height, item, fit)
    inside = np.minimum(radius - np.abs(frame.u), np.minimum(height - np.float32(_CRIMP), np.float32(_SEAL_TOP) - height))
    metal = _metal(n, s, height, item, turn) * (np.float32(1) - np.float32(0.75) * _gap(height))
    return over(picture, metal, frame.edge(inside))


def _outline(rolled: float) -> Field:
    """Radius of the skirt from its lower edge up: rolled in under the lip, or left straight."""
    steps = np.arange(int((_SEAL_TOP - _CRIMP) * _FINE) + 2, dtype=np.float32) * np.float32(1 / _FINE)
    return np.float32(_SEAL) - np.float32(1.5 * rolled) * smooth(1.7, -0.1, steps) - np.float32(0.5) * smooth(7.0, 8.0, steps)


def _growth(rolled: float) -> Field:
    outline = _outline(rolled)
    return np.diff(outline, append=outline[-1:]) * np.float32(_FINE)


def _pushed(n: Normal, s: Field, height: Field, item: Item, fit: _Fit) -> Normal:
    """The normal of a wall that is dented: it leans toward the dent's middle on all sides of it."""
    if not fit.dent:
        return n
    x, y = (s - np.float32(0.50 * item.side)) * np.float32(2.0), (height - np.float32(53.5)) * np.float32(0.21)
    inside = np.maximum(np.float32(1) - x * x - y * y, np.float32(0))
    inside = inside * inside * np.float32(0.62 * fit.dent)
    nx, ny = n.x - x * inside, n.y - y * inside
    inverse = np.float32(1) / np.sqrt(nx * nx + ny * ny + n.z * n.z)
    return Normal(nx * inverse, ny * inverse, n.z * inverse)


def _metal(n: Normal, s: Field, height: Field, item: Item, turn: float) -> Field:
    """Drawn aluminium: it mirrors lamps and hall, smeared out, with fine drawing marks up and down."""
    marks = item.draws.clouds((64, 256), 1, "marks")
    at = sample(marks, (height - np.float32(_CRIMP)) * np.float32(0.8) + np.float32(8), (s + np.float32(turn)) * np.float32(90) + np.float32(128))
    light = np.float32(0.95) * reflection(n, 0.30) + np.float32(1.15) * surroundings(n) + np.float32(0.07) * diffuse(n)
    folds = np.float32(0.10) * _knurl(s, height, turn)
    return light * (np.float32(0.95) + np.float32(0.07) * at - folds) * colour((0.93, 0.95, 0.97))


def _knurl(s: Field, height: Field, turn: float) -> Field:
    """Small folds that the crimping rollers leave above the edge."""
    x = (s + np.float32(turn)) * np.float32(11)
    wave = np.abs(x - np.rint(x)) * np.float32(2)
    return wave * band(_CRIMP + 0.6, _CRIMP + 2.0, 0.8, height)


def _gap(height: Field) -> Field:
    """The shadow line between seal and button."""
    return bell(height, _SEAL_TOP - 0.1, 0.35)


def _button(picture: Field, frame: Frame, item: Item, fit: _Fit) -> Field:
    height = frame.height(_BUTTON)
    low, high = _SEAL_TOP, _BUTTON_TOP
    s = np.clip(frame.u * np.float32(1 / _BUTTON), -1, 1)
    upright = root(np.float32(1) - s * s)
    # The upper edge is rounded: its normal leans from level to upward over the last 0.9 mm.
    lean = np.float32(-1.6) * smooth(high - 0.9, high + 0.1, height)
    n = normal_of(s, lean, upright)
    side = frame.edge(np.float32(_BUTTON) - np.abs(frame.u)) * frame.edge(height - np.float32(low)) * frame.edge(np.float32(high) - height)
    picture = over(picture, _plastic(n, item), side)
    return over(picture, _face(frame, item), frame.disc(_BUTTON - 0.25, high))


def _plastic(n: Normal, item: Item) -> Field:
    gloss = reflection(n, 0.16) * (np.float32(0.10) + np.float32(0.5) * fresnel(n)) + surroundings(n) * fresnel(n)
    return colour(item.button) * diffuse(n) * np.float32(1.05) + gloss


def _face(frame: Frame, item: Item) -> Field:
    """The button's top: it lies in the light of the lamp above, with an embossed ring, and mirrors the hall behind."""
    across, along = frame.radial(_BUTTON, _BUTTON_TOP)
    out = root(across + along)
    far = (frame.y - np.float32(_BUTTON_TOP)) * np.float32(1 / (_BUTTON * frame.down))
    light = np.float32(0.98) + np.float32(0.10) * far + np.float32(0.16) * bell(out, 0.72, 0.06)
    light = light - np.float32(0.14) * bell(out, 0.80, 0.05) + np.float32(0.16) * bell(out, 1.0, 0.05)
    gloss = np.float32(0.050) + np.float32(0.075) * smooth(-0.6, 1.0, far) * bell(frame.u, -2.5, 9.0)
    return colour(item.button) * light + gloss

