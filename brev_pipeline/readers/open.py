"""`read`: from a version or a store to the records of its purposes, with everything checked that is cheap to check."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import StorageSettings
from brev_pipeline.errors import ReadError
from brev_pipeline.readers.access_log import log_accesses
from brev_pipeline.readers.find_version import (
    Manifest,
    VersionSource,
    check_files,
    find_version,
    read_checked_file,
    read_manifest,
)
from brev_pipeline.readers.purpose_records import PurposeRecords
from brev_pipeline.readers.records import Records
from brev_pipeline.store import Version
from brev_pipeline.store.parquet import from_parquet
from brev_pipeline.tables import is_plain


def read(
    where: VersionSource,
    purpose: str | Sequence[str],
    *,
    augmented: bool | None = None,
    version: str | None = None,
    verify: bool = False,
    why: str | None = None,
    storage: StorageSettings | None = None,
) -> Records:
    """The records of a purpose, or of several, of a published version.

    What is read is what was written: the version's id is its manifest's hash, the manifest holds the SHA-256 of the
    record table, and that the checksum of each record, which is compared when the record is read. What ``verify``
    adds is that all of it is looked at before training begins.

    Args:
        where: a pipeline's store (``<store>/<pipeline>``, a path or ``s3://…``): its newest published version is
            read; or a version's folder; or a `Version` or `PipelineStore`.
        purpose: train, devel, test, or what else the pipeline's split names; or several, such as all folds but one.
        augmented: True: only augmented records, False: only photos as they are. Folds hold both, and ask which; else
            None gives all that there are.
        version: id of a published version, or the beginning of it, in place of the newest.
        verify: read every shard of the purpose once and compare it with the manifest's SHA-256.
        why: the reason for reading; needed for a purpose whose readings are logged (``split.access_log``).
        storage: how to reach a URL: endpoint, profile, region; credentials come from the environment.

    Raises:
        ReadError: there is no such version or purpose (the message names what there is), or a reason is needed.
        StoreError: the version cannot be read, or is not what was published.
    """
    found = find_version(where, version, storage)
    manifest = read_manifest(found)
    names = [purpose] if isinstance(purpose, str) else list(dict.fromkeys(purpose))
    table = _select_rows(found, manifest, names, augmented)
    if verify:
        check_files(found, manifest, pc.unique(table["file"]).to_pylist())
    # Last: what cannot be read was not read, and is not logged.
    log_accesses(found, manifest["configuration"], names, why)
    return Records(PurposeRecords(found, manifest, table), purpose if isinstance(purpose, str) else names)


def _select_rows(version: Version, manifest: Manifest, names: list[str], augmented: bool | None) -> pa.Table:
    if not names:
        raise ReadError(f"{version.path}: no purpose is asked for: name one, or a list of them")
    table = from_parquet(read_checked_file(version, manifest, "records.parquet"))
    counts = {row["values"]: row["counts"] for row in pc.value_counts(table["purpose"]).to_pylist()}
    if missing := [name for name in names if name not in counts]:
        there = ", ".join(f"{name} ({count})" for name, count in counts.items())
        said = " or ".join(map(repr, missing))
        raise ReadError(f"{version.path} has no records of purpose {said}; it has {there or 'none at all'}")
    rows = table.filter(pc.is_in(table["purpose"], value_set=pa.array(names, table["purpose"].type)))
    plain = is_plain(rows)
    if augmented is None and pc.any(plain).as_py():
        raise ReadError(
            f"{', '.join(pc.unique(rows['purpose'].filter(plain)).to_pylist())}: a fold holds its photos as they are, "
            "and augmented draws of them: say augmented=True for the folds to train with, augmented=False for the one "
            "that is held out"
        )
    if augmented is None:
        return rows.combine_chunks()
    rows = rows.filter(pc.equal(rows["augmented"], augmented))
    left = set(pc.unique(rows["purpose"]).to_pylist())
    if empty := [name for name in names if name not in left]:
        raise ReadError(
            f"{version.path} has no records of {', '.join(empty)} that are{'' if augmented else ' not'} augmented: "
            f"leave out augmented={augmented}, or these purposes"
        )
    return rows.combine_chunks()
