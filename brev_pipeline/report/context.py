"""Context: what a report is made of, its tables as rows, what several sections ask of them, how a section opens."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import SplitSettings
from brev_pipeline.frames import PixelReader
from brev_pipeline.report.rows import Codes, TableView, count_values, encode_column
from brev_pipeline.store import Version
from brev_pipeline.tables import Columns
from brev_pipeline.texts import TEXT

_USUAL: Final = ("train", "devel", "test")
# Rule of an exclusion → in words.
RULES_IN_WORDS: Final = {
    "quarantined": "the file could not be used",
    "label_quarantined": "its labels could not be used",
    "label_conflict": "it stands under two classes at once",
    "duplicate": "it is a copy of one that is used",
    "class_filter": "it is of a class that is not wanted",
    "link_outside": "it is a link to outside of the dataset",
    "not_a_file": "it is no file that can be read",
    "object_too_large": "it is larger than allowed, and was not read",
    "unassigned": "the split gave it no purpose",
    "not_drawn": "it was not drawn this time",
}
# Rule of an exclusion → in two or three words, behind a number.
RULES_IN_BRIEF: Final = {
    "quarantined": "unusable",
    "label_quarantined": "labels unusable",
    "label_conflict": "under two classes",
    "duplicate": "a copy",
    "class_filter": "class not wanted",
    "link_outside": "a link to outside",
    "not_a_file": "no readable file",
    "object_too_large": "too large",
    "unassigned": "without purpose",
    "not_drawn": "not drawn",
}


@dataclass(frozen=True)
class ReportInputs:
    """Everything that the page may say. Equal inputs make equal bytes.

    Of the tables only the columns that a section needs are read, and only while it needs them.
    """

    manifest: Mapping[str, Any]  # of the version, as it stands in ``manifest.json``
    version: str  # the version's id
    listing: Columns = field(repr=False)  # of `tables.SAMPLE_INTEGRITY`; without ``modified`` no dates are shown
    # Columns of `tables.PREPARED_IMAGES`; without ``file``, ``offset``, ``length`` no pictures are shown.
    images: Columns = field(repr=False)
    # Columns of `tables.SAMPLE_SPLIT`, or a version's assignments; rows that are not ``listed`` are left out.
    split: Columns = field(repr=False)
    weights: Columns = field(repr=False)  # as `tables.sampling_weights_schema`
    records: Columns = field(repr=False)  # of `tables.TFRECORD_SHARDS`
    # path, content_id, rule, partner, reason; in memory, for it is made when a version is.
    exclusions: pa.Table = field(repr=False)
    # path, category, rule of the images that the listing left out unread, which are among the exclusions and in no
    # other table; None: there are none.
    filtered: pa.Table | None = field(default=None, repr=False)
    # What the listing found besides the images, as `ListingFindings.build_summary` has it; empty: not known.
    found: Mapping[str, Any] = field(default_factory=dict, repr=False)
    # Stage → verdicts of its suite, what rules about history found included; None: as the manifest has it.
    checks: Mapping[str, Sequence[Mapping[str, Any]]] | None = field(default=None, repr=False)
    number: int | None = None  # of the publication that this version gets
    parent: Version | None = None  # the version that was the newest one until now
    pixels: PixelReader | None = None  # of the prepared pixels, used by several threads at once; None: no pictures
    data_docs: str | None = None  # relative address of the Data Docs, linked from the checks

    def __post_init__(self) -> None:
        if self.data_docs is not None and (":" in self.data_docs or self.data_docs.startswith("/")):
            raise ValueError(f"data_docs must be an address relative to the report, got {self.data_docs!r}")


@dataclass(frozen=True)
class ListedContents:
    """Which content each listed image has."""

    codes: Codes  # (listed images,) row of the content in the table of images; numbers beyond it are of other contents
    unknown: pa.Array  # the content_ids of those others, as a rule none


class ReportContext:
    """Views of a report's inputs. What is kept is small: a few bytes a row."""

    def __init__(self, inputs: ReportInputs) -> None:
        self.inputs = inputs
        self.configuration: Mapping[str, Any] = inputs.manifest["configuration"]
        self.listing, self.images = TableView(inputs.listing), TableView(inputs.images)
        self.split = TableView(inputs.split)  # images that are in the listing now
        self.records = TableView(inputs.records)
        # Those that are listed, and those that the listing left out unread.
        self.found_count: int = inputs.manifest["counts"]["listed"]
        # Purposes whose readings are logged: their pictures are not shown.
        self.guarded_purposes: set[str] = set(self.configuration["split"].get("access_log", []))

    @property
    def checks(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Stage → verdicts of its suite. Rules about history have none (no ``passed``) in a manifest."""
        given = self.inputs.checks
        return self.inputs.manifest.get("checks", {}) if given is None else given

    def has_passed(self, stage: str) -> bool:
        """Whether no check of a stage found anything."""
        return all(one.get("passed", True) for one in self.checks.get(stage, []))

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
        ids = self.listing.encode_column("dataset_id").take_rows(rows)
        for row in count_values({"class": names, "dataset_id": ids}):
            counts.setdefault(row["class"], {})[row["dataset_id"]] = row["count"]
        return {name: counts[name] for name in sorted(counts, key=lambda name: (-sum(counts[name].values()), name))}

    @cached_property
    def listed_count(self) -> int:
        """How many images are listed, and take part in the stages after it."""
        return len(self.listing.read_column("dataset_id"))

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
    """How a section opens."""

    anchor: str  # its id on the page
    title: str
    tone: Tone  # whether all is well
    says: str  # one sentence or two

    @property
    def pill(self) -> str:
        """The tone in words."""
        return _PILLS[self.tone]
