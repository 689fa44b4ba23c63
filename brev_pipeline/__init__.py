"""From a bucket of inspection photos to audited, byte-reproducible training shards.

The notebook's names stand here and are imported when they are first used: importing the package is cheap.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brev_pipeline.augmentation import ImageAugmenter
    from brev_pipeline.images import ImagePipeline
    from brev_pipeline.listing import Dataset
    from brev_pipeline.notebook import DataGenerator, OneHotEncoder, StratifiedSampler
    from brev_pipeline.readers import read
    from brev_pipeline.split import SampleSplit

_HOMES = {
    "DataGenerator": "brev_pipeline.notebook",
    "Dataset": "brev_pipeline.listing",
    "ImageAugmenter": "brev_pipeline.augmentation",
    "ImagePipeline": "brev_pipeline.images",
    "OneHotEncoder": "brev_pipeline.notebook",
    "SampleSplit": "brev_pipeline.split",
    "StratifiedSampler": "brev_pipeline.notebook",
    "read": "brev_pipeline.readers",
}

__all__ = [
    "DataGenerator",
    "Dataset",
    "ImageAugmenter",
    "ImagePipeline",
    "OneHotEncoder",
    "SampleSplit",
    "StratifiedSampler",
    "read",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
