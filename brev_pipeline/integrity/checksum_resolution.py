"""Checksum resolution: the MD5 of every image's bytes, by the cheapest means that is certain.

An entity tag is the MD5 of the bytes only if the object came in one part and is not encrypted with a key of KMS or of
the customer's. The number of parts shows in the tag (``…-12``); encryption shows only in the object's headers, not in
a listing. So each S3 object is asked for its headers once; the same answer brings the MD5 that an uploader of a
multipart object may have noted in ``x-amz-meta-md5``. What is left is read. All of it is remembered: the rows of an
earlier run answer for objects with the same path, entity tag and size (of local files: and the same stamp).

A stated MD5 is believed only for the time being: before the images are split, it is compared with the object's bytes,
once in the object's life. Where the object is read for its pixels that happens then (`images.prepare_task` compares);
where its content is known already, or another object's is read in its place, `recheck` reads it.
"""

import base64
import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.engine import Counted, Engine
from brev_pipeline.engine.progress import create_log_reporter
from brev_pipeline.errors import SourceError
from brev_pipeline.storage.fetcher import Fetcher, SourceRow
from brev_pipeline.tables import UNREAD_PREFIX
from brev_pipeline.texts import TEXT

if TYPE_CHECKING:
    from brev_pipeline.storage.s3 import ObjectHead

    HeaderRequest = Callable[[Sequence[SourceRow]], Iterator[tuple[SourceRow, ObjectHead | SourceError]]]

_LOG = logging.getLogger(__name__)
OBJECT_COLUMNS: Final = ("path", "bucket", "etag", "etag_source", "size")
"""Columns of the listing by which objects are asked for."""
_MD5: Final = re.compile(r"[0-9a-f]{32}")
_HEADERS_AT_ONCE: Final = 10_000
_MANY_HEADERS: Final = 50_000  # objects to be asked for from which on workers pay
_TASK_ROWS: Final = 1000
_TASK_BYTES: Final = 256 << 20
_MANY_BYTES: Final = 256 << 20  # bytes to be read from which on workers pay: less is read before they have started

ContentIdentity = tuple[str | None, str | None]
"""content_id and content_source; None where there is no answer yet."""


def resolve_identities(
    listing: pa.Table, fetch: Fetcher, known: pa.Table | None, engine: Engine | None = None
) -> pa.Table:
    """Columns content_id and content_source of every row of ``listing``, in its order.

    Args:
        listing: columns path, bucket, etag, etag_source, size.
        fetch: reads images. If it has a method ``head_many`` (as `Sources` has), objects are asked for their headers
            first; without one, an entity tag that looks like an MD5 is taken for one.
        known: earlier rows: columns path, etag, size, content_id, content_source, file_stamp.
        engine: asks and reads where that is much; None: this process does.

    Raises:
        BrevPipelineError: nothing can be read at all, as `Fetcher.fetch_many` raises it.
    """
    by_etag, recalled = _resolve_by_etag(listing), _recall_identities(listing, known)
    found = pa.table({name: pc.coalesce(by_etag[name], recalled[name]) for name in by_etag.column_names})
    found = _fill_missing(listing, found, lambda rows: resolve_by_headers(rows, fetch, engine))
    return _fill_missing(listing, found, lambda rows: resolve_by_bytes(rows, fetch, engine))


def resolve_by_headers(asked: pa.Table, fetch: Fetcher, engine: Engine | None = None) -> pa.Table:
    """What entity tags and headers answer; null for rows that have to be read.

    Args:
        asked: columns `OBJECT_COLUMNS`.
        fetch: asked for headers if it has ``head_many``; without one, an entity tag that looks like an MD5 is one.
        engine: asks where there are many; None: this process does.

    Returns:
        Columns content_id and content_source, in the order of ``asked``.
    """
    starts = list(range(0, asked.num_rows, _HEADERS_AT_ONCE))
    many = asked.num_rows >= _MANY_HEADERS and hasattr(fetch, "head_many")
    return _resolve_tasks(asked, starts, IdentityReader(fetch, False), engine if many else None, "ask for headers")


def resolve_by_bytes(asked: pa.Table, fetch: Fetcher, engine: Engine | None = None) -> pa.Table:
    """The MD5 of the bytes of every row, read by ``engine`` where they are many; see `resolve_by_headers`.

    Raises:
        BrevPipelineError: nothing can be read at all, as `Fetcher.fetch_many` raises it.
    """
    starts = _cut_tasks(asked["size"].to_numpy())
    many = pc.sum(asked["size"]).as_py() >= _MANY_BYTES
    label = "read images for their MD5s"
    return _resolve_tasks(asked, starts, IdentityReader(fetch, True), engine if many else None, label)


