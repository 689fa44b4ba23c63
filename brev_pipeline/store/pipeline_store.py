"""The rooms of one pipeline's store, and where each of them lies.

::

    <store>/<pipeline>/
      tables/<run id>/            Parquet of each asset, by run; what its checks said; how long it took
      memory/                     identities of objects, so that no bytes are read twice to find an MD5
      rechecks/                   which remembered identities were compared with their bytes, and when
      prepared/                   prepared pixels, content-addressed
      staging/<plan digest>/      shards on their way to a version; finished ones are taken up by the next run
      versions/<version id>/      immutable
      publications/00000001.json  the log; the newest entry is what training reads
      removals/00000001.json      the log of published versions that were removed on purpose
      access/00000001.json        the log of readings, where the configuration wants it
      filtered/<hash>.parquet     images that the listing leaves out, for a version's account
      seals/<log>/                a second copy of every entry of the logs
"""

from dataclasses import dataclass
from typing import Any

from brev_pipeline.config import PipelineConfig, StorageSettings
from brev_pipeline.errors import StoreError
from brev_pipeline.store.folder import Folder
from brev_pipeline.store.identity_cache import IdentityCache, RecheckLog
from brev_pipeline.store.publications import Publication, Publications
from brev_pipeline.store.timing_log import TimingLog
from brev_pipeline.store.versions import Version
from brev_pipeline.store.witness_log import WitnessLog


@dataclass(frozen=True)
class PipelineStore:
    """The store of one pipeline, in ``<store>/<pipeline>``."""

    folder: Folder

    @classmethod
    def from_config(cls, config: PipelineConfig) -> "PipelineStore":
        """The store that a configuration names."""
        return cls.at_url(config.resolve_location(config.store), config.name, config.store_storage)

    @classmethod
    def at_url(cls, store: str, pipeline: str, storage: StorageSettings | None = None) -> "PipelineStore":
        """The store of ``pipeline`` below ``store``, an absolute path or ``s3://…``."""
        options = _s3_options(storage or StorageSettings()) if "://" in store else {}
        return cls(Folder(store, options) / pipeline)

    @property
    def tables(self) -> Folder:
        """Tables of the assets, by run."""
        return self.folder / "tables"

    @property
    def timing_log(self) -> TimingLog:
        """How long the stages of earlier runs took."""
        return TimingLog(self.tables)

    @property
    def identity_cache(self) -> IdentityCache:
        """Identities that earlier runs found."""
        return IdentityCache(self.folder / "memory")

    @property
    def recheck_log(self) -> RecheckLog:
        """Which remembered identities were compared with their bytes, and when."""
        return RecheckLog(self.folder / "rechecks")

    @property
    def prepared_pixels(self) -> Folder:
        """Prepared pixels."""
        return self.folder / "prepared"

    @property
    def staging_area(self) -> Folder:
        """Shards on their way to a version."""
        return self.folder / "staging"

    @property
    def versions(self) -> Folder:
        """Published versions, and at most a few that a killed run did not come to publish."""
        return self.folder / "versions"

    @property
    def publications(self) -> Publications:
        """The log of publications."""
        return Publications(self.folder / "publications", self.witness_log("publications"))

    @property
    def filtered_images(self) -> Folder:
        """Images that ``listing.classes`` leaves out, one content-addressed table per listing that had some."""
        return self.folder / "filtered"

    def witness_log(self, log: str) -> WitnessLog:
        """The seals of one of the logs: publications, removals, access."""
        return WitnessLog(self.folder / "seals" / log)

    def find_version(self, version_id: str) -> Version:
        """A version by its id, or by the beginning of it.

        Raises:
            StoreError: no version, or more than one, begins so.
        """
        matches = [name for name in self.versions.list_names() if name.startswith(version_id)]
        if version_id in matches:
            matches = [version_id]
        if len(matches) != 1:
            known = ", ".join(entry.version for entry in self.publications.read_all()) or "none"
            raise StoreError(
                f"{self.versions.url}: {len(matches) or 'no'} version(s) named {version_id}…; published: {known}"
            )
        return Version(self.versions / matches[0], matches[0])

    def newest_version(self) -> tuple[Publication, Version] | None:
        """The newest publication and its version; None where nothing was published yet."""
        entry = self.publications.read_newest()
        return (entry, Version(self.versions / entry.version, entry.version)) if entry else None


def _s3_options(storage: StorageSettings) -> dict[str, Any]:
    options: dict[str, Any] = {"anon": storage.anon, "use_listings_cache": False}  # other processes write there too
    if storage.profile:
        options["profile"] = storage.profile
    if storage.endpoint_url:
        options["endpoint_url"] = storage.endpoint_url
    if storage.region:
        options["client_kwargs"] = {"region_name": storage.region}
    return options
