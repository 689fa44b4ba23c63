"""Checksums: the MD5 of local files, read once and then remembered by path, size and stamp.

The stamp (see `folder_walk.FILES`) has the inode and the time of its last change beside that of the bytes: a file that
was moved over another one, or given its old time of change again, is read anew.
"""

import hashlib
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.engine.progress import create_log_reporter
from brev_pipeline.errors import SourceError
from brev_pipeline.listing.folder_walk import FILES, build_stamps
from brev_pipeline.storage import LocalPlace
from brev_pipeline.storage.local_files import open_file, read_pieces
from brev_pipeline.texts import TEXT

_LOG = logging.getLogger(__name__)
_THREADS: Final = min(8, os.cpu_count() or 1)
_BYTES_AT_ONCE: Final = 1 << 20  # bytes


class FileChecksum(NamedTuple):
    """What was read of a file; all of it belongs to the bytes that were summed."""

    md5: str | None
    """32 hex digits; None where the file cannot be read, or may not be."""
    size: int = 0
    """Bytes."""
    modified: int = 0
    """Last change of the bytes, ns since 1970."""
    changed: int = 0
    """Last change of the inode, ns since 1970."""
    inode: int = 0


def add_checksums(place: LocalPlace, objects: pa.Table, paths: pa.Array, known: pa.Table | None) -> pa.Table:
    """``objects``, columns `FILES`, with the files' MD5s as etags, and size, time and stamp as they were then.

    What cannot be read, or may not be, has no etag. A file is read only if ``known`` (columns path, size, file_stamp,
    etag) has no row with the same path, size and stamp; rows without a stamp or an etag, or with an etag that is not of
    a local file (etag_source other than md5, where that column is there), are passed over. ``paths`` are the objects',
    as they stand in ``known``.
    """
    etags = recall_etags(objects.append_column("path", paths), known)
    unknown = pc.is_null(etags)
    sums = read_checksums(place, objects["key"].filter(unknown).to_pylist())
    read = np.zeros(objects.num_rows, np.bool_)
    read[np.flatnonzero(unknown)] = [file.md5 is not None for file in sums]
    readable = [file for file in sums if file.md5]
    md5, size, modified, changed, inode = zip(*readable, strict=True) if readable else [()] * 5
    values = {
        "etag": pa.array(md5, TEXT),
        "size": pa.array(size, pa.int64()),
        "modified": pa.array([time // 1000 for time in modified], pa.int64()).cast(FILES.field("modified").type),
        "file_stamp": build_stamps(modified, changed, inode),
    }
    columns = {name: objects[name].combine_chunks() for name in objects.column_names} | {"etag": etags}
    columns |= {name: pc.replace_with_mask(columns[name], pa.array(read), new) for name, new in values.items()}
    return pa.table(columns, schema=objects.schema)


def recall_etags(objects: pa.Table, known: pa.Table | None) -> pa.Array:
    """The etag on record for each object of the same path, size and stamp; null where there is none."""
    nothing = pa.nulls(objects.num_rows, TEXT)
    # A memory of before there were stamps cannot tell what became of a file since.
    if known is None or not known.num_rows or "file_stamp" not in known.column_names:
        return nothing
    if "etag_source" in known.column_names:
        known = known.filter(pc.equal(known["etag_source"], "md5"))
    known = known.select(["path", "size", "file_stamp", "etag"]).combine_chunks()
    rows = pc.index_in(objects["path"], value_set=known["path"]).combine_chunks()
    same = pc.and_(*(pc.equal(known[name].take(rows), objects[name]) for name in ("size", "file_stamp")))
    return pc.if_else(pc.fill_null(same, False), known["etag"].take(rows), nothing).combine_chunks()


def read_checksums(place: LocalPlace, keys: Sequence[str]) -> list[FileChecksum]:
    """The MD5 of each file, several at a time."""
    reporter, sums = create_log_reporter(_LOG, "checksums of local files", "files", len(keys)), []
    # Threads do: hashing lets others run.
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="md5") as pool:
        for checksum in pool.map(partial(_read_checksum, place), keys):
            sums.append(checksum)
            reporter.add_count(1)
    return sums


def _read_checksum(place: LocalPlace, key: str) -> FileChecksum:
    try:
        with open_file(place.root, place.below + key, place.limits) as descriptor:
            for _ in range(3):  # a file that is written to all the time is given up
                before = _read_stamp(descriptor)
                if before.size > place.limits.max_bytes:
                    break
                digest = hashlib.md5(usedforsecurity=False)
                os.lseek(descriptor, 0, os.SEEK_SET)
                for piece in read_pieces(partial(os.read, descriptor), before.size, _BYTES_AT_ONCE):
                    digest.update(piece)
                # Written to while it was read: the sum would belong to no state of the file.
                if before == _read_stamp(descriptor):
                    return before._replace(md5=digest.hexdigest())
    except (OSError, SourceError):
        pass  # why is found, and told, when the image is to be read
    return FileChecksum(None)


def _read_stamp(descriptor: int) -> FileChecksum:
    status = os.fstat(descriptor)
    return FileChecksum(None, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