def _cut_tasks(sizes: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> list[int]:
    """First row of each task: so many rows and bytes at most, and one row at least."""
    cuts, held = [0], 0
    for row, size in enumerate(sizes.tolist()):
        if row > cuts[-1] and (row - cuts[-1] >= _TASK_ROWS or held + size > _TASK_BYTES):
            cuts.append(row)
            held = 0
        held += size
    return cuts


class ResolutionTask(NamedTuple):
    """Rows to be asked for."""

    start: int
    """Place of the first one among all that are asked for."""
    rows: list[SourceRow]


@dataclass(frozen=True)
class IdentityReader:
    """Finds rows' identities by their bytes, or else by their headers; sent to each worker once."""

    fetch: Fetcher
    by_bytes: bool

    def __call__(self, task: ResolutionTask) -> list[ContentIdentity]:
        """content_id and content_source of each row, in order."""
        answers = dict(self._hash_rows(task.rows) if self.by_bytes else self._read_headers(task.rows))
        return [answers.get(row, (None, None)) for row in task.rows]

    def _hash_rows(self, rows: list[SourceRow]) -> Iterator[tuple[SourceRow, ContentIdentity]]:
        for row, data in self.fetch.fetch_many(rows):
            if isinstance(data, SourceError):
                yield row, (build_unread_id(row), "unreadable")
            else:
                yield row, (hashlib.md5(data, usedforsecurity=False).hexdigest(), "read")

    def _read_headers(self, rows: list[SourceRow]) -> Iterator[tuple[SourceRow, ContentIdentity]]:
        # A source need not be able to ask for headers.
        heads: HeaderRequest | None = getattr(self.fetch, "head_many", None)
        tagged = [row for row in rows if row.etag is not None and row.etag_source == "s3"]
        for row, head in heads(tagged) if heads else ((row, None) for row in tagged):
            if isinstance(head, SourceError):
                yield row, (build_unread_id(row), "unreadable")
            elif row.etag and _MD5.fullmatch(row.etag) and not (head and head.keyed):
                yield row, (row.etag, "etag")
            elif head and (md5 := parse_md5(head.md5)):
                yield row, (md5, "metadata")


def _resolve_tasks(
    asked: pa.Table, starts: list[int], read: IdentityReader, engine: Engine | None, label: str
) -> pa.Table:
    """The answers to all rows, task by task, on the engine or in this process."""
    from brev_pipeline.engine import SerialEngine

    def build_tasks() -> Iterator[ResolutionTask]:
        # Rows, and answers below, are Python objects task by task: as such they take ten times what they take in Arrow.
        for start, stop in zip(starts, [*starts[1:], asked.num_rows], strict=True):
            part = asked.slice(start, stop - start)
            rows = zip(*(part[name].to_pylist() for name in OBJECT_COLUMNS[:4]), strict=True)
            yield ResolutionTask(start, [SourceRow(path, bucket, etag, of, "") for path, bucket, etag, of in rows])

    unit = "objects"
    reporter = create_log_reporter(_LOG, label, unit, asked.num_rows)
    runner: Engine = engine or SerialEngine(lambda progress: reporter.add_count(progress.done - reporter.done))
    tasks = Counted(build_tasks(), lambda task: len(task.rows), asked.num_rows, unit)
    # Engines answer in no order.
    found = {
        task.start: _build_identities(*(pa.array([answer[part] for answer in answers], TEXT) for part in range(2)))
        for task, answers in runner.map(read, tasks, label=label)
    }
    return pa.concat_tables([found[start] for start in sorted(found)])


def build_unread_id(row: SourceRow) -> str:
    """The identity of an image whose bytes cannot be had: shared with no other path or entity tag."""
    name = f"{row.path}\n{row.etag or ''}".encode()
    return UNREAD_PREFIX + hashlib.md5(name, usedforsecurity=False).hexdigest()


def parse_md5(text: str | None) -> str | None:
    """An MD5 as uploaders note it, 32 hex digits or 24 characters of base64, as 32 hex digits; else None."""
    if text is None:
        return None
    if _MD5.fullmatch(text.strip().lower()):
        return text.strip().lower()
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        return None
    return raw.hex() if len(raw) == 16 else None


def _fill_missing(listing: pa.Table, found: pa.Table, ask: Callable[[pa.Table], pa.Table]) -> pa.Table:
    """``found`` with what ``ask`` says of the rows that have no answer there."""
    silent = pc.is_null(found["content_id"]).combine_chunks()
    if not pc.any(silent, min_count=0).as_py():
        return found
    asked = listing.select(OBJECT_COLUMNS)
    if pc.all(silent).as_py():
        return ask(asked)  # as in a first run: nothing is copied
    answers = ask(asked.filter(silent))
    return pa.table(
        {
            name: pc.replace_with_mask(found[name].combine_chunks(), silent, answers[name].combine_chunks())
            for name in found.column_names
        }
    )


def _resolve_by_etag(listing: pa.Table) -> pa.Table:
    """Entity tags that are MD5s for certain: those that the listing made itself."""
    certain = pc.and_(
        pc.equal(listing["etag_source"], "md5"), pc.match_substring_regex(listing["etag"], "^[0-9a-f]{32}$")
    )
    nothing = pa.scalar(None, TEXT)
    return _build_identities(pc.if_else(certain, listing["etag"], nothing), pc.if_else(certain, "etag", nothing))


def _recall_identities(listing: pa.Table, known: pa.Table | None) -> pa.Table:
    """What earlier rows say of objects with the same path, entity tag and size; null where they are silent."""
    nothing = pa.chunked_array([pa.nulls(listing.num_rows, TEXT)])
    if known is None or not known.num_rows:
        return _build_identities(nothing, nothing)
    # What could not be read is tried anew.
    known = known.filter(pc.not_equal(known["content_source"], "unreadable"))
    rows = pc.index_in(listing["path"], value_set=known["path"])
    same = pc.and_(*(pc.equal(known[name].take(rows), listing[name]) for name in ("etag", "size")))
    # Local files must have the same stamp too: earlier rows without one are silent about them.
    same = pc.and_(pc.fill_null(same, False), pc.equal(_read_stamps(known).take(rows), _read_stamps(listing)))
    return _build_identities(
        *(pc.if_else(same, known[name].take(rows), nothing) for name in ("content_id", "content_source"))
    )


def _read_stamps(table: pa.Table) -> pa.ChunkedArray:
    """The files' stamps; empty where there is none, as in buckets."""
    if "file_stamp" not in table.column_names:
        return pa.chunked_array([pa.repeat(pa.scalar("", TEXT), table.num_rows)])
    return pc.fill_null(table["file_stamp"], "")


def _build_identities(content_id: pa.ChunkedArray, content_source: pa.ChunkedArray) -> pa.Table:
    return pa.table({"content_id": content_id, "content_source": content_source})
