"""From a bucket of inspection photos to audited, byte-reproducible training shards.

The notebook's names stand here and are imported when they are first used: importing the package is cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brev_pipeline.notebook import (
        DataGenerator,
        Dataset,
        ImageAugmenter,
        ImagePipeline,
        OneHotEncoder,
        SampleSplit,
        StratifiedSampler,
    )
    from brev_pipeline.readers import read

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
    if name in __all__:
        return getattr(import_module("brev_pipeline.readers" if name == "read" else "brev_pipeline.notebook"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
