"""The walk: every file below a local folder, with size and time of last change.

Links to files are followed; links to folders too, unless they lead back to a folder that they lie in. Folders whose
name begins with a dot are not entered. What cannot be entered is an error, since images in it would be lost unseen.
"""

import os
import stat
from collections.abc import Iterator

import pyarrow as pa

from brev_pipeline.errors import ListingError
from brev_pipeline.listing.pages import OBJECTS
from brev_pipeline.texts import TEXT


def walk(root: str) -> pa.Table:
    """Every visible file below ``root``: columns of `OBJECTS`, etag null, keys with ``/`` between their parts.

    A link that leads nowhere, and what is neither file nor folder (a socket, a pipe), counts as a file: whether it
    is an image is decided by its name, and that it cannot be read is found when it is read.

    Raises:
        ListingError: there is no such folder, it or a folder in it may not be entered, or a name is not UTF-8.
    """
    try:
        status = os.stat(root)
    except OSError as error:
        raise _not_listed(root, error) from error
    if not stat.S_ISDIR(status.st_mode):
        raise ListingError(f"{root} is a file; a dataset is a folder with images in class folders")
    rows = list(_files(root, "", ((status.st_dev, status.st_ino),)))
    rows.sort()
    keys, sizes, times = zip(*rows, strict=True) if rows else ((), (), ())
    try:
        key = pa.array([os.fsencode(key).decode() for key in keys], TEXT)
    except UnicodeDecodeError as error:
        raise ListingError(f"{root}: the file name {error.object!r} is not UTF-8; rename the file") from error
    modified = pa.array([time // 1000 for time in times], pa.int64()).cast(pa.timestamp("us", "UTC"))
    etag = pa.nulls(len(rows), TEXT)
    return pa.Table.from_arrays([key, etag, pa.array(sizes, pa.int64()), modified], schema=OBJECTS)


def _files(folder: str, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[tuple[str, int, int]]:
    """Key, size in bytes and time of last change in ns of each file; ``above``: the folders that lead here."""
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise _not_listed(folder, error) from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        status = _status(entry)
        if not stat.S_ISDIR(status.st_mode):
            yield prefix + entry.name, status.st_size, status.st_mtime_ns
        elif (here := (status.st_dev, status.st_ino)) not in above:
            yield from _files(entry.path, f"{prefix}{entry.name}/", (*above, here))


def _status(entry: os.DirEntry[str]) -> os.stat_result:
    try:
        return entry.stat()
    except OSError:
        return entry.stat(follow_symlinks=False)


def _not_listed(folder: str, error: OSError) -> ListingError:
    what = {
        FileNotFoundError: "there is no such folder; correct datasets[].bucket",
        PermissionError: "permission denied; check the folder's permissions",
    }
    return ListingError(f"{folder} cannot be listed: {what.get(type(error), error.strerror or str(error))}")
