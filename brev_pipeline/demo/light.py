"""Light: what shines on the vial, and what a surface makes of it.

Two upright soft boxes, a large one to the left and a narrow one to the right, a lamp above, a bright panel
behind. Directions are right, up, and toward the camera.
"""

from typing import NamedTuple

import numpy as np

from brev_pipeline.demo.exact import Field, band, smooth


class Normal(NamedTuple):
    """Direction of a surface, of length 1."""

    x: Field
    y: Field
    z: Field


def normal_of(x: Field, slope: Field, z: Field) -> Normal:
    """Direction of a surface of revolution: around it (``x``, ``z``), with the radius growing by ``slope`` per height."""
    inverse = np.float32(1) / np.sqrt(np.float32(1) + slope * slope)
    return Normal(x * inverse, -slope * inverse, z * inverse)


def reflection(n: Normal, soft: float) -> Field:
    """Light that a mirror with this normal sends to the camera, 1 for the lamps; ``soft`` blurs it (roughness)."""
    rx, ry = np.float32(2) * n.z * n.x, np.float32(2) * n.z * n.y
    front = smooth(0.60, 0.74, n.z)
    glow = np.float32(0.72) + np.float32(0.28) * smooth(-0.99, -0.62, rx)
    left = band(-0.96, -0.66, soft, rx) * band(-0.62, 0.80, soft + 0.1, ry) * front * glow
    right = band(0.74, 0.90, soft, rx) * band(-0.75, 0.70, soft + 0.1, ry)
    above = smooth(0.55, 0.95, ry)
    return left + np.float32(0.55) * right + np.float32(0.8) * above


def surroundings(n: Normal) -> Field:
    """The dim machine hall that every mirror shows besides the lamps: lighter above, dark around the camera."""
    return np.float32(0.10) + np.float32(0.16) * smooth(-0.6, 0.9, n.y) + np.float32(0.12) * smooth(0.3, 0.95, np.abs(n.x))


def fresnel(n: Normal) -> Field:
    """Share of light that glass or gloss reflects (Schlick's approximation, refractive index 1.5)."""
    t = np.float32(1) - n.z
    t2 = t * t
    return np.float32(0.04) + np.float32(0.96) * (t2 * t2 * t)


def diffuse(n: Normal) -> Field:
    """Light on a matt white surface."""
    key = np.maximum(np.float32(-0.52) * n.x + np.float32(0.45) * n.y + np.float32(0.72) * n.z, np.float32(0))
    fill = np.maximum(np.float32(0.75) * n.x + np.float32(0.2) * n.y + np.float32(0.6) * n.z, np.float32(0))
    return np.float32(0.16) + np.float32(0.60) * key + np.float32(0.20) * fill
