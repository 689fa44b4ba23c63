"""What a version's manifest says besides its files, and the version's tables as files."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import PipelineConfig
from brev_pipeline.provenance import (
    code_of,
    record_recipe,
)
from brev_pipeline.release.assignments import build_assignments
from brev_pipeline.release.exclusions import check_image_account, list_exclusions, purpose_locks
from brev_pipeline.release.publishing import LazyArtifact
from brev_pipeline.release.shards import find_finished_shards
from brev_pipeline.stages import SPECS
from brev_pipeline.store import Folder, PipelineStore
from brev_pipeline.store.parquet import to_parquet
from brev_pipeline.store.versions import DERIVED
from brev_pipeline.table_metadata import STAGING, given_sha256, known_sha256
from brev_pipeline.tables import Columns, part_names


def quote_check(check: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest says of a check."""
    kept = ["check", "says", "severity", "arguments"]
    kept += ["history"] if check.get("history") else ["passed", "observed", "offending"]
    return {name: check[name] for name in kept if name in check}


def build_manifest_facts(
    config: PipelineConfig, store: PipelineStore, tables: Mapping[str, Columns], filtered: pa.Table
) -> tuple[dict[str, Any], pa.Table, Folder, dict[str, dict[str, Any]]]:
    """What the manifest says besides the files; the exclusions; the folder of the shards, and the facts of each."""
    from brev_pipeline.listing import listing_fingerprint
    from brev_pipeline.split.label_map import read_split_classes

    excluded = list_exclusions(config, tables, filtered)
    listing = tables["raw_listing"].read(["path", "etag"])
    records = tables["tfrecord_shards"].read(["path", "file", "purpose", "ordinal"])
    check_image_account(listing, filtered, records, excluded)
    plan = (records.schema.metadata or {})[STAGING].decode()
    shards_in, shards = find_finished_shards(store, plan, records)
    split = tables["sample_split"].read(["category", "content_id", "purpose"])
    account = {
        "format": DERIVED,
        "stages": {stage: code_of(stage) for stage in SPECS},
        "purposes": config.split.names,  # in their order, which the configuration's JSON does not keep
        "plan": plan,
        "recipe": record_recipe(config),
        "pipeline": config.name,
        "configuration": config.content_settings(),
        "known_assignments_sha256": known_sha256(split),
        **({"given_sha256": given} if (given := given_sha256(split)) else {}),
        "classes": read_split_classes(split),
        "test_lock": purpose_locks(split, config.split),
        "listing_fingerprint": listing_fingerprint(listing),
        "counts": {
            "listed": listing.num_rows + filtered.num_rows,
            "excluded": excluded.num_rows,
            "images": _counted(split["purpose"]),
            "records": _counted(part_names(records)),
        },
    }
    return account, excluded, shards_in, shards


def pack_tables(
    config: PipelineConfig, store: PipelineStore, tables: Mapping[str, Columns], excluded: pa.Table
) -> dict[str, LazyArtifact]:
    """The version's tables as Parquet files; what a clock or a place of work would put into them stays out."""
    # Published meanwhile: another ledger. Each making of the assignments has to be with the same.
    newest = store.newest_version()

    def of_stage(stage: str) -> Callable[[], pa.Table]:
        def read() -> pa.Table:
            table = tables[stage].read()
            return table.drop_columns([name for name in table.column_names if name in SPECS[stage].run_columns])

        return read

    shown: dict[str, Callable[[], pa.Table]] = {
        "listing": of_stage("sample_integrity"),
        "images": of_stage("prepared_images"),
        "assignments": lambda: build_assignments(config, newest and newest[1], tables["sample_split"].read()),
        "weights": of_stage("sampling_weights"),
        "records": of_stage("tfrecord_shards"),
        "exclusions": lambda: excluded,
    }
    return {f"{name}.parquet": LazyArtifact.from_maker(partial(_parquet, make)) for name, make in shown.items()}


def _parquet(make: Callable[[], pa.Table]) -> bytes:
    return to_parquet(_bare(make()))


def _counted(names: pa.ChunkedArray) -> dict[str, int]:
    return dict(sorted((row["values"], row["counts"]) for row in pc.value_counts(names).to_pylist()))


def _bare(table: pa.Table) -> pa.Table:
    """Without the schema's metadata of a run."""
    return table.replace_schema_metadata(None)
