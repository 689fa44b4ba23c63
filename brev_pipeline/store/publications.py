"""The log of what was published, when, and by which run: one JSON file per publication, each carrying the hash
of the one before it.

A publication is created exclusively, under the next number. Two publishers at once both aim at the same name:
one makes it, the other is told. To remove, alter or re-order an entry unnoticed one would have to rewrite all
that follow, and the hash of the newest one is what a careful reader keeps elsewhere.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from brev_pipeline.errors import StoreError
from brev_pipeline.store.folder import Folder
from brev_pipeline.store.witness_log import FIRST_PARENT, WitnessLog, account_name, entry_name


@dataclass(frozen=True)
class Publication:
    """One entry of the log."""

    number: int
    """1, 2, 3, …"""
    version: str
    """Id of the published version."""
    parent: str
    """SHA-256 of the previous entry's file; zeros for the first."""
    published_at: str
    """UTC, ISO 8601."""
    published_by: str
    """Account that the run worked under."""
    run_id: str
    """Dagster's id of the run."""
    manifest_sha256: str
    """SHA-256 of the version's manifest.json."""
    sha256: str
    """SHA-256 of this entry's own file."""
    report: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """File name → ``bytes`` and ``sha256`` of what lies in the version's ``report`` folder: it tells of the parent, so
    the version's own manifest, which is the same in every store, does not list it."""
    datasets: Mapping[str, str] = field(default_factory=dict)
    """Bucket as configured → where that folder lies as seen from the store's, of datasets in relative folders: a
    version, which is the same on every machine, does not say it."""

    def __post_init__(self) -> None:
        """Refuse what is no report's files, or no places, as a damaged entry has it. Raises `ValueError`."""
        if not isinstance(self.report, Mapping) or not all(
            isinstance(facts, Mapping) and isinstance(facts.get("bytes"), int) and isinstance(facts.get("sha256"), str)
            for facts in self.report.values()
        ):
            raise ValueError("its report is not files with bytes and sha256")
        if not isinstance(self.datasets, Mapping) or not all(
            isinstance(folder, str) for folder in self.datasets.values()
        ):
            raise ValueError("its datasets are not places by bucket")


class Publications:
    """The publications of one pipeline: its ``publications`` folder, and where each is sealed; None: nowhere."""

    def __init__(self, folder: Folder, seals: WitnessLog | None = None) -> None:
        self._folder = folder
        self._seals = seals

    def read_all(self) -> list[Publication]:
        """Every publication, oldest first, with the chain checked.

        Raises:
            StoreError: an entry is missing, altered or out of order; the message names it.
        """
        entries: list[Publication] = []
        for name in self._folder.list_names():
            entry = _parse(self._folder.file_url(name), self._folder.read(name))
            expected = entries[-1].sha256 if entries else FIRST_PARENT
            if entry.number != len(entries) + 1 or name != entry_name(entry.number):
                raise StoreError(
                    f"{self._folder.file_url(name)}: publication {len(entries) + 1} was expected here; `brev-pipeline "
                    "verify` says what is missing"
                )
            if entry.parent != expected:
                raise StoreError(
                    f"{self._folder.file_url(name)}: does not continue the chain; it or publication "
                    f"{entry.number - 1} was altered after it was written; `brev-pipeline verify` says which"
                )
            entries.append(entry)
        return entries

    def read_newest(self) -> Publication | None:
        """The newest publication, or None; reads that one file only, so the chain is not checked."""
        names = self._folder.list_names()
        return _parse(self._folder.file_url(names[-1]), self._folder.read(names[-1])) if names else None

    def append_publication(
        self,
        version: str,
        *,
        run_id: str,
        manifest_sha256: str,
        report: Mapping[str, Mapping[str, Any]] | None = None,
        datasets: Mapping[str, str] | None = None,
        after: Publication | None,
    ) -> Publication:
        """Publish ``version`` as the successor of ``after`` (None: as the first).

        Args:
            version: its id.
            run_id: Dagster's id of the run.
            manifest_sha256: SHA-256 of the version's manifest.
            report: file name → bytes and SHA-256 of the files of its report.
            datasets: bucket as configured → its folder, relative to the store's.
            after: the newest publication that the run knows.

        Raises:
            StoreError: another run published in the meantime; or the store cannot be written.
        """
        number = after.number + 1 if after else 1
        record = {
            "number": number,
            "version": version,
            "parent": after.sha256 if after else FIRST_PARENT,
            "published_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "published_by": account_name(),
            "run_id": run_id,
            "manifest_sha256": manifest_sha256,
            "report": {name: dict(facts) for name, facts in (report or {}).items()},
            "datasets": dict(datasets or {}),
        }
        data = (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()
        try:
            self._folder.create_file(entry_name(number), data)
        except FileExistsError as error:
            raise StoreError(
                f"{self._folder.file_url(entry_name(number))}: another run published while this one worked; "
                "its version stands. Run again to publish what is newer."
            ) from error
        if self._seals:
            # A run that was killed between entry and witness left the one before without: it is still known here.
            if after:
                self._seals.repair_witness(after.number, self._folder.read(entry_name(after.number)))
            self._seals.add_witness(number, data)
        return _parse(entry_name(number), data)


def _parse(address: str, data: bytes) -> Publication:
    try:
        record: dict[str, Any] = json.loads(data)
        return Publication(**record, sha256=hashlib.sha256(data).hexdigest())
    except (ValueError, TypeError) as error:
        raise StoreError(
            f"{address}: not a publication: {error}; `brev-pipeline verify` says what its seal holds"
        ) from error
