"""What a run goes on from, and its split leaves behind: the newest version, and the files that assign samples.

The *ledger* of a pipeline is the assignments of its newest published version: what was decided before, and stays so.
An image that has left the listing keeps its line, so that it returns to its old side.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import PipelineConfig, SplitSettings
from brev_pipeline.errors import ConfigError, SplitError
from brev_pipeline.labels.columns import find_label_fields, list_said_columns
from brev_pipeline.store import PipelineStore, Version
from brev_pipeline.table_metadata import KNOWN, LEDGER, add_notes, note_known
from brev_pipeline.tables import RAW_LISTING, SAMPLE_SPLIT, Columns, conform_table, extend_schema
from brev_pipeline.texts import TEXT

if TYPE_CHECKING:
    from brev_pipeline.expectations.frames import Baseline


@dataclass(frozen=True)
class Division:
    """A split, and what it was made with."""

    split: pa.Table
    """Schema `tables.SAMPLE_SPLIT`; its metadata names the files and the ledger that it was made with, and the label
    map."""
    excluded: pa.Table
    """Images that take no part: schema `split.EXCLUSIONS`."""
    history: "SplitHistory"
    known: pa.Table | None
    """The configured file of known assignments."""
    given: Mapping[str, pa.Table]
    """The files of a given split."""
    known_rows: Any
    """What became of the rows of ``known``: `KnownMatches`; None where there is no such file."""
    given_matched: Sequence[Any]
    """What the names and words of ``split.given`` mean: `GivenMatches` each."""


def divide_samples(config: PipelineConfig, store: PipelineStore, integrity: Columns, prepared: Columns) -> Division:
    """Divide the usable images, going on from what the newest published version remembers.

    Raises:
        SplitError: they cannot be divided as configured.
        StoreError: the newest version cannot be read.
    """
    from brev_pipeline.split import PriorAssignments, assign_purposes, select_samples
    from brev_pipeline.split.given_names import count_given_matches
    from brev_pipeline.split.known_assignments import count_known_matches, list_known_columns
    from brev_pipeline.split.label_map import attach_classes, build_label_map, list_present_classes
    from brev_pipeline.split.selection import PREPARED_COLUMNS, read_listed

    listed = read_listed(integrity)
    usable, excluded = select_samples(
        listed,
        prepared.read(PREPARED_COLUMNS),
        duplicates=config.integrity.duplicates,
        label_conflicts=config.integrity.label_conflicts,
    )
    history, known, given = read_history(store, config), load_known_assignments(config), load_given_files(config)
    prior = PriorAssignments(ledger=history.ledger, known=known, given=given, listed=listed)
    split = assign_purposes(usable, config.split, prior)
    rows = count_known_matches(known, split, integrity.read(list_known_columns(known, config.split)), config.split)
    split = note_known(split, known, None if rows is None else rows.build_summary(), given)
    split = attach_classes(split, build_label_map(list_present_classes(split), history.classes, config.listing.classes))
    split = add_notes(split, {LEDGER: str(history.number)})
    return Division(split, excluded, history, known, given, rows, count_given_matches(listed, config.split, given))


def build_assignments(config: PipelineConfig, before: Version | None, split: pa.Table) -> pa.Table:
    """What a version remembers of who was assigned where: this split, and images of the version before that left."""
    # How a run came to an assignment is its own affair: without it a second run over the same images gives the same.
    table = build_next_ledger(split, before and read_ledger(before), config.split).drop_columns(["assigned_by"])
    return table.append_column("listed", are_in_split(table, split))


def list_ledger_columns(settings: SplitSettings) -> list[str]:
    """The columns of a ledger that `assign_purposes` and `build_split_report` read."""
    from brev_pipeline.split.leak_groups import list_key_columns

    usual = ["path", "content_id", "pixel_id", "item", "stratum", "purpose"]
    return list(dict.fromkeys([*usual, *list_key_columns(settings)]))


def are_in_split(rows: pa.Table, split: pa.Table) -> pa.ChunkedArray:
    """(rows,) whether the split has an image of the same path and content; its paths are unique."""
    at = pc.index_in(rows["path"], value_set=split["path"])
    return pc.fill_null(pc.equal(split["content_id"].take(at), rows["content_id"]), False)


def build_next_ledger(split: pa.Table, ledger: pa.Table | None, settings: SplitSettings) -> pa.Table:
    """What the next run has to remember: this split, and the ledger's images that are not in it.

    Both have all columns of `tables.SAMPLE_SPLIT`, and may have those of labels.

    Returns:
        `tables.SAMPLE_SPLIT` with the split's columns of labels, sorted by path, then content. An absent image keeps
        its purpose, or takes that of its leak group. A path stands there twice if its bytes have changed since.
    """
    from brev_pipeline.split.leak_groups import assign_leak_groups, build_grouping_rules, find_group_purposes

    if ledger is None or not len(ledger):
        return split
    gone = pc.invert(are_in_split(ledger, split))
    if not pc.any(gone).as_py():
        return split
    leak_groups = assign_leak_groups(split, build_grouping_rules(settings), ledger)
    purposes = find_group_purposes(leak_groups, split, ledger, settings.names)
    moved = pa.array(settings.names, TEXT).take(pa.array(purposes[leak_groups.ledger_group]))
    absent = ledger.set_column(ledger.column_names.index("purpose"), "purpose", moved).filter(gone)
    # What labels say of the images that left is remembered as far as the split has such columns now.
    schema = extend_schema(SAMPLE_SPLIT, split.schema)
    for field in schema:
        if field.nullable and field.name not in absent.column_names:
            absent = absent.append_column(field, pa.nulls(len(absent), field.type))
    both = pa.concat_tables([conform_table(table, schema, "ledger") for table in (split, absent)])
    return both.sort_by([("path", "ascending"), ("content_id", "ascending")])


@dataclass(frozen=True)
class SplitHistory:
    """What a split goes on from: the ledger and the label map of one publication."""

    number: int = 0
    """Of the publication; 0 where there was none."""
    ledger: pa.Table | None = None
    """What `assign_purposes` reads of its assignments; None before the first."""
    classes: tuple[str, ...] = ()
    """Its class names, in the order of the labels."""


def read_history(store: PipelineStore, config: PipelineConfig) -> SplitHistory:
    """What the newest published version remembers.

    Raises:
        StoreError: the version cannot be read, or is not what was published.
    """
    newest = store.newest_version()
    if newest is None:
        return SplitHistory()
    entry, version = newest
    refuse_other_folds(config, version)
    # Nothing that counts for good may come from a damaged file.
    ledger = version.read_table("assignments", list_ledger_columns(config.split), verified=True)
    return SplitHistory(entry.number, ledger, tuple(version.read_manifest(verified=True)["classes"]))


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


def read_ledger(version: Version) -> pa.Table:
    """The assignments of a version as a split: columns of `tables.SAMPLE_SPLIT`, and those of labels where it has any.

    Raises:
        StoreError: they are not those that were published: the next ledger is made of them.
    """
    table = version.read_table("assignments", verified=True).drop_columns(["listed"])
    by = pa.field("assigned_by", TEXT, False)
    table = table.append_column(by, pa.repeat(pa.scalar("ledger", TEXT), table.num_rows))
    return conform_table(table, extend_schema(SAMPLE_SPLIT, table.schema), "ledger")


def load_known_assignments(config: PipelineConfig) -> pa.Table | None:
    """The configured CSV of known assignments, read, its SHA-256 as `KNOWN`; None where none is configured.

    Raises:
        SplitError: it cannot be read, or is not such a file.
    """
    from brev_pipeline.split import read_known_assignments

    if config.split.ledger_csv is None:
        return None
    location, data, digest = _read_file(config, "split.ledger_csv", config.split.ledger_csv)
    known = read_known_assignments(data, location, str(config.base_folder))
    return add_notes(known, {KNOWN: digest})


def load_given_files(config: PipelineConfig) -> dict[str, pa.Table]:
    """The files of ``split.given``, read: key of `GivenSettings.input_files` → table, its SHA-256 as `KNOWN`.

    Raises:
        SplitError: one cannot be read, or is not such a file.
    """
    from brev_pipeline.split.given_names import read_given_file
    from brev_pipeline.split.matching import BASE_FOLDER

    tables = {}
    for key, file in (config.split.given.input_files if config.split.given else {}).items():
        location, data, digest = _read_file(config, f"split.given.{key}", file)
        metadata = {KNOWN: digest, BASE_FOLDER: str(config.base_folder)}
        tables[key] = read_given_file(data, location, key).replace_schema_metadata(metadata)
    return tables


def _read_file(config: PipelineConfig, key: str, file: str) -> tuple[str, bytes, str]:
    """A file that the configuration names: its location, bytes, and their SHA-256."""
    location = config.resolve_location(file)
    try:
        data = Path(location).read_bytes()
    except OSError as error:
        raise SplitError(
            f"{key}: {location} cannot be read: {error.strerror}; relative places are meant from the configuration's "
            "folder"
        ) from error
    return location, data, hashlib.sha256(data).hexdigest()


def foresee_faults(listing: pa.Table, config: PipelineConfig, newest: Version | None) -> None:
    """Refuse a listing that later stages would refuse, as far as its paths and the configuration show that.

    Contents are not looked at, and what had no part in the newest version's split is not judged by its path: it may be
    unusable still.

    Raises:
        SplitError: see `check_split_early`, `load_known_assignments`, `load_given_files` and `refuse_other_folds`.
        SamplingError: ``sampling.groupby`` names what is no column.
    """
    from brev_pipeline.sampling import group_images
    from brev_pipeline.split import PriorAssignments
    from brev_pipeline.split.early_checks import check_split_early
    from brev_pipeline.split.selection import RULES as UNUSED

    said = list_said_columns(listing.column_names)
    listing = listing.select([*RAW_LISTING.names, *said])
    fields = find_label_fields(listing.schema, area_bins=config.split.area_bins is not None)
    group_images(extend_schema(SAMPLE_SPLIT, pa.schema(fields)).empty_table(), config.sampling.groupby)
    known, given, ledger = load_known_assignments(config), load_given_files(config), None
    if newest is not None:
        refuse_other_folds(config, newest)
        ledger = newest.read_table("assignments", list_ledger_columns(config.split), verified=True)
        excluded = newest.read_table("exclusions", ["path", "rule"])
        # The rules by which an image that was listed had no part in the split.
        unused = pa.array(UNUSED, TEXT)
        out = excluded.filter(pc.is_in(excluded["rule"], value_set=unused))["path"]
        listing = listing.filter(pc.invert(pc.is_in(listing["path"], value_set=out.combine_chunks())))
    prior = PriorAssignments(known=known, given=given, ledger=ledger)
    leave = config.integrity.label_conflicts == "quarantine"
    check_split_early(listing, config.split, prior, conflicts_leave=leave)


def read_baseline(config: PipelineConfig, stage: str) -> "Baseline":
    """What a stage's suite compares with: the listing and ledger of the newest published version, known assignments.

    Only what the frames of the stage's suite read is read of the store.
    """
    from brev_pipeline.expectations.frames import Baseline
    from brev_pipeline.integrity.findings import COMPARED, COMPARED_CONTENTS

    if compared := {"raw_listing": COMPARED, "sample_integrity": COMPARED_CONTENTS}.get(stage):
        newest = PipelineStore.from_config(config).newest_version()
        return Baseline(listing=newest[1].read_table("listing", compared) if newest else None)
    if stage != "sample_split":
        return Baseline()
    history = read_history(PipelineStore.from_config(config), config)
    known, given = load_known_assignments(config), load_given_files(config)
    return Baseline(assignments=history.ledger, known=known, given=given, classes=history.classes)


def refuse_foreign_store(config: PipelineConfig, store: PipelineStore) -> None:
    """Refuse a store whose newest version was made of other datasets altogether.

    Two configurations of one name, in two folders or code locations, would publish into one log by turns, and each
    would keep the other's assignments. Datasets may come and go as long as one of them stays.

    Raises:
        ConfigError: no dataset's id is among those of the newest version; the message names both.
    """
    newest = store.newest_version()
    if newest is None:
        return
    theirs = [dataset["id"] for dataset in newest[1].read_manifest()["configuration"]["datasets"]]
    ours = [dataset.id for dataset in config.datasets]
    if not set(ours) & set(theirs):
        raise ConfigError(
            f"{store.folder.url} belongs to another pipeline named {config.name}: its newest version was made of the "
            f"dataset(s) {', '.join(theirs)}, this configuration lists {', '.join(ours)}; give this pipeline "
            "another name, or another store"
        )
