"""The seven assets of a pipeline. Each reads its inputs, calls one stage, and returns the table with metadata."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import dagster as dg

from brev_pipeline.config import PipelineConfig
from brev_pipeline.orchestration.automation import build_freshness_policy
from brev_pipeline.orchestration.io_manager import StageTable
from brev_pipeline.orchestration.steps import asset_key, forward_logs, pace_metadata, record_pace, retry_or_fail
from brev_pipeline.provenance import attach_provenance, code_version, read_lineage, settings_of
from brev_pipeline.stages import SPECS, VERSION, StageSpec, inputs_of
from brev_pipeline.storage import Sources
from brev_pipeline.store import PipelineStore


def build_assets(config: PipelineConfig) -> list[dg.AssetsDefinition]:
    """The assets of one pipeline, in the order of the flow; they close over its configuration, none reads YAML."""
    return [_build_asset(config, spec) for spec in SPECS.values()]


def _build_asset(config: PipelineConfig, spec: StageSpec) -> dg.AssetsDefinition:
    stage, tables, engine = spec.name, f"{config.name}__tables", f"{config.name}__engine"
    inputs = inputs_of(stage)
    reads_s3 = not inputs and any(dataset.bucket.startswith("s3://") for dataset in config.datasets)

    @dg.asset(
        key=asset_key(config.name, stage),
        group_name=config.name,
        description=spec.description,
        owners=config.owners,
        kinds=set(spec.kinds | ({"s3"} if reads_s3 else set())),
        code_version=code_version(config, stage),
        freshness_policy=build_freshness_policy(config.schedule),
        # One run of a pipeline at a time: dagster.yaml limits every pool to one run (see `deploy/`).
        pool=config.name,
        ins={name: dg.AssetIn(asset_key(config.name, name), input_manager_key=tables) for name in inputs},
        io_manager_key=tables,
        required_resource_keys={engine},
    )
    def stage_asset(context: dg.AssetExecutionContext, **upstream: Any) -> Any:
        from brev_pipeline.tables import give_memory_back

        with retry_or_fail(context, config.retry), forward_logs(context):
            give_memory_back()
            began = time.perf_counter()
            output = STAGE_FUNCTIONS[stage](context, config, upstream)
            seconds = time.perf_counter() - began
            settings = dg.MetadataValue.json(settings_of(config, stage))
            context.add_output_metadata(pace_metadata(stage, output, seconds) | {"settings": settings})
            record_pace(context, config, stage, output, seconds)
            if isinstance(output, dg.MaterializeResult):
                return output
            lineages = {name: loaded.lineage for name, loaded in upstream.items()}
            table = attach_provenance(output, stage, config, lineages)
            lineage = read_lineage(table.schema.metadata, stage, "this run's")[stage]
            # Users' checks recognize an equal table's materialization by it (see `user_checks`).
            return dg.MaterializeResult(value=table, data_version=dg.DataVersion(lineage.id))

    return stage_asset


Upstream = Mapping[str, StageTable]
"""Stage → its table, as the IO manager loaded it."""


def _make_raw_listing(context: dg.AssetExecutionContext, config: PipelineConfig, upstream: Upstream) -> Any:
    from brev_pipeline.integrity.findings import COMPARED
    from brev_pipeline.listing import list_datasets
    from brev_pipeline.listing.class_checks import ListingFindings
    from brev_pipeline.orchestration.metadata import listing_metadata
    from brev_pipeline.release.assignments import foresee_faults, refuse_foreign_store
    from brev_pipeline.release.exclusions import store_filtered
    from brev_pipeline.table_metadata import note_found

    store = PipelineStore.from_config(config)
    refuse_foreign_store(config, store)
    left_out: list[Any] = []
    findings = ListingFindings()
    sources, known = Sources.from_config(config), store.identity_cache.load_newest()
    table = list_datasets(config.datasets, config.listing, sources, known, left_out.append, findings.add_findings)
    facts = findings.build_summary(config.listing)
    table = note_found(store_filtered(store, table, left_out), facts)
    newest = store.newest_version()
    published = newest[1].read_table("listing", COMPARED) if newest else None
    context.add_output_metadata(listing_metadata(table, published, left_out, facts))
    foresee_faults(table, config, newest[1] if newest else None)
    return table


def _make_sample_integrity(context: dg.AssetExecutionContext, config: PipelineConfig, upstream: Upstream) -> Any:
    from brev_pipeline.integrity import check_integrity
    from brev_pipeline.integrity.check import list_identities
    from brev_pipeline.integrity.findings import COMPARED_CONTENTS
    from brev_pipeline.orchestration.metadata import integrity_metadata

    store = PipelineStore.from_config(config)
    memory, newest = store.identity_cache, store.newest_version()
    listing = upstream["raw_listing"].read()
    table = check_integrity(
        listing, fetch=Sources.from_config(config), known=memory.load_newest(), engine=_make_engine(context, config)
    )
    memory.save_identities(list_identities(table), context.run.run_id)
    before = newest[1].read_table("listing", COMPARED_CONTENTS) if newest else None
    context.add_output_metadata(integrity_metadata(table, before))
    return table


def _make_prepared_images(context: dg.AssetExecutionContext, config: PipelineConfig, upstream: Upstream) -> Any:
    from brev_pipeline.images.prepare import SAMPLE_COLUMNS, prepare_images
    from brev_pipeline.images.prepare_labels import LABEL_COLUMNS, prepare_labels
    from brev_pipeline.orchestration.metadata import prepared_metadata, recheck_metadata
    from brev_pipeline.recheck import FACTS, recheck_identities
    from brev_pipeline.table_metadata import note_work

    sources, store = Sources.from_config(config), PipelineStore.from_config(config)
    engine = _make_engine(context, config)
    samples = upstream["sample_integrity"].read([*SAMPLE_COLUMNS, *(LABEL_COLUMNS if config.has_labels else ())])
    read_now: list[Any] = []
    sizes: list[Any] | None = [] if config.has_labels else None
    folder = store.prepared_pixels
    table = prepare_images(
        samples, config.image, fetch=sources, folder=folder, engine=engine, read_now=read_now, sizes=sizes
    )
    if sizes:
        table = prepare_labels(
            samples, table, sizes[0], config.datasets, config.image, fetch=sources, folder=folder, engine=engine
        )
    facts, run_id = upstream["sample_integrity"].read(FACTS), context.run.run_id
    done = recheck_identities(
        store, facts, table, config, fetch=sources, engine=engine, run_id=run_id, read_now=read_now
    )
    context.add_output_metadata(prepared_metadata(table, samples, sources) | recheck_metadata(done))
    return note_work(table, sum(map(len, read_now)))


def _make_sample_split(context: dg.AssetExecutionContext, config: PipelineConfig, upstream: Upstream) -> Any:
    from brev_pipeline.orchestration.metadata import labels_metadata, split_metadata
    from brev_pipeline.release.assignments import divide_samples
    from brev_pipeline.split import PriorAssignments, build_split_report
    from brev_pipeline.split.label_map import read_split_classes
    from brev_pipeline.split.selection import read_listed

    done = divide_samples(
        config, PipelineStore.from_config(config), upstream["sample_integrity"], upstream["prepared_images"]
    )
    table, earlier, order = done.split, done.history.classes, config.listing.classes
    listed = read_listed(upstream["sample_integrity"]) if config.split.names_images else None
    report = build_split_report(
        table,
        config.split,
        PriorAssignments(ledger=done.history.ledger, known=done.known, given=done.given, listed=listed),
    )
    context.add_output_metadata(split_metadata(table, done.excluded, report, done.known_rows, done.given_matched))
    context.add_output_metadata(labels_metadata(table, read_split_classes(table), earlier, order))
    return table


def _make_sampling_weights(context: dg.AssetExecutionContext, config: PipelineConfig, upstream: Upstream) -> Any:
    from brev_pipeline.orchestration.metadata import weights_metadata
    from brev_pipeline.sampling import compute_sampling_weights
    from brev_pipeline.tables import LABEL_ID

    split = upstream["sample_split"].read(["path", "purpose", LABEL_ID.name, *config.sampling.groupby])
    table = compute_sampling_weights(split, config.sampling)
    context.add_output_metadata(weights_metadata(table))
    return table


def _make_tfrecord_shards(context: dg.AssetExecutionContext, config: PipelineConfig, upstream: Upstream) -> Any:
    from brev_pipeline.orchestration.metadata import shards_metadata
    from brev_pipeline.records.shard_writer import PREPARED_COLUMNS
    from brev_pipeline.release.shards import make_shards

    store = PipelineStore.from_config(config)
    table = make_shards(
        config,
        store,
        split=upstream["sample_split"],
        weights=upstream["sampling_weights"].read(),
        prepared=upstream["prepared_images"],
        engine=_make_engine(context, config),
    )
    described = shards_metadata(
        table,
        config,
        store,
        split=upstream["sample_split"].read([]),
        prepared=upstream["prepared_images"].read(PREPARED_COLUMNS),
    )
    context.add_output_metadata(described)
    return table


def _publish_dataset_version(context: dg.AssetExecutionContext, config: PipelineConfig, upstream: Upstream) -> Any:
    from brev_pipeline.orchestration.metadata import release_metadata
    from brev_pipeline.orchestration.user_checks import refuse_unknown_checks
    from brev_pipeline.release.release_version import release_version

    store = PipelineStore.from_config(config)

    def documents() -> Mapping[str, bytes]:
        from brev_pipeline.expectations.data_docs import render_data_docs

        return render_data_docs(
            {stage: [check["result"] for check in table.check_results] for stage, table in upstream.items()}
        )

    refuse_unknown_checks(context, store.newest_version())
    done = release_version(
        config,
        store,
        upstream,
        checks={stage: table.check_results for stage, table in upstream.items()},
        own_checks={stage: table.user_checks for stage, table in upstream.items() if table.user_checks},
        run_id=context.run.run_id,
        documents=documents,
    )
    context.log.info(
        f"published version {done.version.id}: {done.version.path}"
        if done.is_new
        else f"nothing new: {done.version.id} is the newest published version already"
    )
    return dg.MaterializeResult(metadata=release_metadata(done), data_version=dg.DataVersion(done.version.id))


def _make_engine(context: dg.AssetExecutionContext, config: PipelineConfig) -> Any:
    return getattr(context.resources, f"{config.name}__engine").make_engine(context)


STAGE_FUNCTIONS: Final[dict[str, Callable[[dg.AssetExecutionContext, PipelineConfig, Upstream], Any]]] = {
    "raw_listing": _make_raw_listing,
    "sample_integrity": _make_sample_integrity,
    "prepared_images": _make_prepared_images,
    "sample_split": _make_sample_split,
    "sampling_weights": _make_sampling_weights,
    "tfrecord_shards": _make_tfrecord_shards,
    VERSION: _publish_dataset_version,
}
"""Stage → what makes its table."""
