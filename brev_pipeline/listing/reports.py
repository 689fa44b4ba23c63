"""Reports: where an S3 Inventory report lies, and how its files are read: from S3, or from a copy in a local folder."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from brev_pipeline.errors import BrevPipelineError, ListingError
from brev_pipeline.listing.pages import parse_page
from brev_pipeline.storage import S3Place, Sources
from brev_pipeline.storage.faults import S3Error
from brev_pipeline.storage.s3 import S3Client

_DATED: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}Z")
_MANIFEST: Final = "manifest.json"


@dataclass(frozen=True)
class Report:
    """A report whose manifest is whole."""

    name: str
    """Address of the manifest, for messages."""
    manifest: dict[str, Any]
    read: Callable[[str], bytes]
    """The bytes of a file under its key in the manifest. Raises `ListingError` where it is missing."""


def find_report(place: S3Place, sources: Sources) -> Report:
    """The report that ``place.inventory`` names, or the newest complete one in the folder that it names.

    Raises:
        ListingError: there is none, or its manifest is not what it was when it was written.
    """
    where = str(place.inventory)
    if where.startswith("s3://"):
        bucket, _, key = where.removeprefix("s3://").partition("/")
        return _on_s3(sources.client(place), bucket, key)
    return _local(where)


def _on_s3(client: S3Client, bucket: str, key: str) -> Report:
    def read(name: str, source: str = bucket) -> bytes:
        try:
            return client.get(source, name, None)
        except S3Error as error:
            raise _unread(f"s3://{source}/{name}", str(error)) from error

    if not key.endswith(_MANIFEST):
        folder = f"{key.strip('/')}/".lstrip("/")
        level = parse_page(client.page(bucket, folder, delimiter="/"), f"s3://{bucket}/{folder}").prefixes
        key = folder + _newest([name.removeprefix(folder).strip("/") for name in level], f"s3://{bucket}/{folder}")
    name = f"s3://{bucket}/{key}"
    manifest = _manifest(name, read(key), lambda: client.get(bucket, _checksum(key), None))
    target = str(manifest.get("destinationBucket", "")).rpartition(":")[2] or bucket
    return Report(name, manifest, lambda name: read(name, target))


def _local(where: str) -> Report:
    if not where.endswith(_MANIFEST):
        try:
            where = os.path.join(where, _newest(os.listdir(where), where))
        except OSError as error:
            raise _unread(where, error.strerror or str(error)) from error
    manifest = _manifest(where, _read_local(where), lambda: _read_local(_checksum(where)))
    return Report(where, manifest, lambda key: _read_local(_copied(where, key)))


def _manifest(name: str, data: bytes, checksum: Callable[[], bytes]) -> dict[str, Any]:
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


def _newest(names: list[str], where: str) -> str:
    dated = [name for name in names if _DATED.fullmatch(name)]
    if not dated:
        raise ListingError(
            f"{where} holds no S3 Inventory report: no folder is named like 2024-05-06T01-00Z; name the folder of the "
            "dated ones, or a manifest.json"
        )
    return f"{max(dated)}/{_MANIFEST}"


def _copied(manifest: str, key: str) -> str:
    """Where a file of a copied report lies: under its key below some folder above the manifest."""
    folder = os.path.dirname(manifest)
    while folder != os.path.dirname(folder):
        if os.path.exists(place := os.path.join(folder, key)):
            return place
        folder = os.path.dirname(folder)
    return os.path.join(os.path.dirname(os.path.dirname(manifest)), "data", os.path.basename(key))


def _read_local(place: str) -> bytes:
    try:
        with open(place, "rb") as file:
            return file.read()
    except OSError as error:
        raise _unread(place, error.strerror or str(error)) from error


def _unread(place: str, reason: str) -> ListingError:
    return ListingError(f"the S3 Inventory report cannot be read: {place}: {reason}")


def _checksum(manifest: str) -> str:
    return manifest.removesuffix(".json") + ".checksum"
