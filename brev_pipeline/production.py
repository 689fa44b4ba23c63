"""The last two stages put together: from split and weights to shards, from shards and tables to a release.

Both need the results of several rooms; this is the only place outside the orchestration that knows more than one.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import PipelineConfig
from brev_pipeline.engine import Engine
from brev_pipeline.errors import SplitError, StoreError
from brev_pipeline.store import Folder, PipelineStore, Version
from brev_pipeline.store.publish import Release, package_versions, publish_version
from brev_pipeline.store.versions import to_json, to_parquet
from brev_pipeline.tables import SAMPLE_SPLIT

STAGING = b"brev_pipeline.staging"
"""Schema metadata of the record table: name of the staging folder that holds its shards."""


@dataclass(frozen=True)
class PreparedPixels:
    """Reads prepared pixels where `prepare_images` put them; goes to every worker.

    Args:
        folder: the store's ``prepared`` folder.
    """

    folder: Folder

    def read(self, rows: pa.Table) -> Iterator[npt.NDArray[np.uint8]]:
        """One array per row of prepared_images' columns, in order."""
        from brev_pipeline.images import read_prepared

        return read_prepared(self.folder, rows)


def make_shards(
    config: PipelineConfig,
    store: PipelineStore,
    *,
    split: pa.Table,
    weights: pa.Table,
    prepared: pa.Table,
    engine: Engine,
) -> pa.Table:
    """Draw, augment, encode and write the shards into a staging folder that belongs to exactly this plan.

    Shards that an earlier run with the same plan finished are taken up; if the newest version was made by this very
    plan, nothing is written and no pixel is read.

    Args:
        config: the pipeline's configuration.
        store: the pipeline's store.
        split: table of sample_split.
        weights: table of sampling_weights.
        prepared: table of prepared_images.
        engine: writes the shards, one task each.

    Returns:
        The record table, schema `tables.TFRECORD_SHARDS`; its metadata names the staging folder.
    """
    from brev_pipeline.augment import ImageAugmenter
    from brev_pipeline.sampling import draw_plan
    from brev_pipeline.shards import class_names, plan_shards, write_shards

    draws = draw_plan(split, weights, config.sampling, epochs=config.shards.epochs)
    plan = plan_shards(draws, prepared, config.shards, class_names=class_names(split))
    fingerprint = pixel_fingerprint(config)
    staging = hashlib.sha256(to_parquet(plan) + fingerprint.encode() + to_json(config.contents())).hexdigest()[:16]
    if (made := _made_already(store, staging)) is not None:
        return made.table("records").replace_schema_metadata({STAGING: staging})
    records = write_shards(
        plan,
        prepared,
        pipeline=config.name,
        settings=config.shards,
        augmenter=ImageAugmenter(config.augmentation),
        pixels=PreparedPixels(store.prepared),
        folder=store.staging / staging,
        engine=engine,
        fingerprint=fingerprint,
    )
    return records.replace_schema_metadata({STAGING: staging})


def _made_already(store: PipelineStore, plan: str) -> Version | None:
    """The newest published version, if it was made by this plan."""
    newest = store.newest()
    return newest[1] if newest and newest[1].manifest().get("plan") == plan else None


def pixel_fingerprint(config: PipelineConfig) -> str:
    """What a record's pixels depend on besides its row of the plan: settings, and packages that touch pixels."""
    settings = {
        "image": config.image.model_dump(mode="json"),
        "augmentation": config.augmentation.model_dump(mode="json"),
    }
    return json.dumps([settings, package_versions()], sort_keys=True)


def release(
    config: PipelineConfig,
    store: PipelineStore,
    tables: Mapping[str, pa.Table],
    *,
    checks: Mapping[str, Any],
    run_id: str,
) -> Release:
    """Publish the version that the stages' tables and shards make.

    Args:
        config: the pipeline's configuration.
        store: the pipeline's store.
        tables: stage → its table.
        checks: stage → its checks' verdicts; they go into the manifest.
        run_id: of the run that publishes.

    Raises:
        StoreError: the store cannot be written, or another run published meanwhile.
    """
    from brev_pipeline.listing import listing_fingerprint
    from brev_pipeline.shards import class_names

    listing, split, records = (tables[name] for name in ("raw_listing", "sample_split", "tfrecord_shards"))
    excluded = exclusions(config, tables)
    plan = (records.schema.metadata or {})[STAGING].decode()
    account = {
        "format": 1,
        "plan": plan,
        "pipeline": config.name,
        "configuration": config.contents(),
        "classes": class_names(split),
        "listing_fingerprint": listing_fingerprint(listing),
        "counts": {
            "listed": listing.num_rows,
            "excluded": excluded.num_rows,
            "images": _by_purpose(split),
            "records": _by_purpose(records),
        },
        "checks": dict(checks),
    }
    made = _made_already(store, plan)
    shards_in = made.folder if made else store.staging / plan
    shards = _shard_facts(made, shards_in)
    if missing := sorted(set(pc.unique(records["file"]).to_pylist()) - set(shards)):
        raise StoreError(
            f"{shards_in.url} lacks {len(missing)} of the shards that the records stand in, the first {missing[0]}: "
            "another run published meanwhile, or the staging was removed; materialize tfrecord_shards again"
        )
    done = publish_version(
        store,
        shards_in=shards_in,
        shards=shards,
        tables={
            # What a clock or a place of work would put into the version stays out.
            "listing": _bare(tables["sample_integrity"].drop_columns(["modified"])),
            "images": _bare(tables["prepared_images"].drop_columns(["file", "offset", "length"])),
            "assignments": _bare(remembered(config, store, split)),
            "weights": _bare(tables["sampling_weights"]),
            "records": _bare(records),
            "exclusions": _bare(excluded),
        },
        extras={},
        account=account,
        run_id=run_id,
    )
    store.staging.remove(plan)
    return done


