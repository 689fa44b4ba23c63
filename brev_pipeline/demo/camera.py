"""Camera: from light to the bytes of a photo. Lens, shutter, exposure, sensor, tone curve."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from brev_pipeline.demo.exact import Field, blur, clip, colour, root, soften
from brev_pipeline.demo.item import Shot

_VIGNETTE: Final = 0.38  # light lost in the corners, share
_GLARE: Final = 0.05  # share of the light that the lens scatters
_SHOT_NOISE: Final = 0.0105  # of full scale, for light at full scale
_READ_NOISE: Final = 0.0042  # of full scale


def expose(light: Field, shot: Shot) -> NDArray[np.uint8]:
    """The photo of a scene: (height, width, 3), red first, 0..255."""
    light = _lens(light, shot)
    light = light * colour(1 + shot.warmth, 1, 1 - shot.warmth) * shot.exposure
    light = np.maximum(light + _noise(light, shot), 0)
    return np.ascontiguousarray(np.rint(_developed(light) * 255).astype(np.uint8).transpose(1, 2, 0))


def _lens(light: Field, shot: Shot) -> Field:
    light = soften(soften(light, 0.10 + 0.14 * shot.defocus), 0.12 * shot.defocus)
    light = blur(light, 0, shot.motion, passes=1)
    light = light + (blur(light, 14, 14) - light) * _GLARE
    return light * _vignette(light.shape[-2], light.shape[-1])


def _vignette(height: int, width: int) -> Field:
    y = np.arange(height, dtype=np.float32)[:, None] * (2 / (height - 1)) - 1
    x = np.arange(width, dtype=np.float32)[None, :] * (2 / (width - 1)) - 1
    out = x * x * 0.36 + y * y * 0.64
    return 1 - _VIGNETTE * out * out


def _noise(light: Field, shot: Shot) -> Field:
    """Shot noise grows with the root of the light; the Bayer mosaic's interpolation smears it a little."""
    grain = soften(shot.draws.grain(light.shape, "grain"), 0.12) * 1.25
    return grain * root(_READ_NOISE * _READ_NOISE + _SHOT_NOISE * _SHOT_NOISE * light)


def _developed(light: Field) -> Field:
    """A tone curve with a soft shoulder, then display gamma, taken as 2: 0..1."""
    x = light * 0.95
    curve = x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)
    return root(clip(curve, 0, 1))
