"""What a pipeline's YAML may say.

One frozen pydantic model per section, and `PipelineConfig` over them. These models are the single truth: the
assets, the command and the notebook's objects all receive them (or build them from keyword arguments), and
nobody reads YAML again. Unknown keys are errors, and so are credentials in any text. Nothing here imports more than
pydantic.
"""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from brev_pipeline.config.credentials import find_credentials, is_host_field
from brev_pipeline.config.locations import check_location, is_local, missing_folder
from brev_pipeline.config.names import check_pipeline_name

_NAME = r"^[A-Za-z][A-Za-z0-9_]*$"
_MOST_WARNINGS: Final = 20
_ROUNDING: Final = 1e-9  # of a sum of shares
_LONGEST_PATTERN: Final = 4000  # characters; compiling takes longer the longer the pattern is
# As Dagster understands it: a location with another owner does not load.
_EMAIL: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._%+-]*@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")


def _compilable(pattern: str) -> str:
    if len(pattern) > _LONGEST_PATTERN:
        raise ValueError(f"has {len(pattern)} characters; a regular expression has at most {_LONGEST_PATTERN}")
    try:
        re.compile(pattern)
    except (re.error, OverflowError) as error:
        raise ValueError(f"not a regular expression: {error}") from error
    except RecursionError:
        raise ValueError("not a regular expression that can be used: its groups are nested too deeply") from None
    return pattern


def _is_wide(form: str) -> bool:
    """Whether a format takes its width from elsewhere, or has one that nobody needs."""
    return "{" in form or re.search(r"\d{4}", form) is not None


def _one_group(key: str | list[str] | None) -> str | list[str] | None:
    if isinstance(key, str) and re.compile(_compilable(key)).groups == 0:
        raise ValueError(
            f"the regular expression {key!r} has no group: put parentheses around the part of the path that is "
            r"the key, as in '/(\d*)_\d*\.bmp'"
        )
    return key


