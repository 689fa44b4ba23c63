"""`PipelineConfig`, one pipeline: the sections of its YAML, and what holds between them.

This model is the single truth: the assets, the command and the notebook's objects all receive it or one of its
sections (or build them from keyword arguments), and nobody reads YAML again.
"""

import keyword
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, PrivateAttr, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from brev_pipeline.config.base import NAME_PATTERN, Location, Section, is_local
from brev_pipeline.config.image import ImageSettings
from brev_pipeline.config.inputs import DatasetSettings, IntegritySettings, ListingSettings, StorageSettings
from brev_pipeline.config.labels import Border, find_border
from brev_pipeline.config.operations import (
    EngineSettings,
    RetrySettings,
    ScheduleSettings,
    SensorSettings,
    ValidationSettings,
)
from brev_pipeline.config.split import SplitSettings
from brev_pipeline.config.training import AugmentationSettings, CardSettings, SamplingSettings, ShardSettings

DAGSTER_NAMES: Final = frozenset(keyword.kwlist) | {
    *("context", "conf", "config", "meta", "arg_dict", "dict", "input_arg_dict", "output_arg_dict"),
    *("int", "str", "float", "bool", "input", "output", "type"),
}
"""What Dagster takes for no name (its ``DISALLOWED_NAMES``; Dagster is not imported here)."""

OUR_NAMES: Final = frozenset({"broken_configurations", "purge_old_runs", "purge"})
"""The group of files that cannot be used; the job that forgets old runs, and its op."""


def check_pipeline_name(name: str) -> str:
    """Return ``name`` if a pipeline can have it. Raises `ValueError` otherwise."""
    if name in DAGSTER_NAMES:
        raise ValueError(f"{name} is a word of Python's or Dagster's own; choose another, such as {name}_photos")
    # Dagster's names of steps are <pipeline>__<stage>; two that are equal would take everything down.
    if name in OUR_NAMES or "__" in name:
        raise ValueError(f"{name} is kept for Dagster's own use; choose another")
    return name


_MOST_WARNINGS: Final = 20
# As Dagster understands it: a location with another owner does not load.
_EMAIL: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._%+-]*@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")


