"""Light: what shines on the vial, and what a surface makes of it.

Two upright soft boxes, a large one to the left and a narrow one to the right, a lamp above, a bright panel
behind. Directions are right, up, and toward the camera.
"""

from typing import NamedTuple

import numpy as np

from brev_pipeline.demo.exact import Field, band, root, smooth


class Normal(NamedTuple):
    """Direction of a surface, of length 1."""

    x: Field
    y: Field
    z: Field


def round_wall(across: Field) -> Normal:
    """Direction of an upright cylinder at ``across``, −1..1 from its left outline to its right."""
    return Normal(across, np.zeros_like(across), root(1 - across * across))


def flared(n: Normal, growth: Field) -> Normal:
    """Direction of an upright wall (``n``) whose radius grows by ``growth`` mm per mm of height."""
    return unit(n.x, -growth, n.z)


def unit(x: Field, y: Field, z: Field) -> Normal:
    """The direction of (x, y, z), shortened to length 1."""
    inverse = 1 / root(x * x + y * y + z * z)
    return Normal(x * inverse, y * inverse, z * inverse)


def reflection(n: Normal, soft: float) -> Field:
    """Light that a mirror with this normal sends to the camera, 1 for the lamps; ``soft`` blurs it (roughness)."""
    rx, ry = 2 * n.z * n.x, 2 * n.z * n.y
    front = smooth(0.60, 0.74, n.z)
    glow = 0.72 + 0.28 * smooth(-0.99, -0.62, rx)
    left = band(-0.96, -0.66, soft, rx) * band(-0.62, 0.80, soft + 0.1, ry) * front * glow
    right = band(0.74, 0.90, soft, rx) * band(-0.75, 0.70, soft + 0.1, ry)
    above = smooth(0.55, 0.95, ry)
    return left + 0.55 * right + 0.8 * above


def surroundings(n: Normal) -> Field:
    """The dim machine hall that every mirror shows besides the lamps: lighter above, dark around the camera."""
    return 0.10 + 0.16 * smooth(-0.6, 0.9, n.y) + 0.12 * smooth(0.3, 0.95, np.abs(n.x))


def fresnel(n: Normal) -> Field:
    """Share of light that glass or gloss reflects (Schlick's approximation, refractive index 1.5)."""
    t = 1 - n.z
    t2 = t * t
    return 0.04 + 0.96 * (t2 * t2 * t)


def diffuse(n: Normal) -> Field:
    """Light on a matt white surface."""
    key: Field = np.maximum(-0.52 * n.x + 0.45 * n.y + 0.72 * n.z, 0)
    fill: Field = np.maximum(0.75 * n.x + 0.2 * n.y + 0.6 * n.z, 0)
    return 0.16 + 0.60 * key + 0.20 * fill
