"""From finished shards and tables to a published version.

A version becomes visible by its publication alone. Until then its folder may stand there half filled: the next
run with the same inputs arrives at the same id, keeps what is there (a name stands for its content), adds the
rest, and publishes. So there is nothing to rename, on a disk or on S3, and no moment at which a kill could show
a reader half a version.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brev_pipeline.errors import StoreError
from brev_pipeline.stages import package_versions
from brev_pipeline.store.folder import Folder
from brev_pipeline.store.pipeline_store import PipelineStore
from brev_pipeline.store.publications import Publication
from brev_pipeline.store.versions import MANIFEST, REPORT, Version, file_facts, to_json, version_id

ReportMaker = Callable[[Version, Version | None, int], Mapping[str, bytes]]
"""(the version, which lies there complete; the one before it; number of the publication) → file name → bytes."""


@dataclass(frozen=True)
class LazyArtifact:
    """A file that is made when it is wanted, rather than kept in memory: the tables of a version are large.

    Args:
        facts: its ``bytes`` and ``sha256``.
        make_bytes: gives its bytes, the same each time.
    """

    facts: Mapping[str, Any]
    make_bytes: Callable[[], bytes]

    @classmethod
    def from_maker(cls, make: Callable[[], bytes]) -> "LazyArtifact":
        """The file that ``make`` gives; made once for its facts."""
        return cls(file_facts(make()), make)


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
    extras: Mapping[str, bytes | LazyArtifact],
    account: Mapping[str, Any],
    run_id: str,
    report: ReportMaker | None = None,
    based_on: int | None = None,
    datasets: Mapping[str, str] | None = None,
) -> Release:
    """Make a version of finished shards and other files, and publish it.

    Args:
        store: the pipeline's store.
        shards_in: the folder that holds the shards: of the staging, or of an earlier version with the same ones.
        shards: file name → its ``bytes`` and ``sha256``.
        extras: file name → the other files: their bytes, or how they are made.
        account: what else the manifest says: configuration, fingerprints, counts, checks. JSON-safe, without
            time, run, host or store.
        run_id: of the run that publishes; goes into the publication.
        report: makes the files of the version's ``report`` folder.
        based_on: number of the publication whose ledger and label map the split was made with (0: of none); a version
            made with an older one than the newest could put an item on two sides, or give a class another number, so
            it is refused. None: not known.
        datasets: bucket as configured → its folder, relative to the store's; goes into the publication.

    Raises:
        StoreError: the store cannot be written, or another run published meanwhile.
    """
    # Read before anything is written: what others publish from here on is noticed.
    newest = store.publications.read_newest()
    files = {name: dict(facts) for name, facts in shards.items()}
    files |= {
        name: dict(data.facts) if isinstance(data, LazyArtifact) else file_facts(data) for name, data in extras.items()
    }
    manifest = to_json({**account, "packages": package_versions(), "files": files})
    version = Version(store.versions / version_id(manifest), version_id(manifest))
    if newest and newest.version == version.id:
        return Release(version, newest, is_new=False)
    late = newest if based_on is not None and newest and newest.number != based_on else None
    if late and not _same_split(store, late, files, account.get("classes")):
        raise StoreError(
            f"{store.folder.url}: another run published while this one worked (publication {late.number}; this split "
            f"was made after publication {based_on}): its version stands. Run again to publish what is newer."
        )
    try:
        # The manifest last of the folder, the publication last of all: what is seen is whole.
        _fill_folder(shards_in, version, shards, extras)
        version.folder.write(MANIFEST, manifest)
        entry = store.publications.append_publication(
            version.id,
            run_id=run_id,
            manifest_sha256=hashlib.sha256(manifest).hexdigest(),
            report=_write_report(store, version, newest, report) if report else None,
            datasets=datasets,
            after=newest,
        )
    except StoreError as error:
        return _resolve_race(store, version, newest, error)
    return Release(version, entry, is_new=True)


def _resolve_race(store: PipelineStore, version: Version, newest: Publication | None, error: StoreError) -> Release:
    """What an error while publishing means if another run published meanwhile: it also cleared the staging away.

    Raises:
        StoreError: the other run published something else; or there was none, and ``error`` stands.
    """
    other = store.publications.read_newest()
    if other is None or other == newest:
        raise error
    if other.version == version.id:
        return Release(version, other, is_new=False)
    raise StoreError(
        f"{store.folder.url}: another run published while this one worked (publication {other.number}): its version "
        "stands. Run again to publish what is newer."
    ) from error


def _same_split(
    store: PipelineStore, newest: Publication, files: Mapping[str, Mapping[str, Any]], classes: Sequence[str] | None
) -> bool:
    """Whether a version assigns as the newest one does, as when only the weights or shards were made anew."""
    name = "assignments.parquet"
    manifest = store.find_version(newest.version).read_manifest()
    return name in files and files[name] == manifest["files"].get(name) and manifest.get("classes") == classes


def _write_report(
    store: PipelineStore, version: Version, newest: Publication | None, make: ReportMaker
) -> Mapping[str, Mapping[str, Any]]:
    """Write the report, and say what was written. A version that was published before keeps the one it has."""
    for entry in store.publications.read_all():
        if entry.version == version.id and entry.report and (version.folder / REPORT).list_names():
            return entry.report
    files = make(version, store.find_version(newest.version) if newest else None, newest.number + 1 if newest else 1)
    folder = version.folder / REPORT
    if any(name not in files or folder.read(name) != files[name] for name in folder.walk()):
        # Of a run that was stopped before it published, and that had another version before it.
        version.folder.remove(REPORT)
    for name, data in files.items():
        folder.write(name, data)
    return {name: file_facts(data) for name, data in sorted(files.items())}


def _fill_folder(
    shards_in: Folder,
    version: Version,
    shards: Mapping[str, Mapping[str, Any]],
    extras: Mapping[str, bytes | LazyArtifact],
) -> None:
    for name, facts in shards.items():
        # A link or a copy within the bucket: shards are most of a version, and are not read again here.
        shards_in.link_file(name, version.folder, name)
        if (size := version.folder.file_size(name)) != facts["bytes"]:
            raise StoreError(
                f"{version.folder.file_url(name)} has {size} bytes, {facts['bytes']} were written: "
                "the store was changed by somebody else; remove this unpublished version and run again"
            )
    for name, content in extras.items():
        data = content.make_bytes() if isinstance(content, LazyArtifact) else content
        if isinstance(content, LazyArtifact) and file_facts(data) != content.facts:
            raise StoreError(
                f"{name} came out otherwise when it was made again: something changed what it is made of. Run again"
            )
        version.folder.write(name, data)
