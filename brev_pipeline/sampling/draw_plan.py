"""Draw plan: which image is drawn in which epoch, with which seed. Made before any pixel is touched."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import SamplingSettings
from brev_pipeline.errors import SamplingError
from brev_pipeline.sampling.apportionment import Counts, apportion_draws, count_draws, number_in_runs
from brev_pipeline.sampling.weights import SamplingGroups, group_images
from brev_pipeline.seeds import hash_column
from brev_pipeline.tables import LABEL_ID, plain_ordinals, with_label_id
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
"""Columns of ``sample_split`` that are read, besides those of `SamplingSettings.groupby`, and label_id."""


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
    a seed. Of a fold's photos as they are it is negative, see `tables.plain_ordinals`.

    Args:
        split: one row per image: purpose, path, content_id, item, category and the groupby columns; where there are
            labels, label_id.
        weights: what `compute_sampling_weights` made of the same ``split`` and ``settings``.
        settings: see `SamplingSettings`.
        epochs: epochs to draw, at least 1.
        folds: purposes that are folds.

    Returns:
        One row per draw, schema `DRAWS` (and label_id, where the split has it), sorted by purpose (of a fold, first the
        photos as they are) and epoch, then by the keyed hash of the content.

    Raises:
        SamplingError: ``weights`` was made of another split or other settings.
    """
    if epochs < 1:
        raise SamplingError(f"shards.epochs must be at least 1, got {epochs}")
    purposes = sorted(split.column("purpose").unique().to_pylist())
    parts = [
        draws for name in purposes for draws in _draw_purpose(split, weights, name, settings, epochs, name in folds)
    ]
    return pa.concat_tables(parts) if parts else with_label_id(DRAWS, split).empty_table()


def _draw_purpose(
    split: pa.Table, weights: pa.Table, purpose: str, settings: SamplingSettings, epochs: int, fold: bool
) -> Iterator[pa.Table]:
    # Only what is drawn: putting all columns of the split in order costs more than all else.
    schema = with_label_id(DRAWS, split)
    of_image = [name for name in schema.names if name in (*_DRAWN, LABEL_ID.name)]
    needed = [name for name in split.column_names if name in {*of_image, *settings.groupby}]
    rows = sort_by_hash(split.select(needed).filter(pc.equal(split["purpose"], purpose)), settings.seed)
    groups = group_images(rows, settings.groupby)
    table = weights.filter(pc.equal(weights["purpose"], purpose))
    _require_matching_weights(groups, table, purpose)
    sampled = purpose in settings.purposes

    def draw_epoch(epoch: int, times: Counts, *, plain: bool = False) -> pa.Table:
        drawn = np.repeat(np.arange(rows.num_rows), times)
        images = rows.select(of_image).take(pa.array(drawn))
        ordinal = _number_draws(rows["content_id"], times)
        ordinal = plain_ordinals(ordinal) if plain else ordinal
        columns = {name: images[name] for name in images.column_names} | {
            "purpose": pa.repeat(pa.scalar(purpose), len(drawn)),
            "epoch": pa.repeat(pa.scalar(epoch), len(drawn)),
            "group": pa.array(groups.names, TEXT).take(pa.array(groups.index[drawn])),
            "ordinal": ordinal,
            "seed": hash_column(settings.seed, (epoch,), images["content_id"], ordinal),
            "augmented": pa.repeat(pa.scalar(sampled and not plain), len(drawn)),
        }
        return pa.table([columns[name] for name in schema.names], names=schema.names).cast(schema)

    if fold:
        yield draw_epoch(0, np.ones(rows.num_rows, np.int64), plain=True)
        if not sampled:
            return
    draws = groups.image_counts[np.newaxis]
    if sampled:
        draws = apportion_draws(table["weight"].to_pylist(), pc.sum(table["draws"]).as_py(), epochs)
    for epoch, counts in enumerate(draws):
        yield draw_epoch(epoch, count_draws(groups.index, draws[:epoch].sum(axis=0), counts))


def _number_draws(contents: pa.ChunkedArray, times: Counts) -> npt.NDArray[np.int32]:
    """Shape (draws,): how many draws of the same content come before; rows of one content lie side by side."""
    # A copy may be another image of the same content: its draws go on counting, so that no two share a seed.
    new = np.ones(len(times), dtype=bool)
    if len(times) > 1:
        new[1:] = pc.not_equal(contents.slice(1), contents.slice(0, len(times) - 1)).to_numpy()
    runs = np.add.reduceat(times, np.flatnonzero(new)) if len(times) else times
    return number_in_runs(runs).astype(np.int32)


def sort_by_hash(rows: pa.Table, seed: int) -> pa.Table:
    """Sort rows, which have content_id and path, by keyed hash of their content; of the same bytes by path.

    The result does not depend on the order of the rows, and adding an image moves no other two against each other.
    """
    keys = hash_column(seed, ("order",), rows["content_id"])
    order = np.argsort(keys, kind="stable")
    ranked = keys[order]
    equal = np.flatnonzero(ranked[1:] == ranked[:-1])
    tied = np.union1d(equal, equal + 1)
    if len(tied):
        # Text is compared only here: sorting a million paths costs as much as all else.
        names = rows.select(["content_id", "path"]).take(pa.array(order[tied]))
        names = names.append_column("key", pa.array(ranked[tied])).append_column("row", pa.array(order[tied]))
        order[tied] = names.sort_by([(name, "ascending") for name in ("key", "content_id", "path")])["row"].to_numpy()
    return rows.take(pa.array(order))


def _require_matching_weights(groups: SamplingGroups, table: pa.Table, purpose: str) -> None:
    recorded = dict(zip(table["group"].to_pylist(), table["samples"].to_pylist(), strict=True))
    counted = dict(zip(groups.names, groups.image_counts.tolist(), strict=True))
    if list(recorded.items()) != list(counted.items()):  # in the same order too: draws go by it
        differing = sorted({name for name, _ in recorded.items() ^ counted.items()})
        raise SamplingError(
            f"the weight table does not fit the split: in {purpose} these groups differ: "
            f"{', '.join(differing) or 'their order'}; compute sampling_weights anew from this split"
        )
