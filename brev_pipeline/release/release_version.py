"""The last stage: from the stages' tables and the shards to a published version, and what its manifest says."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import PipelineConfig
from brev_pipeline.config.base import is_local
from brev_pipeline.errors import StoreError
from brev_pipeline.provenance import check_current, code_of, read_lineage, record_recipe
from brev_pipeline.record_features import LABEL_FEATURES, parse_features
from brev_pipeline.release.assignments import build_assignments
from brev_pipeline.release.exclusions import check_image_account, list_exclusions, purpose_locks, read_filtered
from brev_pipeline.release.publishing import LazyArtifact, Release, ReportMaker, publish_version
from brev_pipeline.release.shards import find_finished_shards
from brev_pipeline.stages import SPECS
from brev_pipeline.store import Folder, PipelineStore, Version
from brev_pipeline.store.parquet import to_parquet
from brev_pipeline.store.versions import DERIVED
from brev_pipeline.table_metadata import LEDGER, STAGING, found_facts, given_sha256, known_sha256, read_label_features
from brev_pipeline.tables import Columns, part_names

_LOG = logging.getLogger(__name__)


def release_version(
    config: PipelineConfig,
    store: PipelineStore,
    tables: Mapping[str, Columns],
    *,
    checks: Mapping[str, Sequence[Mapping[str, Any]]],
    own_checks: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    run_id: str,
    documents: Callable[[], Mapping[str, bytes]] = dict,
) -> Release:
    """Publish the version that the stages' tables and shards make.

    Args:
        config: the pipeline's configuration.
        store: the pipeline's store.
        tables: stage → its table.
        checks: stage → its checks' verdicts. The manifest quotes them, but for what those about history found, which
            stands in the report: else the same data would make another version each time that it is asked.
        own_checks: stage → check, severity and passed of users' blocking checks, for the manifest.
        run_id: of the run that publishes.
        documents: makes further files of the report folder (the Data Docs), by name; asked only when something is new.

    Raises:
        StaleTableError: a table was not made by this configuration, or not of the others.
        StoreError: the store cannot be written, or another run published meanwhile.
    """
    from brev_pipeline.exporters import export_files
    from brev_pipeline.exporters.version_facts import RECORD_COLUMNS
    from brev_pipeline.records.schema import SHAPE_COLUMNS

    check_current(
        config, {stage: read_lineage(table.read([]).schema.metadata, stage, "") for stage, table in tables.items()}
    )
    filtered = read_filtered(store, tables["raw_listing"].read([]))
    account, excluded, shards_in, shards = _build_manifest_facts(config, store, tables, filtered)
    account["checks"] = {stage: [_quote_check(check) for check in found] for stage, found in checks.items()}
    account["user_checks"] = {stage: list(found) for stage, found in (own_checks or {}).items()}
    packed = _pack_tables(config, store, tables, excluded)
    made_with = (tables["sample_split"].read([]).schema.metadata or {}).get(LEDGER)
    based_on = None if made_with is None else int(made_with)
    _check_history_current(store, checks, account, packed, based_on)
    for_others = export_files(
        config,
        classes=account["classes"],
        split=tables["sample_split"].read(["path", "category"]),
        images=tables["prepared_images"].read(SHAPE_COLUMNS),
        records=tables["tfrecord_shards"].read(RECORD_COLUMNS),
        files=shards | {name: dict(made.facts) for name, made in packed.items()},
        label_features=parse_features(account.get(LABEL_FEATURES, ())),
    )
    done = publish_version(
        store,
        shards_in=shards_in,
        shards=shards,
        extras={**packed, **for_others},
        account=account,
        run_id=run_id,
        report=_report_maker(store, tables, excluded, filtered, checks, documents),
        based_on=based_on,
        datasets=_relative_datasets(config, store),
    )
    try:
        store.staging_area.remove(account["plan"])
    except StoreError as error:
        # A run with the same plan may be writing there. The version stands; `gc` finds what stays.
        _LOG.warning("%s", error)
    return done


def _build_manifest_facts(
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
        # Only where there are any: so the ids of versions without them stayed when `split.given` came.
        **({"given_sha256": given} if (given := given_sha256(split)) else {}),
        "classes": read_split_classes(split),
        **({LABEL_FEATURES: described} if (described := read_label_features(records)) else {}),
        "test_lock": purpose_locks(split, config.split),
        "listing_fingerprint": listing_fingerprint(listing),
        "counts": {
            "listed": listing.num_rows + filtered.num_rows,
            "excluded": excluded.num_rows,
            "images": _count_names(split["purpose"]),
            "records": _count_names(part_names(records)),
        },
    }
    return account, excluded, shards_in, shards


def _count_names(names: pa.ChunkedArray) -> dict[str, int]:
    return dict(sorted((row["values"], row["counts"]) for row in pc.value_counts(names).to_pylist()))


def _quote_check(check: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest says of a check."""
    kept = ["check", "says", "severity", "arguments"]
    kept += ["history"] if check.get("history") else ["passed", "observed", "offending"]
    return {name: check[name] for name in kept if name in check}


