"""Finding the version that a reader means: by its object, its folder, or the store that it was published in."""

import os
from pathlib import Path

from brev_pipeline.config import StorageSettings
from brev_pipeline.errors import ReadError
from brev_pipeline.store import Folder, PipelineStore, Version
from brev_pipeline.store.versions import MANIFEST, version_id

Where = str | os.PathLike[str] | Version | PipelineStore
"""A version, its folder's path or URL, or a pipeline's store (``<store>/<pipeline>``)."""


def find_version(where: Where, version: str | None = None, storage: StorageSettings | None = None) -> Version:
    """The version that is meant; in a store the newest published one, or the published one that is asked for.

    Args:
        where: see `Where`.
        version: id of a version, or the beginning of it.
        storage: how to reach a URL.

    Raises:
        ReadError: there is no such version; the message names what there is.
        StoreError: the store cannot be read, or its publications were tampered with.
    """
    place = where if isinstance(where, Version | PipelineStore) else _look(where, storage)
    if isinstance(place, PipelineStore):
        return _published(place, version)
    if version and not place.id.startswith(version):
        raise ReadError(
            f"{place.path} is version {place.id}, and {version} was asked for; name the store (<store>/<pipeline>) to "
            "choose a version"
        )
    return place


def version_in(where: str | os.PathLike[str]) -> Version:
    """The version whose own folder this is, wherever it lies.

    Raises:
        ReadError: it is no version's folder; the message says what it is.
        StoreError: it cannot be read.
    """
    found = _look(where, None)
    if isinstance(found, PipelineStore):
        raise ReadError(
            f"{found.folder.url} is a pipeline's store, and no version's folder: those lie in its versions/"
        )
    return found


def store_of(version: Version) -> PipelineStore | None:
    """The store that a version's folder lies in; None for a folder that was copied out of it."""
    parent, _, name = version.folder.url.rstrip("/").rpartition("/")
    root, _, rooms = parent.rpartition("/")
    if (rooms, name) != ("versions", version.id):
        return None
    store = PipelineStore(Folder(root, version.folder.options))
    return store if store.publications.newest() else None


def _published(store: PipelineStore, wanted: str | None) -> Version:
    """Only what was published counts: the folder of a version may stand there half filled before."""
    if not wanted:
        if newest := store.newest():
            return newest[1]
        raise ReadError(f"{store.folder.url}: nothing was published yet: run the pipeline first")
    published = dict.fromkeys(entry.version for entry in store.publications.all())
    found = [name for name in published if name.startswith(wanted)]
    if len(found) != 1:
        known = ", ".join(published) or "none"
        raise ReadError(
            f"{store.folder.url}: {len(found) or 'no'} published version(s) begin with {wanted}; published are: {known}"
        )
    return Version(store.versions / found[0], found[0])


def _look(where: str | os.PathLike[str], storage: StorageSettings | None) -> Version | PipelineStore:
    folder = _folder(os.fspath(where), storage)
    names = folder.names()
    if MANIFEST in names:
        return Version(folder, version_id(folder.read(MANIFEST)))
    if {"publications", "versions", "staging"} & set(names):
        return PipelineStore(folder)
    raise ReadError(_nothing(folder, names))


def _folder(where: str, storage: StorageSettings | None) -> Folder:
    where = where.removeprefix("file://").rstrip("/") or "/"
    if "://" not in where:
        return Folder(str(Path(where).expanduser().absolute()))
    # Only the options are wanted, which are the same for every folder of a store.
    return Folder(where, PipelineStore.at(where, "", storage).folder.options)


def _nothing(folder: Folder, names: list[str]) -> str:
    stores = [name for name in names if "publications" in (folder / name).names()]
    if stores:
        return f"{folder.url} holds several pipelines' stores; name one of them: {', '.join(map(folder.place, stores))}"
    found = (
        f"it holds {', '.join(names[:8])}{', …' if len(names) > 8 else ''}" if names else "it is not there, or empty"
    )
    return f"{folder.url} is neither a version nor a pipeline's store (<store>/<pipeline>): {found}"
