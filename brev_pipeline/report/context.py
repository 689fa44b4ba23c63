"""Context: the inputs' tables as rows, what several sections ask of them, and how a section opens."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import SplitSettings
from brev_pipeline.report.inputs import ReportInputs
from brev_pipeline.report.rows import Codes, TableView, count_values, encode_column
from brev_pipeline.texts import TEXT

_USUAL: Final = ("train", "devel", "test")
RULES_IN_WORDS: Final = {
    "quarantined": "the file could not be used",
    "label_conflict": "it stands under two classes at once",
    "duplicate": "it is a copy of one that is used",
    "class_filter": "it is of a class that is not wanted",
    "link_outside": "it is a link to outside of the dataset",
    "not_a_file": "it is no file that can be read",
    "object_too_large": "it is larger than allowed, and was not read",
    "unassigned": "the split gave it no purpose",
    "not_drawn": "it was not drawn this time",
}  # rule of an exclusion → in words
RULES_IN_BRIEF: Final = {
    "quarantined": "unusable",
    "label_conflict": "under two classes",
    "duplicate": "a copy",
    "class_filter": "class not wanted",
    "link_outside": "a link to outside",
    "not_a_file": "no readable file",
    "object_too_large": "too large",
    "unassigned": "without purpose",
    "not_drawn": "not drawn",
}  # rule of an exclusion → in two or three words, behind a number


@dataclass(frozen=True)
class ListedContents:
    """Which content each listed image has.

    Args:
        codes: (listed images,) row of the content in the table of images; numbers beyond it are of other contents.
        strange: the content_ids of those others, as a rule none.
    """

    codes: Codes
    unknown: pa.Array


@dataclass(frozen=True)
class ReportContext:
    """Views of a report's inputs. What is kept is small: a few bytes a row.

    Args:
        inputs: of the report.
    """

    inputs: ReportInputs

    @property
    def configuration(self) -> Mapping[str, Any]:
        """As in the manifest."""
        found: Mapping[str, Any] = self.inputs.manifest["configuration"]
        return found

    @property
    def checks(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Stage → verdicts of its suite. Rules about history have none (no ``passed``) in a manifest."""
        given = self.inputs.checks
        return self.inputs.manifest.get("checks", {}) if given is None else given

    def has_passed(self, stage: str) -> bool:
        """Whether no check of a stage found anything."""
        return all(one.get("passed", True) for one in self.checks.get(stage, []))

    @cached_property
    def listing(self) -> TableView:
        """The listing."""
        return TableView(self.inputs.listing)

    @cached_property
    def images(self) -> TableView:
        """The images' contents."""
        return TableView(self.inputs.images)

    @cached_property
    def split(self) -> TableView:
        """The split: images that are in the listing now."""
        return TableView(self.inputs.split)

    @cached_property
    def records(self) -> TableView:
        """The records of the training files."""
        return TableView(self.inputs.records)

    @cached_property
    def contents(self) -> ListedContents:
        """Which content each listed image has."""
        listed, known = self.listing.read_column("content_id"), self.images.read_column("content_id")
        found = pc.index_in(listed, value_set=known)
        codes = np.array(found.fill_null(-1).to_numpy(), np.int32)
        strange = encode_column(listed.filter(found.is_null()))
        codes[codes < 0] = len(known) + strange.codes
        return ListedContents(codes, strange.values)

    @cached_property
    def purposes(self) -> list[str]:
        """The usual ones in their usual order, then others as they are configured, then what there is besides."""
        # The configuration's JSON does not keep their order.
        configured = self.inputs.manifest.get("purposes") or self.split_settings.names
        others = set(pc.unique(self.split.read_column("purpose")).to_pylist()) - set(configured)
        names = [*configured, *sorted(others)]
        return [name for name in _USUAL if name in names] + [name for name in names if name not in _USUAL]

    @cached_property
    def split_settings(self) -> SplitSettings:
        """How the images are divided, as configured."""
        return SplitSettings.model_validate(self.configuration["split"])

    @cached_property
    def class_counts(self) -> dict[str, dict[str, int]]:
        """Class → dataset's id → listed images; the most frequent class first, then by name.

        An image of several classes counts in each of them.
        """
        counts: dict[str, dict[str, int]] = {}
        names, rows = self.listing.explode_categories()
        for row in count_values(
            {"class": names, "dataset_id": self.listing.encode_column("dataset_id").take_rows(rows)}
        ):
            counts.setdefault(row["class"], {})[row["dataset_id"]] = row["count"]
        return {name: counts[name] for name in sorted(counts, key=lambda name: (-sum(counts[name].values()), name))}

    @property
    def class_names(self) -> list[str]:
        """Class names of the listing, the most frequent first, then by name."""
        return list(self.class_counts)

    @property
    def found_count(self) -> int:
        """How many images were found: those that are listed, and those that the listing left out unread."""
        found: int = self.inputs.manifest["counts"]["listed"]
        return found

    @cached_property
    def listed_count(self) -> int:
        """How many images are listed, and take part in the stages after it."""
        return len(self.listing.read_column("dataset_id"))

    @cached_property
    def guarded_purposes(self) -> set[str]:
        """Purposes whose readings are logged: their pictures are not shown."""
        return set(self.configuration["split"].get("access_log", []))

    def find_withheld(self, contents: Iterable[str]) -> frozenset[str]:
        """Those of some contents that belong to the guarded purposes."""
        if not self.guarded_purposes:
            return frozenset()
        guarded = self.split.encode_column("purpose").match_any(sorted(self.guarded_purposes))
        rows = self.split.read_column("content_id", guarded)
        return frozenset(rows.filter(pc.is_in(rows, value_set=pa.array(sorted(contents), TEXT))).to_pylist())

    @cached_property
    def path_root(self) -> str:
        """What all paths begin with: the bucket with its last slash where there is only one, else nothing."""
        buckets = pc.unique(self.listing.read_column("bucket")).to_pylist()
        return f"{buckets[0].rstrip('/')}/" if len(buckets) == 1 else ""

    def describe_fates(self, paths: Iterable[str]) -> dict[str, str]:
        """What became of some images, in words: their purpose, or why they were left out."""
        wanted, out = pa.array(sorted(set(paths)), TEXT), self.inputs.exclusions.select(["path", "rule"])
        if not len(wanted):
            return {}
        rows = np.flatnonzero(pc.is_in(self.split.read_column("path"), value_set=wanted))
        fates = {row["path"]: row["purpose"] for row in self.split.read_rows(["path", "purpose"], rows).to_pylist()}
        for row in out.filter(pc.is_in(out["path"], value_set=wanted)).to_pylist():
            # What the split took, and nothing drew, has a purpose too.
            purpose = f"{fates[row['path']]}, but " if row["path"] in fates else ""
            fates[row["path"]] = f"{purpose}left out: {RULES_IN_WORDS.get(row['rule'], row['rule'])}"
        return fates

    @cached_property
    def undrawn_counts(self) -> dict[str, int]:
        """Purpose → its images that no record holds."""
        out = self.inputs.exclusions
        paths = out["path"].filter(pc.equal(out["rule"], "not_drawn"))
        if not len(paths):
            return {}
        mine = pc.is_in(self.split.read_column("path"), value_set=paths.combine_chunks())
        purposes = self.split.read_column("purpose", mine.to_numpy())
        return {one["values"]: one["counts"] for one in pc.value_counts(purposes).to_pylist()}


Tone = Literal["good", "look", "bad", "plain"]

_PILLS: Final[dict[Tone, str]] = {
    "good": "All well",
    "look": "Worth a look",
    "bad": "Problem",
    "plain": "For information",
}


@dataclass(frozen=True)
class SectionSummary:
    """Of a section.

    Attributes:
        anchor: its id on the page.
        title: its heading.
        tone: whether all is well.
        says: the sentence.
    """

    anchor: str
    title: str
    tone: Tone
    says: str

    @property
    def pill(self) -> str:
        """The tone in words."""
        return _PILLS[self.tone]