class PipelineConfig(Section):
    """One pipeline: one asset group, one job, one schedule, one sensor."""

    name: Annotated[str, AfterValidator(check_pipeline_name)] = Field(
        pattern=NAME_PATTERN, max_length=64, description="Letters, digits and _."
    )
    description: str = Field("", description="For people; shown in Dagster's UI.")
    owners: list[str] = Field([], description="E-mail addresses, or team:name.")
    store: Location = Field(
        description="Local folder (relative to the configuration file, or absolute) or s3://bucket/prefix."
    )
    store_storage: StorageSettings = Field(StorageSettings(), description="How to reach an s3:// store.")
    datasets: list[DatasetSettings] = Field(min_length=1, description="Where the images lie: one entry per place.")
    listing: ListingSettings = ListingSettings()
    integrity: IntegritySettings = IntegritySettings()
    image: ImageSettings = ImageSettings()
    split: SplitSettings = SplitSettings()
    sampling: SamplingSettings = SamplingSettings()
    augmentation: AugmentationSettings = AugmentationSettings()
    shards: ShardSettings = ShardSettings()
    card: CardSettings = CardSettings()
    validation: ValidationSettings = ValidationSettings()
    engine: EngineSettings = EngineSettings()
    executor: Literal["in_process", "multiprocess"] = Field(
        "in_process",
        description="Dagster's steps in the run's own process, or each in one of its own, which gives its memory back "
        "and whose death is not the run's.",
    )
    schedule: ScheduleSettings = ScheduleSettings()
    new_images_sensor: SensorSettings = SensorSettings()
    retry: RetrySettings = RetrySettings()

    # Folder of the YAML file: relative places are meant from here, so that a checkout can be moved.
    _base: Path = PrivateAttr(default_factory=Path.cwd)

    @field_validator("owners")
    @classmethod
    def _owners(cls, owners: list[str]) -> list[str]:
        for owner in owners:
            if not (re.fullmatch(r"team:[A-Za-z0-9_-]+", owner) or _EMAIL.fullmatch(owner)):
                raise ValueError(f"{owner!r}: an owner is an e-mail address or team:name")
        return owners

    @field_validator("datasets")
    @classmethod
    def _distinct(cls, datasets: list[DatasetSettings]) -> list[DatasetSettings]:
        for field in ("id", "bucket"):
            values = Counter(getattr(dataset, field) for dataset in datasets)
            if twice := sorted(value for value, count in values.items() if count > 1):
                raise ValueError(f"two datasets have the same {field}: {', '.join(twice)}; each needs one of its own")
        return datasets

    @model_validator(mode="before")
    @classmethod
    def _sample_the_folds(cls, data: Any) -> Any:
        """With folds, they are what is sampled, unless somebody says otherwise."""
        split = data.get("split") if isinstance(data, dict) else None
        folds = split.get("folds") if isinstance(split, dict) else getattr(split, "folds", None)
        sampling = data.get("sampling", {}) if folds else None
        if type(folds) is int and 2 <= folds <= 100 and isinstance(sampling, dict) and sampling.get("purposes") is None:
            return {**data, "sampling": {**sampling, "purposes": [f"fold{number}" for number in range(folds)]}}
        return data

    @model_validator(mode="after")
    def _padding_without_objects(self) -> Self:
        image = self.image
        is_mirrored = image.target_size and image.keep_aspect_ratio and image.padding_mode != "constant"
        if self.border == "constant" and is_mirrored:
            raise ValueError(
                f"image.padding_mode {image.padding_mode} repeats parts of a photo in its padding, where no box or "
                "polygon shows them: with labels that are boxes or polygons write padding_mode: constant"
            )
        return self

    @model_validator(mode="after")
    def _classes_to_name(self) -> Self:
        given = [key for key in ("class_mapping", "classes") if getattr(self.listing, key)]
        if given and not self.listing.finds_classes and not any(one.says_classes for one in self.datasets):
            raise ValueError(
                f"listing.category is none, and no source under datasets[].labels says a class: remove "
                f"{' and '.join(f'listing.{key}' for key in given)}"
            )
        return self

    @model_validator(mode="after")
    def _labels_to_divide_by(self) -> Self:
        if self.split.given and self.split.given.labels and not any(one.says_purposes for one in self.datasets):
            raise ValueError(
                "split.given.labels: no table under datasets[].labels names the column of the purpose: add purpose "
                "to it, or give the split in another way"
            )
        if self.split.area_bins and not any(one.labels for one in self.datasets):
            raise ValueError("split.area_bins: no dataset has labels, and so no area of defects: remove it")
        return self

    @model_validator(mode="after")
    def _purposes(self) -> Self:
        if unknown := sorted(set(self.sampling.purposes) - set(self.split.names)):
            problem = f"names {unknown}, but the split has only {self.split.names}"
            if self.split.folds:
                problem += ": with split.folds, remove sampling.purposes; the folds are then drawn, each"
            # At its own key: a plain error would be told of the whole file.
            error = PydanticCustomError("value_error", "{problem}", {"problem": problem})
            detail: InitErrorDetails = {"type": error, "loc": ("sampling", "purposes"), "input": self.sampling.purposes}
            raise ValidationError.from_exception_data(type(self).__name__, [detail])
        return self

    @property
    def has_labels(self) -> bool:
        """Whether some dataset has sources of labels."""
        return any(dataset.labels for dataset in self.datasets)

    @property
    def border(self) -> Border:
        """What augmentation puts where an image ends; see `find_border`."""
        return find_border(source.kind for dataset in self.datasets for source in dataset.labels)

    @property
    def base_folder(self) -> Path:
        """Folder that relative places are meant from."""
        return self._base

    def with_base(self, base: Path) -> Self:
        """The same configuration with relative places meant from ``base``."""
        copy = self.model_copy()
        copy._base = base
        return copy

    def resolve_location(self, place: str) -> str:
        """``place`` as an absolute local path, or unchanged if it is a URL."""
        return str((self._base / place).resolve()) if is_local(place) else place

    @property
    def setup_warnings(self) -> list[str]:
        """What can be used and may still not be what was meant, one text each with its YAML path.

        Looks at the file system: a local folder that is not there now may be a disk that will be mounted.
        """
        warnings = [*self._find_missing_folders(), *self._find_unshared_folders()]
        more = len(warnings) - _MOST_WARNINGS
        return warnings if more <= 0 else [*warnings[:_MOST_WARNINGS], f"and {more} more such places"]

    def _find_missing_folders(self) -> Iterator[str]:
        for number, dataset in enumerate(self.datasets):
            for key, location in (("bucket", dataset.bucket), ("inventory", dataset.inventory)):
                if location is None or not is_local(location):
                    continue
                folder = self.resolve_location(location)
                try:
                    os.scandir(folder).close()
                except OSError as error:
                    yield (
                        f"datasets[{number}].{key}: {folder} cannot be listed now ({error.strerror or error}): a run "
                        "would fail; mount the disk, or correct the path, which is meant from the configuration's "
                        "folder"
                    )

    def _find_unshared_folders(self) -> Iterator[str]:
        locations = {f"datasets[{number}].bucket": dataset.bucket for number, dataset in enumerate(self.datasets)}
        for path, location in ({"store": self.store} | locations).items():
            if self.engine.kind != "local" and is_local(location):
                yield (
                    f"{path}: {location} is a local folder, but engine.kind is {self.engine.kind}: every machine of "
                    "the cluster has to see it under this very path; use a disk that all of them share, or s3://"
                )

    def content_settings(self) -> dict[str, Any]:
        """What the version's bytes depend on, JSON-safe: everything but places of work and automation."""
        outside = {"store", "store_storage", "owners", "description", "engine", "executor", "schedule", "retry"}
        return self.model_dump(
            mode="json", exclude={**dict.fromkeys((*outside, "new_images_sensor"), True), "integrity": {"recheck"}}
        )