def _pack_tables(
    config: PipelineConfig, store: PipelineStore, tables: Mapping[str, Columns], excluded: pa.Table
) -> dict[str, LazyArtifact]:
    """The version's tables as Parquet files; what a clock or a place of work would put into them stays out."""
    # Published meanwhile: another ledger. Each making of the assignments has to be with the same.
    newest = store.newest_version()

    def read_stage(stage: str) -> pa.Table:
        table = tables[stage].read()
        return table.drop_columns([name for name in table.column_names if name in SPECS[stage].run_columns])

    makers: dict[str, Callable[[], pa.Table]] = {
        "listing": lambda: read_stage("sample_integrity"),
        "images": lambda: read_stage("prepared_images"),
        "assignments": lambda: build_assignments(config, newest and newest[1], tables["sample_split"].read()),
        "weights": lambda: read_stage("sampling_weights"),
        "records": lambda: read_stage("tfrecord_shards"),
        "exclusions": lambda: excluded,
    }

    def make_parquet(name: str) -> bytes:
        return to_parquet(makers[name]().replace_schema_metadata(None))  # the metadata is of a run

    return {f"{name}.parquet": LazyArtifact.from_maker(partial(make_parquet, name)) for name in makers}


def _relative_datasets(config: PipelineConfig, store: PipelineStore) -> dict[str, str]:
    """Where the datasets in relative folders lie, relative to the store's folder; nothing of a store in a bucket."""
    if not store.folder.is_local:
        return {}
    return {
        bucket: os.path.relpath(config.resolve_location(bucket), store.folder.url)
        for bucket in (dataset.bucket for dataset in config.datasets)
        if is_local(bucket) and not os.path.isabs(bucket)
    }


def _check_history_current(
    store: PipelineStore,
    checks: Mapping[str, Sequence[Mapping[str, Any]]],
    account: Mapping[str, Any],
    packed: Mapping[str, LazyArtifact],
    based_on: int | None,
) -> None:
    """Demand that checks about history compared with the newest publication, or with one that says the same.

    Raises:
        StoreError: another version was published since; the message names the stages whose checks are to be run.
    """
    newest = store.newest_version()
    number = newest[0].number if newest else 0
    if based_on != number:
        return  # `publish_version` takes such a split only if it is the newest one's
    late = [
        stage
        for stage, found in checks.items()
        if any(check.get("history") and check.get("publication") != number for check in found)
    ]
    if not late or newest is None:
        return
    manifest = newest[1].read_manifest()
    same_images = manifest.get("listing_fingerprint") == account["listing_fingerprint"]
    same_split = manifest["files"].get("assignments.parquet") == dict(packed["assignments.parquet"].facts)
    if same_images and same_split and manifest["classes"] == account["classes"]:
        return
    raise StoreError(
        f"{store.folder.url}: another run published while this one worked (publication {number}), and the checks of "
        f"{' and '.join(late)} compared with what stood before: its version stands. Run again to publish what is "
        f"newer; or run the checks of {' and '.join(late)} again, then dataset_version"
    )


def _report_maker(
    store: PipelineStore,
    tables: Mapping[str, Columns],
    excluded: pa.Table,
    filtered: pa.Table,
    checks: Mapping[str, Sequence[Mapping[str, Any]]],
    documents: Callable[[], Mapping[str, bytes]],
) -> ReportMaker:
    """Makes the version's report: without time and run, so that two runs at once would write the same one."""

    def make(version: Version, parent: Version | None, number: int) -> dict[str, bytes]:
        from brev_pipeline.images import PreparedPixels
        from brev_pipeline.report import ReportInputs, build_report

        others = documents()
        index = "data_docs/index.html"
        inputs = ReportInputs(
            manifest=version.read_manifest(),
            version=version.id,
            listing=tables["sample_integrity"],
            images=tables["prepared_images"],
            split=tables["sample_split"],
            weights=tables["sampling_weights"],
            records=tables["tfrecord_shards"],
            exclusions=excluded,
            filtered=filtered,
            found=found_facts(tables["raw_listing"].read([])),
            checks=checks,
            number=number,
            parent=parent,
            pixels=PreparedPixels(store.prepared_pixels),
            data_docs=index if index in others else None,
        )
        return build_report(inputs) | dict(others)

    return make
