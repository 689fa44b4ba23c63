"""The ground that the sections stand on: the inputs' tables, each derived view of them computed once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.report.inputs import ReportInputs
from brev_pipeline.texts import TEXT, joined_names

_USUAL = ("train", "devel", "test")
RULES = {
    "quarantined": "the file could not be used",
    "label_conflict": "it stands under two classes at once",
    "duplicate": "it is a copy of one that is used",
    "not_drawn": "it was not drawn this time",
}
"""Rule of an exclusion → in words."""


@dataclass(frozen=True)
class Ground:
    """Views of a report's inputs.

    Args:
        inputs: of the report.
    """

    inputs: ReportInputs

    @property
    def configuration(self) -> Mapping[str, Any]:
        """As in the manifest."""
        found: Mapping[str, Any] = self.inputs.manifest["configuration"]
        return found

    @cached_property
    def listing(self) -> pa.Table:
        """The listing with the column ``class``."""
        return with_class(self.inputs.listing)

    @cached_property
    def split(self) -> pa.Table:
        """The split with the column ``class``: images that are in the listing now."""
        return with_class(present(self.inputs.split))

    @cached_property
    def purposes(self) -> list[str]:
        """The usual ones in their usual order, then any others by name."""
        split = self.configuration["split"]
        names = {*split["purposes"], split["remainder"], *pc.unique(self.split["purpose"]).to_pylist()}
        return [name for name in _USUAL if name in names] + sorted(names - set(_USUAL))

    @cached_property
    def classes(self) -> list[str]:
        """Class names of the listing, the most frequent first, then by name."""
        return [row["class"] for row in tally(self.listing, "class")]

    @cached_property
    def guarded(self) -> set[str]:
        """Purposes whose readings are logged: their pictures are not shown."""
        return set(self.configuration["split"].get("access_log", []))

    @cached_property
    def withheld(self) -> frozenset[str]:
        """Contents of the guarded purposes."""
        if not self.guarded:
            return frozenset()
        rows = self.split.filter(pc.is_in(self.split["purpose"], value_set=pa.array(sorted(self.guarded), TEXT)))
        return frozenset(rows["content_id"].to_pylist())

    @cached_property
    def root(self) -> str:
        """What all paths begin with: the bucket with its last slash where there is only one, else nothing."""
        buckets = pc.unique(self.inputs.listing["bucket"]).to_pylist()
        return f"{buckets[0].rstrip('/')}/" if len(buckets) == 1 else ""

    def fates(self, paths: Iterable[str]) -> dict[str, str]:
        """What became of some images, in words: their purpose, or why they were left out."""
        wanted = pa.array(sorted(set(paths)), TEXT)
        split, out = (rows_of(table, wanted) for table in (self.split, self.inputs.exclusions))
        fates = {row["path"]: row["purpose"] for row in split.select(["path", "purpose"]).to_pylist()}
        for row in out.select(["path", "rule"]).to_pylist():
            fates.setdefault(row["path"], f"left out: {RULES.get(row['rule'], row['rule'])}")
        return fates


def with_class(table: pa.Table) -> pa.Table:
    """A table with the column ``class``: an image's category, several joined with commas."""
    return table.append_column("class", pc.fill_null(joined_names(table["category"], ", "), ""))


def present(assignments: pa.Table) -> pa.Table:
    """Assignments of images that are in the listing."""
    return assignments.filter(assignments["listed"]) if "listed" in assignments.column_names else assignments


def rows_of(table: pa.Table, paths: pa.Array) -> pa.Table:
    """The rows with one of the paths."""
    return table.filter(pc.is_in(table["path"], value_set=paths))


def tally(table: pa.Table, *columns: str, most: int | None = None) -> list[dict[str, Any]]:
    """How often each combination of values occurs: columns and ``count``, the most frequent first, then by value.

    Args:
        table: of any size.
        columns: what makes a combination.
        most: rows wanted; None: all.
    """
    found = table.group_by(list(columns), use_threads=False).aggregate([([], "count_all")])
    found = found.rename_columns([*columns, "count"])
    order = [("count", "descending"), *((column, "ascending") for column in columns)]
    rows: list[dict[str, Any]] = found.sort_by(order).slice(0, most).to_pylist()
    return rows
