"""Optics: shapes and light as arrays. Where a pixel lies on the vial, which way its surface faces, what it mirrors.

Planes are float32 (height, width), pictures (3, height, width) in linear light, red first, so that planes, colours and
pictures multiply as they are. The camera looks slightly down: a point at height h and depth z toward it appears at
height h - ``down``·z, and a level circle as a flat ellipse. Lengths are mm, directions right, up, toward the camera.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH = 320, 240  # px of a photo
FOOT: Final = 288  # px from the top to the vial's foot

Field = NDArray[np.floating[Any]]


def smooth_step(low: float, high: float, x: Field) -> Field:
    """0 at ``low``, 1 at ``high`` (or the other way about if ``high < low``), with flat ends (3t² - 2t³)."""
    t: Field = np.clip((x - low) * (1 / (high - low)), 0, 1)
    return t * t * (3 - 2 * t)


def soft_band(low: float, high: float, soft: float, x: Field) -> Field:
    """1 between ``low`` and ``high``, 0 outside, with edges ``soft`` wide."""
    half = soft / 2
    return smooth_step(low - half, low + half, x) * smooth_step(high + half, high - half, x)


def bell_curve(x: Field, centre: float, width: float) -> Field:
    """A bump of height 1 at ``centre``, (1 + (x/width)²)⁻²: a Gaussian with wider tails, as lenses blur."""
    t = (x - centre) * (1 / width)
    t = 1 / (1 + t * t)
    return t * t


def make_colour(red: float, green: float, blue: float) -> Field:
    """A colour in linear light, (3, 1, 1)."""
    return np.array([red, green, blue], np.float32)[:, None, None]


def blend_over(picture: Field, paint: Field, coverage: Field) -> Field:
    """``paint`` laid over ``picture`` where ``coverage`` (0..1) says so."""
    return picture + (paint - picture) * coverage


def blur_box(picture: Field, radius_y: int, radius_x: int, passes: int = 3) -> Field:
    """Running means of 2·radius + 1 px, ``passes`` times: three come close to a Gaussian, at any radius as fast."""
    import cv2

    planes = list(picture.reshape(-1, *picture.shape[-2:]))
    for _ in range(passes if radius_y or radius_x else 0):
        size = (2 * radius_x + 1, 2 * radius_y + 1)
        planes = [cv2.blur(plane, size, borderType=cv2.BORDER_REPLICATE) for plane in planes]
    return np.asarray(planes).reshape(picture.shape)


def sample_at(picture: Field, y: Field, x: Field) -> Field:
    """``picture`` at fractional pixel positions (two planes), bilinear, borders repeated."""
    import cv2

    flat = picture.reshape(-1, *picture.shape[-2:])
    planes = [cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for plane in flat]
    return np.asarray(planes).reshape(*picture.shape[:-2], *x.shape)


class Normal(NamedTuple):
    """Direction of a surface, of length 1; planes."""

    x: Field
    y: Field
    z: Field


def make_normal(x: Field, y: Field, z: Field) -> Normal:
    """The direction of (x, y, z), shortened to length 1."""
    inverse = 1 / np.sqrt(x * x + y * y + z * z + 1e-9)
    return Normal(x * inverse, y * inverse, z * inverse)


class Side(NamedTuple):
    """The side of a solid of revolution that stands upright, as a photo sees it; planes."""

    coverage: Field  # 0..1
    height: Field  # mm, of what is seen
    across: Field  # -1 at its left outline to 1 at its right
    normal: Normal


class Face(NamedTuple):
    """A level disc as a photo sees it; planes."""

    coverage: Field  # 0..1
    out: Field  # 0 in its middle, 1 at its rim
    far: Field  # -1 at its front, 1 at its back


@dataclass(frozen=True)
class Frame:
    """Where each pixel of a photo lies, from the photo's pixels to mm on the vial; planes."""

    row: Field  # px from the photo's top
    column: Field  # px from the photo's left
    u: Field  # mm to the right of the vial's axis
    y: Field  # mm above the vial's foot, as seen
    scale: float  # px per mm
    down: float = 0.105  # slope of the line of sight

    def turn_about(self, angle: float, u0: float, y0: float, lift: float = 0) -> "Frame":
        """The frame of a part that is turned clockwise by ``angle`` about (``u0``, ``y0``) mm, and lifted."""
        c, s = math.cos(angle), math.sin(angle)
        du, dy = self.u - u0, self.y - (y0 + lift)
        return replace(self, u=c * du - s * dy + u0, y=s * du + c * dy + y0)

    def cut_out(self, part: tuple[slice, ...]) -> "Frame":
        """The frame of a part of the photo."""
        return replace(self, row=self.row[part], column=self.column[part], u=self.u[part], y=self.y[part])

    def cover_edge(self, distance: Field) -> Field:
        """Coverage of a pixel whose middle lies ``distance`` mm inside an edge."""
        coverage: Field = np.clip(distance * self.scale + 0.5, 0, 1)
        return coverage

    def find_depth(self, radius: float | Field) -> Field:
        """How far the front of an upright cylinder stands out toward the camera, mm."""
        return np.sqrt(np.maximum(radius * radius - self.u * self.u, 0))

    def find_side(self, outline: Sequence[tuple[float, float]], rounding: int = 0) -> Side:
        """The side of a solid whose outline goes through (height, radius) mm, corners rounded over steps of 0.05 mm."""
        knots = np.array(outline).T
        low, high = outline[0][0], outline[-1][0]
        heights = np.linspace(low, high, round((high - low) * 20) + 2)
        radii = blur_box(np.interp(heights, *knots)[:, None], rounding, 0).ravel()
        outer = np.interp(self.y, heights, radii).astype(np.float32)
        height = self.y + self.down * self.find_depth(outer)
        radius = np.interp(height, heights, radii).astype(np.float32)
        across = np.clip(self.u / radius, -1, 1)
        inside = self.cover_edge(np.minimum(outer - np.abs(self.u), height - low))
        growth = np.interp(height, heights, np.gradient(radii, heights)).astype(np.float32)
        normal = make_normal(across, -growth, np.sqrt(1 - across * across))
        return Side(inside * self.cover_edge(high - height), height, across, normal)

    def find_face(self, radius: float, height: float) -> Face:
        """The top of a solid."""
        across, along = self.u / radius, (self.y - height) / (radius * self.down)
        out = across * across + along * along
        # Distance to an ellipse, to first order: its equation over the length of its gradient.
        slope = np.sqrt(across * across + (along / self.down) ** 2 + 1e-6)
        return Face(self.cover_edge((1 - out) * (radius / 2) / slope), np.sqrt(out), along)


