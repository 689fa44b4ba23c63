"""Identity: the MD5 of every image's bytes, by the cheapest means that is certain.

An entity tag is the MD5 of the bytes only if the object came in one part and is not encrypted with a key of KMS or of
the customer's. The number of parts shows in the tag (``…-12``); encryption shows only in the object's headers, not in
a listing. So each S3 object is asked for its headers once; the same answer brings the MD5 that an uploader of a
multipart object may have noted in ``x-amz-meta-md5``. What is left is read. All of it is remembered: the rows of an
earlier run answer for objects with the same path, entity tag and size (of local files: and the same stamp).

A stated MD5 is believed only for the time being: before the images are split, it is compared with the object's bytes,
once in the object's life. Where the object is read for its pixels that happens then (`images.chunk` compares);
where its content is known already, or another object's is read in its place, `recheck` reads it.
"""

from collections.abc import Callable
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.engine import Engine
from brev_pipeline.integrity.asking import ASKED, answers, by_bytes, by_headers
from brev_pipeline.source_base import Fetcher
from brev_pipeline.texts import TEXT

_MATCH: Final = ("etag", "size")


def identify(listing: pa.Table, fetch: Fetcher, known: pa.Table | None, engine: Engine | None = None) -> pa.Table:
    """Columns content_id and content_source of every row of ``listing``, in its order.

    Args:
        listing: columns path, bucket, etag, etag_source, size.
        fetch: reads images. If it has a method ``head_many`` (as `Sources` has), objects are asked for their headers
            first; without one, an entity tag that looks like an MD5 is taken for one.
        known: earlier rows: columns path, etag, size, content_id, content_source, file_stamp.
        engine: asks and reads where that is much; None: this process does.
    """
    found = _coalesced(_by_etag(listing), _recalled(listing, known))
    found = _completed(listing, found, lambda rows: by_headers(rows, fetch, engine))
    return _completed(listing, found, lambda rows: by_bytes(rows, fetch, engine))


def _completed(listing: pa.Table, found: pa.Table, ask: Callable[[pa.Table], pa.Table]) -> pa.Table:
    """``found`` with what ``ask`` says of the rows that have no answer there."""
    silent = pc.is_null(found["content_id"]).combine_chunks()
    if not pc.any(silent, min_count=0).as_py():
        return found
    asked = listing.select(ASKED)
    if pc.all(silent).as_py():
        return ask(asked)  # as in a first run: nothing is copied
    told = ask(asked.filter(silent))
    return pa.table(
        {
            name: pc.replace_with_mask(found[name].combine_chunks(), silent, told[name].combine_chunks())
            for name in found.column_names
        }
    )


def _by_etag(listing: pa.Table) -> pa.Table:
    """Entity tags that are MD5s for certain: those that the listing made itself."""
    certain = pc.and_(
        pc.equal(listing["etag_source"], "md5"), pc.match_substring_regex(listing["etag"], "^[0-9a-f]{32}$")
    )
    nothing = pa.scalar(None, TEXT)
    return answers(pc.if_else(certain, listing["etag"], nothing), pc.if_else(certain, "etag", nothing))


def _recalled(listing: pa.Table, known: pa.Table | None) -> pa.Table:
    """What earlier rows say of objects with the same path, entity tag and size; null where they are silent.

    Local files must have the same stamp too: rows without one are silent about them.
    """
    nothing = pa.chunked_array([pa.nulls(listing.num_rows, TEXT)])
    if known is None or not known.num_rows:
        return answers(nothing, nothing)
    known = known.filter(pc.not_equal(known["content_source"], "unreadable"))
    rows = pc.index_in(listing["path"], value_set=known["path"])
    same = pc.fill_null(pc.and_(*(pc.equal(known[name].take(rows), listing[name]) for name in _MATCH)), False)
    same = pc.and_(same, pc.equal(_stamps(known).take(rows), _stamps(listing)))
    return answers(*(pc.if_else(same, known[name].take(rows), nothing) for name in ("content_id", "content_source")))


def _stamps(table: pa.Table) -> pa.ChunkedArray:
    """The files' stamps; empty where there is none, as in buckets."""
    if "file_stamp" not in table.column_names:
        return pa.chunked_array([pa.repeat(pa.scalar("", TEXT), table.num_rows)])
    return pc.fill_null(table["file_stamp"], "")


def _coalesced(first: pa.Table, second: pa.Table) -> pa.Table:
    return pa.table({name: pc.coalesce(first[name], second[name]) for name in first.column_names})
