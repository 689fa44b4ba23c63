"""Notebook: the names of the `brevettiai` package's data tools, on pandas frames, without Dagster and without a store.

`Dataset` lists, `SampleSplit` assigns purposes, `StratifiedSampler` decides how often each group of samples is drawn;
the `DataGenerator` that it makes gives the samples out, after the callables of `map` (`ImagePipeline`,
`ImageAugmenter`, `OneHotEncoder`), as a ``tf.data.Dataset`` or as NumPy arrays. All of them call the pipeline's own
functions: a sample that training meets here with some seed has the same pixels as the record with that seed in a
shard. `ImagePipeline` and `ImageAugmenter` are what the stages use themselves, and lie in their rooms.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brev_pipeline.augmentation import ImageAugmenter
    from brev_pipeline.images import ImagePipeline
    from brev_pipeline.notebook.data_generator import DataGenerator, StratifiedSampler
    from brev_pipeline.notebook.dataset import Dataset
    from brev_pipeline.notebook.one_hot import OneHotEncoder
    from brev_pipeline.notebook.sample_split import SampleSplit

_HOMES = {
    "DataGenerator": "brev_pipeline.notebook.data_generator",
    "Dataset": "brev_pipeline.notebook.dataset",
    "ImageAugmenter": "brev_pipeline.augmentation",
    "ImagePipeline": "brev_pipeline.images",
    "OneHotEncoder": "brev_pipeline.notebook.one_hot",
    "SampleSplit": "brev_pipeline.notebook.sample_split",
    "StratifiedSampler": "brev_pipeline.notebook.data_generator",
}

__all__ = [
    "DataGenerator",
    "Dataset",
    "ImageAugmenter",
    "ImagePipeline",
    "OneHotEncoder",
    "SampleSplit",
    "StratifiedSampler",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
