"""Listings and a source in memory for the integrity tests."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from brev_pipeline.errors import SourceError
from brev_pipeline.storage.fetcher import SourceRow
from brev_pipeline.storage.s3 import ObjectHead
from brev_pipeline.tables import RAW_LISTING

WHEN = datetime(2024, 5, 6, tzinfo=UTC)


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def listing(*rows: dict[str, Any]) -> pa.Table:
    """A raw listing of these rows, each with at least a key; etags are S3's."""
    full = []
    for row in rows:
        folder = row["key"].rpartition("/")[0] or "good"
        values = {
            "category": [folder],
            "folder": folder,
            "path": f"s3://b/{row['key']}",
            "etag": None,
            "bucket": "s3://b",
        }
        values |= {"dataset": "Vials", "dataset_id": "v1", "reference": "N/A", "url": "", "size": 1, "modified": WHEN}
        values |= {"etag_source": "s3"} | {name: value for name, value in row.items() if name != "key"}
        full.append(values)
    return pa.Table.from_pylist(full, RAW_LISTING)


@dataclass
class Memory:
    """Bytes by path; what is not there is missing. Remembers what was read."""

    data: dict[str, bytes] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)

    def fetch_many(self, rows: Sequence[SourceRow]) -> Iterator[tuple[SourceRow, bytes | SourceError]]:
        for row in reversed(rows):
            self.read.append(row.path)
            yield row, self.data.get(row.path, SourceError("missing", "gone"))


@dataclass
class MemoryWithHeads(Memory):
    """Headers too; remembers what was asked."""

    heads: dict[str, ObjectHead | SourceError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def head_many(self, rows: Sequence[SourceRow]) -> Iterator[tuple[SourceRow, ObjectHead | SourceError]]:
        for row in reversed(rows):
            self.asked.append(row.path)
            yield row, self.heads.get(row.path, ObjectHead(None, False))
