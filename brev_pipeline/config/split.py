"""The section `split`: who trains and who tests."""

import re
import unicodedata
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from brev_pipeline.config.base import NAME_PATTERN, SHARE_ROUNDING, Fraction, Key, LocalFile, Regex, Section, Seed

SplitMethod = Literal["ranked_hash", "sorted_permutation", "murmurhash3"]


class GivenSettings(Section):
    """A split that is given: by folders, by names, by a table, by lists of files, or by labels. One of them."""

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
    # It came with labels: left out where it is not said, versions of before are what they were.
    labels: Literal[True] | None = Field(
        None,
        exclude_if=lambda labels: labels is None,
        description="true: by the purpose that the photos' labels say (purpose of a table under datasets[].labels).",
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
        ways = ("folder", "pattern", "table", "lists", "labels")
        named = [way for way in ways if getattr(self, way) is not None]
        if len(named) != 1:
            raise ValueError(f"give one of {', '.join(ways)}, got {' and '.join(named) or 'none'}")
        if unknown := sorted(set(self.words) - set(self.lists)) if self.lists else []:
            raise ValueError(f"words names {unknown}, but the lists are {list(self.lists or {})}")
        if self.table is None and "column" in self.model_fields_set and self.column != "purpose":
            raise ValueError("column is of a table: give table, or remove column")
        return self

    @property
    def way(self) -> str:
        """How it is given, as the configuration has it, where no file gives it."""
        if self.labels:
            return "labels"
        return f"folder: {self.folder}" if self.folder is not None else f"pattern: {self.pattern!r}"

    @property
    def translated_purposes(self) -> list[str]:
        """The purposes that the words name, each once."""
        return list(dict.fromkeys(purpose for purpose in self.words.values() if purpose is not None))

    @property
    def named_purposes(self) -> set[str]:
        """The purposes that it names: what the words mean, and words of lists that are purposes themselves."""
        return {*self.translated_purposes, *self.untranslated_words}

    @property
    def untranslated_words(self) -> set[str]:
        """The words of lists that must be purposes themselves."""
        words = {unicodedata.normalize("NFC", word) for word in self.words}
        return {word for word in self.lists or {} if unicodedata.normalize("NFC", word) not in words}

    @property
    def input_files(self) -> dict[str, str]:
        """The files that are read: key of the configuration below ``split.given`` → place."""
        lists = {f"lists.{word}": place for word, place in (self.lists or {}).items()}
        return lists if self.table is None else {"table": self.table}


class SplitSettings(Section):
    """Who trains and who tests."""

    stratification: Key = Field(None, description="Columns, or a regular expression with a group on the path.")
    uniqueness: Key = Field(
        None, description="What names the physical item: columns, or a regular expression with a group on the path."
    )
    # Likewise.
    area_bins: list[Annotated[float, Field(gt=0, lt=1)]] | None = Field(
        None,
        min_length=1,
        exclude_if=lambda bounds: bounds is None,
        description="Bounds of defect_area (share of the prepared photo, 0..1), ascending: they make the column "
        "defect_area_bin, which stratification and sampling.groupby may name.",
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
    remainder: str = Field("devel", pattern=NAME_PATTERN, description="Purpose of all others; none with folds.")
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
        [], description="Purposes that take no new images once the ledger (the newest published version) holds some."
    )
    access_log: list[str] = Field(
        [], description="Purposes, such as test, whose readings by brev_pipeline.read are logged: who, when, what, why."
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

    @field_validator("area_bins")
    @classmethod
    def _ascending_bounds(cls, bounds: list[float] | None) -> list[float] | None:
        if bounds is not None and any(high <= low for low, high in pairwise(bounds)):
            raise ValueError(f"{bounds}: bounds ascend, and none stands there twice")
        return bounds

    @field_validator("purposes")
    @classmethod
    def _sum(cls, purposes: dict[str, float]) -> dict[str, float]:
        if (total := sum(purposes.values())) > 1 + SHARE_ROUNDING:
            raise ValueError(
                f"the shares {purposes} sum to {total:g}, more than 1: lower them; what is left goes to the remainder"
            )
        if bad := [name for name in purposes if not re.fullmatch(NAME_PATTERN, name)]:
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
        if sum(self.purposes.values()) > 1 - SHARE_ROUNDING:
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
        if self.given and (unknown := sorted(set(self.given.translated_purposes) - set(self.names))):
            raise ValueError(
                f"given names {unknown}, but the purposes are {self.names}: name it under purposes, with a share "
                "of 0 if it shall hold nothing but what is given"
            )
        if self.given and (unknown := sorted(self.given.untranslated_words - set(self.names))):
            lines = ", ".join(f"{word}: null" for word in unknown)
            raise ValueError(
                f"given.lists has the words {unknown}, which are no purposes ({', '.join(self.names)}): translate "
                f"each, for example given.words: {{{lines}}}, which divides its images as configured"
            )
        if self.folds is None and self.remainder in self.purposes:
            raise ValueError(f"the remainder {self.remainder!r} is one of the purposes too: give it another name")
        for key in ("locked", "access_log"):
            if unknown := sorted(set(getattr(self, key)) - set(self.names)):
                raise ValueError(f"{key} names {unknown}, but the purposes are {self.names}")
        if self.method != "ranked_hash" and self.seed >= 2**32:
            raise ValueError(f"the method {self.method} takes seeds below 2**32, got {self.seed}")
        return self

    @property
    def input_files(self) -> dict[str, str | None]:
        """The files that the split reads: key of the configuration → place; None where none is named."""
        given = self.given.input_files if self.given else {}
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
        left = left if left > SHARE_ROUNDING else 0.0  # 0.7, 0.2 and 0.1 leave 1e-16, and nobody asked for that
        rest = dict.fromkeys(self.fold_names, left / self.folds) if self.folds else {self.remainder: left}
        return {**self.purposes, **rest}
