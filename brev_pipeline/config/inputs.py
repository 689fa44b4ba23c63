"""The sections `datasets`, `listing` and `integrity`: where the images lie, and what they are called."""

import re
import string
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from brev_pipeline.config.base import MAX_PATTERN_LENGTH, Columns, Fraction, Location, Regex, Section, check_pattern
from brev_pipeline.config.labels import LabelSource, TableSource


class StorageSettings(Section):
    """How to reach a bucket. Credentials are never here: they come from the environment, a profile or a role."""

    anon: bool = Field(False, description="Read without credentials (a public bucket).")
    endpoint_url: str | None = Field(None, description="S3 endpoint, for a store that is not AWS.")
    profile: str | None = Field(None, description="Profile of the AWS configuration files.")
    region: str | None = Field(None, description="AWS region of the bucket.")
    requester_pays: bool = Field(False, description="Accept the cost of the requests.")

    @field_validator("endpoint_url")
    @classmethod
    def _with_scheme(cls, url: str | None) -> str | None:
        # The seed names its endpoint by host alone.
        url = url if url is None or "://" in url else f"https://{url}"
        if url is not None and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#@]*)?", url):
            raise ValueError(f"{url!r} is no address of a server, such as https://minio.example.com:9000")
        return url


class DatasetSettings(Section):
    """A folder or bucket prefix with images in class folders."""

    name: str = Field(min_length=1, description="Name of the dataset.")
    id: str = Field(min_length=1, description="Id of the dataset, unique in the pipeline.")
    bucket: Location = Field(
        description="Local folder (relative to the configuration file, or absolute) or s3://bucket/prefix."
    )
    reference: str = Field("N/A", description="Where the dataset is documented.")
    storage: StorageSettings = StorageSettings()
    inventory: Location | None = Field(
        None,
        description="S3 Inventory report to read in place of listing the bucket: a manifest.json, or the folder of the "
        "dated reports, of which the newest complete one is taken. On S3, or a local folder.",
    )
    labels: list[LabelSource] = Field(
        [],
        # A configuration without labels says what it said before there were any.
        exclude_if=lambda labels: not labels,
        description="Where masks, boxes, polygons, tables and values of the images lie; each entry by its kind.",
    )

    @property
    def hidden_label_folders(self) -> set[str]:
        """Names of hidden folders (beginning with a dot) that labels lie in: others are not entered."""
        parts = {part for source in self.labels for part in source.location.split("/")[:-1]}
        return {part for part in parts if part.startswith(".") and part != ".." and "{" not in part}

    @property
    def says_classes(self) -> bool:
        """Whether some source of labels says classes of photos."""
        return any(source.says_classes for source in self.labels)

    @property
    def says_purposes(self) -> bool:
        """Whether some source of labels says purposes of photos."""
        return any(isinstance(source, TableSource) and source.purpose is not None for source in self.labels)

    @field_validator("bucket")
    @classmethod
    def _without_slash(cls, bucket: str) -> str:
        return bucket.rstrip("/") or bucket

    @model_validator(mode="after")
    def _listable(self) -> Self:
        if self.inventory and not self.bucket.startswith("s3://"):
            raise ValueError(
                "an inventory lists a bucket on S3, and this dataset is a local folder: remove the inventory"
            )
        return self


class FolderCategory(Section):
    """The class by the name of a folder."""

    folder: int | Annotated[list[int], Field(min_length=1)] = Field(
        description="Level of the folder: -1 holds the image, -2 is above it; 0 lies in the dataset's root, 1 below. "
        "A list makes an image of several classes."
    )

    @property
    def folder_levels(self) -> list[int]:
        """The levels, in the order in which they make categories."""
        return [self.folder] if isinstance(self.folder, int) else self.folder


NO_CLASSES: Final = "none"
"""In place of a rule: the images have no class."""


def _check_category(value: Any) -> Any:
    """Refuse what has no form that is known here, where all can be named."""
    if value == NO_CLASSES:
        return value
    if isinstance(value, str):
        groups = re.compile(check_pattern(value)).groupindex
        if not any(name.startswith("category") for name in groups):
            raise ValueError(
                f"the regular expression {value!r} has no group of the name category: write (?P<category>…) around "
                "the part of the path that is the class; further ones are (?P<category_2>…) and so on"
            )
        return value
    if isinstance(value, FolderCategory):
        return value
    if isinstance(value, dict) and list(value) == ["folder"]:
        levels = value["folder"] if isinstance(value["folder"], list) else [value["folder"]]
        if levels and all(type(level) is int for level in levels):
            return value
        raise ValueError(
            "takes whole numbers as levels: {folder: -1} is the folder that holds the image, {folder: 0} lies in the "
            "dataset's root, {folder: [0, -1]} makes an image of both classes; a name is found by a regular expression"
        )
    raise ValueError(
        "takes {folder: -1}, a list of levels, a regular expression with a group (?P<category>…), or none where the "
        "images have no class"
    )


