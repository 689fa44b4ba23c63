"""The endless sequence of draws: which sample, in which epoch, with which seed; groups and weights as the pipeline's.

An epoch is a fixed number of draws. Each group gets its exact share of them (`sampling.apportion_draws`), and hands its
samples out round by round: nobody is drawn for the third time before all others were drawn twice, across the ends of
epochs too. A round that two epochs share is divided along the group's circle, so that each epoch draws what
`sampling.plan_draws` draws. Shuffling orders the samples within a round and the groups within an epoch, both by keyed
hash; without it, samples keep the frame's order and the groups take turns evenly.
"""

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from brev_pipeline.config.training import Weighing
from brev_pipeline.errors import SamplingError
from brev_pipeline.notebook.columns import to_arrow
from brev_pipeline.sampling import SamplingGroups, apportion_draws, compute_group_weights, group_images
from brev_pipeline.sampling.draw_plan import sort_by_hash
from brev_pipeline.seeds import seeds64

if TYPE_CHECKING:
    import pandas as pd

GroupWeighing = Weighing | Callable[..., float]
Ints = npt.NDArray[np.int64]
_IDS: Final = ("content_id", "etag", "path")
_CACHED_EPOCHS = 3  # epochs in memory: two that a batch or a prefetching thread may be in, and one


@dataclass(frozen=True)
class EpochDraws:
    """The draws of an epoch, in order."""

    rows: Ints
    """Place of each drawn sample in the frame."""
    ordinals: Ints
    """How often the same content was drawn in this epoch by the pipeline's count; see `sampling.DRAWS`."""
    seeds: npt.NDArray[np.uint64]
    """``seed64(seed, epoch, content_id, ordinal)`` of each draw."""


class DrawSequence:
    """Draws of a frame's samples: a pure function of frame, settings and epoch.

    Args:
        samples: one row per sample.
        groupby: columns that make a group; None: all samples are one.
        weighing: weight of a group by its size.
        seed: 0 ≤ seed < 2**63.
        shuffle: whether the order is by hash or by the frame.
        max_epoch_samples: draws of an epoch at most; default: one per sample.

    Raises:
        SamplingError: the frame is empty, lacks a column or a value, or a setting is out of range.
    """

    def __init__(
        self,
        samples: "pd.DataFrame",
        *,
        groupby: str | Sequence[str] | None,
        weighing: GroupWeighing,
        seed: int,
        shuffle: bool,
        max_epoch_samples: float | None,
    ) -> None:
        if not len(samples):
            raise SamplingError("there is nothing to draw: samples is empty")
        self._seed, self._shuffle = _checked_seed(seed), shuffle
        self.per_epoch = _epoch_draws(len(samples), max_epoch_samples)
        table = identify_contents(samples)
        self._contents: list[str] = table["content_id"].to_pylist()
        self.groups = group_samples(samples, groupby, table["path"])
        self.weights = weigh_groups(self.groups.names, self.groups.image_counts.tolist(), weighing)
        self._arrange(table)
        self._counts = apportion_draws(self.weights, self.per_epoch, 1)
        self._epochs: dict[int, EpochDraws] = {}
        self._lock = Lock()

    def _arrange(self, table: pa.Table) -> None:
        """Lay the circles: of each group, its rows in the order in which they are handed out."""
        table = table.append_column("row", pa.array(np.arange(table.num_rows)))
        self._hashed: Ints = sort_by_hash(table, self._seed)["row"].to_numpy()
        order = self._hashed if self._shuffle else np.arange(table.num_rows)
        self._circle = order[np.argsort(self.groups.index[order], kind="stable")]
        self._sizes = self.groups.image_counts
        self._starts = np.cumsum(self._sizes) - self._sizes

    def draw_epoch(self, number: int) -> EpochDraws:
        """The draws of an epoch, 0-based. Threads may ask at the same time."""
        with self._lock:
            if number not in self._epochs:
                self._epochs[number] = self._draw(number)
                for old in sorted(self._epochs)[:-_CACHED_EPOCHS]:
                    if old != number:
                        del self._epochs[old]
            return self._epochs[number]

    def _draw(self, number: int) -> EpochDraws:
        counts = self._counts_of(number)
        before = self._counts[:number].sum(axis=0)
        group = np.repeat(np.arange(len(counts)), counts)
        within = np.arange(self.per_epoch) - np.repeat(np.cumsum(counts) - counts, counts)
        turn, place = np.divmod(before[group] + within, self._sizes[group])
        rows = self._circle[self._starts[group] + place]
        times = np.bincount(rows, minlength=len(self._contents))
        ordinals = self._first_ordinals(times)[rows] + within // self._sizes[group]
        seeds = self._hashes((number,), rows, ordinals)
        order = self._mixed(number, rows, ordinals, group, turn) if self._shuffle else _even(group, within, counts)
        return EpochDraws(rows[order], ordinals[order], seeds[order])

    def _counts_of(self, epoch: int) -> Ints:
        """(groups,) draws of each group in an epoch."""
        if epoch >= len(self._counts):
            self._counts = apportion_draws(self.weights, self.per_epoch, 2 * epoch + 1)
        counts: Ints = self._counts[epoch]
        return counts

    def _first_ordinals(self, times: Ints) -> Ints:
        """(rows,) ordinal of each row's first draw: copies of one content count on from each other, as in the plan."""
        contents = np.array(self._contents, dtype=object)[self._hashed]
        ends = np.cumsum(times[self._hashed])
        starts = ends - times[self._hashed]
        new = np.append(True, contents[1:] != contents[:-1])
        first = np.empty_like(starts)
        first[self._hashed] = starts - starts[new][np.cumsum(new) - 1]
        return first

    def _hashes(self, what: tuple[str | int, ...], rows: Ints, ordinals: Ints) -> npt.NDArray[np.uint64]:
        contents = [self._contents[row] for row in rows.tolist()]
        return np.array(seeds64(self._seed, what, contents, ordinals.tolist()), dtype=np.uint64)

    def _mixed(self, epoch: int, rows: Ints, ordinals: Ints, group: Ints, turn: Ints) -> Ints:
        """Order of the draws: groups mixed by hash; each group's draws round after round, mixed by hash in each."""
        keys = self._hashes(("order", epoch), rows, ordinals)
        turns = group[np.argsort(keys, kind="stable")]
        order = np.empty_like(rows)
        order[np.argsort(turns, kind="stable")] = np.lexsort((keys, turn, group))
        return order


