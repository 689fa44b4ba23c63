"""Removals: published versions that were removed on purpose, on record for good.

A version's files go; its manifest stays, so that the log of publications still means something and every file's
hash is still on record, and an entry of the log of removals says who removed it, when and why. The entry is written
before the first file goes: nothing vanishes without it, and a removal that was interrupted is finished by ``gc``.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from brev_pipeline.errors import StoreError
from brev_pipeline.store import PipelineStore
from brev_pipeline.store.versions import MANIFEST, REPORT
from brev_pipeline.store.witness_log import FIRST_PARENT, account_name, entry_name

LOG: Final = "removals"


@dataclass(frozen=True)
class Removal:
    """One entry of the log."""

    number: int
    """1, 2, 3, …"""
    parent: str
    """SHA-256 of the previous entry's file; zeros for the first."""
    version: str
    """Id of the version that was removed."""
    publication: int
    """Number of the newest publication at that time: one that is newer may have brought the version back."""
    publication_sha256: str
    """SHA-256 of that publication's file."""
    files: int
    """How many files were removed."""
    bytes: int
    """Their bytes."""
    why: str
    removed_at: str
    """UTC, ISO 8601."""
    removed_by: str
    """Account that removed it."""
    sha256: str
    """SHA-256 of this entry's own file."""


class Removals:
    """The log of one pipeline's removals.

    Args:
        store: the pipeline's store.
    """

    def __init__(self, store: PipelineStore) -> None:
        self.folder = store.folder / LOG
        self.seals = store.witness_log(LOG)

    def of(self, version: str) -> Removal | None:
        """The newest removal of a version; None where it was never removed.

        Raises:
            StoreError: an entry cannot be read.
        """
        return next((entry for entry in reversed(self._read_all()) if entry.version == version), None)

    def append(self, **said: str | int) -> Removal:
        """Write an entry.

        Raises:
            StoreError: the log cannot be written, or somebody else wrote at the same time.
        """
        entries = self._read_all()
        number, parent = (entries[-1].number + 1, entries[-1].sha256) if entries else (1, FIRST_PARENT)
        data = f"{json.dumps({'number': number, 'parent': parent, **said}, indent=2, ensure_ascii=False)}\n".encode()
        try:
            self.folder.create_file(entry_name(number), data)
        except FileExistsError as error:
            raise StoreError(
                f"{self.folder.file_url(entry_name(number))}: somebody else removed a version just now: look at "
                "what is left, then try again"
            ) from error
        self.seals.add_witness(number, data)
        return self._parse_entry(entry_name(number), data)

    def _read_all(self) -> list[Removal]:
        return [self._parse_entry(name, self.folder.read(name)) for name in self.folder.list_names()]

    def _parse_entry(self, name: str, data: bytes) -> Removal:
        try:
            return Removal(**json.loads(data), sha256=hashlib.sha256(data).hexdigest())
        except (ValueError, TypeError) as error:
            raise StoreError(
                f"{self.folder.file_url(name)}: not an entry of the log of removals: {error}; `brev-pipeline verify` "
                "says what its seal holds"
            ) from error


def remove_version(store: PipelineStore, version_id: str, why: str) -> Removal:
    """Remove a published version's files for good, all but its manifest, and put that on record first.

    Args:
        store: the pipeline's store.
        version_id: its whole id.
        why: the reason, for the record.

    Raises:
        StoreError: it was never published, is the newest one (from which training reads and the next run learns who
            was assigned where), was removed already, or no reason is given.
    """
    published, removals = store.publications.read_all(), Removals(store)
    numbers = [entry.number for entry in published if entry.version == version_id]
    if not why.strip():
        raise StoreError(f"say why version {version_id} is to be removed: the reason goes on record")
    if not numbers:
        known = ", ".join(dict.fromkeys(entry.version for entry in published)) or "none"
        raise StoreError(f"{store.versions.url}: no version {version_id} was published; published are: {known}")
    newest = published[-1]
    if newest.version == version_id:
        raise StoreError(
            f"version {version_id} is the newest one: training reads it, and the next run learns from it who was "
            "assigned where; publish another one first"
        )
    if is_removed(removals.of(version_id), numbers[-1]):
        raise StoreError(f"version {version_id} was removed already; nothing was changed")
    folder = store.versions / version_id
    names = sorted(set(folder.walk()) - {MANIFEST})
    # The entry first: should the process die, what is left of the files is not taken for damage.
    entry = removals.append(
        version=version_id,
        publication=newest.number,
        publication_sha256=newest.sha256,
        files=len(names),
        bytes=sum(folder.file_size(name) for name in names),
        why=why.strip(),
        removed_at=datetime.now(UTC).isoformat(timespec="seconds"),
        removed_by=account_name(),
    )
    for name in names:
        folder.remove(name)
    folder.remove(REPORT)  # which is empty by now
    return entry


def is_removed(removal: Removal | None, last_publication: int) -> bool:
    """Whether a version is removed: by its newest removal, unless it was published again since."""
    return removal is not None and removal.publication >= last_publication
