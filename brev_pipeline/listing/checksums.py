"""Checksums: the MD5 of local files, read once and then remembered by path, size and time of last change."""

import hashlib
import logging
import os
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.engine.telling import log_ticker
from brev_pipeline.listing.pages import OBJECTS
from brev_pipeline.texts import TEXT

_LOG = logging.getLogger(__name__)
_THREADS: Final = min(8, os.cpu_count() or 1)
_KEY: Final = ("path", "size", "modified")


class Sum(NamedTuple):
    """What was read of a file; size and time belong to the bytes that were summed."""

    md5: str | None
    """32 hex digits; None where the file cannot be read."""
    size: int
    """Bytes."""
    modified: int
    """Microseconds since 1970, UTC."""


def checksums(root: str, objects: pa.Table, paths: pa.Array, known: pa.Table | None) -> pa.Table:
    """``objects`` with the files' MD5s as etags, and size and time as they were then; no etag for unreadable files.

    A file is read only if ``known`` has no row with the same path, size and time of last change.

    Args:
        root: folder that the keys are meant from.
        objects: columns key, etag, size, modified.
        paths: the objects' paths, as they stand in ``known``.
        known: columns path, size, modified, etag; rows without an etag, or with one that is not of a local file
            (etag_source other than md5, where that column is there), are passed over.
    """
    etags = recall(objects.append_column("path", paths), known)
    unknown = pc.indices_nonzero(pc.is_null(etags)).to_numpy()
    sums = read_sums([f"{root}/{key}" for key in objects["key"].take(pa.array(unknown)).to_pylist()])
    sizes, modified = objects["size"].to_numpy().copy(), objects["modified"].cast(pa.int64()).to_numpy().copy()
    read = np.array([one.md5 is not None for one in sums], np.bool_)
    sizes[unknown[read]] = [one.size for one in sums if one.md5]
    modified[unknown[read]] = [one.modified for one in sums if one.md5]
    etags = pc.replace_with_mask(etags, pc.is_null(etags), pa.array([one.md5 for one in sums], TEXT))
    columns = [objects["key"], etags, pa.array(sizes), pa.array(modified).cast(OBJECTS.field("modified").type)]
    return pa.Table.from_arrays(columns, schema=OBJECTS)


def recall(objects: pa.Table, known: pa.Table | None) -> pa.Array:
    """The etag on record for each object of the same path, size and time of last change; null where there is none."""
    nothing = pa.nulls(objects.num_rows, TEXT)
    if known is None or not known.num_rows:
        return nothing
    if "etag_source" in known.column_names:
        known = known.filter(pc.equal(known["etag_source"], "md5"))
    known = known.select([*_KEY, "etag"]).combine_chunks()
    rows = pc.index_in(objects["path"], value_set=known["path"]).combine_chunks()
    same = pc.and_(*(pc.equal(known[name].take(rows), objects[name]) for name in _KEY[1:]))
    return pc.if_else(pc.fill_null(same, False), known["etag"].take(rows), nothing).combine_chunks()


def read_sums(files: Sequence[str]) -> list[Sum]:
    """The MD5 of each file, several at a time (hashing lets other threads run)."""
    ticker, sums = log_ticker(_LOG, "checksums of local files", "files", len(files)), []
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="md5") as pool:
        for one in pool.map(_read_sum, files):
            sums.append(one)
            ticker.add(1)
    return sums


def _read_sum(file: str) -> Sum:
    before = Sum(None, 0, 0)
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):
            return before
        with open(file, "rb") as stream:
            for _ in range(3):
                before = _stamp(os.fstat(stream.fileno()))
                stream.seek(0)
                digest = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
                # Written to while it was read: the sum would belong to no state of the file.
                if before == _stamp(os.fstat(stream.fileno())):
                    return before._replace(md5=digest)
    except OSError:
        pass
    return before


def _stamp(status: os.stat_result) -> Sum:
    return Sum(None, status.st_size, status.st_mtime_ns // 1000)
