"""Reading files of this machine: regular files only, that lie in the dataset, and no more of them than is allowed.

Whoever can write into a dataset's folder could otherwise make a run hang (a pipe named ``x.png``), fill the memory (a
link to ``/dev/zero``) or publish what is not theirs (a link to another's file), at any moment between listing and
reading. So a file is opened folder by folder below the dataset's root, none of them through a link; what turns out to
be a link is resolved, and opened in the same way where it leads to, if that lies in the dataset. What was opened is
looked at again, and no more is read than it had bytes then.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from brev_pipeline.errors import SourceError
from brev_pipeline.storage.places import LocalPlace, ReadLimits, object_key

# A pipe without a writer does not hold up who opens it; a terminal does not take over the process.
_FILE: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
# To pass through a folder needs no right to list it, where the system knows that difference.
_FOLDER: Final = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
# What opening says of a link that is not followed, in place of a file or of a folder.
_LINK: Final = (errno.ELOOP, errno.ENOTDIR)
_AT_ONCE: Final = 1 << 30  # bytes
_KINDS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
ALLOW_LINKS: Final = "listing.follow_links: true would follow it"


def read_file(place: LocalPlace, path: str) -> bytes:
    """The bytes of a file of a dataset, by its path as it stands in the tables.

    Raises:
        SourceError: status ``missing``: it was deleted, may not be read, or the disk fails; status ``changed``: it is
            not what is listed (any more): no regular file, outside of the dataset, too large, or being written to.
    """
    try:
        with open_file(place.root, object_key(place.bucket, path), place.limits) as descriptor:
            return _read_whole(descriptor)
    except SourceError as error:
        raise SourceError(error.status, f"{path} {error}") from error
    except OSError as error:
        raise _unread(path, error) from error


def stat_file(place: LocalPlace, path: str) -> tuple[int, datetime]:
    """Bytes of a file of a dataset that may be read, and when it was last changed, in any way; nothing of it is read.

    Raises:
        SourceError: status ``changed``: what is there may not be read (no regular file, outside of the dataset, too
            large); status ``missing``: nothing is there, or it cannot be looked at.
    """
    key = object_key(place.bucket, path)
    try:
        with open_file(place.root, key, place.limits) as descriptor:
            status = os.fstat(descriptor)
            # Not the time of the bytes' last change, which whoever writes a file can set.
            return status.st_size, datetime.fromtimestamp(status.st_ctime, UTC)
    except SourceError as error:
        raise SourceError(error.status, f"{path} {error}") from error
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP) and os.path.islink(f"{place.root}/{key}"):
            raise SourceError("changed", f"{path} is a link that leads to no file") from error
        raise _unread(path, error) from error


def read_any_file(file: str) -> bytes:
    """The bytes of a file that a person names, links followed; up to the default size of `ReadLimits`.

    Raises:
        SourceError: it is no regular file, or too large.
        OSError: it cannot be read.
    """
    try:
        with _checked(os.open(file, _FILE), ReadLimits().max_bytes) as descriptor:
            return _read_whole(descriptor)
    except SourceError as error:
        raise SourceError(error.status, f"{file} {error}") from error


@contextmanager
def open_file(root: str, key: str, limits: ReadLimits) -> Iterator[int]:
    """The descriptor of a file that may be read, by its key below the folder of the dataset.

    Raises:
        SourceError: it may not be read; the reason's subject is left to who knows what the file is called.
        OSError: it cannot be opened.
    """
    with _checked(_open(root, key, limits), limits.max_bytes) as descriptor:
        yield descriptor


def is_within(resolved: str, root: str) -> bool:
    """Whether a path lies in a folder (or is it); both absolute, and without links."""
    return resolved == root or resolved.startswith(root.rstrip("/") + "/")


def describe_kind(mode: int) -> str:
    """What is no regular file, in words."""
    return next((words for is_kind, words in _KINDS if is_kind(mode)), "something unknown")


def read_pieces(read: Callable[[int], bytes], most: int, at_once: int = _AT_ONCE) -> Iterator[bytes]:
    """What ``read`` gives, piece by piece, until it ends or ``most`` bytes have come."""
    while most and (piece := read(min(most, at_once))):
        yield piece
        most -= len(piece)


def _read_whole(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    # One byte more tells that it grows.
    data = b"".join(read_pieces(lambda most: os.read(descriptor, most), size + 1))
    if len(data) != size:
        raise SourceError("changed", "was written to while it was read; run again to list it anew")
    return data


@contextmanager
def _checked(descriptor: int, max_bytes: int) -> Iterator[int]:
    """The descriptor, if what it opened may be read; closed in any case."""
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SourceError("changed", f"is {describe_kind(status.st_mode)}, no file; remove it")
        if status.st_size > max_bytes:
            raise SourceError("changed", f"has {status.st_size:,} bytes, more than listing.max_object_mb allows")
        yield descriptor
    finally:
        os.close(descriptor)


def _open(root: str, key: str, limits: ReadLimits) -> int:
    parts = key.split("/")
    if {"", ".", ".."} & set(parts) or "\0" in key:
        raise SourceError("missing", "names no file of the dataset")
    if limits.follow_links:
        return os.open(f"{root}/{key}", _FILE)
    try:
        return _open_below(root, parts)
    except OSError as error:
        if error.errno not in _LINK:
            raise
    real = os.path.realpath(root, strict=True)
    resolved = os.path.realpath(f"{real}/{key}", strict=True)
    if not is_within(resolved, real):
        raise SourceError("changed", f"is a link, or lies behind one, that leaves the dataset; {ALLOW_LINKS}")
    return _open_below(real, os.path.relpath(resolved, real).split("/"))


def _open_below(root: str, parts: Sequence[str]) -> int:
    """Open a file folder by folder; raises `OSError` where one of them, or the file, is a link."""
    folder = os.open(root, _FOLDER)
    try:
        for part in parts[:-1]:
            inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(parts[-1], _FILE | os.O_NOFOLLOW, dir_fd=folder)
    finally:
        os.close(folder)


def _unread(path: str, error: OSError) -> SourceError:
    if isinstance(error, FileNotFoundError):
        return SourceError("missing", f"{path} was deleted after it was listed")
    if isinstance(error, PermissionError):
        return SourceError("missing", f"{path} may not be read: permission denied; check the file's permissions")
    if error.errno == errno.ENXIO:
        return SourceError("changed", f"{path} is a socket, no file; remove it")
    return SourceError("missing", f"{path} cannot be read: {error.strerror or error}")
