"""Replan: weights and draws made again from a version's own assignments and configuration, beside its tables.

This covers the seeds: each is computed anew from what the draw is for.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.audit.table_checks import Tables, describe_difference, select_listed
from brev_pipeline.audit.version_claims import DERIVATION_ERRORS, Finding, depend_on_code, read_configuration
from brev_pipeline.config import PipelineConfig
from brev_pipeline.store.versions import DERIVED
from brev_pipeline.tables import part_names

_COLUMNS: Final = ("purpose", "epoch", "shard", "position", "path", "content_id", "group", "label", "ordinal", "seed")
_DERIVED: Final = (*_COLUMNS, "item", "augmented")  # the same, of versions whose claims are derived anew
_SIDES: Final = ("prepared_frames", "prepared_height", "prepared_width", "prepared_channels")


def plan_contradictions(manifest: Mapping[str, Any], tables: Tables) -> Iterator[Finding]:
    """Weights and records that are not what assignments and configuration give."""
    from brev_pipeline.sampling import compute_sampling_weights

    derived = manifest["format"] >= DERIVED
    try:
        config = read_configuration(manifest)
        split = select_listed(tables["assignments"])
        weights = compute_sampling_weights(split, config.sampling)
        wrong = list(_compare_weights(config, tables["weights"], weights, derived=derived))
        yield from depend_on_code(wrong, "sampling_weights")
        # Older code of the weights explains other draws only where it gave other weights.
        stages = ("tfrecord_shards", *(["sampling_weights"] if wrong else []))
        plan = derive_plan(config, manifest["classes"], split, weights, tables["images"])
        yield from depend_on_code(_compare_plan(plan, tables["records"], _DERIVED if derived else _COLUMNS), *stages)
        if derived:
            yield from depend_on_code(_compare_shard_names(config.name, tables["records"]), *stages)
    except DERIVATION_ERRORS as error:
        yield f"records.parquet: the draws cannot be made again: {error}"


def _compare_weights(config: PipelineConfig, found: pa.Table, weights: pa.Table, *, derived: bool) -> Iterator[str]:
    if derived and found.column_names != weights.column_names:
        yield (
            f"weights.parquet: its columns are {', '.join(found.column_names)}; sampling.groupby is "
            f"{', '.join(config.sampling.groupby)}"
        )
    elif not weights.equals(found.cast(weights.schema)):
        said = "weights.parquet: it is not what the assignments and sampling's settings give"
        yield said + (_first_group(found, weights) if derived else "")


def derive_plan(
    config: PipelineConfig, classes: Sequence[str], split: pa.Table, weights: pa.Table, images: pa.Table
) -> pa.Table:
    """The plan of a version's records, schema `records.SHARD_PLAN`, from its assignments."""
    from brev_pipeline.records import plan_shards
    from brev_pipeline.sampling import plan_draws

    folds = config.split.fold_names
    draws = plan_draws(split, weights, config.sampling, epochs=config.shards.epochs, folds=folds)
    # That every drawn image has its pixels was seen to when the version was made.
    contents = pc.unique(draws["content_id"])
    own = images.select(_SIDES).take(pc.index_in(contents, value_set=images["content_id"].combine_chunks()))
    prepared = {"content_id": contents, "status": ["ok"] * len(contents), "file": [""] * len(contents)}
    places = pa.table(prepared | {side: own[side] for side in _SIDES})
    return plan_shards(draws, places, config.shards, class_names=classes)


def _compare_plan(plan: pa.Table, records: pa.Table, columns: Sequence[str]) -> Iterator[str]:
    if plan.num_rows != records.num_rows:
        yield f"records.parquet: it has {records.num_rows} records, the assignments give {plan.num_rows} draws"
        return
    for name in columns:
        yield from describe_difference(name, records, plan[name], "what the plan gives", with_path=True)


def _compare_shard_names(pipeline: str, records: pa.Table) -> Iterator[str]:
    """Records that stand in another file than their part and shard say."""
    from brev_pipeline.records.shard_plan import shard_name

    named = records.select(["shard", "file"]).append_column("part", part_names(records))
    shards = named.group_by(["part", "shard", "file"]).aggregate([]).to_pylist()
    count: dict[str, int] = {}
    for row in shards:
        count[row["part"]] = max(count.get(row["part"], 0), row["shard"] + 1)
    for row in shards:
        wanted = shard_name(pipeline, row["part"], row["shard"], count[row["part"]])
        if row["file"] != wanted:
            yield f"records.parquet: file of shard {row['shard']} of {row['part']} is {row['file']}, not {wanted}"


def _first_group(found: pa.Table, derived: pa.Table) -> str:
    """The first row that is otherwise, in words."""
    rows = [{f"{row['purpose']} / {row['group']}": row for row in table.to_pylist()} for table in (found, derived)]
    for name in sorted(rows[0].keys() | rows[1].keys()):
        one, other = (side.get(name) for side in rows)
        if one != other:
            return f"; the first: {name}: {_describe_values(one, other)} instead of {_describe_values(other, one)}"
    return "; the groups are in another order"


def _describe_values(row: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> str:
    if row is None:
        return "no such group"
    return ", ".join(f"{key} {value!r}" for key, value in row.items() if other is None or other.get(key) != value)
