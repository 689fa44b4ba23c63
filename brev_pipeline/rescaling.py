"""Rescaling: from stored uint8 to the float32 that a network wants. Done when reading; never stored.

One word means one thing, in a notebook's `ImagePipeline` and in `read`: what is trained on one way fits the other.
"""

from typing import Final, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from brev_pipeline.errors import ConfigError

Rescaling: TypeAlias = Literal["unit", "imagenet", "imagenet_stats"]
Rescale: TypeAlias = Rescaling | None

# Mean and standard deviation of ImageNet's training images in 0..1, red, green, blue, as torchvision documents them.
_MEAN: Final = (0.485, 0.456, 0.406)
_DEVIATION: Final = (0.229, 0.224, 0.225)

Floats: TypeAlias = npt.NDArray[np.float32]


def rescale_factors(rescale: Rescale, channels: int) -> tuple[Floats, Floats] | None:
    """Factor and offset of each channel; None where pixels stay uint8.

    Args:
        rescale: None, ``"unit"`` (0..1), ``"imagenet"`` (-1..1, as the `brevettiai` package and Keras' TensorFlow
            models have it) or ``"imagenet_stats"`` (0..1, less ImageNet's mean, over its standard deviation, as
            torchvision's models have it).
        channels: 1 or 3; imagenet_stats is about colour images.

    Returns:
        Two arrays of shape (channels,), float32: pixel · factor + offset.

    Raises:
        ConfigError: there is no such rescaling, or not of such images.
    """
    if rescale is None:
        return None
    check_rescale(rescale)
    if rescale == "imagenet_stats" and channels != 3:
        raise ConfigError(f"rescale='imagenet_stats' is for RGB images, these have {channels} channel(s): use 'unit'")
    mean, deviation = {
        "unit": ((0.0,) * channels, (1.0,) * channels),
        "imagenet": ((0.5,) * channels, (0.5,) * channels),
        "imagenet_stats": (_MEAN, _DEVIATION),
    }[rescale]
    factor = 1 / (255 * np.asarray(deviation))
    return factor.astype(np.float32), (-np.asarray(mean) / np.asarray(deviation)).astype(np.float32)


def check_rescale(rescale: str | None) -> None:
    """Raise `ConfigError` where there is no such rescaling."""
    if rescale is not None and rescale not in get_args(Rescaling):
        raise ConfigError(f"rescale is None, 'unit', 'imagenet' or 'imagenet_stats', not {rescale!r}")


def rescale_table(rescale: Rescale, channels: int) -> Floats | None:
    """The rescaled value of each of the 256 grey levels: shape (1, 256, channels), float32; None: stay uint8.

    Raises:
        ConfigError: see `rescale_factors`.
    """
    factors = rescale_factors(rescale, channels)
    if factors is None:
        return None
    levels = np.arange(256, dtype=np.float32).reshape(1, 256, 1)
    return np.ascontiguousarray(levels * factors[0] + factors[1])
