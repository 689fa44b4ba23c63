"""The version that a reader means, by its object, its folder or its store; its files, compared with its manifest."""

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from brev_pipeline.config import StorageSettings
from brev_pipeline.errors import ReadError, StoreError
from brev_pipeline.store import Folder, PipelineStore, Version
from brev_pipeline.store.versions import FORMATS, MANIFEST, version_id

VersionSource = str | os.PathLike[str] | Version | PipelineStore
"""A version, its folder's path or URL, or a pipeline's store (``<store>/<pipeline>``)."""


def find_version(where: VersionSource, version: str | None = None, storage: StorageSettings | None = None) -> Version:
    """The version that is meant; in a store the newest published one, or the published one that is asked for.

    Args:
        where: see `VersionSource`.
        version: id of a version, or the beginning of it.
        storage: how to reach a URL.

    Raises:
        ReadError: there is no such version; the message names what there is.
        StoreError: the store cannot be read, or its publications were tampered with.
    """
    source = where if isinstance(where, Version | PipelineStore) else _open_source(where, storage)
    if isinstance(source, PipelineStore):
        return _find_published(source, version)
    if version and not source.id.startswith(version):
        raise ReadError(
            f"{source.path} is version {source.id}, and {version} was asked for; name the store (<store>/<pipeline>) "
            "to choose a version"
        )
    return source


def open_version_folder(where: str | os.PathLike[str]) -> Version:
    """The version whose own folder this is, wherever it lies.

    Raises:
        ReadError: it is no version's folder; the message says what it is.
        StoreError: it cannot be read.
    """
    source = _open_source(where, None)
    if isinstance(source, PipelineStore):
        raise ReadError(
            f"{source.folder.url} is a pipeline's store, and no version's folder: those lie in its versions/"
        )
    return source


def find_store(version: Version) -> PipelineStore | None:
    """The store that a version's folder lies in; None for a folder that was copied out of it."""
    parent, _, name = version.folder.url.rstrip("/").rpartition("/")
    root, _, rooms = parent.rpartition("/")
    if (rooms, name) != ("versions", version.id):
        return None
    store = PipelineStore(Folder(root, version.folder.options))
    return store if store.publications.read_newest() else None


def _find_published(store: PipelineStore, wanted: str | None) -> Version:
    if not wanted:
        if newest := store.newest_version():
            return newest[1]
        raise ReadError(f"{store.folder.url}: nothing was published yet: run the pipeline first")
    # Not from the folders: that of a version may stand there half filled before it is published.
    published = dict.fromkeys(entry.version for entry in store.publications.read_all())
    matches = [name for name in published if name.startswith(wanted)]
    if len(matches) != 1:
        known = ", ".join(published) or "none"
        raise ReadError(
            f"{store.folder.url}: {len(matches) or 'no'} published version(s) begin with {wanted}; published are: "
            f"{known}"
        )
    return Version(store.versions / matches[0], matches[0])


def _open_source(where: str | os.PathLike[str], storage: StorageSettings | None) -> Version | PipelineStore:
    url = os.fspath(where).removeprefix("file://").rstrip("/") or "/"
    if "://" in url:
        # Only the options are wanted, which are the same for every folder of a store.
        folder = Folder(url, PipelineStore.at_url(url, "", storage).folder.options)
    else:
        folder = Folder(str(Path(url).expanduser().absolute()))
    names = folder.list_names()
    if MANIFEST in names:
        return Version(folder, version_id(folder.read(MANIFEST)))
    if {"publications", "versions", "staging"} & set(names):
        return PipelineStore(folder)
    raise ReadError(_describe_folder(folder, names))


def _describe_folder(folder: Folder, names: list[str]) -> str:
    if stores := [folder.file_url(name) for name in names if "publications" in (folder / name).list_names()]:
        return f"{folder.url} holds several pipelines' stores; name one of them: {', '.join(stores)}"
    content = f"it holds {', '.join(names[:8])}{', …' if len(names) > 8 else ''}" if names else ""
    return (
        f"{folder.url} is neither a version nor a pipeline's store (<store>/<pipeline>): "
        f"{content or 'it is not there, or empty'}"
    )


Manifest = dict[str, Any]


def read_manifest(version: Version) -> Manifest:
    """The manifest of a version, which is what the version's id is the hash of.

    Raises:
        StoreError: it was changed after it was written.
        ReadError: another release of this package wrote it, in another format.
    """
    raw = version.folder.read(MANIFEST)
    # A folder opened by itself has its id from the manifest: where it lies in a store, its name tells the true one.
    *_, parent, name = f"/{version.path}".rstrip("/").split("/")
    if version_id(raw) != version.id or (parent == "versions" and name != version.id):
        raise StoreError(
            f"{version.folder.file_url(MANIFEST)} was changed after it was published: it is the manifest of a version "
            f"{version_id(raw)}, not of this one; `brev-pipeline verify` says what else was changed"
        )
    manifest = version.read_manifest()
    if manifest.get("format") not in FORMATS:
        raise ReadError(
            f"{version.path} is of format {manifest.get('format')}, and this package reads "
            f"{' and '.join(map(str, FORMATS))}: use the brev-pipeline that wrote it (its version stands in the "
            "manifest)"
        )
    return manifest


def read_checked_file(version: Version, manifest: Manifest, name: str) -> bytes:
    """A file of a version, whose SHA-256 is the manifest's.

    Raises:
        StoreError: it cannot be read, or is not the file that was published.
    """
    data = version.folder.read(name)
    if hashlib.sha256(data).hexdigest() != manifest["files"].get(name, {}).get("sha256"):
        raise StoreError(
            f"{version.folder.file_url(name)} is not the file that was published (its SHA-256 differs from the "
            "manifest's): restore it from a copy, or write the version again"
        )
    return data


def check_files(version: Version, manifest: Manifest, names: Iterable[str]) -> None:
    """Read files and compare their SHA-256 with the manifest's; a file per core is in memory at a time.

    Raises:
        StoreError: files cannot be read or are not those that were published; the message names each.
    """

    def find_problem(name: str) -> str | None:
        try:
            read_checked_file(version, manifest, name)
        except StoreError as error:
            return str(error)
        return None

    # Reading and hashing leave Python's lock: threads are enough.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        problems = [problem for problem in pool.map(find_problem, names) if problem]
    if problems:
        raise StoreError("\n".join(problems))
