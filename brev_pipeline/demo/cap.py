"""Cap: an aluminium seal crimped round the vial's lip, with a coloured flip-off button; and its faults."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from brev_pipeline.demo.exact import Field, band, bell, clip, colour, lookup, over, root, sample, smooth
from brev_pipeline.demo.frame import Frame
from brev_pipeline.demo.glass import TOP
from brev_pipeline.demo.item import Item
from brev_pipeline.demo.light import Normal, diffuse, flared, fresnel, reflection, round_wall, surroundings, unit

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
    return _button(picture, own, item)


def shade(picture: Field, frame: Frame, item: Item) -> Field:
    """The picture of the glass with the shadow that the item's cap throws on the neck: the light comes from above."""
    below = _CRIMP - _seated(frame, item, _fit(item)).height(_SEAL - 1.5)
    return picture * (1 - 0.65 * smooth(4.5, 0, below))


def _seated(frame: Frame, item: Item, fit: _Fit) -> Frame:
    # A tilted cap rests on one end of its lower edge.
    seated = frame.turned(fit.slope, -0.9 * _SEAL * item.side, _CRIMP, fit.lift)
    return replace(seated, down=fit.down)


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
    crushed = fit.dent * bell(frame.u, item.side * item.draws.between(8.0, 10.5, "dent"), 6.5) * height
    return replace(frame, y=frame.y + crushed)


def _skirt(picture: Field, frame: Frame, item: Item, fit: _Fit, turn: float) -> Field:
    height = frame.height(_SEAL)
    outline, at = _outline(fit.rolled), (height - _CRIMP) * _FINE
    radius, growth = lookup(outline, at), lookup(_growth(outline), at)
    s = clip(frame.u / radius, -1, 1)
    n = _pushed(flared(round_wall(s), growth), s, height, item, fit)
    inside = np.minimum(radius - np.abs(frame.u), np.minimum(frame.y - _CRIMP, _SEAL_TOP - height))
    coverage = np.maximum(frame.edge(inside), frame.disc(float(outline[0]), _CRIMP))
    metal = _metal(n, s, height, item, turn) * (1 - 0.75 * _gap(height))
    return over(picture, metal, coverage)


def _outline(rolled: float) -> Field:
    """Radius of the skirt from its lower edge up: rolled in under the lip, or left straight."""
    steps = np.arange(int((_SEAL_TOP - _CRIMP) * _FINE) + 2, dtype=np.float32) * (1 / _FINE)
    return _SEAL - 1.5 * rolled * smooth(1.7, -0.1, steps) - 0.5 * smooth(7.0, 8.0, steps)


def _growth(outline: Field) -> Field:
    """Change of the radius per mm of height."""
    return np.diff(outline, append=outline[-1:]) * _FINE


def _pushed(n: Normal, s: Field, height: Field, item: Item, fit: _Fit) -> Normal:
    """The normal of a wall with a crease: above it the metal faces down, below it up, on a slant."""
    if not fit.dent:
        return n
    across = s - 0.50 * item.side
    slant = height - 52.6 + across * (3.2 * item.side)
    x, y = across * 2.1, slant * 0.30
    reach: Field = np.maximum(1 - x * x - y * y, 0)
    tip = reach * (smooth(0.8, -0.8, slant) - 0.55) * (0.45 * fit.dent)
    nx, ny = n.x - x * reach * 0.22, n.y + tip
    return unit(nx, ny, n.z)


def _metal(n: Normal, s: Field, height: Field, item: Item, turn: float) -> Field:
    """Drawn aluminium: it mirrors lamps and hall, smeared out, with fine drawing marks up and down."""
    marks = item.draws.clouds((64, 256), 1, "marks")
    mark = sample(marks, (height - _CRIMP) * 0.8 + 8, (s + turn) * 90 + 128)
    light: Field = 0.95 * reflection(n, 0.30) + 1.15 * surroundings(n) + 0.07 * diffuse(n)
    folds = 0.10 * _knurl(s, height, turn)
    return light * (0.95 + 0.07 * mark - folds) * colour(0.93, 0.95, 0.97)


def _knurl(s: Field, height: Field, turn: float) -> Field:
    """Small folds that the crimping rollers leave above the edge."""
    x = (s + turn) * 11
    wave: Field = np.abs(x - np.rint(x)) * 2
    return wave * band(_CRIMP + 0.6, _CRIMP + 2.0, 0.8, height)


def _gap(height: Field) -> Field:
    """The shadow line between seal and button."""
    return bell(height, _SEAL_TOP - 0.1, 0.35)


def _button(picture: Field, frame: Frame, item: Item) -> Field:
    # The upper edge is rounded: its normal turns upward over the last 0.9 mm.
    growth = -1.6 * smooth(_BUTTON_TOP - 0.9, _BUTTON_TOP + 0.1, frame.height(_BUTTON))
    n = flared(round_wall(clip(frame.u / _BUTTON, -1, 1)), growth)
    picture = over(picture, _plastic(n, item), frame.drum(_BUTTON, _SEAL_TOP, _BUTTON_TOP))
    return over(picture, _face(frame, item), frame.disc(_BUTTON - 0.25, _BUTTON_TOP))


def _plastic(n: Normal, item: Item) -> Field:
    gloss = reflection(n, 0.16) * (0.10 + 0.5 * fresnel(n)) + surroundings(n) * fresnel(n)
    return colour(*item.button) * diffuse(n) * 1.05 + gloss


def _face(frame: Frame, item: Item) -> Field:
    """The button's top: it lies in the light of the lamp above, with an embossed ring, and mirrors the hall behind."""
    across, along = frame.radial(_BUTTON, _BUTTON_TOP)
    out = root(across + along)
    far = (frame.y - _BUTTON_TOP) / (_BUTTON * frame.down)
    light: Field = 0.98 + 0.10 * far + 0.16 * bell(out, 0.72, 0.06)
    light = light - 0.14 * bell(out, 0.80, 0.05) + 0.16 * bell(out, 1.0, 0.05)
    gloss = 0.050 + 0.075 * smooth(-0.6, 1.0, far) * bell(frame.u, -2.5, 9.0)
    return colour(*item.button) * light + gloss
