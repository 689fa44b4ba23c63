"""`read`: from a version or a store to the records of one purpose, with everything checked that is cheap to check."""

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import StorageSettings
from brev_pipeline.errors import ReadError
from brev_pipeline.reading.access import note_access
from brev_pipeline.reading.checked import Manifest, check_files, checked_file, checked_manifest
from brev_pipeline.reading.contents import Contents
from brev_pipeline.reading.find import Where, find_version
from brev_pipeline.reading.records import Records
from brev_pipeline.store import Version
from brev_pipeline.store.parquet import from_parquet


def read(
    where: Where,
    purpose: str,
    *,
    version: str | None = None,
    verify: bool = False,
    why: str | None = None,
    storage: StorageSettings | None = None,
) -> Records:
    """The records of one purpose of a published version.

    What is read is what was written: the version's id is its manifest's hash, the manifest holds the SHA-256 of the
    record table, and that the checksum of each record, which is compared when the record is read. What ``verify``
    adds is that all of it is looked at before training begins.

    Args:
        where: a pipeline's store (``<store>/<pipeline>``, a path or ``s3://…``): its newest published version is
            read; or a version's folder; or a `Version` or `PipelineStore`.
        purpose: train, devel, test, or what else the pipeline's split names.
        version: id of a published version, or the beginning of it, in place of the newest.
        verify: read every shard of the purpose once and compare it with the manifest's SHA-256.
        why: the reason for reading; needed for a purpose whose readings are logged (``split.access_log``).
        storage: how to reach a URL: endpoint, profile, region; credentials come from the environment.

    Raises:
        ReadError: there is no such version or purpose (the message names what there is), or a reason is needed.
        StoreError: the version cannot be read, or is not what was published.
    """
    found = find_version(where, version, storage)
    manifest = checked_manifest(found)
    table = _rows(found, manifest, purpose)
    if verify:
        check_files(found, manifest, pc.unique(table["file"]).to_pylist())
    note_access(found, manifest["configuration"], purpose, why)
    return Records(Contents(found, manifest, table), purpose)


def _rows(version: Version, manifest: Manifest, purpose: str) -> pa.Table:
    table = from_parquet(checked_file(version, manifest, "records.parquet"))
    rows = table.filter(pc.equal(table["purpose"], purpose))
    if rows.num_rows:
        return rows.combine_chunks()
    there = ", ".join(f"{row['values']} ({row['counts']})" for row in pc.value_counts(table["purpose"]).to_pylist())
    raise ReadError(f"{version.path} has no records of purpose {purpose!r}; it has {there or 'none at all'}")
