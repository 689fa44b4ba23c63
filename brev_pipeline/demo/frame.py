"""Frame: from the photo's pixels to millimetres on the vial.

The camera looks slightly down on the vial, so that a horizontal circle is seen as a flat ellipse: a point at
height h and depth z toward the camera appears at height h − ``down``·z.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from brev_pipeline.demo.exact import Field, root
from brev_pipeline.demo.item import Shot

HEIGHT: Final = 320  # px
WIDTH: Final = 240  # px
FOOT: Final = 288  # px from the top to the vial's foot
DOWN: Final = 0.105  # slope of the line of sight


@dataclass(frozen=True)
class Frame:
    """Where each pixel lies, in mm.

    Args:
        u: mm to the right of the vial's axis.
        y: mm above the vial's foot, as seen.
        scale: px per mm.
        down: slope of the line of sight.
    """

    u: Field
    y: Field
    scale: float
    down: float = DOWN

    def depth(self, radius: float | Field) -> Field:
        """How far the front of an upright cylinder stands out toward the camera, mm."""
        return root(np.float32(1) * radius * radius - self.u * self.u)

    def edge(self, distance: Field) -> Field:
        """Coverage of a pixel whose middle lies ``distance`` mm inside an edge."""
        return np.clip(distance * np.float32(self.scale) + np.float32(0.5), 0, 1)

    def height(self, radius: float | Field) -> Field:
        """Height of the point that is seen on the front of a cylinder, mm."""
        return self.y + np.float32(self.down) * self.depth(radius)

    def disc(self, radius: float, height: float) -> Field:
        """Coverage of a horizontal disc."""
        across, along = self.radial(radius, height)
        flat = np.float32(1 / (self.down * self.down))
        # Distance to an ellipse, to first order: its equation over the length of its gradient.
        slope = np.sqrt(across + along * flat + np.float32(1e-6))
        return self.edge((np.float32(1) - across - along) * np.float32(radius / 2) / slope)

    def radial(self, radius: float, height: float) -> tuple[Field, Field]:
        """Squares of the two coordinates in a horizontal disc, 1 together at its rim: across, and along the sight."""
        across = self.u * np.float32(1 / radius)
        along = (self.y - np.float32(height)) * np.float32(1 / (radius * self.down))
        return across * across, along * along

    def turned(self, slope: float, u0: float, y0: float, lift: float = 0, down: float | None = None) -> "Frame":
        """The frame of a part that is turned about (``u0``, ``y0``) clockwise by ``slope`` and lifted by ``lift`` mm."""
        c, s = _rotation(slope)
        du, dy = self.u - np.float32(u0), self.y - np.float32(y0 + lift)
        u = np.float32(c) * du - np.float32(s) * dy + np.float32(u0)
        y = np.float32(s) * du + np.float32(c) * dy + np.float32(y0)
        return Frame(u, y, self.scale, self.down if down is None else down)


def frame_of(shot: Shot, height: int = HEIGHT, width: int = WIDTH) -> Frame:
    """The vial's frame in a photo of ``height`` × ``width`` px."""
    x = np.arange(width, dtype=np.float32)[None, :] - np.float32((width - 1) / 2 + shot.x)
    y = np.float32(FOOT + shot.y) - np.arange(height, dtype=np.float32)[:, None]
    mm = np.float32(1 / shot.scale)
    upright = Frame(x * mm + y * 0, y * mm + x * 0, shot.scale)
    return upright.turned(shot.lean, 0, 0)


def _rotation(slope: float) -> tuple[float, float]:
    """Cosine and sine of twice the angle whose tangent is slope / 2: of the angle ``slope`` for small ones."""
    t = slope / 2
    return (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
