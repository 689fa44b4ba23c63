"""What a source of raw image bytes promises, wherever the images lie.

Reading a bucket is the listing's trade, and decoding is the images' trade; this is the door between them. The
stage that needs bytes is handed a `Fetcher` and never learns whether it reads a folder or a bucket.
"""

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
        in place of its bytes. The MD5 of the bytes is the caller's to check against ``content_id``, unless the source
        says ``compares_md5``: then it yields no bytes of another MD5 than a row's ``content_id``, where that is one,
        but a `SourceError` with status ``changed``. Holds few images in memory at a time: the next ones are read
        while the caller works on this one, not all ahead.

        Raises:
            BrevPipelineError: nothing can be read at all, for example because no dataset has this bucket.
        """
        ...
