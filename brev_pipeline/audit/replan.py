"""Replan: weights and draws made again from a version's own assignments and configuration, beside its tables.

This covers the seeds: each is computed anew from what the draw is for.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.audit.tables import Tables, listed_now
from brev_pipeline.config import SamplingSettings, ShardSettings
from brev_pipeline.errors import BrevPipelineError

_COLUMNS: Final = ("purpose", "epoch", "shard", "position", "path", "content_id", "group", "label", "ordinal", "seed")


def plan_problems(manifest: Mapping[str, Any], tables: Tables) -> Iterator[str]:
    """Weights and records that are not what assignments and configuration give."""
    from brev_pipeline.sampling import sampling_weights

    settings = SamplingSettings.model_validate(manifest["configuration"]["sampling"])
    split = listed_now(tables["assignments"])
    try:
        weights = sampling_weights(split, settings)
        if not weights.equals(tables["weights"].cast(weights.schema)):
            yield "weights.parquet: it is not what the assignments and sampling's settings give"
        yield from _compare(plan_again(manifest, split, weights, settings), tables["records"])
    except (BrevPipelineError, pa.ArrowInvalid) as error:
        yield f"records.parquet: the draws cannot be made again: {error}"


def plan_again(manifest: Mapping[str, Any], split: pa.Table, weights: pa.Table, settings: SamplingSettings) -> pa.Table:
    """The plan of a version's records, schema `shards.PLAN`, from its assignments."""
    from brev_pipeline.sampling import draw_plan
    from brev_pipeline.shards import plan_shards

    shards = ShardSettings.model_validate(manifest["configuration"]["shards"])
    draws = draw_plan(split, weights, settings, epochs=shards.epochs)
    # That every drawn image has its pixels was seen to when the version was made.
    contents = pc.unique(draws["content_id"])
    prepared = pa.table({"content_id": contents, "status": ["ok"] * len(contents), "file": [""] * len(contents)})
    return plan_shards(draws, prepared, shards, class_names=manifest["classes"])


def _compare(plan: pa.Table, records: pa.Table) -> Iterator[str]:
    if plan.num_rows != records.num_rows:
        yield f"records.parquet: it has {records.num_rows} records, the assignments give {plan.num_rows} draws"
        return
    for name in _COLUMNS:
        differs = pc.not_equal(records[name], plan[name])
        if count := pc.sum(differs).as_py() or 0:
            place = pc.index(differs, True).as_py()
            row = records.slice(place, 1).to_pylist()[0]
            yield (
                f"records.parquet: {name} of {count} records is not what the plan gives, the first: {row['file']}, "
                f"record {row['position']}: {row[name]!r} instead of {plan[name][place].as_py()!r}"
            )
