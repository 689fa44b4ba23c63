"""What lies in a place, at a glance: some files of each folder, without listing all of a large bucket."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from brev_pipeline.config import ListingSettings, StorageSettings
from brev_pipeline.errors import ListingError

_PER_FOLDER: Final = 200
"""Files looked at in each folder."""
_FOLDERS: Final = 60
"""Folders looked at; on S3 one or two requests each."""


@dataclass(frozen=True)
class Survey:
    """Some of the files of a place."""

    images: list[str]
    """Paths of image files relative to the place, with ``/`` between their parts, sorted."""
    others: list[str]
    """Paths of files that are no images by their names."""
    is_complete: bool
    """Whether these are all the files that there are."""

    @property
    def folders(self) -> dict[str, int]:
        """Leaf folder's name → images seen in folders of that name, most first."""
        counts = Counter(path.rpartition("/")[0].rpartition("/")[2] for path in self.images)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def survey(bucket: str, storage: StorageSettings | None = None, base: Path | None = None) -> Survey:
    """Look at the first files of each folder of a place.

    Args:
        bucket: local folder, or ``s3://bucket/prefix``.
        storage: how to reach a bucket on S3.
        base: what a relative folder is meant from; default: the working directory.

    Raises:
        ListingError: there is no such folder or bucket, it may not be listed, or nothing lies in it.
    """
    if bucket.startswith("s3://"):
        found, is_complete = _on_s3(bucket, storage or StorageSettings())
    else:
        found, is_complete = _local((base or Path.cwd()) / bucket)
    pattern = re.compile(ListingSettings().sample_filter, re.IGNORECASE)
    paths = sorted(path for path in found if not any(part.startswith(".") for part in path.split("/")))
    images = [path for path in paths if pattern.search(path.rpartition("/")[2])]
    return Survey(images, sorted(set(paths) - set(images)), is_complete)


def _local(root: Path) -> tuple[list[str], bool]:
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "does not exist"
        raise ListingError(f"{root} {what}; name the folder that holds the class folders")
    found: list[str] = []
    is_complete = True
    for number, (folder, names) in enumerate(_folders(root)):
        if number == _FOLDERS:
            return found, False
        prefix = "" if folder == root else folder.relative_to(root).as_posix() + "/"
        found += [prefix + name for name in names[:_PER_FOLDER]]
        is_complete &= len(names) <= _PER_FOLDER
    return found, is_complete


def _folders(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Each folder that holds files, with their sorted names."""

    def refuse(error: OSError) -> None:
        raise ListingError(f"{error.filename} cannot be listed: {error.strerror}; check its permissions") from error

    for folder, below, names in os.walk(root, onerror=refuse, followlinks=False):
        below[:] = sorted(name for name in below if not name.startswith("."))
        if names:
            yield Path(folder), sorted(names)


def _on_s3(bucket: str, storage: StorageSettings) -> tuple[list[str], bool]:
    from brev_pipeline.listing.pages import parse_page
    from brev_pipeline.source.places import S3Place, place_of
    from brev_pipeline.source.s3 import S3Client

    place = place_of(bucket.rstrip("/"), bucket, storage)
    if not isinstance(place, S3Place) or not place.name:
        raise ListingError(f"{bucket!r} names no bucket: write s3://bucket or s3://bucket/prefix")
    client = S3Client(storage)
    waiting, found, is_complete, looked = [place.prefix], list[str](), True, 0
    while waiting and looked < _FOLDERS:
        prefix, looked = waiting.pop(0), looked + 1
        page = parse_page(client.page(place.name, prefix, delimiter="/"), f"s3://{place.name}/{prefix}")
        keys = [key for key in page.objects["key"].to_pylist() if not key.endswith("/")]
        found += [key.removeprefix(place.prefix) for key in keys[:_PER_FOLDER]]
        is_complete &= not page.token and len(keys) <= _PER_FOLDER
        waiting += sorted(page.prefixes)
    return found, is_complete and not waiting
