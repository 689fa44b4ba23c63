"""Generator: the notebook's way to draw, prepare and augment samples, for training without shards.

`StratifiedSampler` decides how often each group of samples is drawn; the `DataGenerator` that it makes gives the
samples out, after the callables of `map`, as a ``tf.data.Dataset`` or as NumPy arrays. Draws, their order and their
seeds are those of the pipeline (`brev_pipeline.sampling`): a sample that training meets here with some seed has the
same pixels as the record with that seed in a shard.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brev_pipeline.notebook.data_generator import DataGenerator
    from brev_pipeline.notebook.one_hot import OneHotEncoder
    from brev_pipeline.notebook.sampler import StratifiedSampler

_HOMES = {"DataGenerator": "data_generator", "OneHotEncoder": "one_hot", "StratifiedSampler": "sampler"}

__all__ = ["DataGenerator", "OneHotEncoder", "StratifiedSampler"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
