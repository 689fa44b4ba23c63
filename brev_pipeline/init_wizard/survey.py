"""What lies in a place: all its files by their paths, and a look into a few of them.

A bucket of up to a million objects is listed whole; of a larger one each folder's first files are taken, and it is
said that they are not all.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final

from brev_pipeline.config import ListingSettings, StorageSettings
from brev_pipeline.errors import BrevPipelineError, ListingError

MAX_OBJECTS: Final = 1_000_000  # objects that are listed whole; of a place with more, some of each folder
_PER_FOLDER: Final = 200
_FOLDERS: Final = 2000  # looked at where not all is listed; on S3 a request each
_MAX_HASHED: Final = 1 << 30  # bytes of local files that are read to find copies
_OPEN_COST: Final = 1 << 14  # bytes that are read in the time that opening a file takes
_HEAD_BYTES: Final = 1 << 18  # bytes of a text that are read
_MAX_FETCHED: Final = 1 << 24  # bytes of an object that is fetched for its head
_MAX_LIST_BYTES: Final = 1 << 26  # bytes of a list
_IMAGE: Final = re.compile(ListingSettings().sample_filter, re.IGNORECASE)
_MD5: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class FileSurvey:
    """The files of a place, by their paths."""

    images: list[str]  # paths of image files relative to the place, with ``/`` between their parts, sorted
    others: list[str]  # paths of files that are no images by their names
    is_complete: bool  # whether these are all the files that there are
    place: Any = None  # where they lie (`source.Place`); None where they were only made up
    storage: StorageSettings = field(default_factory=StorageSettings)
    md5: dict[str, str] = field(default_factory=dict)
    """Path → MD5 of the bytes, of the images where it is known without reading them."""
    refused: Counter[str] = field(default_factory=Counter)
    """Why a run does not read a file, in words, such as a link that leaves the place → how many there are."""

    def read_lines(self, path: str) -> tuple[list[str], bool]:
        """The lines of a text that are not empty, and whether these are all: of a very large one the first are read."""
        data = self.read_head(path, _MAX_LIST_BYTES)
        whole = len(data) < _MAX_LIST_BYTES
        lines = data.decode("utf-8-sig", "replace").splitlines()
        return [text for line in lines[: None if whole else -1] if (text := line.strip())], whole

    def read_head(self, path: str, most: int = _HEAD_BYTES) -> bytes:
        """The first bytes of a file (of an object, all); empty where it cannot be read, or is too large for a look."""
        from brev_pipeline.storage import LocalPlace, S3Place
        from brev_pipeline.storage.s3 import S3Client

        try:
            if isinstance(self.place, LocalPlace):
                with (Path(self.place.root) / path).open("rb") as file:
                    return file.read(most)
            if isinstance(self.place, S3Place):
                client = S3Client(self.storage)
                return client.read_object(self.place.name, self.place.prefix + path, None, max(most, _MAX_FETCHED))
        except (OSError, BrevPipelineError):
            pass  # what cannot be read says nothing; a run tells why
        return b""

    def hash_images(self, images: Sequence[str]) -> dict[str, str] | None:
        """Path → MD5 of the bytes of those images that may be copies; None where it would take too long to know.

        In a bucket it stands in the listing; local files are read where another one has as many bytes.
        """
        from brev_pipeline.storage import LocalPlace

        if not isinstance(self.place, LocalPlace):
            return {path: self.md5[path] for path in images if path in self.md5}
        root = Path(self.place.root)
        sizes: dict[int, list[str]] = defaultdict(list)
        for path in images:
            try:
                sizes[(root / path).stat().st_size].append(path)
            except OSError:
                continue
        alike = {size: paths for size, paths in sizes.items() if len(paths) > 1}
        if sum(max(size, _OPEN_COST) * len(paths) for size, paths in alike.items()) > _MAX_HASHED:
            return None
        return {path: digest for paths in alike.values() for path in paths if (digest := _hash_file(root / path))}


def survey_files(bucket: str, storage: StorageSettings | None = None, base: Path | None = None) -> FileSurvey:
    """List a place.

    Args:
        bucket: local folder, or ``s3://bucket/prefix``.
        storage: how to reach a bucket on S3.
        base: what a relative folder is meant from; default: the working directory.

    Raises:
        ListingError: there is no such folder or bucket, it may not be listed, or nothing lies in it.
    """
    from brev_pipeline.storage.places import S3Place, parse_place

    storage = storage or StorageSettings()
    resolved = bucket if bucket.startswith("s3://") else str(((base or Path.cwd()) / bucket).resolve())
    place = parse_place(bucket.rstrip("/") or bucket, resolved, storage)
    refused = Counter[str]()
    if isinstance(place, S3Place):
        found, is_complete = _list_s3(place, storage)
    else:
        found, is_complete = _list_local(place, refused)
    paths = sorted(path for path in found if not (path.startswith(".") or "/." in path))
    images = [path for path in paths if _IMAGE.search(path.rpartition("/")[2])]
    others = sorted(set(paths) - set(images))
    md5 = {path: tag for path in images if (tag := found[path]) and _MD5.fullmatch(tag)}
    return FileSurvey(images, others, is_complete, place, storage, md5, refused)


def _hash_file(file: Path) -> str | None:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except OSError:
        return None


def _list_local(place: Any, refused: Counter[str]) -> tuple[dict[str, str | None], bool]:
    from brev_pipeline.listing.folder_walk import iterate_files

    root = Path(place.root)
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "does not exist"
        raise ListingError(f"{root} {what}; name the folder that holds the class folders")
    found: dict[str, str | None] = {}
    for key, *_, refusal in iterate_files(place):
        if refusal:
            refused[refusal[1]] += 1
        else:
            found[key] = None
        if len(found) > MAX_OBJECTS:
            keys = (key for key, *_, refusal in iterate_files(place) if not refusal)
            folders = islice(groupby(keys, lambda key: key.rpartition("/")[0]), _FOLDERS)
            return dict.fromkeys(key for _, group in folders for key in sorted(group)[:_PER_FOLDER]), False
    return found, True


class _TooManyError(Exception):
    """More objects than are listed whole."""


def _list_s3(place: Any, storage: StorageSettings) -> tuple[dict[str, str | None], bool]:
    from brev_pipeline.listing.s3_scan import list_s3_objects
    from brev_pipeline.storage.s3 import S3Client

    if not place.name:
        raise ListingError(f"{place.bucket!r} names no bucket: write s3://bucket or s3://bucket/prefix")
    client = S3Client(storage)
    asked = Counter[str]()

    def page(bucket: str, prefix: str, *, after: str = "", delimiter: str = "", token: str = "") -> bytes:
        asked["pages"] += 1
        if asked["pages"] > MAX_OBJECTS // 1000:
            raise _TooManyError
        return client.list_page(bucket, prefix, after=after, delimiter=delimiter, token=token)

    try:
        objects = list_s3_objects(page, place.name, place.prefix)
    except _TooManyError:
        return _sample_s3(place, client), False
    return _strip_prefix(place.prefix, objects["key"].to_pylist(), objects["etag"].to_pylist()), True


def _sample_s3(place: Any, client: Any) -> dict[str, str | None]:
    from brev_pipeline.listing.s3_pages import parse_page

    waiting, found = [place.prefix], dict[str, str | None]()
    for _ in range(_FOLDERS):
        if not waiting:
            break
        prefix = waiting.pop(0)
        page = parse_page(client.list_page(place.name, prefix, delimiter="/"), f"s3://{place.name}/{prefix}")
        keys, tags = (page.objects[name].to_pylist()[:_PER_FOLDER] for name in ("key", "etag"))
        found |= _strip_prefix(place.prefix, keys, tags)
        waiting += sorted(page.prefixes)
    return found


def _strip_prefix(prefix: str, keys: list[str], tags: list[str | None]) -> dict[str, str | None]:
    pairs = zip(keys, tags, strict=True)
    return {key.removeprefix(prefix): tag for key, tag in pairs if not key.endswith("/") and key != prefix}