Regex = Annotated[str, AfterValidator(_compilable)]
Columns = Annotated[list[str], Field(min_length=1)]
Key = Annotated[str | Columns | None, AfterValidator(_one_group)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class Section(BaseModel):
    """A part of a configuration: frozen, and strict about unknown keys."""

    # Inputs are hidden, since the texts of pydantic's errors end up in logs.
    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, hide_input_in_errors=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _without_credentials(cls, value: Any, info: ValidationInfo) -> Any:
        if said := _credentials_in(value, is_host=is_host_field(info.field_name)):
            raise ValueError(said)
        return value


def _credentials_in(value: Any, *, is_host: bool = False) -> str | None:
    """What credentials a raw value holds, with the way to them in it; None where it holds none."""
    if isinstance(value, str):
        return find_credentials(value, is_host=is_host)
    parts: Sequence[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        parts = [*value.items(), *((key, key) for key in value)]
    elif isinstance(value, list | tuple):
        parts = list(enumerate(value))
    for key, part in parts:
        if said := _credentials_in(part, is_host=is_host_field(key)):
            return said if key is part else f"{key}: {said}"
    return None


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
        if url is None:
            return None
        # The seed names its endpoint by host alone.
        url = url if "://" in url else f"https://{url}"
        if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#@]*)?", url):
            raise ValueError(f"{url!r} is no address of a server, such as https://minio.example.com:9000")
        return url


class DatasetSettings(Section):
    """A folder or bucket prefix with images in class folders."""

    name: str = Field(min_length=1, description="Name of the dataset.")
    id: str = Field(min_length=1, description="Id of the dataset, unique in the pipeline.")
    bucket: str = Field(
        min_length=1,
        description="Local folder (relative to the configuration file, or absolute) or s3://bucket/prefix.",
    )
    reference: str = Field("N/A", description="Where the dataset is documented.")
    storage: StorageSettings = StorageSettings()
    inventory: str | None = Field(
        None,
        min_length=1,
        description="S3 Inventory report to read in place of listing the bucket: a manifest.json, or the folder of the "
        "dated reports, of which the newest complete one is taken. On S3, or a local folder.",
    )

    @field_validator("bucket")
    @classmethod
    def _place(cls, bucket: str) -> str:
        check_location(bucket)
        return bucket.rstrip("/") or bucket

    @field_validator("inventory")
    @classmethod
    def _report(cls, inventory: str | None) -> str | None:
        return None if inventory is None else check_location(inventory)

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
    def levels(self) -> list[int]:
        """The levels, in the order in which they make categories."""
        return [self.folder] if isinstance(self.folder, int) else self.folder


def _check_category(value: Any) -> Any:
    """Refuse what has neither form here, where both can be named."""
    if isinstance(value, str):
        groups = re.compile(_compilable(value)).groupindex
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
    raise ValueError("takes {folder: -1}, a list of levels, or a regular expression with a group (?P<category>…)")


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
        "regular expression with a group (?P<category>…), searched in / and the path within the dataset.",
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
        if len(template) > _LONGEST_PATTERN:
            raise ValueError(f"has {len(template)} characters; an address has at most {_LONGEST_PATTERN}")
        try:
            fields = [part for part in string.Formatter().parse(template) if part[1] is not None]
            # An attribute ({path.x}) is none of ours, and a width such as {path:>999999999} would be obeyed.
            if bad := [name for _, name, width, _ in fields if f"{{{name}}}" not in known or _is_wide(width or "")]:
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


Box = tuple[tuple[int, int], tuple[int, int]]


class WindowIntensity(Section):
    """Samples of more than 8 bits by a fixed window."""

    window: tuple[int, int] = Field(
        description="[low, high] in stored values: low and all below become 0, high and all above 255."
    )

    @field_validator("window")
    @classmethod
    def _rising(cls, window: tuple[int, int]) -> tuple[int, int]:
        low, high = window
        if not -32_768 <= low < high <= 65_535:
            raise ValueError(f"[low, high] must rise within -32768..65535, got {list(window)}")
        return window


class PercentileIntensity(Section):
    """Samples of more than 8 bits by what each image holds."""

    percentile: tuple[float, float] = Field(
        description="[p, q] in percent: the sample that p % lie at or below becomes 0, that of q % 255."
    )

    @field_validator("percentile")
    @classmethod
    def _rising(cls, percentile: tuple[float, float]) -> tuple[float, float]:
        low, high = percentile
        if not 0 <= low < high <= 100:
            raise ValueError(f"[p, q] must rise within 0..100 percent, got {list(percentile)}")
        return percentile


def _kind_of_intensity(value: Any) -> str:
    if isinstance(value, PercentileIntensity) or (isinstance(value, dict) and "percentile" in value):
        return "percentile"
    return "window" if isinstance(value, (WindowIntensity, dict)) else "name"


def _check_form(value: Any) -> Any:
    """Refuse what has none of the forms here, where all of them can be named."""
    if isinstance(value, dict) and len(value) == 1:
        ((name, pair),) = value.items()
        kinds = {"window": (int,), "percentile": (int, float)}.get(name, ())
        if isinstance(pair, list | tuple) and len(pair) == 2 and all(type(one) in kinds for one in pair):
            return value
    elif isinstance(value, WindowIntensity | PercentileIntensity) or value in ("full_range", "min_max"):
        return value
    raise ValueError("takes full_range, min_max, {window: [low, high]} in whole numbers or {percentile: [p, q]}")


Intensity = Annotated[
    Annotated[Literal["full_range", "min_max"], Tag("name")]
    | Annotated[WindowIntensity, Tag("window")]
    | Annotated[PercentileIntensity, Tag("percentile")],
    Discriminator(_kind_of_intensity),
    BeforeValidator(_check_form),
]


NO_INGREDIENTS: Final = frozenset({"max_seconds"})
"""Fields of `ImageSettings` that make no other pixels: how long an image may take."""


class ImageSettings(Section):
    """How bytes become the pixels that are stored. Names and defaults follow the reference's ImagePipeline."""

    target_size: tuple[int, int] | None = Field(
        None, description="[height, width] in px; without it images keep their size."
    )
    rois: list[Box] = Field([], description="Regions to cut out: [[x1, y1], [x2, y2]] in px, x2 and y2 exclusive.")
    roi_mode: Literal["concatenate_height", "as_timeseries"] = Field(
        "concatenate_height", description="Put the rois below each other, or make each a frame of a time series."
    )
    color_mode: Literal["rgb", "greyscale", "bayer"] = Field(
        "rgb", description="Channels that are kept; bayer: a grey image holds a Bayer pattern, and becomes RGB."
    )
    keep_aspect_ratio: bool = Field(False, description="Fit into target_size and pad the rest.")
    resize_method: Literal["bilinear", "nearest", "area"] = Field(
        "bilinear", description="How pixels are interpolated; with half-pixel centres."
    )
    antialias: bool = Field(False, description="Average over the source area when shrinking.")
    padding_mode: Literal["constant", "reflect", "symmetric"] = Field(
        "constant", description="What the padding holds: black, or the image mirrored without or with its edge pixel."
    )
    center_padding: bool = Field(False, description="Pad on both sides instead of below and right.")
    background: tuple[int, int, int] = Field((0, 0, 0), description="RGB behind transparent pixels, 0..255.")
    intensity: Intensity = Field(
        "full_range",
        description="How samples of more than 8 bits become 8: full_range of the declared depth, min_max of each "
        "image, {window: [low, high]} in stored values, {percentile: [p, q]} of each image; others stay as they are.",
    )
    roi_outside: Literal["error", "quarantine"] = Field("quarantine", description="A roi outside of an image.")
    strict_jpeg: bool = Field(
        False, description="Refuse JPEGs with damaged data that can be read to the end; otherwise they get a note."
    )
    max_pixels: int = Field(
        100_000_000, gt=0, description="Images with more pixels are refused from their header, before decoding."
    )
    max_seconds: float = Field(
        10,
        gt=0,
        le=86_400,
        description="CPU seconds after which the decoding of one image is stopped, in an engine's workers; such an "
        "image blocks publication unless validation.prepared_images.accept_unjudged lists it.",
    )

    @field_validator("target_size")
    @classmethod
    def _positive(cls, size: tuple[int, int] | None) -> tuple[int, int] | None:
        if size is not None and not all(1 <= side <= 32_767 for side in size):
            raise ValueError(f"[height, width] must each be 1..32767 px, got {list(size)}")
        return size

    @field_validator("rois")
    @classmethod
    def _boxes(cls, rois: list[Box]) -> list[Box]:
        for (x1, y1), (x2, y2) in rois:
            if not (0 <= x1 < x2 and 0 <= y1 < y2):
                raise ValueError(f"[[{x1}, {y1}], [{x2}, {y2}]] is empty or negative: want x1 < x2 and y1 < y2")
        return rois

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        sizes = [(y2 - y1, x2 - x1) for (x1, y1), (x2, y2) in self.rois]
        if self.roi_mode == "concatenate_height" and len({width for _, width in sizes}) > 1:
            raise ValueError(f"rois under each other must be equally wide, got widths {[width for _, width in sizes]}")
        if self.roi_mode == "as_timeseries" and self.target_size is None and len(set(sizes)) > 1:
            raise ValueError("the frames of a time series must be equally large: give target_size, or equal rois")
        return self

    @field_validator("background")
    @classmethod
    def _bytes(cls, colour: tuple[int, int, int]) -> tuple[int, int, int]:
        if not all(0 <= value <= 255 for value in colour):
            raise ValueError(f"each value must be 0..255, got {list(colour)}")
        return colour


SplitMethod = Literal["ranked_hash", "sorted_permutation", "murmurhash3"]


def _local_file(file: str | None) -> str | None:
    if file is not None and not is_local(file):
        raise ValueError(f"{file!r}: only local files are read; copy it beside the configuration")
    return file


LocalFile = Annotated[str, Field(min_length=1), AfterValidator(_local_file)]


class GivenSettings(Section):
    """A split that is given: by folders, by names, by a table, or by lists of files. One of them."""

    folder: int | None = Field(
        None,
        strict=True,
        description="Level of the folder that names the purpose: 0 lies in the dataset's root, -1 holds the image.",
    )
    pattern: Regex | None = Field(
        None,
        description="Regular expression with a group (?P<purpose>…), searched in / and the path within the dataset.",
    )
    table: LocalFile | None = Field(
        None,
        description="CSV with a head line: a column that names the image (path, etag, item) and one with the purpose. "
        "Relative to the configuration file, or absolute.",
    )
    column: str = Field("purpose", min_length=1, description="table: name of the column with the purpose.")
    lists: dict[str, LocalFile] | None = Field(
        None,
        min_length=1,
        description="Word → text file that names images, one a line: paths, or names with or without their ending. "
        "Relative to the configuration file, or absolute.",
    )
    words: dict[str, str | None] = Field(
        {},
        description="Word that is found → purpose of ours; null: divided as configured. A word that is not named here "
        "must be a purpose.",
    )

    @field_validator("pattern")
    @classmethod
    def _named(cls, pattern: str | None) -> str | None:
        if pattern is not None and "purpose" not in re.compile(pattern).groupindex:
            raise ValueError(f"{pattern!r} has no group of the name purpose: write (?P<purpose>…)")
        return pattern

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = ("folder", "pattern", "table", "lists")
        named = [way for way in ways if getattr(self, way) is not None]
        if len(named) != 1:
            raise ValueError(f"give one of {', '.join(ways)}, got {' and '.join(named) or 'none'}")
        if unknown := sorted(set(self.words) - set(self.lists)) if self.lists else []:
            raise ValueError(f"words names {unknown}, but the lists are {list(self.lists or {})}")
        if self.table is None and "column" in self.model_fields_set and self.column != "purpose":
            raise ValueError("column is of a table: give table, or remove column")
        return self

    @property
    def purposes(self) -> list[str]:
        """The purposes that the words name, each once."""
        return list(dict.fromkeys(purpose for purpose in self.words.values() if purpose is not None))

    @property
    def named(self) -> set[str]:
        """The purposes that it names: what the words mean, and words of lists that are purposes themselves."""
        return {*self.purposes, *self.untranslated}

    @property
    def untranslated(self) -> set[str]:
        """The words of lists that must be purposes themselves."""
        words = {unicodedata.normalize("NFC", word) for word in self.words}
        return {word for word in self.lists or {} if unicodedata.normalize("NFC", word) not in words}

    @property
    def files(self) -> dict[str, str]:
        """The files that are read: key of the configuration below ``split.given`` → place."""
        lists = {f"lists.{word}": place for word, place in (self.lists or {}).items()}
        return lists if self.table is None else {"table": self.table}


class SplitSettings(Section):
    """Who trains and who tests."""

    stratification: Key = Field(None, description="Columns, or a regular expression with a group on the path.")
    uniqueness: Key = Field(
        None, description="What names the physical item: columns, or a regular expression with a group on the path."
    )
    uniqueness_scope: Literal["stratum", "global"] = Field(
        "global", description="Whether the same item key in two strata is the same item (global) or not (stratum)."
    )
    unmatched: Literal["error", "own_item"] = Field(
        "error", description="Paths that the regular expression does not match: an error, or each an item of its own."
    )
    method: SplitMethod = Field(
        "ranked_hash",
        description="ranked_hash depends on neither row order nor other strata; the other two are the methods of the "
        "brevettiai package, with its results.",
    )
    seed: Seed = Field(0, description="Another seed, another split; a whole number below 2**63.")
    purposes: dict[str, Fraction] = Field(
        {"train": 0.8},
        description="Purpose → share of each stratum's images, filled in this order. With folds there are none but "
        "those that are named.",
    )
    remainder: str = Field("devel", pattern=_NAME, description="Purpose of all others; none with folds.")
    folds: int | None = Field(
        None,
        ge=2,
        le=100,
        strict=True,
        description="For cross-validation: what the purposes leave is divided evenly into fold0, fold1, …; each holds "
        "its photos as they are, and augmented draws of them.",
    )
    given: GivenSettings | None = Field(
        None, description="A split that is given; the rest is divided by the shares, which then count of the rest."
    )
    locked: list[str] = Field(
        [],
        description="Purposes that take no new images once the ledger (the newest published version) holds some.",
    )
    access_log: list[str] = Field(
        [],
        description="Purposes, such as test, whose readings by brev_pipeline.read are logged: who, when, what, why.",
    )
    allow_additions: bool = Field(
        False, description="Let new images into locked purposes; else a new photo of a locked item fails the check."
    )
    allow_moves: bool = Field(
        False, description="Let old items change sides where a new copy joins two of them; else that fails the check."
    )
    ledger_csv: LocalFile | None = Field(
        None,
        description="CSV of known assignments: key columns (path, etag, item, or those of uniqueness) and purpose. "
        "Relative to the configuration file, or absolute.",
    )

    @field_validator("purposes")
    @classmethod
    def _sum(cls, purposes: dict[str, float]) -> dict[str, float]:
        if (total := sum(purposes.values())) > 1 + _ROUNDING:
            raise ValueError(
                f"the shares {purposes} sum to {total:g}, more than 1: lower them; what is left goes to the remainder"
            )
        if bad := [name for name in purposes if not re.fullmatch(_NAME, name)]:
            raise ValueError(f"{bad}: purposes are letters, digits and _, beginning with a letter")
        return purposes

    @model_validator(mode="before")
    @classmethod
    def _only_folds(cls, data: Any) -> Any:
        """With folds there is no train, and no devel, unless somebody names them."""
        if isinstance(data, dict) and data.get("folds") is not None and data.get("purposes") is None:
            return {**data, "purposes": {}}
        return data

    @model_validator(mode="after")
    def _sensible_folds(self) -> Self:
        if self.folds is None:
            if not self.purposes:
                raise ValueError("name at least one purpose, for example {train: 0.8}")
            return self
        if self.remainder != "devel":
            raise ValueError("folds take what the purposes leave: remove remainder, or folds")
        if sum(self.purposes.values()) > 1 - _ROUNDING:
            raise ValueError(f"the shares {self.purposes} leave nothing to the folds: lower them")
        if "train" in self.purposes:
            raise ValueError("with folds, training reads the folds: remove train from the purposes, or folds")
        return self

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if twice := sorted({name for name in self.names if self.names.count(name) > 1} - {self.remainder}):
            raise ValueError(f"{twice}: the folds have these names; give the purposes others")
        # A fold's draws lie in shards, and in a split of tfds, of these names.
        if twice := sorted(name for name in self.purposes if name.removesuffix("_augmented") in self.fold_names):
            raise ValueError(f"{twice}: the folds' augmented records have such names; give the purposes others")
        if self.given and (unknown := sorted(set(self.given.purposes) - set(self.names))):
            raise ValueError(
                f"given names {unknown}, but the purposes are {self.names}: name it under purposes, with a share "
                "of 0 if it shall hold nothing but what is given"
            )
        if self.given and (unknown := sorted(self.given.untranslated - set(self.names))):
            lines = ", ".join(f"{word}: null" for word in unknown)
            raise ValueError(
                f"given.lists has the words {unknown}, which are no purposes ({', '.join(self.names)}): translate "
                f"each, for example given.words: {{{lines}}}, which divides its images as configured"
            )
        if self.folds is None and self.remainder in self.purposes:
            raise ValueError(f"the remainder {self.remainder!r} is one of the purposes too: give it another name")
        if unknown := sorted(set(self.locked) - set(self.names)):
            raise ValueError(f"locked names {unknown}, but the purposes are {self.names}")
        if unknown := sorted(set(self.access_log) - set(self.names)):
            raise ValueError(f"access_log names {unknown}, but the purposes are {self.names}")
        if self.method != "ranked_hash" and self.seed >= 2**32:
            raise ValueError(f"the method {self.method} takes seeds below 2**32, got {self.seed}")
        return self

    @property
    def files(self) -> dict[str, str | None]:
        """The files that the split reads: key of the configuration → place; None where none is named."""
        given = self.given.files if self.given else {}
        return {"split.ledger_csv": self.ledger_csv, **{f"split.given.{key}": place for key, place in given.items()}}

    @property
    def names_images(self) -> bool:
        """Whether somebody says of single images, besides the ledger, which purpose they have."""
        return self.ledger_csv is not None or self.given is not None

    @property
    def names(self) -> list[str]:
        """All purposes, the remainder or the folds last."""
        return [*self.purposes, *self.fold_names] if self.folds else [*self.purposes, self.remainder]

    @property
    def fold_names(self) -> list[str]:
        """The folds: fold0, fold1, …; empty without folds."""
        return [f"fold{number}" for number in range(self.folds or 0)]

    @property
    def shares(self) -> dict[str, float]:
        """Purpose → share, in the order of `names`; they sum to 1."""
        left = 1 - sum(self.purposes.values())
        left = left if left > _ROUNDING else 0.0  # 0.7, 0.2 and 0.1 leave 1e-16, and nobody asked for that
        rest = dict.fromkeys(self.fold_names, left / self.folds) if self.folds else {self.remainder: left}
        return {**self.purposes, **rest}


Weighing = Literal["uniform", "count", "square root", "log", "logx+1"]


class SamplingSettings(Section):
    """How often each group of images is drawn for training."""

    groupby: Columns = Field(["category"], description="Columns that make a sampling group.")
    group_weighing: Weighing = Field("uniform", description="Weight of a group as a function of its size.")
    seed: Seed = Field(0, description="Of the draws, of their order, and of each record's augmentation.")
    max_epoch_samples: int | None = Field(None, gt=0, description="Draws per epoch at most; default: one per image.")
    purposes: list[str] = Field(
        ["train"],
        description="Drawn by weight and augmented; other purposes once each, as they are. Folds, which are the "
        "default where there are some, are both.",
    )


Chance = Fraction
Range = tuple[float, float]


def _ascending(span: Range) -> Range:
    if span[0] > span[1]:
        raise ValueError(f"{list(span)}: the lower end comes first")
    return span


AscendingRange = Annotated[Range, AfterValidator(_ascending)]


class RandomTransformer(Section):
    """Geometry: all parts become one affine warp. Each part has its own coin."""

    chance: Chance = Field(0.5, description="Of flips, scale, translation and shear, each.")
    flip_up_down: bool = Field(True, description="Mirror top and bottom.")
    flip_left_right: bool = Field(True, description="Mirror left and right.")
    scale: float = Field(0.2, ge=0, le=0.9, description="Zoom by up to ± this fraction.")
    rotate_chance: Chance = Field(0.5, description="Of a rotation.")
    rotate: float = Field(90, ge=0, le=180, description="Degrees, up to ± this.")
    translate_horizontal: Fraction = Field(0.1, description="Fraction of the width, up to ± this.")
    translate_vertical: Fraction = Field(0.1, description="Fraction of the height, up to ± this.")
    shear: float = Field(0.04, ge=0, lt=1, description="Tangent of the shear angle, up to ± this.")


class ImageDeformation(Section):
    """Elastic deformation by a smoothed random field."""

    alpha: float = Field(0.1, ge=0, le=1, description="Largest displacement, fraction of the shorter side.")
    sigma: float = Field(0.1, gt=0, le=1, description="Smoothness of the field, fraction of the shorter side.")
    chance: Chance = Field(0.5, description="Of a deformation.")


class ImageFiltering(Section):
    """Filters; each has its own coin."""

    emboss: AscendingRange = Field(
        (0.0, 0.25), description="Strength of the relief along each axis, 0 to 1; its sign is drawn too."
    )
    mean: Literal[0, 3, 5, 7] = Field(3, description="Side of the mean filter in px; 0 switches it off.")
    gaussian: float = Field(0.5, ge=0, le=20, description="Sigma of the Gaussian blur in px; 0 switches it off.")
    chance: Chance = Field(0.5, description="Of each filter.")

    @field_validator("emboss")
    @classmethod
    def _strengths(cls, span: Range) -> Range:
        if not 0 <= span[0] <= span[1] <= 1:
            raise ValueError(f"{list(span)}: a strength is between 0 and 1")
        return span


class ImageNoise(Section):
    """Colour and white noise; each part has its own coin. Magnitudes are fractions of full scale."""

    brightness: Fraction = Field(0.25, description="Added, up to ± this fraction of full scale.")
    contrast: AscendingRange = Field((0.5, 1.25), description="Factor about the image's mean grey.")
    hue: float = Field(0.05, ge=0, le=0.5, description="Rotation about the grey axis, up to ± this fraction of a turn.")
    saturation: AscendingRange = Field((0.0, 2.0), description="Factor on the distance from the grey axis.")
    stddev: Fraction = Field(0.01, description="Standard deviation of white noise, fraction of full scale.")
    chance: Chance = Field(0.5, description="Of each part.")

    @field_validator("contrast", "saturation")
    @classmethod
    def _factors(cls, span: Range) -> Range:
        # Above 5 the colour matrix could leave the range in which its arithmetic is exact.
        if not 0 <= span[0] <= span[1] <= 5:
            raise ValueError(f"{list(span)}: a factor is between 0 and 5")
        return span


class ImageSaltAndPepper(Section):
    """Single bright and dark specks."""

    fraction: Fraction = Field(0.0002, description="Share of the pixels at which a speck is centred.")
    scale: list[Literal[1, 3, 5]] = Field(
        [1, 3, 5], min_length=1, description="Sides of the specks in px; one is drawn for each image."
    )
    chance: Chance = Field(0.5, description="Of specks.")


class AugmentationSettings(Section):
    """The parts of the augmentation, in the order in which they act; null switches a part off."""

    transform: RandomTransformer | None = RandomTransformer()
    deformation: ImageDeformation | None = None
    filtering: ImageFiltering | None = ImageFiltering()
    noise: ImageNoise | None = ImageNoise()
    salt_and_pepper: ImageSaltAndPepper | None = None


class ShardSettings(Section):
    """The files that training reads."""

    encoding: Literal["png", "jpeg", "raw"] = Field(
        "png", description="How a record holds its image; png and raw keep every pixel, jpeg does not."
    )
    jpeg_quality: int = Field(95, ge=1, le=100, description="Of encoding jpeg, as libjpeg counts it.")
    compression: Literal["none", "gzip"] = Field("none", description="gzip shards cannot be opened by tfds.")
    records_per_shard: int = Field(1000, gt=0, description="At most; the shards of a purpose differ by one record.")
    target_shard_mb: float | None = Field(
        None, gt=0, description="About so many megabytes per shard, as estimated from the pixels; no records_per_shard."
    )
    epochs: int = Field(1, gt=0, description="Epochs of differently drawn and augmented records, written ahead.")

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.target_shard_mb is not None and "records_per_shard" in self.model_fields_set:
            raise ValueError("give records_per_shard or target_shard_mb, not both")
        return self


class CardSettings(Section):
    """What a version says of itself to others, in ``croissant.json`` and to tfds; where this is silent, so is it."""

    license: str | None = Field(
        None, min_length=1, description="Licence of the images, best an address such as one of spdx.org/licenses."
    )
    citation: str | None = Field(
        None, min_length=1, description="How to cite the data; default: the names and references of the datasets."
    )
    published: date | None = Field(None, description="Date of publication, such as 2026-11-30.")


class ListingTolerance(Section):
    """Tolerances of raw_listing."""

    min_images: int = Field(1, ge=1, description="Fewer listed images stop the run.")
    max_shrinkage: Fraction = Field(
        0.1,
        description="Share of the newest version's contents that may be gone (judged in sample_integrity); more paths "
        "that are gone warn.",
    )


class IntegrityTolerance(Section):
    """Tolerances of sample_integrity."""

    max_duplicates: Fraction = Field(1.0, description="Share of images that may be copies of another.")


class ImagesTolerance(Section):
    """Tolerances of prepared_images."""

    max_quarantined: Fraction = Field(0.05, description="Share of contents that may be unusable.")
    min_range_used: Fraction = Field(
        0.3, description="Share of the range that images of more than 8 bits should use; less warns. 0: never."
    )
    accept_unjudged: list[str] = Field(
        [],
        description="Paths or content ids of images that may be left out although nobody knows whether they are good: "
        "their decoding was stopped (image.max_seconds), crashed, or was interrupted.",
    )


class SplitTolerance(Section):
    """Tolerances of sample_split."""

    max_fraction_error: Fraction = Field(
        0.05, description="Of a stratum's share, beyond the size of its largest leak group."
    )


class ValidationSettings(Section):
    """How much each stage's suite tolerates."""

    raw_listing: ListingTolerance = ListingTolerance()
    sample_integrity: IntegrityTolerance = IntegrityTolerance()
    prepared_images: ImagesTolerance = ImagesTolerance()
    sample_split: SplitTolerance = SplitTolerance()


class EngineSettings(Section):
    """Where parallel work runs: on this machine's cores, or on a Ray cluster."""

    kind: Literal["local", "ray"] = Field(
        "local", description="Processes of this machine, or a Ray cluster; the shards are the same bytes."
    )
    workers: Annotated[int, Field(gt=0)] | Literal["auto"] = Field(
        "auto", description="Processes; auto: one per core of this machine, or per CPU that the cluster has by then."
    )
    address: str | None = Field(
        None,
        pattern=r"^(ray://)?(\[[0-9a-fA-F:]+\]|[^\s:/\[\]]+):\d{1,5}$",
        description="ray: the cluster's head, as host:6379 on a machine that belongs to the cluster, or as "
        "ray://host:10001 from anywhere.",
    )
    ship_package: bool = Field(
        True, description="ray: send this package to the workers; false: it is installed there, the same one."
    )
    runtime_env: dict[str, Any] = Field(
        {}, description="ray: what else workers need, as Ray's runtime_env says it (env_vars, pip, …). No credentials."
    )
    connect_seconds: float = Field(30, gt=0, le=600, description="ray: to wait for the cluster's answer.")
    start_seconds: float = Field(600, gt=0, description="ray: to wait for a first free CPU of the cluster.")

    @field_validator("runtime_env")
    @classmethod
    def _no_secrets(cls, env: dict[str, Any]) -> dict[str, Any]:
        variables = env.get("env_vars", {})
        if not (isinstance(variables, dict) and all(isinstance(value, str) for value in variables.values())):
            raise ValueError("env_vars must be a mapping of names to texts; put numbers into quotes")
        if found := [name for name in variables if re.search(r"(?i)secret|token|password|passwd|access_key", name)]:
            raise ValueError(
                f"{', '.join(found)}: credentials do not belong into this file; workers find them as their machine "
                "gives them: environment, profile or role"
            )
        return env

    @model_validator(mode="after")
    def _of_kind(self) -> Self:
        fields = type(self).model_fields
        given = [name for name in fields if getattr(self, name) != fields[name].default]
        if self.kind == "local" and (unused := sorted({*given} - {"kind", "workers"})):
            raise ValueError(f"{', '.join(unused)}: only for kind: ray; remove it, or set kind: ray")
        if self.kind == "ray" and self.address is None:
            raise ValueError("kind: ray needs address: host:6379 of the cluster's head, or ray://host:10001")
        return self


class ScheduleSettings(Section):
    """When the pipeline runs by itself."""

    cron: str = Field(
        "0 3 * * *",
        max_length=300,
        description="Five fields, as Dagster reads them: minute, hour, day (L: the last), month, weekday (5#2: the "
        "second Friday); or @hourly, @daily, @weekly, @monthly, @yearly.",
    )
    timezone: str = Field("UTC", description="IANA name, for example Europe/Copenhagen.")
    enabled: bool = Field(False, description="Switch it on when Dagster starts; it can be switched in the UI too.")

    @field_validator("cron")
    @classmethod
    def _parsable(cls, cron: str, info: ValidationInfo) -> str:
        # Dagster, whose parser decides, is not imported here: who has it at hand gives its check (see `load_config`).
        check_cron = (info.context or {}).get("check_cron")
        return check_cron(cron) if check_cron else cron

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{name!r} is not an IANA time zone such as Europe/Copenhagen") from error
        return name


class SensorSettings(Section):
    """Watches the datasets for new images."""

    interval_seconds: int = Field(300, ge=10, description="Between two looks at the datasets, at least.")
    enabled: bool = Field(False, description="Switch it on when Dagster starts; it can be switched in the UI too.")


class RetrySettings(Section):
    """What a step does about a fault that may pass: a network that is down, a busy store. Others end the run."""

    times: int = Field(3, ge=0, le=20, description="How often the step is tried again.")
    wait_seconds: float = Field(30, ge=0, le=3600, description="Before the first retry; doubled for each further one.")


class PipelineConfig(Section):
    """One pipeline: one asset group, one job, one schedule, one sensor."""

    name: Annotated[str, AfterValidator(check_pipeline_name)] = Field(
        pattern=_NAME, max_length=64, description="Letters, digits and _."
    )
    description: str = Field("", description="For people; shown in Dagster's UI.")
    owners: list[str] = Field([], description="E-mail addresses, or team:name.")
    store: str = Field(
        min_length=1,
        description="Local folder (relative to the configuration file, or absolute) or s3://bucket/prefix.",
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

    @field_validator("store")
    @classmethod
    def _location(cls, store: str) -> str:
        return check_location(store)

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
    def _purposes(self) -> Self:
        if unknown := sorted(set(self.sampling.purposes) - set(self.split.names)):
            said = f"names {unknown}, but the split has only {self.split.names}"
            if self.split.folds:
                said += ": with split.folds, remove sampling.purposes; the folds are then drawn, each"
            # At its own key: a plain error would be told of the whole file.
            error = PydanticCustomError("value_error", "{said}", {"said": said})
            where: InitErrorDetails = {"type": error, "loc": ("sampling", "purposes"), "input": self.sampling.purposes}
            raise ValidationError.from_exception_data(type(self).__name__, [where])
        return self

    @property
    def base(self) -> Path:
        """Folder that relative places are meant from."""
        return self._base

    def at(self, base: Path) -> Self:
        """The same configuration with relative places meant from ``base``."""
        copy = self.model_copy()
        copy._base = base
        return copy

    def resolve(self, place: str) -> str:
        """``place`` as an absolute local path, or unchanged if it is a URL."""
        return str((self._base / place).resolve()) if is_local(place) else place

    @property
    def warnings(self) -> list[str]:
        """What can be used and may still not be what was meant, one text each with its YAML path.

        Looks at the file system: a local folder that is not there now may be a disk that will be mounted.
        """
        found = [*self._missing_folders(), *self._unshared_folders()]
        more = len(found) - _MOST_WARNINGS
        return found if more <= 0 else [*found[:_MOST_WARNINGS], f"and {more} more such places"]

    def _missing_folders(self) -> Iterator[str]:
        for number, dataset in enumerate(self.datasets):
            for key, location in (("bucket", dataset.bucket), ("inventory", dataset.inventory)):
                if location is None or not is_local(location):
                    continue
                folder = self.resolve(location)
                if reason := missing_folder(folder):
                    yield (
                        f"datasets[{number}].{key}: {folder} cannot be listed now ({reason}): a run would fail; mount "
                        "the disk, or correct the path, which is meant from the configuration's folder"
                    )

    def _unshared_folders(self) -> Iterator[str]:
        if self.engine.kind == "local":
            return
        locations = [("store", self.store)]
        locations += [(f"datasets[{number}].bucket", dataset.bucket) for number, dataset in enumerate(self.datasets)]
        for path, location in locations:
            if is_local(location):
                yield (
                    f"{path}: {location} is a local folder, but engine.kind is {self.engine.kind}: every machine of "
                    "the cluster has to see it under this very path; use a disk that all of them share, or s3://"
                )

    def contents(self) -> dict[str, Any]:
        """What the version's bytes depend on, JSON-safe: everything but places of work and automation."""
        outside = {"store", "store_storage", "owners", "description", "engine", "executor", "schedule", "retry"}
        return self.model_dump(
            mode="json",
            exclude={**dict.fromkeys((*outside, "new_images_sensor"), True), "integrity": {"recheck"}},
        )
