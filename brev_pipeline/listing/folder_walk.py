"""Folder walk: every file below a local folder, with size and time of last change, and what is refused of it.

Each file is looked at once, and none is opened. Links within the dataset are followed, to files and to folders, unless
they lead back to a folder that they lie in; links that leave it only where `ReadLimits.follow_links` says so: else they
are told, and a folder behind one is not entered. Folders whose name begins with a dot are not entered. What cannot be
entered is an error, since images in it would be lost unseen.
"""

import errno
import os
import stat
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from brev_pipeline.errors import ListingError
from brev_pipeline.listing.s3_pages import OBJECTS
from brev_pipeline.storage import LocalPlace
from brev_pipeline.storage.local_files import ALLOW_LINKS, describe_kind, is_within
from brev_pipeline.texts import TEXT, join_texts

FILES: Final = pa.schema([*OBJECTS, *(pa.field(name, TEXT) for name in ("file_stamp", "rule", "reason"))])
"""Columns of what was found in a folder: of `OBJECTS`, then the file's stamp, and why it is refused, else null.

A stamp changes with every change of a file, and with another file under its name: ``<mtime>-<ctime>-<inode>``, times in
ns since 1970.
"""
LINK_OUTSIDE: Final = "link_outside"
NOT_A_FILE: Final = "not_a_file"

Refusal = tuple[str, str]
"""Rule and reason."""
_FILE_OUTSIDE: Final[Refusal] = (LINK_OUTSIDE, f"a link to a file outside of the dataset; {ALLOW_LINKS}")
FOLDER_OUTSIDE: Final[Refusal] = (LINK_OUTSIDE, f"a link to a folder outside of the dataset; {ALLOW_LINKS}")
_BROKEN_LINKS: Final = {errno.ENOENT: "a link that leads nowhere", errno.ELOOP: "a link that leads in a circle"}

_ROWS_AT_ONCE: Final = 4096  # rows
# A dozen folders with links to each other are reached on thousands of millions of ways, each without a circle.
_NESTED_LINKS: Final = 3  # links to folders behind each other
_MAX_WAYS: Final = 300  # to one folder, over that many links
FileRow = tuple[str, int, int, int, int, Refusal | None]
"""Key, bytes, last change of the bytes and of the inode in ns since 1970, inode, why it is refused."""


class _PendingFolder(NamedTuple):
    path: str
    prefix: str
    """Of the keys of its files."""
    above: tuple[tuple[int, int], ...]
    """Device and inode of the folders that lead here, and its own."""
    links: int = 0
    """How many of them are links."""


def list_files(place: LocalPlace, entered: Collection[str] = ()) -> pa.Table:
    """Every file below a folder: columns of `FILES`, etag null, keys with ``/`` between their parts.

    What is neither file nor folder (a socket, a pipe), and a link that is not followed, stands there as a file that is
    refused: whether it is an image is decided by its name. What is hidden stands there by its name alone, but for
    folders of the names ``entered``.

    Raises:
        ListingError: there is no such folder, it or a folder in it may not be entered, a name is not UTF-8, or links
            within the dataset lead to a folder on too many ways.
    """
    return _build_table(iterate_files(place, entered), place.root)


def iterate_files(place: LocalPlace, entered: Collection[str] = ()) -> Iterator[FileRow]:
    """The same row by row, those of a folder together; raises as `list_files`, but for names that are not UTF-8."""
    folder = f"{place.root}/{place.below}".rstrip("/") or "/"
    try:
        status, root = os.stat(folder), os.path.realpath(place.root)
    except OSError as error:
        raise _listing_error(folder, error) from error
    if not stat.S_ISDIR(status.st_mode):
        raise ListingError(f"{folder} is a file; a dataset is a folder with images in class folders")
    start = _PendingFolder(folder, "", ((status.st_dev, status.st_ino),))
    return _walk_files(start, None if place.limits.follow_links else root, frozenset(entered))


def build_stamps(modified: Sequence[int], changed: Sequence[int], inode: Sequence[int]) -> pa.Array:
    """The stamps of files, see `FILES`; times in ns since 1970."""
    numbers = (pa.array(modified, pa.int64()), pa.array(changed, pa.int64()), pa.array(inode, pa.uint64()))
    return join_texts(*numbers, by="-")


