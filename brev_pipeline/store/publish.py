"""From finished shards and tables to a published version.

A version becomes visible by its publication alone. Until then its folder may stand there half filled: the next
run with the same inputs arrives at the same id, keeps what is there (a name stands for its content), adds the
rest, and publishes. So there is nothing to rename, on a disk or on S3, and no moment at which a kill could show
a reader half a version.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from brev_pipeline.errors import StoreError
from brev_pipeline.store.folder import Folder
from brev_pipeline.store.pipeline_store import PipelineStore
from brev_pipeline.store.publications import Publication
from brev_pipeline.store.versions import MANIFEST, Version, file_facts, to_json, to_parquet, version_id

if TYPE_CHECKING:
    import pyarrow as pa

BYTES_DEPEND_ON = (
    "brev-pipeline",
    "google-crc32c",
    "mmh3",
    "numpy",
    "opencv-python-headless",
    "Pillow",
    "pyarrow",
    "scipy",
    "simplejpeg",
    "xxhash",
)
"""Packages whose version may show in a version's bytes."""


@dataclass(frozen=True)
class Release:
    """What `publish_version` did."""

    version: Version
    publication: Publication
    is_new: bool
    """False: the same version was the newest one already, and nothing was written."""


def publish_version(
    store: PipelineStore,
    *,
    shards_in: Folder,
    shards: Mapping[str, Mapping[str, Any]],
    tables: Mapping[str, "pa.Table"],
    extras: Mapping[str, bytes],
    account: Mapping[str, Any],
    run_id: str,
) -> Release:
    """Make a version of finished shards and tables, and publish it.

    Args:
        store: the pipeline's store.
        shards_in: the folder that holds the shards: of the staging, or of an earlier version with the same ones.
        shards: file name → its ``bytes`` and ``sha256``.
        tables: name → table; written as ``<name>.parquet``.
        extras: file name → bytes of further files.
        account: what else the manifest says: configuration, fingerprints, counts, checks. JSON-safe, without
            time, run, host or store.
        run_id: of the run that publishes; goes into the publication.

    Raises:
        StoreError: the store cannot be written, or another run published meanwhile.
    """
    newest = store.publications.newest()
    written = {f"{name}.parquet": to_parquet(table) for name, table in tables.items()} | dict(extras)
    files = {name: dict(facts) for name, facts in shards.items()}
    files |= {name: file_facts(data) for name, data in written.items()}
    manifest = to_json({**account, "packages": package_versions(), "files": files})
    version = Version(store.versions / version_id(manifest), version_id(manifest))
    if newest and newest.version == version.id:
        return Release(version, newest, is_new=False)
    _fill(shards_in, version, shards, written)
    version.folder.write(MANIFEST, manifest)
    entry = store.publications.append(
        version.id, run_id=run_id, manifest_sha256=hashlib.sha256(manifest).hexdigest(), after=newest
    )
    return Release(version, entry, is_new=True)


def package_versions() -> dict[str, str]:
    """Versions of the packages that the bytes may depend on."""
    found = {}
    for name in BYTES_DEPEND_ON:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed as a package"
    return found


def _fill(
    shards_in: Folder,
    version: Version,
    shards: Mapping[str, Mapping[str, Any]],
    written: Mapping[str, bytes],
) -> None:
    for name, facts in shards.items():
        shards_in.link(name, version.folder, name)
        if (size := version.folder.size(name)) != facts["bytes"]:
            raise StoreError(
                f"{version.folder.place(name)} has {size} bytes, {facts['bytes']} were written: "
                "the store was changed by somebody else; remove this unpublished version and run again"
            )
    for name, data in written.items():
        version.folder.write(name, data)
