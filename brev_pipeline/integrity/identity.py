"""Identity: the MD5 of every image's bytes, by the cheapest means that is certain.

An entity tag is the MD5 of the bytes only if the object came in one part and is not encrypted with a key of KMS or of
the customer's. The number of parts shows in the tag (``…-12``); encryption shows only in the object's headers, not in
a listing. So each S3 object is asked for its headers once; the same answer brings the MD5 that an uploader of a
multipart object may have noted in ``x-amz-meta-md5``. What is left is read. All of it is remembered: the rows of an
earlier run answer for objects with the same path, entity tag and size.

A stated MD5 is checked when the image is read for its pixels (`Fetcher.fetch_many` compares), so it is never trusted
unseen, only early.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol, cast

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import SourceError
from brev_pipeline.source_base import Fetcher, SourceRow

UNREAD: Final = "unread-"
_MD5: Final = re.compile(r"[0-9a-f]{32}")
_MATCH: Final = ("etag", "size")


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


def identify(listing: pa.Table, fetch: Fetcher, known: pa.Table | None) -> pa.Table:
    """Columns content_id and content_source of every row of ``listing``, in its order.

    Args:
        listing: columns path, bucket, etag, etag_source, size.
        fetch: reads images. If it has a method ``head_many`` (as `Sources` has), objects are asked for their headers
            first; without one, an entity tag that looks like an MD5 is taken for one.
        known: earlier rows: columns path, etag, size, content_id, content_source.
    """
    found = _coalesced(_by_etag(listing), _recalled(listing, known))
    rows = pc.indices_nonzero(pc.is_null(found["content_id"]))
    if not len(rows):
        return found
    asked = listing.select(["path", "bucket", "etag", "etag_source"]).take(rows).to_pylist()
    told = _ask([SourceRow(**row, content_id="") for row in asked], fetch)
    columns = {name: [answer[place] for answer in told] for place, name in enumerate(found.column_names)}
    mask = pc.is_null(found["content_id"]).combine_chunks()
    return pa.table(
        {
            name: pc.replace_with_mask(found[name].combine_chunks(), mask, pa.array(told, pa.string()))
            for name, told in columns.items()
        }
    )


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


def _by_etag(listing: pa.Table) -> pa.Table:
    """Entity tags that are MD5s for certain: those that the listing made itself."""
    certain = pc.and_(
        pc.equal(listing["etag_source"], "md5"), pc.match_substring_regex(listing["etag"], "^[0-9a-f]{32}$")
    )
    nothing = pa.scalar(None, pa.string())
    return _answers(pc.if_else(certain, listing["etag"], nothing), pc.if_else(certain, "etag", nothing))


def _recalled(listing: pa.Table, known: pa.Table | None) -> pa.Table:
    """What earlier rows say of objects with the same path, entity tag and size; null where they are silent."""
    nothing = pa.chunked_array([pa.nulls(listing.num_rows, pa.string())])
    if known is None or not known.num_rows:
        return _answers(nothing, nothing)
    known = known.filter(pc.not_equal(known["content_source"], "unreadable"))
    rows = pc.index_in(listing["path"], value_set=known["path"])
    same = pc.fill_null(pc.and_(*(pc.equal(known[name].take(rows), listing[name]) for name in _MATCH)), False)
    return _answers(*(pc.if_else(same, known[name].take(rows), nothing) for name in ("content_id", "content_source")))


def _answers(content_id: pa.ChunkedArray, content_source: pa.ChunkedArray) -> pa.Table:
    return pa.table({"content_id": content_id, "content_source": content_source})


def _coalesced(first: pa.Table, second: pa.Table) -> pa.Table:
    return pa.table({name: pc.coalesce(first[name], second[name]) for name in first.column_names})


def _ask(rows: list[SourceRow], fetch: Fetcher) -> list[tuple[str, str]]:
    """content_id and content_source of each row, asked for in as few bytes as possible."""
    told = _by_headers(rows, fetch)
    unanswered = [row for row in rows if row not in told]
    for row, data in fetch.fetch_many(unanswered) if unanswered else ():
        if isinstance(data, SourceError):
            told[row] = (unread_id(row), "unreadable")
        else:
            told[row] = (hashlib.md5(data, usedforsecurity=False).hexdigest(), "read")
    return [told[row] for row in rows]


def _by_headers(rows: list[SourceRow], fetch: Fetcher) -> dict[SourceRow, tuple[str, str]]:
    """What entity tags and headers answer; rows that have to be read are left out."""
    heads = cast("Heads | None", getattr(fetch, "head_many", None))
    tagged = [row for row in rows if row.etag is not None and row.etag_source == "s3"]
    told: dict[SourceRow, tuple[str, str]] = {}
    for row, head in heads(tagged) if heads else ((row, None) for row in tagged):
        if isinstance(head, SourceError):
            told[row] = (unread_id(row), "unreadable")
        elif row.etag and _MD5.fullmatch(row.etag) and not (head and head.keyed):
            told[row] = (row.etag, "etag")
        elif head and (md5 := stated_md5(head.md5)):
            told[row] = (md5, "metadata")
    return told
