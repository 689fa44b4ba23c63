"""From a bucket of inspection photos to audited, byte-reproducible training shards.

The notebook's names stand here and are imported when they are first used: importing the package is cheap.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brev_pipeline.augment import ImageAugmenter
    from brev_pipeline.generator import DataGenerator, OneHotEncoder, StratifiedSampler
    from brev_pipeline.images import ImagePipeline
    from brev_pipeline.listing import Dataset
    from brev_pipeline.reading import read
    from brev_pipeline.split import SampleSplit

_HOMES = {
    "DataGenerator": "brev_pipeline.generator",
    "Dataset": "brev_pipeline.listing",
    "ImageAugmenter": "brev_pipeline.augment",
    "ImagePipeline": "brev_pipeline.images",
    "OneHotEncoder": "brev_pipeline.generator",
    "SampleSplit": "brev_pipeline.split",
    "StratifiedSampler": "brev_pipeline.generator",
    "read": "brev_pipeline.reading",
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
