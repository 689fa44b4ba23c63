"""The last two stages put together: from split and weights to shards, from shards and tables to a release.

Both need the results of several rooms; this is the only place outside the orchestration that knows more than one.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import PipelineConfig
from brev_pipeline.config.base import is_local
from brev_pipeline.engine import Engine
from brev_pipeline.errors import SplitError, StoreError
from brev_pipeline.provenance import (
    code_of,
    demand_current,
    hash_table,
    pixel_fingerprint,
    read_lineage,
    record_recipe,
    settings_of,
)
from brev_pipeline.release.exclusions import (
    KNOWN,
    demand_whole_account,
    exclusions,
    filtered_images,
    found_facts,
    given_sha256,
    known_sha256,
    note_known,
    purpose_locks,
)
from brev_pipeline.release.publishing import Made, Release, ReportMaker, publish_version
from brev_pipeline.stages import SPECS, table_stages
from brev_pipeline.store import Folder, PipelineStore, Version
from brev_pipeline.store.parquet import to_parquet
from brev_pipeline.tables import RAW_LISTING, SAMPLE_SPLIT, WORK, Columns, note_work, part_names
from brev_pipeline.texts import TEXT

if TYPE_CHECKING:
    from brev_pipeline.records import Earlier

_LOG = logging.getLogger(__name__)

STAGING = b"brev_pipeline.staging"
"""Schema metadata of the record table: name of the staging folder that holds its shards."""

LEDGER = b"brev_pipeline.ledger"
"""Schema metadata of the split: number of the publication whose ledger it was made with; 0 where there was none."""


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


@dataclass(frozen=True)
class Division:
    """A split, and what it was made with."""

    split: pa.Table
    """Schema `tables.SAMPLE_SPLIT`; its metadata names the files and the ledger that it was made with, and the label
    map."""
    excluded: pa.Table
    """Images that take no part: schema `split.EXCLUSIONS`."""
    history: "History"
    known: pa.Table | None
    """The configured file of known assignments."""
    given: Mapping[str, pa.Table]
    """The files of a given split."""
    known_rows: Any
    """What became of the rows of ``known``: `split.known.KnownRows`; None where there is no such file."""
    given_matched: Sequence[Any]
    """What the names and words of ``split.given`` mean: `split.given_matched.Matched` each."""


def divide_samples(config: PipelineConfig, store: PipelineStore, integrity: Columns, prepared: Columns) -> Division:
    """Divide the usable images, going on from what the newest published version remembers.

    Args:
        config: the pipeline's configuration.
        store: the pipeline's store.
        integrity: table of sample_integrity.
        prepared: table of prepared_images.

    Raises:
        SplitError: they cannot be divided as configured.
        StoreError: the newest version cannot be read.
    """
    from brev_pipeline.split import split_samples, usable_samples
    from brev_pipeline.split.given_matched import account_given
    from brev_pipeline.split.known import account_known, known_columns
    from brev_pipeline.split.labels import label_map, note_classes, present_classes
    from brev_pipeline.split.usable import OF_INTEGRITY, OF_PREPARED

    listed = integrity.read(OF_INTEGRITY)
    usable, excluded = usable_samples(
        listed,
        prepared.read(OF_PREPARED),
        duplicates=config.integrity.duplicates,
        label_conflicts=config.integrity.label_conflicts,
    )
    history, known, given = published_history(store, config), known_assignments(config), given_files(config)
    table = split_samples(usable, config.split, history.ledger, known, given, listed)
    rows = account_known(known, table, integrity.read(known_columns(known, config.split)), config.split)
    table = note_known(table, known, None if rows is None else rows.summary(), given)
    classes = label_map(present_classes(table), history.classes, config.listing.classes)
    table = note_classes(table, classes)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), LEDGER: str(history.number)})
    return Division(table, excluded, history, known, given, rows, account_given(listed, config.split, given))


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
    from brev_pipeline.augmentation import ImageAugmenter
    from brev_pipeline.records import write_shards
    from brev_pipeline.records.shard_writer import OF_PREPARED

    planned = plan_records(config, split, weights, prepared)
    staging = planned.digest
    if (made := made_already(store, staging)) is not None:
        return made.read_table("records", verified=True).replace_schema_metadata({STAGING: staging, WORK: "0"})
    try:
        records = write_shards(
            planned.plan,
            prepared.read(OF_PREPARED),
            pipeline=config.name,
            settings=config.shards,
            augmenter=ImageAugmenter(config.augmentation),
            pixels=PreparedPixels(store.prepared_pixels),
            folder=store.staging_area / staging,
            engine=engine,
            fingerprint=pixel_fingerprint(config),
            earlier=earlier_records(store, record_recipe(config), planned.facts),
        )
    except StoreError:
        # A run with the same plan that publishes meanwhile clears the staging away under this one.
        if (made := made_already(store, staging)) is None:
            raise
        records = note_work(made.read_table("records", verified=True), 0)
    work = (records.schema.metadata or {})[WORK]
    return records.replace_schema_metadata({STAGING: staging, WORK: work})


@dataclass(frozen=True)
class PlannedRecords:
    """Which records a version is to hold, before any is made."""

    plan: pa.Table
    """Schema `shards.PLAN`."""
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
    from brev_pipeline.records.shard_writer import OF_PREPARED
    from brev_pipeline.sampling import plan_draws
    from brev_pipeline.sampling.draw_plan import SPLIT_COLUMNS
    from brev_pipeline.split.labels import classes_of

    classes = classes_of(split.read([]))
    drawn_from = split.read([*SPLIT_COLUMNS, *config.sampling.groupby])
    folds = config.split.fold_names
    draws = plan_draws(drawn_from, weights, config.sampling, epochs=config.shards.epochs, folds=folds)
    del drawn_from  # it, and the draws, are as long as the listing
    plan = plan_shards(draws, prepared.read(OF_PREPARED), config.shards, class_names=classes)
    del draws
    facts = _pixel_facts(prepared)
    return PlannedRecords(plan, facts, _plan_digest(config, plan, facts))


def made_already(store: PipelineStore, plan: str) -> Version | None:
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
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:16]


_FACTS: Final = ["content_id", "pixel_id", "mean", "std", "sharpness", "clipped"]
"""Of prepared_images: what would be otherwise if the pixels were."""


def _pixel_facts(images: Columns) -> pa.Table:
    return images.read(_FACTS).select(_FACTS)


def earlier_records(store: PipelineStore, wanted: str, facts: pa.Table) -> "Earlier | None":
    """The records of the newest published version, if they were made by the same recipe and their table is whole.

    Only those of the very pixels that stand prepared now are offered. A decoder that was changed and kept its number
    would otherwise leave the records of the old pixels in the new version.
    """
    from brev_pipeline.records import Earlier

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
    return Earlier(version.folder, kept, manifest["configuration"]["shards"]["compression"])


def _same_pixels(before: pa.Table, now: pa.Table) -> pa.ChunkedArray:
    """Contents whose prepared pixels have the same facts in both tables."""
    at = pc.index_in(now["content_id"], value_set=before["content_id"].combine_chunks())
    same = pc.is_valid(at)
    for name in _FACTS[1:]:
        same = pc.and_(same, pc.fill_null(pc.equal(before[name].take(at), now[name]), False))
    return now["content_id"].filter(same).combine_chunks()


def release(
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
    from brev_pipeline.records.image_shape import SHAPE_COLUMNS

    demand_current(
        config, {stage: read_lineage(table.read([]).schema.metadata, stage, "") for stage, table in tables.items()}
    )
    filtered = filtered_images(store, tables["raw_listing"].read([]))
    account, excluded, shards_in, shards = _account(config, store, tables, filtered)
    account["checks"] = {stage: [_quoted(check) for check in found] for stage, found in checks.items()}
    account["user_checks"] = {stage: list(found) for stage, found in (own_checks or {}).items()}
    packed = _packed(config, store, tables, excluded)
    made_with = (tables["sample_split"].read([]).schema.metadata or {}).get(LEDGER)
    based_on = None if made_with is None else int(made_with)
    _demand_present_history(store, checks, account, packed, based_on)
    for_others = export_files(
        config,
        classes=account["classes"],
        split=tables["sample_split"].read(["path", "category"]),
        images=tables["prepared_images"].read(SHAPE_COLUMNS),
        records=tables["tfrecord_shards"].read(RECORD_COLUMNS),
        files=shards | {name: dict(made.facts) for name, made in packed.items()},
    )
    done = publish_version(
        store,
        shards_in=shards_in,
        shards=shards,
        tables={},
        extras={**packed, **for_others},
        account=account,
        run_id=run_id,
        report=_reporter(store, tables, excluded, filtered, checks, documents),
        based_on=based_on,
        datasets=_seen_from_the_store(config, store),
    )
    try:
        store.staging_area.remove(account["plan"])
    except StoreError as error:
        # A run with the same plan may be writing there. The version stands; `gc` finds what stays.
        _LOG.warning("%s", error)
    return done


def _seen_from_the_store(config: PipelineConfig, store: PipelineStore) -> dict[str, str]:
    """Where the datasets in relative folders lie, relative to the store's folder; nothing of a store in a bucket."""
    buckets = [dataset.bucket for dataset in config.datasets]
    relative = [bucket for bucket in buckets if is_local(bucket) and not os.path.isabs(bucket)]
    if not store.folder.is_local:
        return {}
    return {bucket: os.path.relpath(config.resolve(bucket), store.folder.url) for bucket in relative}


