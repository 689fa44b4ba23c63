"""What a source of raw image bytes promises, wherever the images lie.

Reading a bucket is the listing's trade, and decoding is the images' trade; this is the door between them. The
stage that needs bytes is handed a `Fetcher` and never learns whether it reads a folder or a bucket.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from brev_pipeline.errors import SourceError


class SourceRow(NamedTuple):
    """Which object is wanted: columns of one row of ``sample_integrity``, under their names there."""

    path: str
    """The dataset's bucket as configured, ``/``, the object's key."""
    bucket: str
    """The dataset's bucket as configured: tells which dataset's credentials apply."""
    etag: str | None
    """Entity tag as listed; null where there was none."""
    etag_source: str
    """``s3`` (send ``etag`` as ``If-Match``), ``md5`` (of a local file) or ``none``."""
    content_id: str
    """MD5 of the bytes as recorded (32 hex digits), or ``unread-…``."""


class Fetcher(Protocol):
    """Reads raw images. Picklable, and cheap to pickle: it goes to every worker; connections open on first use."""

    def fetch_many(self, rows: Sequence[SourceRow]) -> Iterator[tuple[SourceRow, bytes | SourceError]]:
        """Read every row once, several at a time where that helps; yield in any order, each row exactly once.

        An object that cannot be had yields a `SourceError` with status ``missing`` (not there, no permission,
        network down after retries) or ``changed`` (the server refused ``If-Match``) and a reason for people,
        in place of its bytes. No fetcher hashes what it reads: whether it has the MD5 on record is the caller's to
        ask (`check_recorded_md5`). Holds few images in memory at a time.

        Raises:
            BrevPipelineError: nothing can be read at all, for example because no dataset has this bucket.
        """
        ...


def check_recorded_md5(row: SourceRow, data: bytes) -> bytes | SourceError:
    """``data``, if its MD5 is the row's ``content_id``; else an error with status ``changed`` that names both."""
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if md5 == row.content_id:
        return data
    reason = f"{row.path} has other bytes than were listed: MD5 {md5}, listed {row.content_id}"
    return SourceError("changed", f"{reason}; run again to list it anew")
