"""The two callables of `map` that the stages use themselves: they lie in their own rooms and are named here."""

from brev_pipeline.augmentation import ImageAugmenter as ImageAugmenter
from brev_pipeline.images import ImagePipeline as ImagePipeline
