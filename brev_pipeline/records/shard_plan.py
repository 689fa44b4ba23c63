"""The plan: which draw stands in which shard at which place. A table, made before any pixel is touched."""

import math
from collections.abc import Sequence
from functools import reduce
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import ShardSettings
from brev_pipeline.errors import ShardError
from brev_pipeline.records.encodings import ENCODINGS
from brev_pipeline.tables import NO_LABEL, part_names, with_label_id
from brev_pipeline.texts import TEXT, normalize_unicode

SHARD_PLAN: Final = pa.schema(
    [
        pa.field("purpose", TEXT, False),
        pa.field("epoch", pa.int32(), False),
        pa.field("shard", pa.int32(), False, {"description": "0-based number of the file within its part"}),
        pa.field("position", pa.int32(), False, {"description": "0-based place of the record in its shard"}),
        pa.field("path", TEXT, False),
        pa.field("content_id", TEXT, False),
        pa.field("item", TEXT, False),
        pa.field("group", TEXT, False),
        pa.field("label", pa.int64(), False, {"description": "class of the first category; -1: it has none"}),
        pa.field("multi_hot", pa.list_(pa.int8()), True, {"description": "null if no image has several categories"}),
        pa.field("ordinal", pa.int32(), False),
        pa.field("seed", pa.uint64(), False),
        pa.field("augmented", pa.bool_(), False),
    ]
)

_OTHER_BYTES: Final = 300  # of a record besides its pixels: names, path, seed, frame


def shard_name(pipeline: str, part: str, shard: int, shards: int) -> str:
    """File name of a shard, as tfds expects it; ``part`` as `tables.part_names` names it."""
    return f"{pipeline}-{part}.tfrecord-{shard:05d}-of-{shards:05d}"


def plan_shards(
    draws: pa.Table, prepared: pa.Table, settings: ShardSettings, *, class_names: Sequence[str]
) -> pa.Table:
    """Give each draw its place: every draw exactly once, mixed by hash, in shards of equal size.

    A shard holds draws of one part (a purpose; of a fold, its photos as they are or its draws) and one epoch, at most
    `records_per_shard`; sizes within a part differ by at most one. Shards are numbered through the epochs of a part. A
    draw's place hangs on its seed and on how many draws the epoch has, not on the order of the rows.

    The label is the class of the *first* category of an image. If any drawn image has several, all rows get a
    multi-hot vector too.

    Args:
        draws: purpose, epoch, path, content_id, item, category, group, ordinal, seed, augmented; where there are
            labels, label_id.
        prepared: content_id, status and file of the prepared images.
        settings: see `ShardSettings`.
        class_names: all class names of the version, in the order of the labels.

    Returns:
        One row per draw, schema `SHARD_PLAN` (and label_id, where the draws have it), sorted by purpose, part, shard
        and position.

    Raises:
        ShardError: an image has a category that is not among ``class_names``; drawn contents have no prepared pixels.
    """
    ready = prepared.filter(pc.and_(pc.equal(prepared["status"], "ok"), pc.is_valid(prepared["file"])))
    lost = draws.filter(pc.invert(pc.is_in(draws["content_id"], ready["content_id"].combine_chunks())))
    if paths := pc.unique(lost["path"]).to_pylist():
        raise ShardError(
            f"{len(paths)} drawn images have no prepared pixels, the first: {', '.join(sorted(paths)[:3])}; "
            "split only images whose status in prepared_images is ok"
        )
    order, shard, position = _assign_positions(draws, records_per_shard(draws, prepared, settings))
    rows = draws.take(pa.array(order))
    label, multi_hot = _find_labels(rows, class_names)
    columns = {"shard": shard, "position": position, "label": label, "multi_hot": multi_hot}
    schema = with_label_id(SHARD_PLAN, draws)
    return pa.table(
        [columns.get(name, rows[name] if name in rows.column_names else None) for name in schema.names], schema
    )


def records_per_shard(draws: pa.Table, prepared: pa.Table, settings: ShardSettings) -> int:
    """How many records a shard holds at most: as configured, or as many as make up the wanted size.

    Nothing is encoded yet, so a record's bytes are estimated: its pixel values times what a value took in photographs
    of parts, 128 to 512 px wide, augmented, with this package's encoders. Shards of other photos may come out at half
    or twice the wanted size; raw ones are exact.

    Args:
        draws: content_id.
        prepared: content_id, prepared_height, prepared_width, prepared_channels and prepared_frames.
        settings: see `ShardSettings`.
    """
    if settings.target_shard_mb is None or not draws.num_rows:
        return settings.records_per_shard
    return max(1, int(settings.target_shard_mb * 1e6 / mean_record_bytes(draws, prepared, settings)))


