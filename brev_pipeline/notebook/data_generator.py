"""`StratifiedSampler` and `DataGenerator`: draws, the chain of callables over them, the ways to take the results."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from brev_pipeline.errors import SamplingError
from brev_pipeline.notebook.columns import (
    Structure,
    arrange_columns,
    demand_columns,
    extract_columns,
    iterate_names,
    stack_samples,
)
from brev_pipeline.notebook.draws import DrawSequence, GroupWeighing
from brev_pipeline.notebook.steps import MapFunction, Sample, Step, add_step, run_steps

if TYPE_CHECKING:
    import pandas as pd

GROUP: Final = "_sampling_group"
"""Column that each sample gets: name of its sampling group."""
SEED: Final = "seed"
"""Column that each sample gets: seed of its draw."""
_DEFAULT: Final = "__default__"


class DataGenerator:
    """Samples in the order in which training meets them.

    What is drawn, with which seed and in which order, is a function of the samples and the settings: taking the
    data twice gives the same batches, in any number of threads. Over an epoch the groups' draws are exactly in
    proportion to their weights (rounded, with the rest carried over to the next epoch), and within a group every
    sample is drawn before one is drawn again.

    Each sample is a dict of its row's values, of ``_sampling_group`` and of ``seed``.

    Args:
        samples: a frame with one row per sample, or what a frame can be made of; never changed.
        batch_size: samples of a batch.
        shuffle: whether the order is by hash. Without it, samples come in the frame's order, the groups in turn.
        repeat: False: one epoch; True: without end; a number: so many epochs.
        sampling_groupby: columns that make a sampling group; None: all samples are one group.
        sampling_group_weighing: a preset, or a function of a group's size; see `StratifiedSampler`.
        seed: 0 ≤ seed < 2**63.
        output_structure: default for the ``structure`` of `get_dataset`.
        max_epoch_samples: draws of an epoch at most; default: as many as there are samples.

    Raises:
        SamplingError: the frame is empty, lacks a column or a value, or an argument is out of range.
    """

    def __init__(
        self,
        samples: Any,
        batch_size: int = 32,
        shuffle: bool = False,
        repeat: bool | int = False,
        sampling_groupby: str | Sequence[str] | None = None,
        sampling_group_weighing: GroupWeighing = "uniform",
        seed: int = 0,
        output_structure: Structure = None,
        max_epoch_samples: float | None = None,
    ) -> None:
        if not batch_size >= 1 or int(batch_size) != batch_size:
            raise SamplingError(f"batch_size is a whole number, at least 1; got {batch_size!r}")
        self._samples = _to_frame(samples)
        self.batch_size, self.epochs = int(batch_size), _count_epochs(repeat)
        self.output_structure = output_structure
        self._draws = DrawSequence(
            self._samples,
            groupby=sampling_groupby,
            weighing=sampling_group_weighing,
            seed=seed,
            shuffle=shuffle,
            max_epoch_samples=max_epoch_samples,
        )
        self._columns = extract_columns(self._samples)
        self._steps: tuple[Step, ...] = ()

    @property
    def weights(self) -> dict[str, float]:
        """Group → its share of the draws; they sum to 1."""
        total = sum(self._draws.weights)
        shares = [weight / total for weight in self._draws.weights]
        return dict(zip(self._draws.groups.names, shares, strict=True))

    def map(self, map_func: MapFunction | Sequence[MapFunction | None]) -> Self:
        """A generator whose samples go through one more callable, or several, one after the other.

        Nothing is computed before a sample is asked for. The generator itself stays as it is.

        Args:
            map_func: takes a sample (a dict that it may change) and returns one. If it has a parameter ``seed``, or
                takes any keywords, it gets a 64-bit seed that hangs on the draw alone. None in a list is left out.
        """
        mapped = copy.copy(self)
        calls: Sequence[Any] = map_func if isinstance(map_func, list | tuple) else [map_func]
        for call in calls:
            if call is not None:
                mapped._steps = add_step(mapped._steps, call)
        return mapped

    def get_samples(self, epoch: int = 0) -> "pd.DataFrame":
        """Draws of one epoch in order: the samples' columns, then _sampling_group, epoch, ordinal, seed (uint64)."""
        draws = self._draws.draw_epoch(epoch)
        groups = [self._draws.groups.names[group] for group in self._draws.groups.index[draws.rows]]
        drawn = self._samples.iloc[draws.rows].reset_index(drop=True)
        added: dict[str, Any] = {GROUP: groups, "epoch": epoch, "ordinal": draws.ordinals, SEED: draws.seeds}
        return drawn.assign(**added)

    def get_dataset(self, batch: bool = True, structure: Structure = _DEFAULT, prefetch: bool | int = True) -> Any:
        """A ``tf.data.Dataset`` with shapes set, computed in parallel, in a fixed order.

        Text is ``tf.string`` (missing: empty), lists are ragged, arrays have the shape of the first sample's. Columns
        that TensorFlow has no type for are left out, unless ``structure`` names them.

        Args:
            batch: whether samples come in batches of ``batch_size``; the last one may be smaller.
            structure: what is given out, for example ``("img", "onehot")`` or ``{"image": "img"}``; None: all
                columns as a dict. In a dict, None stands for the column of the key's name.
            prefetch: batches computed ahead; True: as many as suit.

        Raises:
            SamplingError: a column of the structure is not there.
            BrevPipelineError: the first sample cannot be loaded; an error of a later one comes while reading.
        """
        from brev_pipeline.notebook.to_tf import make_tf_dataset

        return make_tf_dataset(self, self._structure(structure), batch=batch, prefetch=prefetch)

    def get_dataset_numpy(self, batch: bool = True, structure: Structure = _DEFAULT) -> Iterator[Any]:
        """The same samples as `get_dataset`, as NumPy arrays (numbers, text and tuples as themselves, unbatched).

        Args:
            batch: whether samples come stacked in batches.
            structure: see `get_dataset`.
        """
        structure = self._structure(structure)
        size = self.batch_size if batch else 1
        start = 0
        while self.total is None or start < self.total:
            stop = start + size if self.total is None else min(start + size, self.total)
            samples = [self.sample(position) for position in range(start, stop)]
            demand_columns(samples[0], structure)
            if structure is not None:
                samples = [{name: sample[name] for name in iterate_names(structure)} for sample in samples]
            yield arrange_columns(stack_samples(samples) if batch else samples[0], structure)
            start = stop

    def get_samples_numpy(self, batch: bool = True, structure: Structure = None) -> Iterator[Any]:
        """`get_dataset_numpy` without the callables of `map`."""
        bare = copy.copy(self)
        bare._steps = ()
        return bare.get_dataset_numpy(batch, structure)

    @property
    def total(self) -> int | None:
        """All draws; None: without end."""
        return None if self.epochs is None else self.epochs * self._draws.per_epoch

    def sample(self, position: int) -> Sample:
        """The sample at a place of the sequence of draws, after the callables of `map`."""
        epoch, place = divmod(position, self._draws.per_epoch)
        draws = self._draws.draw_epoch(epoch)
        row = draws.rows[place]
        sample = {name: values[row] for name, values in self._columns.items()}
        sample[GROUP] = self._draws.groups.names[self._draws.groups.index[row]]
        sample[SEED] = draws.seeds[place]
        return run_steps(self._steps, sample, int(draws.seeds[place]))

    def __len__(self) -> int:
        """Batches of an epoch."""
        return -(-self._draws.per_epoch // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        """The batches of `get_dataset`."""
        return iter(self.get_dataset())

    def _structure(self, structure: Structure) -> Structure:
        structure = self.output_structure if isinstance(structure, str) and structure == _DEFAULT else structure
        if structure is not None:
            list(iterate_names(structure))
        return structure


def _to_frame(samples: Any) -> "pd.DataFrame":
    import pandas as pd

    frame = samples if isinstance(samples, pd.DataFrame) else pd.DataFrame(samples)
    if taken := sorted({GROUP, SEED} & set(frame.columns)):
        raise SamplingError(f"samples have the column {', '.join(taken)}, which the generator adds itself: rename it")
    return frame.copy(deep=False)  # pandas copies a column when either of the two is changed


def _count_epochs(repeat: bool | int) -> int | None:
    if repeat is True or repeat == -1:
        return None
    if repeat is not False and not (int(repeat) == repeat and repeat >= 1):
        raise SamplingError(f"repeat is True, False or a number of epochs, at least 1; got {repeat!r}")
    return int(repeat) or 1


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
        settings: dict[str, Any] = {
            "batch_size": self.batch_size,
            "sampling_groupby": self.groupby,
            "sampling_group_weighing": self.group_weighing,
            "max_epoch_samples": self.max_epoch_samples,
            "seed": self.seed,
        }
        return DataGenerator(samples, shuffle=shuffle, repeat=repeat, **settings | options)
