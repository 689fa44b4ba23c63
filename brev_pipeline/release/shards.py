"""From split and weights to finished shards.

The plan of the records, what is taken over from the newest version in place of being made anew, and the staging folder
in which the shards wait for their version.
"""

import hashlib
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import PipelineConfig
from brev_pipeline.engine import Engine
from brev_pipeline.errors import StoreError
from brev_pipeline.provenance import hash_table, pixel_fingerprint, record_recipe, settings_of
from brev_pipeline.record_features import LABEL_FEATURES, parse_features
from brev_pipeline.release.record_labels import locate_labels
from brev_pipeline.stages import table_stages
from brev_pipeline.store import Folder, PipelineStore, Version
from brev_pipeline.table_metadata import STAGING, add_notes, note_label_features, note_work
from brev_pipeline.tables import LABEL_ID, Columns

if TYPE_CHECKING:
    from brev_pipeline.records import PreviousRecords

_LOG = logging.getLogger(__name__)


def make_shards(
    config: PipelineConfig,
    store: PipelineStore,
    *,
    split: Columns,
    weights: pa.Table,
    prepared: Columns,
    engine: Engine,
) -> pa.Table:
    """Draw, augment, encode and write the shards into a staging folder that belongs to exactly this plan.

    Shards that an earlier run with the same plan finished are taken up, and records that the newest version holds are
    copied from it; if the newest version was made by this very plan, nothing is written and no pixel is read.

    Returns:
        The record table, schema `tables.TFRECORD_SHARDS`; its metadata names the staging folder.
    """
    from brev_pipeline.augmentation import ImageAugmenter
    from brev_pipeline.images import PreparedPixels
    from brev_pipeline.records import write_shards
    from brev_pipeline.records.shard_writer import PREPARED_COLUMNS

    planned = plan_records(config, split, weights, prepared)
    staging = {STAGING: planned.digest}
    if (made := find_made_version(store, planned.digest)) is not None:
        return add_notes(_read_made_records(made), staging)
    newest = store.newest_version()
    labels = locate_labels(config, planned.plan, split, prepared, store.prepared_pixels, newest[1] if newest else None)
    try:
        records = write_shards(
            planned.plan,
            prepared.read(PREPARED_COLUMNS),
            pipeline=config.name,
            settings=config.shards,
            augmenter=ImageAugmenter(config.augmentation, border=config.border),
            pixels=PreparedPixels(store.prepared_pixels),
            folder=store.staging_area / planned.digest,
            engine=engine,
            fingerprint=pixel_fingerprint(config),
            previous=earlier_records(store, record_recipe(config), planned.facts),
            labels=labels.source if labels else None,
            label_columns=labels.columns if labels else None,
        )
    except StoreError:
        # A run with the same plan that publishes meanwhile clears the staging away under this one.
        if (made := find_made_version(store, planned.digest)) is None:
            raise
        records = _read_made_records(made)
    return add_notes(records, staging)


def _read_made_records(made: Version) -> pa.Table:
    """The record table of a version that was made by this plan, its metadata as `write_shards` gives it."""
    records = note_work(made.read_table("records", verified=True).replace_schema_metadata(None), 0)
    return note_label_features(records, made.read_manifest().get(LABEL_FEATURES, ()))


@dataclass(frozen=True)
class PlannedRecords:
    """Which records a version is to hold, before any is made."""

    plan: pa.Table
    """Schema `records.SHARD_PLAN`."""
    facts: pa.Table
    """Of the prepared images: what would be otherwise if the pixels were."""
    digest: str
    """What the shards are made by, as a hash; the staging folder is named by it."""


def plan_records(config: PipelineConfig, split: Columns, weights: pa.Table, prepared: Columns) -> PlannedRecords:
    """Draw the epochs, and give each draw its place. Arguments as of `make_shards`.

    Raises:
        SamplingError: the weights are not of this split.
        ShardError: an image has no class, or no pixels.
    """
    from brev_pipeline.records import plan_shards
    from brev_pipeline.records.shard_writer import PREPARED_COLUMNS
    from brev_pipeline.sampling import plan_draws
    from brev_pipeline.sampling.draw_plan import SPLIT_COLUMNS
    from brev_pipeline.split.label_map import read_split_classes

    classes = read_split_classes(split.read([]))
    drawn_from = split.read([*SPLIT_COLUMNS, LABEL_ID.name, *config.sampling.groupby])
    folds = config.split.fold_names
    draws = plan_draws(drawn_from, weights, config.sampling, epochs=config.shards.epochs, folds=folds)
    del drawn_from  # it, and the draws, are as long as the listing
    plan = plan_shards(draws, prepared.read(PREPARED_COLUMNS), config.shards, class_names=classes)
    del draws
    facts = prepared.read(_FACTS).select(_FACTS)
    return PlannedRecords(plan, facts, _plan_digest(config, plan, facts))


