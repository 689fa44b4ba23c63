"""`StratifiedSampler`: the settings of the draws, to be applied to any frame of samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from brev_pipeline.notebook.data_generator import DataGenerator
from brev_pipeline.notebook.weighing import GroupWeighing

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class StratifiedSampler:
    """Draws rare groups more often than they are: by a weight that is a function of the group's size.

    Example:
        >>> sampler = StratifiedSampler(batch_size=16, groupby=["folder"], group_weighing="logx+1", seed=3)
        >>> generator = sampler.get(samples, shuffle=True, repeat=True)  # doctest: +SKIP

    Attributes:
        batch_size: samples of a batch.
        groupby: columns; samples that agree in them are a group. None: all are one group.
        group_weighing: ``uniform``, ``count``, ``square root``, ``log``, ``logx+1``, or a callable: the size of a
            group (or its size and its name) → its weight.
        max_epoch_samples: draws of an epoch at most; default: as many as there are samples.
        seed: 0 ≤ seed < 2**63.
    """

    batch_size: int = 32
    groupby: str | Sequence[str] | None = None
    group_weighing: GroupWeighing = "uniform"
    max_epoch_samples: float | None = None
    seed: int = 0

    def get(
        self, samples: "pd.DataFrame", shuffle: bool = False, repeat: bool | int = False, **options: Any
    ) -> DataGenerator:
        """A generator of these samples.

        Args:
            samples: one row per sample; needs the columns of ``groupby``, and content_id, etag or path.
            shuffle: whether the order is by hash, or the frame's.
            repeat: False: one epoch; True: without end; a number: so many epochs.
            **options: further arguments of `DataGenerator`; they go before the sampler's own.

        Raises:
            SamplingError: the frame or a setting cannot be used; see `DataGenerator`.
        """
        own: dict[str, Any] = {
            "batch_size": self.batch_size,
            "sampling_groupby": self.groupby,
            "sampling_group_weighing": self.group_weighing,
            "max_epoch_samples": self.max_epoch_samples,
            "seed": self.seed,
        }
        return DataGenerator(samples, shuffle=shuffle, repeat=repeat, **{**own, **options})
