"""Notebook: the names of the `brevettiai` package's data tools, on pandas frames, without Dagster and without a store.

`Dataset` lists, `SampleSplit` assigns purposes, `StratifiedSampler` decides how often each group of samples is drawn;
the `DataGenerator` that it makes gives the samples out, after the callables of `map` (`ImagePipeline`,
`ImageAugmenter`, `OneHotEncoder`), as a ``tf.data.Dataset`` or as NumPy arrays. All of them call the pipeline's own
functions: a sample that training meets here with some seed has the same pixels as the record with that seed in a
shard. `ImagePipeline` and `ImageAugmenter` are what the stages use themselves, and lie in their rooms.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
