"""Sources: the photo behind a record, at its place, with the bytes that it had when the version was made.

``path`` in a record begins with its dataset's bucket as configured. An address on S3 and an absolute folder say for
themselves where that is. A relative folder is meant from the configuration's, which no version names, so that a version
is the same on every machine: the store's log says where the folder lay as seen from the store, so that both can be
moved together; for a version or a store that was copied away from its photos, the reader says it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brev_pipeline.config import ListingSettings, StorageSettings, build_settings
from brev_pipeline.config.base import is_local
from brev_pipeline.errors import ReadError, SourceError
from brev_pipeline.readers.find_version import find_store
from brev_pipeline.storage import Sources
from brev_pipeline.storage.fetcher import SourceRow, check_recorded_md5
from brev_pipeline.storage.places import LocalPlace, Place, ReadLimits, object_key, parse_place, path_prefix
from brev_pipeline.store import Version

Base = str | os.PathLike[str]


@dataclass(frozen=True)
class SourcePhotos:
    """The photos that a version was made of, where they lie.

    Args:
        version: the version.
        configuration: of its manifest.
        base: folder that relative buckets are meant from; None: as the store's log says.
        storage: how to reach buckets on S3; None: as the version was made (credentials come from the environment).
    """

    version: Version
    configuration: Mapping[str, Any]
    base: Base | None = None
    storage: StorageSettings | None = None

    def locate_photo(self, path: str) -> str:
        """Where an image lies: the absolute path of a file, or an ``s3://`` address.

        Args:
            path: as records and tables have it.

        Raises:
            ReadError: no dataset of the version has it, its dataset is not where it was, or nothing says where that
                is.
        """
        place, key = self._find(path)
        return f"{place.root}/{key}" if isinstance(place, LocalPlace) else path

    def read_photo(self, path: str, content_id: str, *, verify: bool = True) -> bytes:
        """The bytes of an image.

        Args:
            path: as records and tables have it.
            content_id: MD5 of the bytes that the version was made of.
            verify: refuse other bytes.

        Raises:
            ReadError: as `locate_photo`; or the file is not there, may not be read, or has other bytes than those.
        """
        place, _ = self._find(path)
        # Without its entity tag: the MD5 tells more.
        row = SourceRow(path, place.bucket, None, "none", content_id)
        ((_, data),) = Sources({place.bucket: place}).fetch_many([row])
        if isinstance(data, SourceError):
            raise ReadError(f"{self.locate_photo(path)}: {data}") from data
        if verify and isinstance(check_recorded_md5(row, data), SourceError):
            raise ReadError(
                f"{self.locate_photo(path)}: was changed since version {self.version.id} was made of it: its MD5 was "
                f"{content_id}; verify=False gives what is there now"
            )
        return data

    def _find(self, path: str) -> tuple[Place, str]:
        by_bucket = {dataset["bucket"]: dataset for dataset in self.configuration["datasets"]}
        # Of buckets within each other the innermost.
        bucket = max((name for name in by_bucket if path.startswith(path_prefix(name))), key=len, default=None)
        if bucket is None:
            known = ", ".join(by_bucket)
            raise ReadError(f"{path} is no image of version {self.version.id}; its datasets are {known}")
        limits = ReadLimits.from_settings(build_settings(ListingSettings, self.configuration.get("listing", {})))
        storage = self.storage or build_settings(StorageSettings, by_bucket[bucket].get("storage", {}))
        place = parse_place(bucket, self._resolve_bucket(bucket), storage, None, limits)
        return place, object_key(bucket, path)

    def _resolve_bucket(self, bucket: str) -> str:
        """Where a dataset lies: an address on S3, or the absolute path of a folder that is there."""
        if not is_local(bucket):
            return bucket
        folder, reason = self._guess_folder(bucket)
        if os.path.isdir(folder):
            return folder
        advice = (
            "put it there again"
            if os.path.isabs(bucket)
            else f"give as base= the folder from which {bucket} leads to the photos"
        )
        raise ReadError(f"the dataset {bucket} of version {self.version.id} is not there: {reason}; {advice}")

    def _guess_folder(self, bucket: str) -> tuple[str, str]:
        """The folder of a dataset, there or not, and what says so."""
        if os.path.isabs(bucket):
            return bucket, "the version was made of this folder, and here is none"
        if self.base is not None:
            folder = os.path.realpath(os.path.join(os.fspath(self.base), bucket))
            return folder, f"seen from base={os.fspath(self.base)} it would be the folder {folder}"
        store = find_store(self.version)
        if store is not None and store.folder.is_local:
            # Published last: every publication notes where the folders lay then, seen from the store.
            for entry in reversed(store.publications.read_all()):
                if entry.version == self.version.id and entry.datasets.get(bucket):
                    folder = os.path.realpath(os.path.join(store.folder.url, entry.datasets[bucket]))
                    return folder, f"the store says the folder {folder}, and it or the dataset was moved since"
        raise ReadError(
            f"the dataset {bucket} lies in a folder relative to the configuration that made version {self.version.id}, "
            "and nothing here says where that is (the version was copied out of its store, the store is a bucket, or "
            "an older release published it): give base=, the folder of the configuration"
        )
