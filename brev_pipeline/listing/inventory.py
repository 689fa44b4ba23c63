"""Inventory: the listing of a bucket out of the report that S3 Inventory writes about it every day or week.

For buckets of ten million objects and more: reading the report takes seconds where listing takes an hour. The report
is as old as it is; an object that was replaced since shows as changed when it is read. Its files are in CSV (gzip, keys
URL-encoded) or Parquet, and manifest.json names each with its MD5, which is checked. A report that says how objects are
encrypted saves the question for their headers: entity tags that are MD5s for certain are marked so.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote_plus

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import ListingError, StoreError
from brev_pipeline.listing.pages import OBJECTS
from brev_pipeline.listing.reports import Report, find_report
from brev_pipeline.storage import S3Place, Sources
from brev_pipeline.storage.window import windowed
from brev_pipeline.store.parquet import from_parquet
from brev_pipeline.texts import TEXT

# The report's names of the columns, as in CSV; in Parquet they are in lower case with underscores.
_NEEDED: Final = {"Key": "key", "ETag": "e_tag", "Size": "size", "LastModifiedDate": "last_modified_date"}
_USED: Final = _NEEDED | {
    "IsLatest": "is_latest",
    "IsDeleteMarker": "is_delete_marker",
    "EncryptionStatus": "encryption_status",
}
_PLAIN: Final = ["NOT-SSE", "SSE-S3"]
_FILES: Final = 4  # read at once


def read_inventory(place: S3Place, sources: Sources) -> pa.Table:
    """What the newest report says lies in ``place``: columns of `OBJECTS`, then etag_source (md5 or s3).

    Keys are whole. Old versions and delete markers are left out.

    Raises:
        ListingError: there is no report, it is of another bucket or lacks a column, or one of its files is missing
            or has another MD5 than its manifest says.
    """
    report = find_report(place, sources)
    manifest = report.manifest
    if manifest.get("sourceBucket") != place.name:
        raise ListingError(
            f"{report.name} is of the bucket {manifest.get('sourceBucket')!r}, not of {place.name!r}: correct the "
            "dataset's inventory or bucket"
        )
    kind = str(manifest.get("fileFormat"))
    if kind not in ("CSV", "Parquet"):
        raise ListingError(f"{report.name} is in {kind}; have the report written as CSV or Parquet")
    tables = [_objects(_read(kind, data, report), report.name, kind, place) for data in _files(report)]
    schema = OBJECTS.append(pa.field("etag_source", TEXT))
    return pa.concat_tables([schema.empty_table(), *tables])


def _files(report: Report) -> Sequence[bytes]:
    def checked(entry: dict[str, Any]) -> bytes:
        data = report.read(entry["key"])
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if entry.get("MD5checksum", md5).lower() != md5:
            raise ListingError(
                f"{report.name}: its file {entry['key']} has the MD5 {md5}, the manifest says {entry['MD5checksum']}; "
                "the report is damaged or was replaced in the middle: take another one"
            )
        return data

    return [data for _, data in windowed(checked, report.manifest["files"], _FILES)]


def _read(kind: str, data: bytes, report: Report) -> pa.Table:
    """The columns that are used, under their names in CSV."""
    if kind == "CSV":
        from pyarrow import csv

        names = [name.strip() for name in report.manifest["fileSchema"].split(",")]
        wanted = [name for name in _USED if name in names]
        with pa.input_stream(pa.py_buffer(data), compression="gzip" if data[:2] == b"\x1f\x8b" else None) as stream:
            return csv.read_csv(
                stream,
                read_options=csv.ReadOptions(column_names=names),
                parse_options=csv.ParseOptions(newlines_in_values=True),
                convert_options=csv.ConvertOptions(
                    column_types=dict.fromkeys(names, TEXT), include_columns=wanted, strings_can_be_null=True
                ),
            )
    try:
        table = from_parquet(data, f"{report.name}: one of its files", list(_USED.values()))
    except StoreError as error:
        raise ListingError(f"{error}; or take another report") from error
    present = {column: name for name, column in _USED.items()}
    return table.rename_columns([present[column] for column in table.column_names])


def _objects(table: pa.Table, report: str, kind: str, place: S3Place) -> pa.Table:
    missing = [name for name in _NEEDED if name not in table.column_names]
    if missing:
        raise ListingError(f"{report} has no {', '.join(missing)}: add these fields to the report's configuration")
    for name, wanted in (("IsLatest", True), ("IsDeleteMarker", False)):
        if name in table.column_names:
            flags = table[name] if pa.types.is_boolean(table[name].type) else pc.equal(table[name], "true")
            table = table.filter(pc.equal(pc.fill_null(flags, wanted), wanted))
    keys = _decoded(table["Key"]) if kind == "CSV" else table["Key"].cast(TEXT)
    inside = pc.starts_with(keys, place.prefix)
    table, keys = table.filter(inside), keys.filter(inside)
    try:
        size = pc.fill_null(table["Size"].cast(pa.int64()), 0)
        modified = _utc(table["LastModifiedDate"])
    except pa.ArrowInvalid as error:
        raise ListingError(f"{report} has a size or a date that is none: {error}; take another report") from error
    etag = pc.utf8_trim(table["ETag"].cast(TEXT), '"')
    columns = [keys, etag, size, modified, _etag_source(table, etag)]
    return pa.Table.from_arrays(columns, schema=OBJECTS.append(pa.field("etag_source", TEXT)))


def _etag_source(table: pa.Table, etag: pa.ChunkedArray) -> pa.ChunkedArray:
    """md5 where the entity tag is one for certain: in one part, and not encrypted with a key."""
    if "EncryptionStatus" not in table.column_names:
        return pa.chunked_array([pa.repeat("s3", table.num_rows)])
    plain = pc.is_in(table["EncryptionStatus"].cast(TEXT), value_set=pa.array(_PLAIN))
    certain = pc.and_(plain, pc.match_substring_regex(etag, "^[0-9a-f]{32}$"))
    return pc.if_else(pc.fill_null(certain, False), "md5", "s3")


def _decoded(keys: pa.ChunkedArray) -> pa.ChunkedArray:
    escaped = pc.match_substring_regex(keys, "[%+]").combine_chunks()
    plain = [unquote_plus(key, errors="strict") for key in keys.filter(escaped).to_pylist()]
    return pa.chunked_array([pc.replace_with_mask(keys.combine_chunks(), escaped, pa.array(plain, TEXT))])


def _utc(dates: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times in UTC, from text or from Parquet's times, which have no zone and mean UTC."""
    wanted = OBJECTS.field("modified").type
    if pa.types.is_timestamp(dates.type) and dates.type.tz is None:
        return dates.cast(pa.timestamp("us")).cast(wanted)
    return dates.cast(wanted)
