"""Entries: what lies below a folder, with sizes and times, and its removal in bulk. For looking after a store."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from brev_pipeline.storage.storage_errors import translating_errors
from brev_pipeline.store.folder import TEMPORARY_PREFIX, Folder

_AT_ONCE = 1000  # objects that S3 removes in one request


@dataclass(frozen=True)
class FileEntry:
    """A file of a folder, as the file system describes it."""

    name: str
    """Below the folder, with ``/`` between the parts."""
    bytes: int
    written: datetime
    """UTC; when its bytes were written."""
    changed: datetime
    """UTC; when it last was written, or given a name, or lost one (on S3: written)."""
    names: int
    """How many names its bytes have: what is removed under one of several frees nothing (on S3: 1)."""

    @property
    def is_temporary(self) -> bool:
        """Whether it is a file that was being written."""
        return self.name.rpartition("/")[2].startswith(TEMPORARY_PREFIX)


def list_entries(folder: Folder) -> Iterator[FileEntry]:
    """All files below a folder, those that are being written included, in no order.

    Raises:
        StoreError: the store cannot be read.
    """
    with translating_errors(folder.url, "listed"):
        yield from _list_local(folder.url) if folder.is_local else _list_remote(folder)


def remove_files(folder: Folder, names: Sequence[str]) -> None:
    """Remove files below a folder, in this order, and folders that are empty then. One that is gone is no error.

    Raises:
        StoreError: the store cannot be written; files before the one that failed are gone.
    """
    with translating_errors(folder.url, "emptied"):
        if folder.is_local:
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(folder.file_url(name))
            for path in sorted({os.path.dirname(folder.file_url(name)) for name in names}, key=len, reverse=True):
                _prune(path, os.path.normpath(folder.url))
        else:
            for start in range(0, len(names), _AT_ONCE):
                folder._fs.rm([folder.file_url(name) for name in names[start : start + _AT_ONCE]])


def _list_local(root: str) -> Iterator[FileEntry]:
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            try:
                facts = os.stat(path)
            except FileNotFoundError:
                # A run that is under way has renamed or removed it.
                continue
            written = datetime.fromtimestamp(facts.st_mtime, UTC)
            changed = datetime.fromtimestamp(max(facts.st_mtime, facts.st_ctime), UTC)
            relative = os.path.relpath(path, root).replace(os.sep, "/")
            yield FileEntry(relative, facts.st_size, written, changed, facts.st_nlink)


def _list_remote(folder: Folder) -> Iterator[FileEntry]:
    root = folder._fs._strip_protocol(folder.url).rstrip("/") + "/"
    folder._fs.invalidate_cache()
    for name, facts in folder._fs.find(folder.url, detail=True).items():
        written = facts["LastModified"].astimezone(UTC)
        yield FileEntry(name.removeprefix(root), facts["size"], written, written, 1)


def _prune(folder: str, root: str) -> None:
    """Remove a folder and those above it as far as they are empty; the root stays."""
    while os.path.normpath(folder) != root:
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            pass
        except OSError:
            # Not empty: somebody wrote there meanwhile.
            return
        folder = os.path.dirname(folder)