def _shard_facts(made: Version | None, staging: Folder) -> dict[str, dict[str, Any]]:
    """File name → bytes and SHA-256 of every shard: from the manifest of the version that has them, or as written."""
    from brev_pipeline.shards import shard_files

    if made is not None:
        return {name: facts for name, facts in made.manifest()["files"].items() if ".tfrecord-" in name}
    rows = shard_files(staging).to_pylist()
    return {row["file"]: {"bytes": row["bytes"], "sha256": row["sha256"]} for row in rows}


def remembered(config: PipelineConfig, store: PipelineStore, split: pa.Table) -> pa.Table:
    """What the version remembers of who was assigned where: this split, and images of earlier ones that left.

    How a run came to an assignment is the run's own affair: without that column, a second run over the same images
    gives the same table.
    """
    from brev_pipeline.split import next_ledger

    table = next_ledger(split, published_ledger(store), config.split).drop_columns(["assigned_by"])
    keys = [pc.binary_join_element_wise(rows["path"], rows["content_id"], "\x1f") for rows in (table, split)]
    return table.append_column("listed", pc.is_in(keys[0], value_set=keys[1].combine_chunks()))


def published_ledger(store: PipelineStore) -> pa.Table | None:
    """The assignments of the newest published version, as `split_samples` takes them; None before the first."""
    newest = store.newest()
    if newest is None:
        return None
    table = newest[1].table("assignments").drop_columns(["listed"])
    by = pa.field("assigned_by", pa.string(), False)
    return table.append_column(by, pa.repeat(pa.scalar("ledger"), table.num_rows)).cast(SAMPLE_SPLIT)


def known_assignments(config: PipelineConfig) -> pa.Table | None:
    """The configured CSV of known assignments, read; None where none is configured.

    Raises:
        SplitError: it cannot be read, or is not such a file.
    """
    from brev_pipeline.split import read_known_assignments

    if config.split.ledger_csv is None:
        return None
    place = config.resolve(config.split.ledger_csv)
    try:
        data = Path(place).read_bytes()
    except OSError as error:
        raise SplitError(f"split.ledger_csv: {place} cannot be read: {error.strerror}") from error
    return read_known_assignments(data, place)


def exclusions(config: PipelineConfig, tables: Mapping[str, pa.Table]) -> pa.Table:
    """Every listed image that is in no shard: path, content_id, the rule that took it out, its partner, the reason.

    Listed images = images with a record + these.
    """
    from brev_pipeline.split import usable_samples

    _, excluded = usable_samples(
        tables["sample_integrity"],
        tables["prepared_images"],
        duplicates=config.integrity.duplicates,
        label_conflicts=config.integrity.label_conflicts,
    )
    split = tables["sample_split"]
    undrawn = split.filter(pc.invert(pc.is_in(split["path"], value_set=pc.unique(tables["tfrecord_shards"]["path"]))))
    rows = pa.table(
        {
            "path": undrawn["path"],
            "content_id": undrawn["content_id"],
            "rule": pa.repeat(pa.scalar("not_drawn"), undrawn.num_rows),
            "partner": pa.nulls(undrawn.num_rows, pa.string()),
            "reason": pa.repeat(pa.scalar("its sampling group has fewer draws than images"), undrawn.num_rows),
        }
    )
    return pa.concat_tables([excluded.select(rows.column_names).cast(rows.schema), rows]).sort_by("path")


def _by_purpose(table: pa.Table) -> dict[str, int]:
    counted = table.group_by("purpose").aggregate([([], "count_all")]).sort_by("purpose").to_pylist()
    return {row["purpose"]: row["count_all"] for row in counted}


def _bare(table: pa.Table) -> pa.Table:
    """Without the schema's metadata of a run."""
    return table.replace_schema_metadata(None)