def _demand_present_history(
    store: PipelineStore,
    checks: Mapping[str, Sequence[Mapping[str, Any]]],
    account: Mapping[str, Any],
    packed: Mapping[str, Made],
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


def _quoted(check: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest says of a check."""
    kept = ["check", "says", "severity", "arguments"]
    kept += ["history"] if check.get("history") else ["passed", "observed", "offending"]
    return {name: check[name] for name in kept if name in check}


def _account(
    config: PipelineConfig, store: PipelineStore, tables: Mapping[str, Columns], filtered: pa.Table
) -> tuple[dict[str, Any], pa.Table, Folder, dict[str, dict[str, Any]]]:
    """What the manifest says besides the files; the exclusions; the folder of the shards, and the facts of each."""
    from brev_pipeline.listing import listing_fingerprint
    from brev_pipeline.split.labels import classes_of

    excluded = exclusions(config, tables, filtered)
    listing = tables["raw_listing"].read(["path", "etag"])
    records = tables["tfrecord_shards"].read(["path", "file", "purpose", "ordinal"])
    demand_whole_account(listing, filtered, records, excluded)
    plan = (records.schema.metadata or {})[STAGING].decode()
    shards_in, shards = _finished_shards(store, plan, records)
    split = tables["sample_split"].read(["category", "content_id", "purpose"])
    account = {
        "format": 2,
        "stages": {stage: code_of(stage) for stage in SPECS},
        "purposes": config.split.names,  # in their order, which the configuration's JSON does not keep
        "plan": plan,
        "recipe": record_recipe(config),
        "pipeline": config.name,
        "configuration": config.contents(),
        "known_assignments_sha256": known_sha256(split),
        **({"given_sha256": given} if (given := given_sha256(split)) else {}),
        "classes": classes_of(split),
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


def _packed(
    config: PipelineConfig, store: PipelineStore, tables: Mapping[str, Columns], excluded: pa.Table
) -> dict[str, Made]:
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
        "assignments": lambda: remembered(config, newest and newest[1], tables["sample_split"].read()),
        "weights": of_stage("sampling_weights"),
        "records": of_stage("tfrecord_shards"),
        "exclusions": lambda: excluded,
    }
    return {f"{name}.parquet": Made.of(partial(_parquet, make)) for name, make in shown.items()}


def _parquet(make: Callable[[], pa.Table]) -> bytes:
    return to_parquet(_bare(make()))


def _reporter(
    store: PipelineStore,
    tables: Mapping[str, Columns],
    excluded: pa.Table,
    filtered: pa.Table,
    checks: Mapping[str, Sequence[Mapping[str, Any]]],
    documents: Callable[[], Mapping[str, bytes]],
) -> ReportMaker:
    """Makes the version's report: without time and run, so that two runs at once would write the same one."""

    def make(version: Version, parent: Version | None, number: int) -> dict[str, bytes]:
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


def _finished_shards(store: PipelineStore, plan: str, records: pa.Table) -> tuple[Folder, dict[str, dict[str, Any]]]:
    """The folder with the shards of ``records`` (of the version that this plan made, or else the staging), and file
    name → bytes and SHA-256 of each.

    Raises:
        StoreError: neither has them all.
    """
    wanted = set(pc.unique(records["file"]).to_pylist())
    if (made := made_already(store, plan)) is None:
        staging = store.staging_area / plan
        try:
            return staging, _staged(staging, wanted)
        except StoreError:
            # A run with the same plan may have published just now, and cleared the staging away.
            if (made := made_already(store, plan)) is None:
                raise
    return made.folder, {name: facts for name, facts in made.read_manifest()["files"].items() if name in wanted}


def _staged(staging: Folder, wanted: set[str]) -> dict[str, dict[str, Any]]:
    from brev_pipeline.records import shard_files

    rows = shard_files(staging).to_pylist()
    found = {row["file"]: {"bytes": row["bytes"], "sha256": row["sha256"]} for row in rows}
    if missing := sorted(wanted - set(found)):
        raise StoreError(
            f"{staging.url} lacks {len(missing)} of the shards that the records stand in, the first {missing[0]}: "
            "another run published meanwhile, or the staging was removed. Materialize tfrecord_shards again, or run "
            "again."
        )
    return found


def remembered(config: PipelineConfig, before: Version | None, split: pa.Table) -> pa.Table:
    """What a version remembers of who was assigned where: this split, and images of the version before that left.

    How a run came to an assignment is the run's own affair: without that column, a second run over the same images
    gives the same table.
    """
    from brev_pipeline.split.ledger import next_ledger, stands_in

    table = next_ledger(split, before and ledger_of(before), config.split).drop_columns(["assigned_by"])
    return table.append_column("listed", stands_in(table, split))


@dataclass(frozen=True)
class History:
    """What a split goes on from: the ledger and the label map of one publication."""

    number: int = 0
    """Of the publication; 0 where there was none."""
    ledger: pa.Table | None = None
    """What `split_samples` reads of its assignments; None before the first."""
    classes: tuple[str, ...] = ()
    """Its class names, in the order of the labels."""


def published_history(store: PipelineStore, config: PipelineConfig) -> History:
    """What the newest published version remembers. Nothing that counts for good may come from a damaged file.

    Raises:
        StoreError: the version cannot be read, or is not what was published.
    """
    from brev_pipeline.split.ledger import ledger_columns

    newest = store.newest_version()
    if newest is None:
        return History()
    entry, version = newest
    refuse_other_folds(config, version)
    ledger = version.read_table("assignments", ledger_columns(config.split), verified=True)
    return History(entry.number, ledger, tuple(version.read_manifest(verified=True)["classes"]))


def refuse_other_folds(config: PipelineConfig, newest: Version) -> None:
    """Refuse to go on with other folds than the newest published version has: each image keeps its fold for good.

    Raises:
        SplitError: they are others.
    """
    before = newest.read_manifest()["configuration"]["split"].get("folds")
    if before != config.split.folds:
        was, now = (f"{count} folds" if count else "no folds" for count in (before, config.split.folds))
        raise SplitError(
            f"split.folds: the newest published version ({newest.id}) has {was}, the configuration now has {now}; "
            "images keep their fold for good, so that rounds stay comparable. Set it back to "
            f"{before or 'null'}, or begin anew with the new folds under another name of the pipeline (name)"
        )


def ledger_of(version: Version) -> pa.Table:
    """The assignments of a version as a split: columns of `tables.SAMPLE_SPLIT`.

    Raises:
        StoreError: they are not those that were published: the next ledger is made of them.
    """
    table = version.read_table("assignments", verified=True).drop_columns(["listed"])
    by = pa.field("assigned_by", TEXT, False)
    return table.append_column(by, pa.repeat(pa.scalar("ledger", TEXT), table.num_rows)).cast(SAMPLE_SPLIT)


def known_assignments(config: PipelineConfig) -> pa.Table | None:
    """The configured CSV of known assignments, read, its SHA-256 as `KNOWN`; None where none is configured.

    Raises:
        SplitError: it cannot be read, or is not such a file.
    """
    from brev_pipeline.split import read_known_assignments

    if config.split.ledger_csv is None:
        return None
    place, data, digest = _read_file(config, "split.ledger_csv", config.split.ledger_csv)
    known = read_known_assignments(data, place, str(config.base))
    return known.replace_schema_metadata({**(known.schema.metadata or {}), KNOWN: digest})


def given_files(config: PipelineConfig) -> dict[str, pa.Table]:
    """The files of ``split.given``, read: key of `GivenSettings.files` → table, its SHA-256 as `KNOWN`.

    Raises:
        SplitError: one cannot be read, or is not such a file.
    """
    from brev_pipeline.split.given_names import read_given
    from brev_pipeline.split.match_rows import BASE

    found = {}
    for key, file in (config.split.given.files if config.split.given else {}).items():
        place, data, digest = _read_file(config, f"split.given.{key}", file)
        found[key] = read_given(data, place, key).replace_schema_metadata({KNOWN: digest, BASE: str(config.base)})
    return found


def _read_file(config: PipelineConfig, key: str, file: str) -> tuple[str, bytes, str]:
    """A file that the configuration names: its place, bytes, and their SHA-256."""
    place = config.resolve(file)
    try:
        data = Path(place).read_bytes()
    except OSError as error:
        raise SplitError(
            f"{key}: {place} cannot be read: {error.strerror}; relative places are meant from the configuration's "
            "folder"
        ) from error
    return place, data, hashlib.sha256(data).hexdigest()


def foresee_faults(listing: pa.Table, config: PipelineConfig, newest: Version | None) -> None:
    """Refuse a listing that later stages would refuse, as far as its paths and the configuration show that.

    Args:
        listing: table of raw_listing, or of sample_integrity: contents are not looked at.
        config: the pipeline's configuration.
        newest: the newest published version. What had no part in its split is not judged by its path: it may be
            unusable still.

    Raises:
        SplitError: see `foresee_split`, `known_assignments`, `given_files` and `refuse_other_folds`.
        SamplingError: ``sampling.groupby`` names what is no column.
    """
    from brev_pipeline.sampling.groups import group_images
    from brev_pipeline.split.foresee import foresee_split
    from brev_pipeline.split.ledger import ledger_columns

    group_images(SAMPLE_SPLIT.empty_table(), config.sampling.groupby)
    listing = listing.select(RAW_LISTING.names)
    known, given, ledger = known_assignments(config), given_files(config), None
    if newest is not None:
        refuse_other_folds(config, newest)
        ledger = newest.read_table("assignments", ledger_columns(config.split), verified=True)
        excluded = newest.read_table("exclusions", ["path", "rule"])
        out = excluded.filter(pc.is_in(excluded["rule"], value_set=pa.array(_UNUSED, TEXT)))["path"]
        listing = listing.filter(pc.invert(pc.is_in(listing["path"], value_set=out.combine_chunks())))
    leave = config.integrity.label_conflicts == "quarantine"
    foresee_split(listing, config.split, known, given, ledger, conflicts_leave=leave)


_UNUSED: Final = ["quarantined", "label_conflict", "duplicate"]
"""Rules by which an image has no part in the split."""


def _counted(names: pa.ChunkedArray) -> dict[str, int]:
    return dict(sorted((row["values"], row["counts"]) for row in pc.value_counts(names).to_pylist()))


def _bare(table: pa.Table) -> pa.Table:
    """Without the schema's metadata of a run."""
    return table.replace_schema_metadata(None)
