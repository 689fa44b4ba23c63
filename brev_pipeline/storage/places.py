"""Places: what a dataset's configured bucket stands for, and how paths of images map to keys in it."""

from dataclasses import dataclass

from brev_pipeline.config import ListingSettings, StorageSettings


@dataclass(frozen=True)
class ReadLimits:
    """What is read of a place at all: the settings of the listing that hold for whoever reads later too."""

    follow_links: bool = False
    """Whether local links that leave the dataset are followed."""
    max_bytes: int = ListingSettings().max_object_bytes
    """Size of the largest object that is read, in bytes."""

    @classmethod
    def from_settings(cls, settings: ListingSettings) -> "ReadLimits":
        """The limits that a configuration's listing sets."""
        return cls(settings.follow_links, settings.max_object_bytes)


@dataclass(frozen=True)
class LocalPlace:
    """A folder of this machine."""

    bucket: str
    """As configured: what stands in the tables, so that no record carries this machine's folders unasked."""
    root: str
    """Absolute path of the folder."""
    limits: ReadLimits = ReadLimits()
    below: str = ""
    """The folder in it that is meant: empty, or ending with ``/``."""


@dataclass(frozen=True)
class S3Place:
    """A prefix of an S3 bucket."""

    bucket: str
    """As configured, for example ``s3://bucket/prefix``."""
    name: str
    """Name of the S3 bucket."""
    prefix: str
    """What all keys begin with: empty, or ending with ``/``."""
    storage: StorageSettings
    inventory: str | None = None
    """Where an S3 Inventory report lies that is read in place of listing: local folders absolute."""
    limits: ReadLimits = ReadLimits()


Place = LocalPlace | S3Place


def parse_place(
    bucket: str,
    resolved: str,
    storage: StorageSettings,
    inventory: str | None = None,
    limits: ReadLimits = ReadLimits(),
) -> Place:
    """The place that a configured bucket, without a slash at its end, stands for.

    ``resolved`` is the same, relative folders made absolute; of an ``inventory`` local folders are absolute, too.
    """
    if not bucket.startswith("s3://"):
        return LocalPlace(bucket, resolved, limits)
    name, _, prefix = bucket.removeprefix("s3://").partition("/")
    prefix = prefix.strip("/")
    return S3Place(bucket, name, f"{prefix}/" if prefix else "", storage, inventory, limits)


def path_prefix(bucket: str) -> str:
    """What the path of every image of ``bucket`` begins with: the bucket as configured, and one slash."""
    return bucket if bucket.endswith("/") else f"{bucket}/"


def object_key(bucket: str, path: str) -> str:
    """The key, relative to the place, of the image with this ``path``."""
    return path[len(path_prefix(bucket)) :]
