"""Photo: one vial in front of the machine and its neighbours on the conveyor, and the camera that sees it."""

from dataclasses import replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from brev_pipeline.demo.items import Draws, Item, Shot, draw_item, draw_shot
from brev_pipeline.demo.optics import (
    FOOT,
    HEIGHT,
    WIDTH,
    Field,
    bell_curve,
    blend_over,
    blur_box,
    make_colour,
    smooth_step,
    soft_band,
)  # fmt: skip
from brev_pipeline.demo.vial import paint_vial

_PLATES: Final = 6  # different rows of neighbours
_MARGIN: Final = 40  # px of scene beyond the frame on either side, for the photos to move in
_HORIZON: Final = 262  # px from the top: where the conveyor ends and the machine begins
_LAMPS: Final = [(84, 25, (0.05, 0.55, 0.20)), (104, 23, (0.75, 0.38, 0.04)), (232, 31, (0.10, 0.30, 0.70)),
                 (262, 120, (0.6, 0.62, 0.6))]  # fmt: skip


def take_photo(item: Item, shot: Shot) -> NDArray[np.uint8]:
    """The photo of an item: 320 × 240 × 3, red first; equal arguments give equal pixels on one machine."""
    plate = item.draws.choose(range(_PLATES), "plate")
    left = _MARGIN + round(shot.x * -0.6)
    behind = _make_plate(item.draws.seed, plate)[:, :, left : left + WIDTH]
    # The vial touches the conveyor with its front, 6 px below the middle of its foot.
    return _expose(_mirror_foot(paint_vial(behind, item, shot), int(FOOT + shot.y + 6.2)), shot)


@lru_cache(maxsize=_PLATES)
def _make_plate(seed: int, number: int) -> Field:
    """The machine with the item's neighbours left and right, farther back and out of focus."""
    picture = _paint_machine(Draws(seed, ("machine",)))
    for side in (-1, 1):
        draws = Draws(seed, ("plate", number, side))
        x = side * draws.draw_near(132, 5, "distance")
        shot = replace(draw_shot(draws), x=x, y=-13.0, scale=3.75, lean=0.0, turn=0.0)
        picture = paint_vial(picture, draw_item(draws, "none"), shot)
    return blur_box(picture, 2, 2)


def _paint_machine(draws: Draws) -> Field:
    """The inspection machine and its conveyor without vials, out of focus: 320 × 320 px of linear light."""
    x: Field
    y, x = np.indices((HEIGHT, WIDTH + 2 * _MARGIN), np.float32)
    # A bright panel behind the vial's place, a dark enclosure about it.
    panel = soft_band(70, 250, 60, x) * soft_band(44, 300, 70, y) * (1 - 0.0011 * (300 - y))
    wall: Field = make_colour(0.024, 0.029, 0.038) + make_colour(0.47, 0.505, 0.53) * panel
    # Guide rods, a cross rail, a dark gripper arm.
    for at, width, bright in ((52, 15, 0.16), (268, 20, 0.10), (226, 6, 0.30)):
        shine = bright + (0.5 * bright) * bell_curve(x, at - width / 5, width / 5)
        wall = blend_over(wall, shine * make_colour(0.96, 1.0, 1.03), soft_band(at - width / 2, at + width / 2, 2, x))
    rail = (0.16 + 0.30 * bell_curve(y, 205, 3)) * make_colour(0.97, 1.0, 1.02)
    wall = blend_over(wall, rail, soft_band(200, 222, 2, y) * 0.85)
    arm = soft_band(-20, 70, 2, x) * soft_band(24, 46, 2, y - x * 0.12)
    arm = np.maximum(arm, soft_band(246, 330, 2, x) * soft_band(60, 92, 2, y))
    wall = blur_box(blend_over(wall, make_colour(0.05, 0.05, 0.055), arm), 7, 7)
    # Status lamps, blurred to discs as a lens does it.
    for number, (at_x, at_y, colour) in enumerate(_LAMPS):
        radius = draws.draw_between(5.5, 8.5, f"lamp {number}")
        disc = smooth_step(radius + 1.2, radius - 1.2, np.hypot(x - at_x, y - at_y))
        wall = wall + disc * make_colour(*colour) * 1.1
    # Brushed steel: lighter toward the camera, streaked along its run, with the panel's glow in it.
    near = smooth_step(_HORIZON, HEIGHT + 30, y)
    steel = 0.15 + 0.10 * near + soft_band(50, 270, 90, x) * (0.26 - 0.12 * near)
    steel = steel + draws.draw_noise((HEIGHT, 1), "streaks") * 0.018
    steel = steel + 0.22 * bell_curve(y, _HORIZON + 3, 2.5) - 0.10 * bell_curve(y, _HORIZON + 9, 3)
    steel = steel * make_colour(0.96, 1.0, 1.035)
    return blend_over(blur_box(wall, 2, 2), steel, smooth_step(_HORIZON - 5, _HORIZON + 5, y))


def _mirror_foot(picture: Field, foot: int) -> Field:
    """The picture with the vial's blurred mirror image in the steel below row ``foot``."""
    rows = np.arange(foot + 1, HEIGHT)
    image = blur_box(picture[:, 2 * (foot + 1) - rows], 2, 1, passes=2)
    fade = 0.42 * smooth_step(34, 0, (rows - (foot + 1)).astype(np.float32))[:, None]
    return np.concatenate([picture[:, : foot + 1], blend_over(picture[:, foot + 1 :], image * 0.8, fade)], axis=1)


def spread_light(light: Field, shot: Shot) -> Field:
    """Light as lens and shutter spread it over neighbouring pixels."""
    return blur_box(_soften(light, (0.2 + 0.52 * shot.defocus) ** 0.5), 0, shot.motion, passes=1)


def _expose(light: Field, shot: Shot) -> NDArray[np.uint8]:
    """From linear light to the bytes of a photo: lens, shutter, exposure, sensor, tone curve."""
    light = spread_light(light, shot)
    light = light + (blur_box(light, 14, 14) - light) * 0.05  # glare: what the lens scatters
    x, y = np.meshgrid(*(np.linspace(-1, 1, size, dtype=np.float32) for size in (WIDTH, HEIGHT)))
    light = light * (1 - 0.38 * (x * x * 0.36 + y * y * 0.64) ** 2)  # vignette
    light = light * make_colour(1 + shot.warmth, 1, 1 - shot.warmth) * shot.exposure
    # Read noise, and shot noise that grows with the root of the light; the Bayer mosaic smears both a little.
    noise = _soften(shot.draws.draw_noise(light.shape, "grain"), 0.5) * 1.25
    light = np.maximum(light + noise * np.sqrt(0.0042**2 + 0.0105**2 * light), 0) * 0.95
    # A tone curve with a soft shoulder, then display gamma, taken as 2.
    curve = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14)
    pixels = np.rint(np.sqrt(np.clip(curve, 0, 1)) * 255).astype(np.uint8)
    return np.ascontiguousarray(pixels.transpose(1, 2, 0))


def _soften(picture: Field, sigma: float) -> Field:
    import cv2

    return np.stack([cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE) for plane in picture])
