"""Augmentation: one image and one 64-bit seed in, one image out, the same on every machine.

`ImageAugmenter` is what others use. It draws `parameters` (what a seed means) and applies, in this order, `geometry`
(affine warp and elastic deformation) and `appearance` (filters, colour, white noise, salt and pepper).

How a result can be the same on every CPU: random words are a bit generator's raw integers, parameters come from
them by the four IEEE operations alone, and every number that reaches a pixel operation is rounded to a grid so
coarse that the operation's 32-bit floats hold each intermediate value exactly. Order of additions, vector width
and fused multiply-add then cannot matter. What each operation needs for that stands beside it. Any change here
that moves a single bit changes published shards: the golden test catches it, and it is a major version.
"""

from typing import TYPE_CHECKING

import lazy_loader

from brev_pipeline.config import AugmentationSettings
from brev_pipeline.config.training import (
    ImageDeformation,
    ImageFiltering,
    ImageNoise,
    ImageSaltAndPepper,
    RandomTransformer,
)

if TYPE_CHECKING:
    from brev_pipeline.augmentation.augmenter import ImageAugmenter

# The augmenter needs OpenCV; whoever only wants the settings does not pay for it. (A stub could name no other room.)
__getattr__, _, _ = lazy_loader.attach(__name__, submod_attrs={"augmenter": ["ImageAugmenter"]})

__all__ = [
    "AugmentationSettings",
    "ImageAugmenter",
    "ImageDeformation",
    "ImageFiltering",
    "ImageNoise",
    "ImageSaltAndPepper",
    "RandomTransformer",
]
