"""The log of who read what a pipeline wants watched, above all its test set: one JSON file per reading.

Each entry carries the hash of the one before it, and is created exclusively under the next number: two readers at
once both get in, and none can be removed, altered or re-ordered without the chain breaking. A second copy of each
entry (its seal) lies elsewhere, so that the newest one cannot either; ``brev-pipeline verify`` compares the two.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from brev_pipeline.errors import ReadError, StoreError
from brev_pipeline.readers.find_version import find_store
from brev_pipeline.store import Folder, PipelineStore, Version
from brev_pipeline.store.witness_log import FIRST_PARENT, account_name, entry_name

_FOLDER: Final = "access"
_TRIES: Final = 100  # readers that may get in between before this one gives up


@dataclass(frozen=True)
class Access:
    """One reading."""

    number: int
    """1, 2, 3, …"""
    parent: str
    """SHA-256 of the previous entry's file; zeros for the first."""
    version: str
    """Id of the version."""
    purpose: str
    """What was read of it."""
    why: str
    """The reader's reason."""
    read_at: str
    """UTC, ISO 8601."""
    read_by: str
    """Account of the reader."""
    sha256: str
    """SHA-256 of this entry's own file."""


class AccessLog:
    """The access log of a pipeline.

    Args:
        store: the pipeline's store.
    """

    def __init__(self, store: PipelineStore) -> None:
        self._folder: Folder = store.folder / _FOLDER
        self._seals = store.witness_log(_FOLDER)

    def all(self) -> list[Access]:
        """Every reading, oldest first, with the chain checked.

        Raises:
            StoreError: an entry is missing, altered or out of order; the message names it.
        """
        entries: list[Access] = []
        for name in self._folder.list_names():
            entry = _parse_entry(self._folder.file_url(name), self._folder.read(name))
            parent = entries[-1].sha256 if entries else FIRST_PARENT
            if (entry.number, entry.parent, name) != (len(entries) + 1, parent, entry_name(len(entries) + 1)):
                raise StoreError(
                    f"{self._folder.file_url(name)} does not continue the access log: an entry was altered or removed; "
                    "`brev-pipeline verify` says which"
                )
            entries.append(entry)
        return entries

    def append(self, version: str, purpose: str, why: str) -> Access:
        """Note a reading, with the time and the account that this process works under.

        Raises:
            StoreError: the log cannot be written.
        """
        reading = {"version": version, "purpose": purpose, "why": why, "read_by": account_name()}
        for _ in range(_TRIES):
            number, parent = 1, FIRST_PARENT
            if names := self._folder.list_names():
                last = _parse_entry(self._folder.file_url(names[-1]), self._folder.read(names[-1]))
                number, parent = last.number + 1, last.sha256
            entry = {"number": number, "parent": parent, **reading, "read_at": datetime.now(UTC).isoformat()}
            data = (json.dumps(entry, indent=2, ensure_ascii=False) + "\n").encode()
            try:
                self._folder.create_file(entry_name(number), data)
            except FileExistsError:
                continue  # another reader was faster; its entry is this one's parent
            self._seals.add_witness(number, data)
            return _parse_entry(self._folder.file_url(entry_name(number)), data)
        raise StoreError(f"{self._folder.url}: {_TRIES} others wrote in between; try again")


def log_accesses(version: Version, configuration: dict[str, Any], purposes: Iterable[str], why: str | None) -> None:
    """Note a reading of each purpose for which the version's configuration asks for it (``split.access_log``).

    Raises:
        ReadError: no reason is given, or the version lies outside its store; then nothing was noted.
        StoreError: the log cannot be written; then nothing may be read.
    """
    watched = [purpose for purpose in purposes if purpose in configuration.get("split", {}).get("access_log", [])]
    if not watched:
        return
    reason = (why or "").strip()
    if not reason:
        raise ReadError(
            f"readings of {watched[0]!r} are logged (split.access_log): say why, "
            f'as in read(…, {watched[0]!r}, why="release test of model 12")'
        )
    store = find_store(version)
    if store is None:
        raise ReadError(
            f"readings of {watched[0]!r} are logged (split.access_log), and {version.path} lies outside its store: "
            "read it from <store>/<pipeline>"
        )
    for purpose in watched:
        AccessLog(store).append(version.id, purpose, reason)


def _parse_entry(address: str, data: bytes) -> Access:
    try:
        return Access(**json.loads(data), sha256=hashlib.sha256(data).hexdigest())
    except (ValueError, TypeError) as error:
        raise StoreError(
            f"{address}: not an entry of an access log: {error}; `brev-pipeline verify` says what its seal holds"
        ) from error
