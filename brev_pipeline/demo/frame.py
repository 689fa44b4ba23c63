"""Frame: from the photo's pixels to millimetres on the vial.

The camera looks slightly down on the vial, so that a horizontal circle is seen as a flat ellipse: a point at
height h and depth z toward the camera appears at height h − ``down``·z.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from brev_pipeline.demo.exact import Field, clip, root
from brev_pipeline.demo.item import Shot

HEIGHT: Final = 320  # px
WIDTH: Final = 240  # px
FOOT: Final = 288  # px from the top to the vial's foot
DOWN: Final = 0.105  # slope of the line of sight


@dataclass(frozen=True)
class Frame:
    """Where each pixel of a part of the photo lies.

    Args:
        row: px from the photo's top.
        column: px from the photo's left.
        u: mm to the right of the vial's axis.
        y: mm above the vial's foot, as seen.
        scale: px per mm.
        down: slope of the line of sight.
    """

    row: Field
    column: Field
    u: Field
    y: Field
    scale: float
    down: float = DOWN

    def depth(self, radius: float | Field) -> Field:
        """How far the front of an upright cylinder stands out toward the camera, mm."""
        return root(radius * radius - self.u * self.u)

    def height(self, radius: float | Field) -> Field:
        """Height of the point that is seen on the front of an upright cylinder, mm."""
        return self.y + self.down * self.depth(radius)

    def edge(self, distance: Field) -> Field:
        """Coverage of a pixel whose middle lies ``distance`` mm inside an edge."""
        return clip(distance * self.scale + 0.5, 0, 1)

    def disc(self, radius: float, height: float) -> Field:
        """Coverage of a horizontal disc."""
        across, along = self.radial(radius, height)
        # Distance to an ellipse, to first order: its equation over the length of its gradient.
        slope = np.sqrt(across + along / (self.down * self.down) + 1e-6)
        return self.edge((1 - across - along) * (radius / 2) / slope)

    def drum(self, radius: float, low: float, high: float) -> Field:
        """Coverage of an upright cylinder between two heights, without the upper half of its top disc."""
        side = np.minimum(radius - np.abs(self.u), np.minimum(self.y - low, high - self.y))
        return np.maximum(self.edge(side), self.disc(radius, low))

    def radial(self, radius: float, height: float) -> tuple[Field, Field]:
        """Squares of the two coordinates in a horizontal disc, 1 together at its rim: across, and along the sight."""
        across = self.u / radius
        along = (self.y - height) / (radius * self.down)
        return across * across, along * along

    def turned(self, slope: float, u0: float, y0: float, lift: float = 0) -> "Frame":
        """The frame of a part that is turned clockwise about (``u0``, ``y0``) by ``slope``, and lifted, mm."""
        c, s = _rotation(slope)
        du, dy = self.u - u0, self.y - (y0 + lift)
        u = c * du - s * dy + u0
        y = s * du + c * dy + y0
        return replace(self, u=u, y=y)

    def part(self, rows: slice, columns: slice) -> "Frame":
        """The frame of a rectangle of this one."""
        cut = (rows, columns)
        return replace(self, row=self.row[cut], column=self.column[cut], u=self.u[cut], y=self.y[cut])


def frame_of(shot: Shot, height: int = HEIGHT, width: int = WIDTH) -> Frame:
    """The vial's frame in a photo of ``height`` × ``width`` px."""
    row, column = np.mgrid[0:height, 0:width].astype(np.float32)
    mm = 1 / shot.scale
    u = (column - ((width - 1) / 2 + shot.x)) * mm
    y = (FOOT + shot.y - row) * mm
    return Frame(row, column, u, y, shot.scale).turned(shot.lean, 0, 0)


def box(shot: Shot, width: int, low: float, high: float, reach: float) -> tuple[slice, slice]:
    """Rows and columns, in a photo ``width`` px wide, of what lies between two heights and within ``reach``, all mm."""
    middle, foot = width / 2 + shot.x, FOOT + shot.y
    top, bottom = foot - high * shot.scale, foot - low * shot.scale
    left, right = middle - reach * shot.scale, middle + reach * shot.scale
    return slice(_inside(top, HEIGHT), _inside(bottom, HEIGHT)), slice(_inside(left, width), _inside(right, width))


def _inside(px: float, size: int) -> int:
    return max(0, min(size, int(px)))


def _rotation(slope: float) -> tuple[float, float]:
    """Cosine and sine of twice the angle whose tangent is slope / 2, which for small ones is ``slope`` radians."""
    t = slope / 2
    return (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
