"""A version: an immutable folder of shards, tables and the manifest that accounts for every byte of it.

The version's id is the SHA-256 of its manifest, and the manifest lists every other file with its SHA-256: the
same inputs give the same id, and no file can change without the id being wrong. Nothing in the folder knows
the time, the run, the host or the store; that stands in the publication.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from brev_pipeline.errors import StoreError
from brev_pipeline.store.folder import Folder
from brev_pipeline.store.parquet import StoredTable

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST = "manifest.json"
REPORT = "report"
"""Folder of a version that its publication accounts for."""
_ID_DIGITS = 16  # 64 bits: two of a million versions share one with a chance of 3 in 10⁸
DERIVED = 2
"""Format of manifests from which on ``verify`` derives anew all that the version claims."""
FORMATS = (1, DERIVED)
"""Formats of manifests that this package knows."""


@dataclass(frozen=True)
class Version:
    """A version in the store: its folder, and as its id the first 16 hex digits of its manifest's SHA-256."""

    folder: Folder
    id: str

    @property
    def path(self) -> str:
        """Address of its folder."""
        return self.folder.url

    def read_manifest(self, *, verified: bool = False) -> dict[str, Any]:
        """The manifest.

        Args:
            verified: compare it with the id first: for what the next version is made with.

        Raises:
            StoreError: there is none, it is not JSON, or (``verified``) it is not the one that was published.
        """
        raw = self.folder.read(MANIFEST)
        # Before it is parsed: what was altered is told as that, not as JSON that is wrong.
        if verified and version_id(raw) != self.id:
            raise StoreError(
                f"{self.folder.file_url(MANIFEST)}: altered: its hash does not begin with {self.id}; restore the file "
                "(`brev-pipeline verify` says what else was changed)"
            )
        try:
            manifest: dict[str, Any] = json.loads(raw)
        except ValueError as error:
            raise StoreError(f"{self.folder.file_url(MANIFEST)}: not JSON: {error}; restore the file") from error
        return manifest

    def read_table(self, name: str, columns: Sequence[str] | None = None, *, verified: bool = False) -> "pa.Table":
        """One of its tables (records, assignments, weights, listing, images, exclusions), or some columns of it.

        Args:
            name: of the table.
            columns: that are wanted; None: all.
            verified: compare the whole file with the manifest's SHA-256 first, and the manifest with the id: for what
                the next version is made with.

        Raises:
            StoreError: it cannot be read, is damaged, or (``verified``) is not the one that was published.
        """
        file = f"{name}.parquet"
        digest = str(self.read_manifest(verified=True)["files"][file]["sha256"]) if verified else None
        return StoredTable(self.folder, file, sha256=digest).read(columns)


def file_facts(data: bytes) -> dict[str, Any]:
    """What the manifest says of a file: its bytes and their SHA-256."""
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def version_id(manifest: bytes) -> str:
    """The id of the version that has this manifest: 16 hex digits."""
    return hashlib.sha256(manifest).hexdigest()[:_ID_DIGITS]


def to_json(content: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys: the same bytes for the same content."""
    return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