def _walk_files(start: _PendingFolder, root: str | None, entered: frozenset[str]) -> Iterator[FileRow]:
    """Every file below a folder; where ``root`` is given, links that leave it are not followed."""
    waiting, ways = [start], Counter[tuple[int, int]]()
    while waiting:
        folder = waiting.pop()
        for entry in _scan_folder(folder.path):
            key = folder.prefix + entry.name
            if entry.name.startswith(".") and entry.name not in entered:
                yield key, 0, 0, 0, 0, None
                continue
            try:
                status, refusal = entry.stat(follow_symlinks=False), None
            except FileNotFoundError:
                continue  # removed since its folder was read
            if not stat.S_ISREG(status.st_mode):
                status, refusal = _resolve_entry(entry, status, root)
            if refusal or not stat.S_ISDIR(status.st_mode):
                yield key, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, refusal
            # A link to a folder that it lies in would lead round and round.
            elif (here := (status.st_dev, status.st_ino)) not in folder.above:
                links = folder.links + entry.is_symlink()
                ways[here] += links >= _NESTED_LINKS
                if ways[here] > _MAX_WAYS:
                    raise ListingError(
                        f"{entry.path}: links lead here on more than {_MAX_WAYS} ways; remove some of them"
                    )
                path = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
                waiting.append(_PendingFolder(path, f"{key}/", (*folder.above, here), links))


def _scan_folder(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise _listing_error(folder, error) from error


def _resolve_entry(
    entry: os.DirEntry[str], own: os.stat_result, root: str | None
) -> tuple[os.stat_result, Refusal | None]:
    """What an entry is that is no file itself, or what it leads to; and why it is refused, if it is."""
    if not stat.S_ISLNK(own.st_mode):
        return own, _refusal_of_kind(own.st_mode, "")
    try:
        status = entry.stat()
    except OSError as error:
        return own, (NOT_A_FILE, _BROKEN_LINKS.get(error.errno or 0, "a link whose end cannot be looked at"))
    if refusal := _refusal_of_kind(status.st_mode, "a link to "):
        return own, refusal
    if root is None or is_within(os.path.realpath(entry.path), root):
        return status, None
    return own, FOLDER_OUTSIDE if stat.S_ISDIR(status.st_mode) else _FILE_OUTSIDE


def _refusal_of_kind(mode: int, prefix: str) -> Refusal | None:
    return None if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else (NOT_A_FILE, f"{prefix}{describe_kind(mode)}, no file")


def _build_table(rows: Iterator[FileRow], root: str) -> pa.Table:
    columns: list[list[Any]] = [[] for _ in range(6)]
    # Bit by bit: a hundred thousand rows at once keep Python's garbage collection busy.
    while batch := list(islice(rows, _ROWS_AT_ONCE)):
        for column, values in zip(columns, zip(*batch, strict=True), strict=True):
            column.extend(values)
    keys, sizes, modified, changed, inodes, refusals = columns
    try:
        key = pa.array(keys, TEXT)
    except UnicodeEncodeError as error:
        name = os.fsencode(error.object)
        raise ListingError(f"{root}: the file name {name!r} is not UTF-8; rename the file") from error
    table = {
        "key": key,
        "etag": pa.nulls(len(keys), TEXT),
        "size": pa.array(sizes, pa.int64()),
        "modified": pa.array(np.array(modified, np.int64) // 1000).cast(FILES.field("modified").type),
        "file_stamp": build_stamps(modified, changed, inodes),
        "rule": pa.array([refusal and refusal[0] for refusal in refusals], TEXT),
        "reason": pa.array([refusal and refusal[1] for refusal in refusals], TEXT),
    }
    return pa.table(table, schema=FILES).sort_by("key")


def _listing_error(folder: str, error: OSError) -> ListingError:
    advice = {
        FileNotFoundError: "there is no such folder; correct datasets[].bucket",
        PermissionError: "permission denied; check the folder's permissions",
    }
    return ListingError(f"{folder} cannot be listed: {advice.get(type(error), error.strerror or str(error))}")
