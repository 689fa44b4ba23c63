"""Asking: what the headers of objects tell of their identity, and what their bytes do.

Rows become Python objects some thousands at a time, because as such they take ten times what they take in a table.
"""

import base64
import binascii
import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.engine import Counted, Engine
from brev_pipeline.engine.progress import create_log_reporter
from brev_pipeline.errors import SourceError
from brev_pipeline.source_base import Fetcher, SourceRow
from brev_pipeline.texts import TEXT

_LOG = logging.getLogger(__name__)
ASKED: Final = ("path", "bucket", "etag", "etag_source", "size")
"""Columns of the listing by which objects are asked for."""
UNREAD: Final = "unread-"
_MD5: Final = re.compile(r"[0-9a-f]{32}")
_HEADERS_AT_ONCE: Final = 10_000
_MANY_HEADERS: Final = 50_000
"""Objects to be asked for from which on workers pay."""
_TASK_ROWS: Final = 1000
_TASK_BYTES: Final = 256 << 20
_MANY_BYTES: Final = 256 << 20
"""Bytes to be read from which on workers pay: less is read before they have started."""

Answer = tuple[str | None, str | None]
"""content_id and content_source; None where there is no answer yet."""


class HeadLike(Protocol):
    """What an object's headers tell of its identity."""

    @property
    def md5(self) -> str | None:
        """``x-amz-meta-md5`` as its uploader wrote it."""
        ...

    @property
    def keyed(self) -> bool:
        """Encrypted with a key of KMS or of the customer's: its entity tag is no MD5."""
        ...


Heads = Callable[[Sequence[SourceRow]], Iterator[tuple[SourceRow, HeadLike | SourceError]]]


def by_headers(asked: pa.Table, fetch: Fetcher, engine: Engine | None = None) -> pa.Table:
    """What entity tags and headers answer; null for rows that have to be read.

    Args:
        asked: columns `ASKED`.
        fetch: asked for headers if it has ``head_many``; without one, an entity tag that looks like an MD5 is one.
        engine: asks where there are many; None: this process does.

    Returns:
        Columns content_id and content_source, in the order of ``asked``.
    """
    starts = list(range(0, asked.num_rows, _HEADERS_AT_ONCE))
    many = asked.num_rows >= _MANY_HEADERS and hasattr(fetch, "head_many")
    return _answered(asked, starts, HeaderReader(fetch), engine if many else None, "ask for headers")


def by_bytes(asked: pa.Table, fetch: Fetcher, engine: Engine | None = None) -> pa.Table:
    """The MD5 of the bytes of every row, read by ``engine`` where they are many; see `by_headers`.

    Raises:
        BrevPipelineError: nothing can be read at all, as `Fetcher.fetch_many` raises it.
    """
    many = pc.sum(asked["size"]).as_py() >= _MANY_BYTES
    starts = _cuts(asked["size"].to_numpy())
    return _answered(asked, starts, Reader(fetch), engine if many else None, "read images for their MD5s")


def _answered(
    asked: pa.Table, starts: list[int], ask: "Callable[[Task], list[Answer]]", engine: Engine | None, label: str
) -> pa.Table:
    """The answers to all rows, task by task, on the engine or in this process."""
    from brev_pipeline.engine import SerialEngine

    unit = "objects"
    reporter = create_log_reporter(_LOG, label, unit, asked.num_rows)
    runner: Engine = engine or SerialEngine(lambda progress: reporter.add_count(progress.done - reporter.done))
    tasks = Counted(_tasks(asked, starts), lambda task: len(task.rows), asked.num_rows, unit)
    found = {task.start: _table(told) for task, told in runner.map(ask, tasks, label=label)}
    return pa.concat_tables([found[start] for start in sorted(found)])


@dataclass(frozen=True)
class Task:
    """Rows to be asked for."""

    start: int
    """Place of the first one among all that are asked for."""
    rows: list[SourceRow]


@dataclass(frozen=True)
class Reader:
    """Reads images and computes their MD5s; sent to each worker once."""

    fetch: Fetcher

    def __call__(self, task: Task) -> list[Answer]:
        """content_id and content_source of each row, in order."""
        told = dict(self._told(task.rows))
        return [told[row] for row in task.rows]

    def _told(self, rows: list[SourceRow]) -> Iterator[tuple[SourceRow, Answer]]:
        for row, data in self.fetch.fetch_many(rows):
            if isinstance(data, SourceError):
                yield row, (unread_id(row), "unreadable")
            else:
                yield row, (hashlib.md5(data, usedforsecurity=False).hexdigest(), "read")


@dataclass(frozen=True)
class HeaderReader:
    """Asks for headers, and tells what they and the entity tags answer."""

    fetch: Fetcher

    def __call__(self, task: Task) -> list[Answer]:
        """content_id and content_source of each row, in order."""
        told = dict(self._told(task.rows))
        return [told.get(row, (None, None)) for row in task.rows]

    def _told(self, rows: list[SourceRow]) -> Iterator[tuple[SourceRow, Answer]]:
        heads = cast("Heads | None", getattr(self.fetch, "head_many", None))
        tagged = [row for row in rows if row.etag is not None and row.etag_source == "s3"]
        for row, head in heads(tagged) if heads else ((row, None) for row in tagged):
            if isinstance(head, SourceError):
                yield row, (unread_id(row), "unreadable")
            elif row.etag and _MD5.fullmatch(row.etag) and not (head and head.keyed):
                yield row, (row.etag, "etag")
            elif head and (md5 := stated_md5(head.md5)):
                yield row, (md5, "metadata")


def unread_id(row: SourceRow) -> str:
    """The identity of an image whose bytes cannot be had: shared with no other path or entity tag."""
    name = f"{row.path}\n{row.etag or ''}".encode()
    return UNREAD + hashlib.md5(name, usedforsecurity=False).hexdigest()


def stated_md5(text: str | None) -> str | None:
    """An MD5 as uploaders note it, 32 hex digits or 24 characters of base64, as 32 hex digits; else None."""
    if text is None:
        return None
    if _MD5.fullmatch(text.strip().lower()):
        return text.strip().lower()
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw.hex() if len(raw) == 16 else None


def answers(content_id: pa.ChunkedArray, content_source: pa.ChunkedArray) -> pa.Table:
    """The two columns of an answer."""
    return pa.table({"content_id": content_id, "content_source": content_source})


def _table(told: Sequence[Answer]) -> pa.Table:
    return answers(*(pa.array([answer[place] for answer in told], TEXT) for place in range(2)))


def _source_rows(asked: pa.Table) -> list[SourceRow]:
    rows = zip(*(asked[name].to_pylist() for name in ASKED[:4]), strict=True)
    return [SourceRow(path, bucket, etag, of, "") for path, bucket, etag, of in rows]


def _cuts(sizes: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> list[int]:
    """First row of each task: so many rows and bytes at most, and one row at least."""
    cuts, held = [0], 0
    for place, size in enumerate(sizes.tolist()):
        if place > cuts[-1] and (place - cuts[-1] >= _TASK_ROWS or held + size > _TASK_BYTES):
            cuts.append(place)
            held = 0
        held += size
    return cuts


def _tasks(asked: pa.Table, starts: list[int]) -> Iterator[Task]:
    for start, stop in zip(starts, [*starts[1:], asked.num_rows], strict=True):
        yield Task(start, _source_rows(asked.slice(start, stop - start)))
