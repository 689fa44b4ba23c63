"""The weight table: what share of the draws each group gets, for anyone to read."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline import tables
from brev_pipeline.config import SamplingSettings
from brev_pipeline.errors import SamplingError
from brev_pipeline.sampling.apportion import apportion
from brev_pipeline.sampling.groups import Groups, groups_of
from brev_pipeline.sampling.weighing import group_weights


def sampling_weights(split: pa.Table, settings: SamplingSettings) -> pa.Table:
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
    _demand_columns(split, schema)
    purposes: list[str] = sorted(split.column("purpose").unique().to_pylist())
    _demand_images(purposes, settings)
    parts = [_one_purpose(split.filter(pc.equal(split["purpose"], name)), name, settings) for name in purposes]
    return tables.conform(pa.concat_tables(parts), schema, "sampling_weights")


def _one_purpose(rows: pa.Table, purpose: str, settings: SamplingSettings) -> pa.Table:
    groups = groups_of(rows, settings.groupby)
    sampled = purpose in settings.purposes
    weights = group_weights(groups.counts.tolist(), settings.group_weighing if sampled else "count")
    _demand_weight(groups, weights, purpose, settings)
    total = epoch_draws(rows.num_rows, settings) if sampled else rows.num_rows
    whole = math.fsum(weights)
    return pa.table(
        {
            "purpose": [purpose] * len(weights),
            "group": groups.names,
            **groups.columns,
            "samples": groups.counts,
            "weight": weights,
            "probability": np.array(weights) / whole,
            "draws": apportion(weights, total, 1)[0],
        }
    )


def epoch_draws(images: int, settings: SamplingSettings) -> int:
    """Draws per epoch of a sampled purpose: one per image, or ``max_epoch_samples`` if that is less."""
    return min(images, settings.max_epoch_samples or images)


def _demand_columns(split: pa.Table, schema: pa.Schema) -> None:
    if twice := sorted({name for name in schema.names if schema.names.count(name) > 1}):
        raise SamplingError(
            f"sampling.groupby cannot name {', '.join(twice)}: a column of the weight table, or named twice; "
            f"group by one of {', '.join(name for name in split.column_names if name not in schema.names)}"
        )
    if split.column("purpose").null_count:
        raise SamplingError(f"{split.column('purpose').null_count} images have no purpose: assign one in the split")


def _demand_images(purposes: list[str], settings: SamplingSettings) -> None:
    if not purposes:
        raise SamplingError("there is no image to draw: the split is empty")
    if missing := [name for name in settings.purposes if name not in purposes]:
        raise SamplingError(
            f"no image has the purpose {', '.join(missing)}, which sampling.purposes names (there is only "
            f"{', '.join(purposes)}): add images, or change split.purposes"
        )


def _demand_weight(groups: Groups, weights: list[float], purpose: str, settings: SamplingSettings) -> None:
    if nothing := [name for name, weight in zip(groups.names, weights, strict=True) if not weight > 0]:
        raise SamplingError(
            f"sampling.group_weighing {settings.group_weighing!r} gives a group of one image the weight 0, so it would "
            f"never be drawn; in {purpose} these are: {', '.join(nothing)}. Use 'logx+1', or add images"
        )
