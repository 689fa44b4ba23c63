"""Table metadata: what a stage's table tells in its schema's metadata, besides its rows.

Which files and ledger it was made with, what the listing left out or found, where its shards lie. Who writes a note and
who reads it stand in different rooms; key and form of each are here.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

STAGING = b"brev_pipeline.staging"
"""Schema metadata of the record table: name of the staging folder that holds its shards."""

LEDGER = b"brev_pipeline.ledger"
"""Schema metadata of the split: number of the publication whose ledger it was made with; 0 where there was none."""

FILTERED: Final = b"brev_pipeline.filtered"
"""Schema metadata of raw_listing: name, below ``filtered/``, of the images that the listing left out."""

FOUND: Final = b"brev_pipeline.found"
"""Schema metadata of raw_listing: JSON of what else was found, see `ListingFindings.build_summary`. For the checks and
the report; no part of the table's identity, and in no manifest."""

KNOWN: Final = b"brev_pipeline.known_assignments"
"""Schema metadata of sample_split, and of the known assignments: SHA-256 of the file that they were read from."""

KNOWN_ROWS: Final = b"brev_pipeline.known_rows"
"""Schema metadata of sample_split: what became of that file's rows, as JSON (`KnownMatches.build_summary`)."""

GIVEN: Final = b"brev_pipeline.given"
"""Schema metadata of sample_split: JSON, key of `GivenSettings.input_files` → SHA-256 of that file."""

WORK: Final = b"brev_pipeline.work"
"""Schema metadata of a stage's table: how much of it the run made anew (images decoded, records written)."""

LABELS: Final = b"brev_pipeline.label_features"
"""Schema metadata of the record table: JSON of the features of labels (`record_features.describe_features`), where the
records have some."""

LEFT_OUT_RULES: Final = ("class_filter", "link_outside", "not_a_file", "object_too_large")
"""What the listing leaves out: images of other classes, links that leave the dataset, what is no regular file (any
more), and objects larger than ``listing.max_object_mb``. None of them is read; they count as listed."""


def add_notes(table: pa.Table, notes: Mapping[bytes, bytes | str]) -> pa.Table:
    """The table with more in its schema's metadata."""
    return table.replace_schema_metadata({**(table.schema.metadata or {}), **notes})


def read_note(table: pa.Table, key: bytes) -> str | None:
    """What a table's schema says under a key of its metadata; None where it has none."""
    note = (table.schema.metadata or {}).get(key)
    return None if note is None else str(note.decode())


def note_work(table: pa.Table, work: int) -> pa.Table:
    """The table, its schema's metadata saying how much of it was made anew."""
    return add_notes(table, {WORK: str(work)})


def note_label_features(records: pa.Table, described: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The record table, its schema's metadata describing the features of labels; as it is where there are none."""
    return add_notes(records, {LABELS: json.dumps(described, ensure_ascii=False)}) if described else records


def read_label_features(records: pa.Table) -> list[dict[str, Any]]:
    """What `note_label_features` noted; empty where the records have no labels."""
    return list(json.loads(read_note(records, LABELS) or "[]"))


def note_found(listing: pa.Table, facts: Mapping[str, Any]) -> pa.Table:
    """The listing, its schema's metadata telling what else was found."""
    return add_notes(listing, {FOUND: json.dumps(facts, ensure_ascii=False, sort_keys=True)})


def found_facts(listing: pa.Table) -> dict[str, Any]:
    """What `note_found` noted; empty where nothing was."""
    return dict(json.loads(read_note(listing, FOUND) or "{}"))


def note_known(
    split: pa.Table,
    known: pa.Table | None,
    rows: Mapping[str, Any] | None = None,
    given: Mapping[str, pa.Table] | None = None,
) -> pa.Table:
    """The split, its schema's metadata naming the files that it was made with: of known assignments, and given ones.

    ``rows`` is what became of the rows of the known ones, `KnownMatches.build_summary`.
    """
    notes: dict[bytes, str] = {}
    if known is not None and (digest := known_sha256(known)):
        notes[KNOWN] = digest
        if rows is not None:
            notes[KNOWN_ROWS] = json.dumps(rows)
    if given:
        notes[GIVEN] = json.dumps({key: read_note(table, KNOWN) for key, table in given.items()}, sort_keys=True)
    return add_notes(split, notes) if notes else split


def given_sha256(split: pa.Table) -> dict[str, str]:
    """Key of `GivenSettings.input_files` → SHA-256 of the file that a split was made with; empty without any."""
    return dict(json.loads(read_note(split, GIVEN) or "{}"))


def read_files(split: pa.Table) -> dict[str, str | None]:
    """Key of the configuration → SHA-256 of each file that a split was made with; as `SplitSettings.input_files`."""
    given = {f"split.given.{key}": digest for key, digest in given_sha256(split).items()}
    return {"split.ledger_csv": known_sha256(split), **given}


def known_sha256(table: pa.Table) -> str | None:
    """SHA-256 of the file of known assignments that a split was made with, or that a table was read from; or None."""
    return read_note(table, KNOWN) or None
