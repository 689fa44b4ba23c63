"""S3 inventory: the listing of a bucket out of the report that S3 Inventory writes about it every day or week.

For buckets of ten million objects and more: reading the report takes seconds where listing takes an hour. The report
is as old as it is; an object that was replaced since shows as changed when it is read. It lies on S3, or as a copy in a
local folder. Its files are in CSV (gzip, keys URL-encoded) or Parquet, and manifest.json names each with its MD5, which
is checked. A report that says how objects are encrypted saves the question for their headers: entity tags that are MD5s
for certain are marked so.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import BrevPipelineError, ListingError, StoreError
from brev_pipeline.listing.s3_pages import OBJECTS, decode_keys, parse_page
from brev_pipeline.storage import S3Place, Sources
from brev_pipeline.storage.s3 import S3Client
from brev_pipeline.storage.sources import prefetch_map
from brev_pipeline.storage.storage_errors import S3Error
from brev_pipeline.store.parquet import from_parquet
from brev_pipeline.texts import TEXT

_DATED: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}Z")
_MANIFEST: Final = "manifest.json"


@dataclass(frozen=True)
class InventoryReport:
    """A report whose manifest is whole."""

    name: str
    """Address of the manifest, for messages."""
    manifest: dict[str, Any]
    read_file: Callable[[str], bytes]
    """The bytes of a file under its key in the manifest. Raises `ListingError` where it is missing."""


def find_report(place: S3Place, sources: Sources) -> InventoryReport:
    """The report that ``place.inventory`` names, or the newest complete one in the folder that it names.

    Raises:
        ListingError: there is none, or its manifest is not what it was when it was written.
    """
    where = str(place.inventory)
    if where.startswith("s3://"):
        bucket, _, key = where.removeprefix("s3://").partition("/")
        return _find_on_s3(sources.get_client(place), bucket, key)
    return _find_local(where)


def _find_on_s3(client: S3Client, bucket: str, key: str) -> InventoryReport:
    def read_object(name: str, source: str = bucket) -> bytes:
        try:
            return client.read_object(source, name, None)
        except S3Error as error:
            raise _unreadable_report(f"s3://{source}/{name}", str(error)) from error

    if not key.endswith(_MANIFEST):
        folder = f"{key.strip('/')}/".lstrip("/")
        where = f"s3://{bucket}/{folder}"
        level = parse_page(client.list_page(bucket, folder, delimiter="/"), where).prefixes
        key = folder + _newest_manifest([name.removeprefix(folder).strip("/") for name in level], where)
    name = f"s3://{bucket}/{key}"
    manifest = _parse_manifest(name, read_object(key), lambda: client.read_object(bucket, _checksum_name(key), None))
    target = str(manifest.get("destinationBucket", "")).rpartition(":")[2] or bucket
    return InventoryReport(name, manifest, lambda name: read_object(name, target))


def _find_local(where: str) -> InventoryReport:
    if not where.endswith(_MANIFEST):
        try:
            where = os.path.join(where, _newest_manifest(os.listdir(where), where))
        except OSError as error:
            raise _unreadable_report(where, error.strerror or str(error)) from error
    manifest = _parse_manifest(where, _read_local(where), lambda: _read_local(_checksum_name(where)))
    return InventoryReport(where, manifest, lambda key: _read_local(_locate_copy(where, key)))


def _parse_manifest(name: str, data: bytes, checksum: Callable[[], bytes]) -> dict[str, Any]:
    """The manifest, checked against manifest.checksum where that is there."""
    try:
        noted = checksum().decode().strip()
    except (BrevPipelineError, UnicodeDecodeError):
        noted = ""
    if noted and hashlib.md5(data, usedforsecurity=False).hexdigest() != noted.lower():
        raise ListingError(f"{name} has another MD5 than manifest.checksum beside it says; take another report")
    try:
        manifest = json.loads(data)
        _ = manifest["fileFormat"], manifest["fileSchema"], manifest["files"]
    except (ValueError, KeyError, TypeError) as error:
        raise ListingError(
            f"{name} is not the manifest of an S3 Inventory report: {error!r}; name its manifest.json"
        ) from error
    return dict(manifest)


def _newest_manifest(names: list[str], where: str) -> str:
    dated = max(filter(_DATED.fullmatch, names), default=None)
    if dated is None:
        raise ListingError(
            f"{where} holds no S3 Inventory report: no folder is named like 2024-05-06T01-00Z; name the folder of the "
            "dated ones, or a manifest.json"
        )
    return f"{dated}/{_MANIFEST}"


def _locate_copy(manifest: str, key: str) -> str:
    """Where a file of a copied report lies: under its key below some folder above the manifest."""
    for folder in Path(manifest).parents[:-1]:
        if os.path.exists(path := os.path.join(folder, key)):
            return path
    return os.path.join(os.path.dirname(os.path.dirname(manifest)), "data", os.path.basename(key))


def _read_local(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise _unreadable_report(path, error.strerror or str(error)) from error


def _unreadable_report(address: str, reason: str) -> ListingError:
    return ListingError(f"the S3 Inventory report cannot be read: {address}: {reason}")


def _checksum_name(manifest: str) -> str:
    return manifest.removesuffix(".json") + ".checksum"


# The report's names of the columns, as in CSV; in Parquet they are in lower case with underscores.
_NEEDED: Final = {"Key": "key", "ETag": "e_tag", "Size": "size", "LastModifiedDate": "last_modified_date"}
_USED: Final = _NEEDED | {
    "IsLatest": "is_latest",
    "IsDeleteMarker": "is_delete_marker",
    "EncryptionStatus": "encryption_status",
}
_FOUND: Final = OBJECTS.append(pa.field("etag_source", TEXT))
# With any other encryption an entity tag has 32 hex digits too, and is no MD5.
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
    files = prefetch_map(partial(_read_checked, report), manifest["files"], _FILES)
    tables = [_select_objects(_parse_file(kind, data, report), report.name, kind, place) for _, data in files]
    return pa.concat_tables([_FOUND.empty_table(), *tables])


def _read_checked(report: InventoryReport, entry: dict[str, Any]) -> bytes:
    data = report.read_file(entry["key"])
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if entry.get("MD5checksum", md5).lower() != md5:
        raise ListingError(
            f"{report.name}: its file {entry['key']} has the MD5 {md5}, the manifest says {entry['MD5checksum']}; "
            "the report is damaged or was replaced in the middle: take another one"
        )
    return data


def _parse_file(kind: str, data: bytes, report: InventoryReport) -> pa.Table:
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


def _select_objects(table: pa.Table, report: str, kind: str, place: S3Place) -> pa.Table:
    missing = [name for name in _NEEDED if name not in table.column_names]
    if missing:
        raise ListingError(f"{report} has no {', '.join(missing)}: add these fields to the report's configuration")
    for name, wanted in (("IsLatest", True), ("IsDeleteMarker", False)):
        if name in table.column_names:
            flags = table[name] if pa.types.is_boolean(table[name].type) else pc.equal(table[name], "true")
            table = table.filter(pc.equal(pc.fill_null(flags, wanted), wanted))
    keys = pa.chunked_array([decode_keys(table["Key"].combine_chunks())]) if kind == "CSV" else table["Key"].cast(TEXT)
    inside = pc.starts_with(keys, place.prefix)
    table, keys = table.filter(inside), keys.filter(inside)
    try:
        size = pc.fill_null(table["Size"].cast(pa.int64()), 0)
        modified = _parse_times(table["LastModifiedDate"])
    except pa.ArrowInvalid as error:
        raise ListingError(f"{report} has a size or a date that is none: {error}; take another report") from error
    etag = pc.utf8_trim(table["ETag"].cast(TEXT), '"')
    return pa.Table.from_arrays([keys, etag, size, modified, _find_etag_source(table, etag)], schema=_FOUND)


def _find_etag_source(table: pa.Table, etag: pa.ChunkedArray) -> pa.ChunkedArray:
    """md5 where the entity tag is one for certain: in one part, and not encrypted with a key."""
    if "EncryptionStatus" not in table.column_names:
        return pa.chunked_array([pa.repeat("s3", table.num_rows)])
    plain = pc.is_in(table["EncryptionStatus"].cast(TEXT), value_set=pa.array(_PLAIN))
    certain = pc.and_(plain, pc.match_substring_regex(etag, "^[0-9a-f]{32}$"))
    return pc.if_else(pc.fill_null(certain, False), "md5", "s3")


def _parse_times(dates: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times in UTC, from text or from Parquet's times, which have no zone and mean UTC."""
    wanted = OBJECTS.field("modified").type
    if pa.types.is_timestamp(dates.type) and dates.type.tz is None:
        return dates.cast(pa.timestamp("us")).cast(wanted)
    return dates.cast(wanted)
