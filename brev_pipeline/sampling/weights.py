"""Weights: what share of the draws each group gets, for anyone to read.

The weight of a group is a function of its size: the five presets of the reference.
"""

import decimal
import functools
import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline import tables
from brev_pipeline.config import SamplingSettings
from brev_pipeline.config.training import Weighing
from brev_pipeline.errors import SamplingError
from brev_pipeline.sampling.apportionment import apportion_draws
from brev_pipeline.sampling.groups import SamplingGroups, group_images

# Enough digits that rounding to a float64 is correct; more would change nothing.
_DIGITS: Final = decimal.Context(prec=50, rounding=decimal.ROUND_HALF_EVEN)


@functools.cache
def _log(count: int, plus: int = 0) -> float:
    # The C library's and NumPy's log differ in the last bit from CPU to CPU; decimal's is correctly rounded.
    return float(_DIGITS.add(_DIGITS.ln(decimal.Decimal(count)), plus))


_PRESETS: Final[dict[Weighing, Callable[[int], float]]] = {
    "uniform": lambda _: 1.0,
    "count": float,
    "square root": math.sqrt,
    "log": _log,
    "logx+1": lambda count: _log(count, 1),
}


def compute_group_weights(counts: Sequence[int], weighing: Weighing) -> list[float]:
    """Weigh groups by size; the same float64 bits on every machine.

    Args:
        counts: images in each group, each at least 1.
        weighing: ``uniform`` 1, ``count`` n, ``square root`` √n, ``log`` ln n, ``logx+1`` ln(n) + 1.

    Returns:
        One weight per group, not normalised. ``log`` of a group of one is 0: such a group is never drawn.
    """
    return [_PRESETS[weighing](count) for count in counts]


def compute_sampling_weights(split: pa.Table, settings: SamplingSettings) -> pa.Table:
    """Weigh the groups of each purpose; every image is in exactly one group, and no group is left undrawn.

    Purposes in ``settings.purposes`` are weighed by the preset, and their draws sum to the number of their images
    (or ``max_epoch_samples`` if that is less). Of all others each image is drawn once: weight and draws are the
    group's size.

    Args:
        split: one row per image: purpose, path and the columns of ``settings.groupby``.
        settings: see `SamplingSettings`.

    Returns:
        One row per purpose and group, sorted by both; schema `tables.sampling_weights_schema`.

    Raises:
        SamplingError: a sampled purpose has no image; a groupby column is missing or empty in some rows, or has
            the name of a column of the weight table; a group would weigh nothing (``log`` of a group of one).
    """
    schema = tables.sampling_weights_schema(settings.groupby)
    _require_columns(split, schema)
    purposes: list[str] = sorted(split.column("purpose").unique().to_pylist())
    _require_images(purposes, settings)
    parts = [_weigh_purpose(split.filter(pc.equal(split["purpose"], name)), name, settings) for name in purposes]
    return tables.conform_table(pa.concat_tables(parts), schema, "sampling_weights")


def _weigh_purpose(rows: pa.Table, purpose: str, settings: SamplingSettings) -> pa.Table:
    groups = group_images(rows, settings.groupby)
    sampled = purpose in settings.purposes
    weights = compute_group_weights(groups.image_counts.tolist(), settings.group_weighing if sampled else "count")
    _require_weight(groups, weights, purpose, settings)
    total = count_epoch_draws(rows.num_rows, settings) if sampled else rows.num_rows
    whole = math.fsum(weights)
    return pa.table(
        {
            "purpose": [purpose] * len(weights),
            "group": groups.names,
            **groups.columns,
            "samples": groups.image_counts,
            "weight": weights,
            "probability": np.array(weights) / whole,
            "draws": apportion_draws(weights, total, 1)[0],
        }
    )


def count_epoch_draws(images: int, settings: SamplingSettings) -> int:
    """Draws per epoch of a sampled purpose: one per image, or ``max_epoch_samples`` if that is less."""
    return min(images, settings.max_epoch_samples or images)


def _require_columns(split: pa.Table, schema: pa.Schema) -> None:
    if twice := sorted({name for name in schema.names if schema.names.count(name) > 1}):
        raise SamplingError(
            f"sampling.groupby cannot name {', '.join(twice)}: a column of the weight table, or named twice; "
            f"group by one of {', '.join(name for name in split.column_names if name not in schema.names)}"
        )
    if split.column("purpose").null_count:
        raise SamplingError(f"{split.column('purpose').null_count} images have no purpose: assign one in the split")


def _require_images(purposes: list[str], settings: SamplingSettings) -> None:
    if not purposes:
        raise SamplingError("there is no image to draw: the split is empty")
    if missing := [name for name in settings.purposes if name not in purposes]:
        raise SamplingError(
            f"no image has the purpose {', '.join(missing)}, which sampling.purposes names (there is only "
            f"{', '.join(purposes)}): add images, or change split.purposes"
        )


def _require_weight(groups: SamplingGroups, weights: list[float], purpose: str, settings: SamplingSettings) -> None:
    if nothing := [name for name, weight in zip(groups.names, weights, strict=True) if not weight > 0]:
        raise SamplingError(
            f"sampling.group_weighing {settings.group_weighing!r} gives a group of one image the weight 0, so it would "
            f"never be drawn; in {purpose} these are: {', '.join(nothing)}. Use 'logx+1', or add images"
        )
