"""The notebook's `Dataset`: the pipeline's own listing, as a pandas frame."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from brev_pipeline.config import DatasetSettings, ListingSettings
from brev_pipeline.config.load import build_settings
from brev_pipeline.errors import ConfigError
from brev_pipeline.listing.datasets import list_dataset
from brev_pipeline.storage import Sources
from brev_pipeline.storage.places import ReadLimits, parse_place

if TYPE_CHECKING:
    import pandas as pd

COLUMNS: Final = ("category", "folder", "path", "etag", "bucket", "dataset", "dataset_id", "reference", "url")
"""Columns of the frame, in the order in which notebooks know them."""

_LOCATIONS: Final = {"data": "", "annotations": ".annotations", "meta": ".meta", "samples": ".samples"}
_SECRETS: Final = {"key", "secret", "token", "username", "password"}


@dataclass(frozen=True)
class Dataset:
    """A folder or bucket prefix with images in class folders, for interactive work.

    Args:
        name: name of the dataset.
        bucket: local folder, or ``s3://bucket/prefix``.
        id: id of the dataset; a new one for each object by default.
        reference: where the dataset is documented.
        storage_options: how to reach an S3 bucket: the keys of `StorageSettings` (anon, endpoint_url, profile,
            region, requester_pays), or s3fs's spelling of them (``client_kwargs={"endpoint_url": …}``).

    Raises:
        ConfigError: an option is unknown, or is a credential: those come from the environment, a profile or a role.
    """

    name: str = ""
    bucket: str = ""
    id: str = field(default_factory=lambda: str(uuid4()))
    reference: str = ""
    storage_options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        self._settings()

    def get_image_samples(
        self,
        sample_filter: str | Iterable[str] | None = None,
        class_mapping: Mapping[str, str | Iterable[str]] | None = None,
        classes: Iterable[str] | None = None,
        location: str = "data",
        url_template: str = "{path}",
        follow_links: bool = False,
        category: str | Mapping[str, int | list[int]] | None = None,
    ) -> "pd.DataFrame":
        r"""One row per image, sorted by path; the same rows as in the pipeline's ``raw_listing``.

        Args:
            sample_filter: regular expression (or several, one of which must match), searched in the file name in any
                case; default: the usual image endings.
            class_mapping: name that ``category`` finds → category or categories. Of a folder's level the nearest
                mapped folder wins, from there to the root; a name that is not mapped is the category.
            classes: keep only these categories, after mapping, and only images that have one.
            location: ``data`` (all), ``annotations``, ``meta``, ``samples``, or a folder of the dataset.
            url_template: address for people, see `ListingSettings.url_template`.
            follow_links: list what links in a local folder lead to outside of the dataset; else it is left out, with
                a warning.
            category: what says the class, see `ListingSettings.category`: ``{"folder": -1}``, the leaf folder, by
                default; or a regular expression with a group ``(?P<category>…)``.

        Returns:
            Columns category (tuple of text), folder, path, etag, bucket, dataset, dataset_id, reference, url.

        Raises:
            ListingError: the dataset is not there, may not be listed, or holds no such image.
            ConfigError: an argument is not what it may be, for example not a regular expression.
        """
        options: dict[str, Any] = {"url_template": url_template, "follow_links": follow_links}
        if sample_filter is not None:
            patterns = [sample_filter] if isinstance(sample_filter, str) else [f"(?:{part})" for part in sample_filter]
            options["sample_filter"] = "|".join(patterns)
        if category is not None:
            options["category"] = category if isinstance(category, str) else dict(category)
        if class_mapping:
            options["class_mapping"] = {
                key: value if isinstance(value, str) else list(value) for key, value in class_mapping.items()
            }
        if classes:
            options["classes"] = list(classes)
        settings = build_settings(ListingSettings, options)
        dataset = self._settings()
        root = str(Path(dataset.bucket).resolve())
        place = parse_place(dataset.bucket, root, dataset.storage, limits=ReadLimits.from_settings(settings))
        below = _LOCATIONS.get(location, location)
        table = list_dataset(dataset, settings, Sources({dataset.bucket: place}), location=below)
        frame: pd.DataFrame = table.select(COLUMNS).to_pandas()
        frame["category"] = frame["category"].map(tuple)
        return frame

    def _settings(self) -> DatasetSettings:
        settings = {
            "name": self.name or self.bucket,
            "id": self.id,
            "bucket": self.bucket,
            "reference": self.reference or "N/A",
            "storage": _translate_options(self.storage_options),
        }
        return build_settings(DatasetSettings, settings)


def _translate_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """``options`` in the words of `StorageSettings`."""
    translated = {**options, **options.get("client_kwargs", {})}
    translated.pop("client_kwargs", None)
    if "region_name" in options.get("client_kwargs", {}):
        translated["region"] = translated.pop("region_name")
    if secret := sorted(_SECRETS & translated.keys()):
        raise ConfigError(
            f"storage_options: {', '.join(secret)}: credentials do not belong into code: use the environment "
            "(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), a profile or a role"
        )
    return translated
