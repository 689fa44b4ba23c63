"""Where images and results may lie: a local folder, or a prefix of a bucket on S3. Nothing else is known."""

import os
import re
from typing import Final

_S3: Final = "s3://"
_LONGEST: Final = 2000  # characters
_ALMOST_S3: Final = re.compile(r"\s*s3a?n?:/*", re.IGNORECASE)


def is_local(location: str) -> bool:
    """Whether this is a folder or file of this machine."""
    return "://" not in location


def check_location(location: str) -> str:
    """Return ``location`` if it is a local path or ``s3://bucket/prefix``.

    Raises:
        ValueError: it is neither; the message says what to write.
    """
    if len(location) > _LONGEST:
        raise ValueError(f"has {len(location)} characters; at most {_LONGEST} can be used")
    if location.startswith(_S3):
        if not re.fullmatch(r"[^\s?#@:]+", location.removeprefix(_S3).partition("/")[0]):
            raise ValueError(f"{location!r} names no bucket: write s3://bucket or s3://bucket/prefix")
        return location
    if found := _ALMOST_S3.match(location):
        raise ValueError(f"{location!r}: only s3:// and local folders are known; write s3://{location[found.end() :]}")
    if not is_local(location):
        hint = "; write the folder's path, without file://" if location.lower().startswith("file:") else ""
        raise ValueError(f"{location!r}: only s3:// and local folders are known{hint}")
    return location


def missing_folder(folder: str) -> str | None:
    """Say why a local folder cannot be listed now; None where it can be."""
    try:
        os.scandir(folder).close()
    except OSError as error:
        return error.strerror or str(error)
    return None
