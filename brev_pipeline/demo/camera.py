"""Camera: from light to the bytes of a photo. Lens, shutter, exposure, sensor, tone curve."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from brev_pipeline.demo.exact import Field, blur, colour, soften
from brev_pipeline.demo.item import Shot

_VIGNETTE: Final = 0.30  # light lost in the corners, share
_GLARE: Final = 0.05  # share of the light that the lens scatters
_SHOT_NOISE: Final = 0.0105  # of full scale, at full scale
_READ_NOISE: Final = 0.0042  # of full scale


def expose(light: Field, shot: Shot) -> NDArray[np.uint8]:
    """The photo of a scene: (height, width, 3), red first, 0..255."""
    light = _lens(light, shot)
    light = light * colour((1 + shot.warmth, 1, 1 - shot.warmth)) * np.float32(shot.exposure)
    light = np.maximum(light + _noise(light, shot), np.float32(0))
    return np.ascontiguousarray(np.rint(_developed(light) * np.float32(255)).astype(np.uint8).transpose(1, 2, 0))


def _lens(light: Field, shot: Shot) -> Field:
    light = soften(soften(light, 0.10 + 0.14 * shot.defocus), 0.12 * shot.defocus)
    light = blur(light, 0, shot.motion, passes=1)
    light = light + (blur(light, 14, 14) - light) * np.float32(_GLARE)
    return light * _vignette(light.shape[-2], light.shape[-1])


def _vignette(height: int, width: int) -> Field:
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    out = (x * x * np.float32(0.36) + y * y * np.float32(0.64))
    return np.float32(1) - np.float32(_VIGNETTE) * out * out


def _noise(light: Field, shot: Shot) -> Field:
    """Shot noise grows with the root of the light; the Bayer mosaic's interpolation smears it a little."""
    grain = soften(shot.draws.grain(light.shape, "grain"), 0.12) * np.float32(1.25)
    level = np.float32(_READ_NOISE**2) + np.float32(_SHOT_NOISE**2) * np.maximum(light, np.float32(0))
    return grain * np.sqrt(level)


def _developed(light: Field) -> Field:
    """A tone curve with a soft shoulder, then display gamma, taken as 2: 0..1."""
    x = light * np.float32(0.95)
    curve = x * (np.float32(2.51) * x + np.float32(0.03)) / (x * (np.float32(2.43) * x + np.float32(0.59)) + np.float32(0.14))
    return np.sqrt(np.clip(curve, 0, 1))
