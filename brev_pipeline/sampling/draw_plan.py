"""Draw plan: which image is drawn in which epoch, with which seed. Made before any pixel is touched."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import SamplingSettings
from brev_pipeline.errors import SamplingError
from brev_pipeline.sampling.apportionment import Counts, apportion_draws, count_draws
from brev_pipeline.sampling.groups import SamplingGroups, group_images
from brev_pipeline.sampling.hash_order import hash_column, sort_by_hash
from brev_pipeline.tables import plain_ordinals
from brev_pipeline.texts import NAMES, TEXT

DRAWS: Final = pa.schema(
    [
        pa.field("purpose", TEXT, False),
        pa.field(
            "epoch", pa.int32(), False, {"description": "0-based; purposes that are not sampled have epoch 0 only"}
        ),
        pa.field("path", TEXT, False),
        pa.field("content_id", TEXT, False),
        pa.field("item", TEXT, False),
        pa.field("category", NAMES, False),
        pa.field("group", TEXT, False, {"description": "sampling group"}),
        pa.field(
            "ordinal",
            pa.int32(),
            False,
            {"description": "how often this content was drawn before in this epoch; negative: a fold's photo as it is"},
        ),
        pa.field("seed", pa.uint64(), False, {"description": "seed of the record's augmentation"}),
        pa.field("augmented", pa.bool_(), False),
    ]
)


_DRAWN: Final = ["path", "content_id", "item", "category"]
SPLIT_COLUMNS: Final = ["purpose", *_DRAWN]
"""Columns of ``sample_split`` that are read, besides those of `SamplingSettings.groupby`."""


def plan_draws(
    split: pa.Table, weights: pa.Table, settings: SamplingSettings, *, epochs: int, folds: Sequence[str] = ()
) -> pa.Table:
    """Draw every epoch by the weight table: exactly, and the same whatever the order of the rows.

    Sampled purposes: each epoch has as many draws as the table's sum; after every epoch each group has its exact
    share, rounded up or down (`apportion_draws`), and within a group the images' counts differ by at most one, over
    one epoch and over all of them (`count_draws`). All other purposes: each image once, in epoch 0.
    Folds are both: each image once as it is, in epoch 0, and where the fold is sampled, its draws.

    A draw's seed is ``seed64(settings.seed, epoch, content_id, ordinal)``: a content has one purpose, so its seed
    need not know which. ``ordinal`` counts the draws of a content, so that two copies of the same bytes never share
    a seed. Of a fold's photos as they are it is negative, see `parts`.

    Args:
        split: one row per image: purpose, path, content_id, item, category and the groupby columns.
        weights: what `sampling_weights` made of the same ``split`` and ``settings``.
        settings: see `SamplingSettings`.
        epochs: epochs to draw, at least 1.
        folds: purposes that are folds.

    Returns:
        One row per draw, schema `DRAWS`, sorted by purpose (of a fold, first the photos as they are) and epoch, then by
        the keyed hash of the content.

    Raises:
        SamplingError: ``weights`` was made of another split or other settings.
    """
    if epochs < 1:
        raise SamplingError(f"shards.epochs must be at least 1, got {epochs}")
    purposes = sorted(split.column("purpose").unique().to_pylist())
    parts = [
        draws for name in purposes for draws in _draw_purpose(split, weights, name, settings, epochs, name in folds)
    ]
    return pa.concat_tables(parts) if parts else DRAWS.empty_table()


def _draw_purpose(
    split: pa.Table, weights: pa.Table, purpose: str, settings: SamplingSettings, epochs: int, fold: bool
) -> Iterator[pa.Table]:
    # Only what is drawn: putting all columns of the split in order costs more than all else.
    needed = [name for name in split.column_names if name in {*_DRAWN, *settings.groupby}]
    rows = sort_by_hash(split.select(needed).filter(pc.equal(split["purpose"], purpose)), settings.seed)
    groups = group_images(rows, settings.groupby)
    table = weights.filter(pc.equal(weights["purpose"], purpose))
    _require_matching_weights(groups, table, purpose)
    sampled = purpose in settings.purposes
    if fold:
        yield _draw_epoch(
            rows, groups, np.ones(rows.num_rows, np.int64), (purpose, 0, settings.seed, False), plain=True
        )
        if not sampled:
            return
    draws = _apportion_epochs(table, epochs) if sampled else groups.image_counts[np.newaxis]
    for epoch, counts in enumerate(draws):
        times = count_draws(groups.index, draws[:epoch].sum(axis=0), counts)
        yield _draw_epoch(rows, groups, times, (purpose, epoch, settings.seed, sampled))


def _apportion_epochs(table: pa.Table, epochs: int) -> Counts:
    return apportion_draws(table["weight"].to_pylist(), pc.sum(table["draws"]).as_py(), epochs)


def _draw_epoch(
    rows: pa.Table, groups: SamplingGroups, times: Counts, what: tuple[str, int, int, bool], *, plain: bool = False
) -> pa.Table:
    purpose, epoch, seed, sampled = what
    drawn = np.repeat(np.arange(rows.num_rows), times)
    images = rows.select(_DRAWN).take(pa.array(drawn))
    ordinal = _number_draws(rows["content_id"], times)
    ordinal = plain_ordinals(ordinal) if plain else ordinal
    columns = {name: images[name] for name in images.column_names} | {
        "purpose": _repeat_value(purpose, len(drawn)),
        "epoch": _repeat_value(epoch, len(drawn)),
        "group": pa.array(groups.names, TEXT).take(pa.array(groups.index[drawn])),
        "ordinal": ordinal,
        "seed": hash_column(seed, (epoch,), images["content_id"], ordinal),
        "augmented": _repeat_value(sampled, len(drawn)),
    }
    return pa.table([columns[name] for name in DRAWS.names], names=DRAWS.names).cast(DRAWS)


def _number_draws(contents: pa.ChunkedArray, times: Counts) -> npt.NDArray[np.int32]:
    """Shape (draws,): how many draws of the same content come before; rows of one content lie side by side."""
    new = np.ones(len(times), dtype=bool)
    if len(times) > 1:
        new[1:] = pc.not_equal(contents.slice(1), contents.slice(0, len(times) - 1)).to_numpy()
    runs = np.add.reduceat(times, np.flatnonzero(new)) if len(times) else times
    starts = np.repeat(np.cumsum(runs) - runs, runs)
    return np.asarray(np.arange(len(starts)) - starts, dtype=np.int32)


def _repeat_value(value: str | int | bool, length: int) -> pa.Array:
    return pa.repeat(pa.scalar(value), length)


def _require_matching_weights(groups: SamplingGroups, table: pa.Table, purpose: str) -> None:
    recorded = dict(zip(table["group"].to_pylist(), table["samples"].to_pylist(), strict=True))
    found = dict(zip(groups.names, groups.image_counts.tolist(), strict=True))
    if list(recorded.items()) != list(found.items()):
        differing = sorted({name for name, _ in recorded.items() ^ found.items()})
        raise SamplingError(
            f"the weight table does not fit the split: in {purpose} these groups differ: "
            f"{', '.join(differing) or 'their order'}; compute sampling_weights anew from this split"
        )