def place_frame(x: float, y: float, lean: float, scale: float, width: int) -> Frame:
    """The frame of a vial in a photo of a width, ``x`` px right of its middle and ``y`` px low."""
    row, column = np.indices((HEIGHT, width), np.float32)
    u, up = (column - ((width - 1) / 2 + x)) / scale, (FOOT + y - row) / scale
    return Frame(row, column, u, up, scale).turn_about(lean, 0, 0)


def reflect_lamps(n: Normal, soft: float) -> Field:
    """Light of the lamps that a mirror sends to the camera, blurred by ``soft`` (roughness)."""
    # An upright soft box to the left, a narrow one to the right, one above.
    rx, ry = 2 * n.z * n.x, 2 * n.z * n.y
    glow = smooth_step(0.60, 0.74, n.z) * (0.72 + 0.28 * smooth_step(-0.99, -0.62, rx))
    left = soft_band(-0.96, -0.66, soft, rx) * soft_band(-0.62, 0.80, soft + 0.1, ry) * glow
    right = soft_band(0.74, 0.90, soft, rx) * soft_band(-0.75, 0.70, soft + 0.1, ry)
    return left + 0.55 * right + 0.8 * smooth_step(0.55, 0.95, ry)


def reflect_hall(n: Normal) -> Field:
    """The dim hall that every mirror shows besides the lamps: lighter above, dark around the camera."""
    return 0.10 + 0.16 * smooth_step(-0.6, 0.9, n.y) + 0.12 * smooth_step(0.3, 0.95, np.abs(n.x))


def reflect_share(n: Normal) -> Field:
    """Share of light that glass or gloss reflects (Schlick's approximation, refractive index 1.5)."""
    return 0.04 + 0.96 * (1 - n.z) ** 5


def light_matt(n: Normal) -> Field:
    """Light on a matt white surface."""
    key: Field = np.maximum(-0.52 * n.x + 0.45 * n.y + 0.72 * n.z, 0)
    fill: Field = np.maximum(0.75 * n.x + 0.2 * n.y + 0.6 * n.z, 0)
    return 0.16 + 0.60 * key + 0.20 * fill