def mean_record_bytes(draws: pa.Table, prepared: pa.Table, settings: ShardSettings) -> float:
    """About how many bytes a record has, before any is made. Arguments as of `records_per_shard`; at least one draw."""
    drawn = prepared.take(pc.index_in(draws["content_id"], prepared["content_id"].combine_chunks()))
    sides = (drawn[f"prepared_{side}"].cast(pa.float64()) for side in ("height", "width", "channels"))
    values = reduce(pc.multiply, [pc.fill_null(drawn["prepared_frames"], 1).cast(pa.float64()), *sides])
    per_value = ENCODINGS[settings.encoding].estimate_bytes_per_value(settings)
    return float(_OTHER_BYTES + pc.mean(values).as_py() * per_value)


def _assign_positions(draws: pa.Table, most: int) -> tuple[npt.NDArray[np.int64], ...]:
    """Order of the draws in the plan, and shard and position of each in that order."""
    purposes = pc.rank(draws["purpose"], tiebreaker="dense").to_numpy().astype(np.int64)
    # A fold has two parts: its photos as they are (even), and its draws (odd).
    parts = 2 * purposes + pc.not_equal(part_names(draws), draws["purpose"]).to_numpy()
    # Unlike text, one number per (part, epoch) sorts fast; epochs are 32 bits.
    blocks = parts * 2**32 + draws["epoch"].to_numpy()
    # The last key comes first: block by block, and within one by hash.
    order = np.lexsort((_mix_seeds(draws["seed"].to_numpy()), blocks))
    names, records = np.unique(blocks, return_counts=True)
    sizes = [_split_evenly(count, most) for count in records.tolist()]
    # Number of each shard within its part: blocks of one part lie side by side.
    parts_of_shards = np.repeat(names >> 32, [len(size) for size in sizes])
    _, first, inverse = np.unique(parts_of_shards, return_index=True, return_inverse=True)
    number = np.arange(len(parts_of_shards)) - first[inverse]
    # A row's position is its number less that of its shard's first row.
    each = np.concatenate([*sizes, np.empty(0, np.int64)])
    starts = np.repeat(np.cumsum(each) - each, each)
    return order, np.repeat(number, each), np.arange(len(order)) - starts


def _split_evenly(records: int, most: int) -> npt.NDArray[np.int64]:
    """Records of each shard: as few shards as hold them all, sizes differing by at most one, larger ones first."""
    shards = math.ceil(records / most)
    return np.asarray(records // shards + (np.arange(shards) < records % shards), dtype=np.int64)


def _mix_seeds(seeds: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """A second, unrelated 64-bit hash of each seed, so that a place tells nothing of the augmentation."""
    # The finaliser of SplitMix64 (Steele, Lea, Flood 2014), a bijection: distinct seeds never tie.
    mixed = seeds + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _find_labels(rows: pa.Table, names: Sequence[str]) -> tuple[pa.Array, pa.Array]:
    categories = rows["category"].combine_chunks()
    lengths = pc.list_value_length(categories)
    classes = pc.index_in(normalize_unicode(categories.flatten()), normalize_unicode(pa.array(names, TEXT)))
    if classes.null_count:
        unknown = set(pc.unique(pc.list_flatten(rows["category"])).to_pylist()) - set(names)
        raise ShardError(
            f"the categories {sorted(unknown)} are not among the class names {list(names)}: make the plan anew, with "
            "all of them"
        )
    counts, known = lengths.to_numpy(), classes.to_numpy()
    label = np.full(len(rows), NO_LABEL)
    label[counts > 0] = known[(np.cumsum(counts) - counts)[counts > 0]]
    if counts.max(initial=0) <= 1:
        return pa.array(label), pa.nulls(len(rows), SHARD_PLAN.field("multi_hot").type)
    hot = np.zeros((len(rows), len(names)), dtype=np.int8)
    hot[np.repeat(np.arange(len(rows)), counts), known] = 1
    vectors = pa.FixedSizeListArray.from_arrays(hot.ravel(), len(names))
    return pa.array(label), vectors.cast(SHARD_PLAN.field("multi_hot").type)
