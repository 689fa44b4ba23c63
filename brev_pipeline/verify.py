"""Does a published version still hold what was published? Everything is computed anew and compared.

The chain of publications, the manifest against the id and the publication, every file against the manifest, every
record against the record table, the counts, and that no leak group, content or pixels stand on two sides.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import BrevPipelineError, StoreError
from brev_pipeline.store import PipelineStore, Publication, Version
from brev_pipeline.store.versions import MANIFEST


@dataclass(frozen=True)
class Verification:
    """What `verify_version` found."""

    version: Version
    files: int
    records: int
    publications: int
    problems: list[str]
    """One line per problem, with the place; empty if all is well."""


def verify_version(store: PipelineStore, version_id: str | None = None) -> Verification:
    """Verify a published version.

    Args:
        store: the pipeline's store.
        version_id: an id or the beginning of one; None: the newest published version.

    Raises:
        StoreError: nothing was published, the chain of publications is broken, or there is no such version.
    """
    entries = store.publications.all()
    if not entries:
        raise StoreError(f"{store.folder.url}: nothing was published yet")
    version = store.version(version_id or entries[-1].version)
    problems = [*_publication(version, entries), *version.problems()]
    records = 0
    try:
        table = version.table("records")
        records = table.num_rows
        problems += [*_records(version, table), *_counts(version, table), *_leaks(version, table)]
    except BrevPipelineError as error:
        problems.append(str(error))
    return Verification(version, len(version.manifest()["files"]), records, len(entries), problems)


def _publication(version: Version, entries: list[Publication]) -> Iterator[str]:
    own = [entry for entry in entries if entry.version == version.id]
    if not own:
        yield f"{version.id} was never published: a run that was stopped left it"
    digest = hashlib.sha256(version.folder.read(MANIFEST)).hexdigest()
    for entry in own:
        if entry.manifest_sha256 != digest:
            yield f"publication {entry.number} names another manifest than {version.folder.place(MANIFEST)}"


def _records(version: Version, table: pa.Table) -> Iterator[str]:
    """Read every record; name the first damage of each file."""
    from brev_pipeline.shards import records

    compression = version.manifest()["configuration"]["shards"]["compression"]
    for file in pc.unique(table["file"]).to_pylist():
        own = table.filter(pc.equal(table["file"], file))
        try:
            for row, record in records(version.folder, own, compression):
                for name in ("content_id", "label", "seed", "path", "epoch"):
                    if record[name] != row[name]:
                        yield f"{file}, record {row['position']}: {name} is {record[name]!r}, recorded {row[name]!r}"
        except BrevPipelineError as error:
            yield str(error)


def _counts(version: Version, table: pa.Table) -> Iterator[str]:
    counts = version.manifest()["counts"]
    found = {row["values"]: row["counts"] for row in pc.value_counts(table["purpose"]).to_pylist()}
    if found != counts["records"]:
        yield f"records.parquet holds {found}, the manifest says {counts['records']}"
    listed, excluded = version.table("listing").num_rows, version.table("exclusions").num_rows
    used = len(pc.unique(table["path"]))
    if listed != used + excluded:
        yield f"{listed} images are listed, but {used} are in the shards and {excluded} excluded"


def _leaks(version: Version, table: pa.Table) -> Iterator[str]:
    """What stands on two sides, by the records themselves and the assignments."""
    split = version.table("assignments")
    for name, rows, column in (
        ("content", table, "content_id"),
        ("leak group", split, "leak_group"),
        ("content", split, "content_id"),
        ("picture", split, "pixel_id"),
    ):
        sides = rows.select([column, "purpose"]).group_by([column]).aggregate([("purpose", "count_distinct")])
        for key in sides.filter(pc.greater(sides["purpose_count_distinct"], 1))[column].to_pylist():
            yield f"LEAK: the {name} {key} stands on more than one side"