CategoryRule = Annotated[
    Annotated[str, Tag("pattern")] | Annotated[FolderCategory, Tag("folder")],
    Discriminator(lambda value: "pattern" if isinstance(value, str) else "folder"),
    BeforeValidator(_check_category),
]


class ListingSettings(Section):
    """Which objects count as images, and what class they are."""

    sample_filter: Regex = Field(
        r"\.(bmp|jpe?g|png|tiff?|webp|gif|jp2|j2k|avif|p[bgpn]m)$",
        description="Regular expression, searched in the file name in any case.",
    )
    category: CategoryRule = Field(
        FolderCategory(folder=-1),
        description="What says the class: {folder: -1}, the folder that holds the image, or another level; or a "
        "regular expression with a group (?P<category>…), searched in / and the path within the dataset; or none: the "
        "images have no class, and their records the label -1.",
    )
    class_mapping: dict[str, list[str]] = Field(
        {},
        description="Name that listing.category found → categories. Of a folder's level the nearest mapped folder "
        "wins, from there to the root; a name that is not mapped is the category.",
    )
    classes: Columns | None = Field(
        None, description="Keep only images with one of these categories; new classes get their labels in this order."
    )
    follow_links: bool = Field(
        False,
        description="Read what links in a local folder lead to outside of the dataset; links within it are always "
        "followed.",
    )
    max_object_mb: float = Field(
        512,
        gt=0,
        allow_inf_nan=False,
        description="MB (10⁶ bytes); an image file that is larger is left out unread, with this reason.",
    )
    url_template: str = Field(
        "{path}", description="Address for people: {path}, {bucket}, {key}, {quoted_key} are filled in."
    )

    @property
    def finds_classes(self) -> bool:
        """Whether every image has a class, which its path says, or its labels; else only those whose labels say one."""
        return self.category != NO_CLASSES

    @property
    def max_object_bytes(self) -> int:
        """`max_object_mb` in bytes."""
        return int(self.max_object_mb * 1e6)

    @field_validator("class_mapping", mode="before")
    @classmethod
    def _lists(cls, mapping: Any) -> Any:
        if isinstance(mapping, dict):
            return {key: [value] if isinstance(value, str) else value for key, value in mapping.items()}
        return mapping

    @field_validator("class_mapping")
    @classmethod
    def _named(cls, mapping: dict[str, list[str]]) -> dict[str, list[str]]:
        if bad := [key for key, names in mapping.items() if not names or not all(name.strip() for name in names)]:
            raise ValueError(
                f"{bad} are mapped to no category: name one for each; images without a class are left out by "
                "listing.classes, which lists those that are kept"
            )
        return mapping

    @field_validator("url_template")
    @classmethod
    def _fields(cls, template: str) -> str:
        known = "{path}, {bucket}, {key}, {quoted_key}"
        if len(template) > MAX_PATTERN_LENGTH:
            raise ValueError(f"has {len(template)} characters; an address has at most {MAX_PATTERN_LENGTH}")
        try:
            fields = [part for part in string.Formatter().parse(template) if part[1] is not None]
            # An attribute ({path.x}) is none of ours, and a width such as {path:>999999999} would be obeyed.
            wide = re.compile(r"\{|\d{4}")  # a width that stands elsewhere, or that nobody needs
            if bad := [name for _, name, width, _ in fields if f"{{{name}}}" not in known or wide.search(width or "")]:
                raise ValueError(", ".join(map(repr, bad)))
            template.format(path="", bucket="", key="", quoted_key="")
        except ValueError as error:
            raise ValueError(f"{template!r}: only {known} are known ({error})") from error
        return template


class IntegritySettings(Section):
    """What to do with copies."""

    duplicates: Literal["keep_all", "keep_first"] = Field(
        "keep_all", description="Use every copy of the same bytes, or only the first by path."
    )
    label_conflicts: Literal["fail", "quarantine", "keep"] = Field(
        "fail", description="The same bytes under two categories: stop the run, leave them out, or use both."
    )
    recheck: Fraction = Field(
        0.01,
        description="Share of the remembered identities that each run reads again and compares, 20 at least; "
        "0 switches it off. Makes no data: it stands in no version.",
    )