def find_made_version(store: PipelineStore, plan: str) -> Version | None:
    """The newest published version, if it was made by this plan."""
    newest = store.newest_version()
    return newest[1] if newest and newest[1].read_manifest().get("plan") == plan else None


def _plan_digest(config: PipelineConfig, plan: pa.Table, facts: pa.Table) -> str:
    """What the shards are made by, as a hash: the plan, the pixels that it draws, and all that makes bytes of them.

    What is only judged by (``validation``), or stands in the version alone (``card``), is no part of it.
    """
    made_by = [{stage: settings_of(config, stage) for stage in table_stages()}, record_recipe(config)]
    drawn = facts.take(
        pc.index_in(pc.unique(plan["content_id"]).sort(), value_set=facts["content_id"].combine_chunks())
    )
    parts = [hash_table(plan), hash_table(drawn), json.dumps(made_by, sort_keys=True)]
    # 64 bits: the name of a folder, compared with those of one pipeline.
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:16]


# Of prepared_images: what would be otherwise if the pixels were.
_FACTS: Final = ["content_id", "pixel_id", "mean", "std", "sharpness", "clipped"]


def earlier_records(store: PipelineStore, wanted: str, facts: pa.Table) -> "PreviousRecords | None":
    """The records of the newest published version, if they were made by the same recipe and their table is whole.

    Only those of the very pixels that stand prepared now are offered. A decoder that was changed and kept its number
    would otherwise leave the records of the old pixels in the new version.
    """
    from brev_pipeline.records import PreviousRecords

    newest = store.newest_version()
    if newest is None:
        return None
    version = newest[1]
    manifest = version.read_manifest()
    if manifest.get("recipe") != wanted:
        return None
    try:
        same = _same_pixels(version.read_table("images", _FACTS, verified=True), facts)
        records = version.read_table("records", verified=True)
    except StoreError as error:
        if error.may_pass:
            raise
        _LOG.warning("the records of the newest version are made anew: %s", error)
        return None
    kept = records.filter(pc.is_in(records["content_id"], value_set=same))
    try:
        labels = parse_features(manifest.get(LABEL_FEATURES, ()))
    except TypeError:
        return None  # of another release, which tells other things of labels
    return PreviousRecords(version.folder, kept, manifest["configuration"]["shards"]["compression"], labels)


def _same_pixels(before: pa.Table, now: pa.Table) -> pa.ChunkedArray:
    """Contents whose prepared pixels have the same facts in both tables."""
    at = pc.index_in(now["content_id"], value_set=before["content_id"].combine_chunks())
    same = pc.is_valid(at)
    for name in _FACTS[1:]:
        same = pc.and_(same, pc.fill_null(pc.equal(before[name].take(at), now[name]), False))
    return now["content_id"].filter(same).combine_chunks()


def find_finished_shards(
    store: PipelineStore, plan: str, records: pa.Table
) -> tuple[Folder, dict[str, dict[str, Any]]]:
    """The folder with the shards of ``records`` (of the version that this plan made, or else the staging), and file
    name → bytes and SHA-256 of each.

    Raises:
        StoreError: neither has them all.
    """
    wanted = set(pc.unique(records["file"]).to_pylist())
    if (made := find_made_version(store, plan)) is None:
        staging = store.staging_area / plan
        try:
            return staging, _check_staged(staging, wanted)
        except StoreError:
            # A run with the same plan may have published just now, and cleared the staging away.
            if (made := find_made_version(store, plan)) is None:
                raise
    return made.folder, {name: facts for name, facts in made.read_manifest()["files"].items() if name in wanted}


def _check_staged(staging: Folder, wanted: set[str]) -> dict[str, dict[str, Any]]:
    from brev_pipeline.records import shard_files

    finished = {row.pop("file"): row for row in shard_files(staging).select(["file", "bytes", "sha256"]).to_pylist()}
    if missing := sorted(wanted - set(finished)):
        raise StoreError(
            f"{staging.url} lacks {len(missing)} of the shards that the records stand in, the first {missing[0]}: "
            "another run published meanwhile, or the staging was removed. Materialize tfrecord_shards again, or run "
            "again."
        )
    return finished
