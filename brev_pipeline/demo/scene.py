"""Scene: the inspection machine behind the vial, out of focus, and the conveyor that it stands on."""

from typing import Final

import numpy as np

from brev_pipeline.demo.draws import Draws
from brev_pipeline.demo.exact import Field, band, bell, blur, colour, over, root, smooth
from brev_pipeline.demo.frame import FOOT, HEIGHT, Frame
from brev_pipeline.demo.item import Rgb

MARGIN: Final = 40  # px of scene beyond the frame on either side, for the photos to move in
_WIDE: Final = 240 + 2 * MARGIN
_HORIZON: Final = 262  # px from the top: where the conveyor ends and the machine begins


def machine(draws: Draws) -> Field:
    """The machine without vials, in linear light; 320 × 320 px."""
    y, x = np.mgrid[0:HEIGHT, 0:_WIDE].astype(np.float32)
    wall = _wall(x, y)
    wall = _posts(wall, x, y)
    wall = _lamps(blur(wall, 7, 7), x, y, draws)
    return over(blur(wall, 2, 2), _conveyor(x, y, draws), smooth(_HORIZON - 5, _HORIZON + 5, y))


def _wall(x: Field, y: Field) -> Field:
    """A bright panel behind the vial's place, a dark enclosure about it."""
    panel = band(70, 250, 60, x) * band(44, 300, 70, y)
    fall = 1 - 0.0011 * (300 - y)
    dark = colour(0.024, 0.029, 0.038)
    return dark + colour(0.47, 0.505, 0.53) * panel * fall


def _posts(wall: Field, x: Field, y: Field) -> Field:
    """Guide rods, a cross rail, a dark gripper arm."""
    for at, width, bright in ((52, 15, 0.16), (268, 20, 0.10), (226, 6, 0.30)):
        shine = bright + (0.5 * bright) * bell(x, at - width / 5, width / 5)
        wall = over(wall, shine * colour(0.96, 1.0, 1.03), band(at - width / 2, at + width / 2, 2, x))
    rail = 0.16 + 0.30 * bell(y, 205, 3)
    wall = over(wall, rail * colour(0.97, 1.0, 1.02), band(200, 222, 2, y) * 0.85)
    arm = band(-20, 70, 2, x) * band(24, 46, 2, y - x * 0.12)
    return over(wall, colour(0.05, 0.05, 0.055), np.maximum(arm, band(246, 330, 2, x) * band(60, 92, 2, y)))


def _lamps(wall: Field, x: Field, y: Field, draws: Draws) -> Field:
    """Status lamps, blurred to discs as a lens does it."""
    colours: list[Rgb] = [(0.05, 0.55, 0.20), (0.75, 0.38, 0.04), (0.10, 0.30, 0.70), (0.6, 0.62, 0.6)]
    for number, (at_x, at_y) in enumerate(((84, 25), (104, 23), (232, 31), (262, 120))):
        radius = draws.between(5.5, 8.5, f"lamp {number}")
        dx, dy = x - at_x, y - at_y
        disc = smooth(radius + 1.2, radius - 1.2, root(dx * dx + dy * dy))
        wall = wall + disc * colour(*colours[number]) * 1.1
    return wall


def _conveyor(x: Field, y: Field, draws: Draws) -> Field:
    """Brushed steel: lighter toward the camera, streaked along its run, with the panel's glow in it."""
    near = smooth(_HORIZON, HEIGHT + 30, y)
    streaks = draws.grain((HEIGHT, 1), "streaks") * 0.018
    glow = band(50, 270, 90, x) * (0.26 - 0.12 * near)
    light = 0.15 + 0.10 * near + glow + streaks
    lip = 0.22 * bell(y, _HORIZON + 3, 2.5) - 0.10 * bell(y, _HORIZON + 9, 3)
    return (light + lip) * colour(0.96, 1.0, 1.035)


def contact(picture: Field, frame: Frame) -> Field:
    """The picture with the vial's shadow on the conveyor."""
    across = frame.u * (1 / 19)
    along = (frame.y + 0.7) * (1 / 3.4)
    out = across * across + along * along
    return picture * (1 - 0.72 * smooth(1.25, 0.25, out))


def mirrored(picture: Field, foot: float) -> Field:
    """The picture with the vial's blurred mirror image in the steel below ``foot`` (px from the top)."""
    rows = np.arange(picture.shape[-2])
    first = int(foot) + 1
    source = np.clip(2 * first - rows, 0, HEIGHT - 1)
    image = blur(picture[:, source[first:]], 2, 1, passes=2)
    fade = 0.42 * smooth(34, 0, (rows[first:] - first).astype(np.float32))[:, None]
    below = over(picture[:, first:], image * 0.8, fade)
    return np.concatenate([picture[:, :first], below], axis=1)


def foot_of(y: float) -> float:
    """Row at which a vial that stands ``y`` px lower than usual touches the conveyor with its front."""
    return FOOT + y + 6.2