def _even(group: Ints, within: Ints, counts: Ints) -> Ints:
    """Order in which groups take turns: the k-th of a group's n draws is due after (k + ½) / n of the epoch."""
    return np.lexsort((group, (2 * within + 1) / counts[group]))


def _checked_seed(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**63:
        raise SamplingError(f"seed is a whole number in [0, 2**63): the same one gives the same draws; got {seed!r}")
    return int(seed)


def _epoch_draws(samples: int, most: float | None) -> int:
    if most is None:
        return samples
    if not most >= 1:
        raise SamplingError(f"max_epoch_samples is at least 1, or None; got {most!r}")
    return samples if most >= samples else int(most)


def group_samples(
    samples: "pd.DataFrame", groupby: str | Sequence[str] | None, paths: pa.ChunkedArray
) -> SamplingGroups:
    """Divide the rows into groups that agree in the columns; without columns, into one. Every row is in one.

    Raises:
        SamplingError: a column is missing, or a row has no value in it.
    """
    names = [groupby] if isinstance(groupby, str) else list(groupby or [])
    if not names:
        return SamplingGroups(["all"], {}, np.zeros(len(samples), dtype=np.int64))
    if missing := [name for name in names if name not in samples.columns]:
        there = ", ".join(map(str, samples.columns))
        raise SamplingError(f"groupby names {', '.join(map(repr, missing))}, which samples do not have: {there}")
    columns = {"path": paths} | {name: to_arrow(samples[name]) for name in names}
    return group_images(pa.table(columns), names)


def identify_contents(samples: "pd.DataFrame") -> pa.Table:
    """Columns content_id and path of each row, as the pipeline's tables have them.

    The content is named by the frame's content_id, else by its etag (the MD5 of the bytes, for most objects), else
    by its path.

    Raises:
        SamplingError: the frame has none of these columns, or a row has a value in none of them.
    """
    there = [name for name in _IDS if name in samples.columns]
    if not there:
        raise SamplingError(
            f"samples need a column {', '.join(_IDS[:-1])} or {_IDS[-1]}, by which a sample's seed is drawn; there are "
            f"{', '.join(map(str, samples.columns))}"
        )
    ids = samples[there[0]].astype(object)
    for name in there[1:]:
        ids = ids.where(ids.notna(), samples[name].astype(object))
    if ids.isna().any():
        raise SamplingError(f"{int(ids.isna().sum())} samples have no {' and no '.join(there)}: fill the column")
    paths = samples["path"].astype(object) if "path" in samples.columns else ids
    paths = paths.where(paths.notna(), ids)
    return pa.table({"content_id": [*map(str, ids)], "path": [*map(str, paths)]})


def weigh_groups(names: Sequence[str], counts: Sequence[int], weighing: GroupWeighing) -> list[float]:
    """One weight per group, each finite and above 0: no group is left undrawn.

    Args:
        names: of the groups.
        counts: samples in each, at least 1.
        weighing: a preset, or a callable of a group's size, or of its size and its name.

    Raises:
        SamplingError: there is no such preset, or a group would weigh nothing.
    """
    if isinstance(weighing, str):
        if weighing not in get_args(Weighing):
            raise SamplingError(
                f"group_weighing is one of {', '.join(get_args(Weighing))}, or a callable; got {weighing!r}"
            )
        weights = compute_group_weights(counts, weighing)
    else:
        takes_name, groups = _takes_name(weighing), zip(counts, names, strict=True)
        weights = [float(weighing(count, name) if takes_name else weighing(count)) for count, name in groups]
    bad = [i for i, weight in enumerate(weights) if not (math.isfinite(weight) and weight > 0)]
    if bad:
        unweighed = ", ".join(f"{names[i]} ({counts[i]} samples: {weights[i]})" for i in bad[:10])
        raise SamplingError(
            f"group_weighing {weighing!r} gives groups a weight that is not above 0, so they would never be drawn: "
            f"{unweighed}. Use 'logx+1', or leave these samples out"
        )
    return weights


def _takes_name(weighing: Callable[..., Any]) -> bool:
    """Whether a callable needs the group's name too, as the reference's may."""
    try:
        parameters = inspect.signature(weighing).parameters.values()
    except ValueError:  # NumPy's functions of numbers do not tell
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(item.kind in positional and item.default is item.empty for item in parameters) == 2
