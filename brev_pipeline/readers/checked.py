"""Files of a version, compared with its manifest before anything is done with them."""

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from brev_pipeline.errors import ReadError, StoreError
from brev_pipeline.store import Version
from brev_pipeline.store.versions import FORMATS, MANIFEST, version_id

Manifest = dict[str, Any]


def checked_manifest(version: Version) -> Manifest:
    """The manifest of a version, which is what the version's id is the hash of.

    Raises:
        StoreError: it was changed after it was written.
        ReadError: another release of this package wrote it, in another format.
    """
    raw = version.folder.read(MANIFEST)
    if version_id(raw) != version.id or _named_otherwise(version):
        raise StoreError(
            f"{version.folder.place(MANIFEST)} was changed after it was published: it is the manifest of a version "
            f"{version_id(raw)}, not of this one; `brev-pipeline verify` says what else was changed"
        )
    manifest = version.manifest()
    if manifest.get("format") not in FORMATS:
        raise ReadError(
            f"{version.path} is of format {manifest.get('format')}, and this package reads "
            f"{' and '.join(map(str, FORMATS))}: use the brev-pipeline that wrote it (its version stands in the "
            "manifest)"
        )
    return manifest


def checked_file(version: Version, manifest: Manifest, name: str) -> bytes:
    """A file of a version, whose SHA-256 is the manifest's.

    Raises:
        StoreError: it cannot be read, or is not the file that was published.
    """
    data = version.folder.read(name)
    if not _is_listed(data, manifest, name):
        raise StoreError(_otherwise(version, name))
    return data


def check_files(version: Version, manifest: Manifest, names: Iterable[str]) -> None:
    """Read files and compare their SHA-256 with the manifest's; a file per core is in memory at a time.

    Raises:
        StoreError: files cannot be read or are not those that were published; the message names each.
    """

    def problem(name: str) -> str | None:
        try:
            return None if _is_listed(version.folder.read(name), manifest, name) else _otherwise(version, name)
        except StoreError as error:
            return str(error)

    # Reading and hashing leave Python's lock: threads are enough.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        problems = [said for said in pool.map(problem, names) if said]
    if problems:
        raise StoreError("\n".join(problems))


def _is_listed(data: bytes, manifest: Manifest, name: str) -> bool:
    return bool(hashlib.sha256(data).hexdigest() == manifest["files"].get(name, {}).get("sha256"))


def _otherwise(version: Version, name: str) -> str:
    return (
        f"{version.folder.place(name)} is not the file that was published (its SHA-256 differs from the manifest's): "
        "restore it from a copy, or write the version again"
    )


def _named_otherwise(version: Version) -> bool:
    """Whether the folder is named like another version: then its manifest, from which the id comes, was changed."""
    *_, room, name = f"/{version.path}".rstrip("/").split("/")
    return room == "versions" and name != version.id
