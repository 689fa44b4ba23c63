"""What was found in the bucket: images by dataset, class, format and date, and the files that are not listed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.listing.image_filter import UNLISTED_REASONS
from brev_pipeline.report.context import ReportContext, SectionSummary
from brev_pipeline.report.rows import EncodedColumn, count_values, group_rows
from brev_pipeline.report.text import count_noun, format_size, join_words

_MOST_BARS: Final = 48  # bars


@dataclass(frozen=True)
class Timeline:
    """Bars, the oldest first, without gaps."""

    unit: str  # day, month or year
    bars: list[tuple[str, int]]  # date and images

    @property
    def highest_bar(self) -> int:
        """Images of the highest bar."""
        return max(count for _, count in self.bars)

    @property
    def description(self) -> str:
        """All of it as a text."""
        return "; ".join(f"{date}: {count:,}" for date, count in self.bars if count)


def make_timeline(listing: pa.Table) -> Timeline | None:
    """Bars by the finest unit that fits; None where dates are unknown or all fall into one or two bars."""
    if "modified" not in listing.column_names or not listing.num_rows:
        return None
    for unit, form in (("day", "%Y-%m-%d"), ("month", "%Y-%m"), ("year", "%Y")):
        floors = pc.floor_temporal(listing["modified"], unit=unit)
        counts = {row["values"]: row["counts"] for row in pc.value_counts(floors).to_pylist()}
        steps = _list_steps(min(counts), max(counts), unit)
        if len(steps) <= _MOST_BARS:
            bars = [(f"{step:{form}}", counts.get(step, 0)) for step in steps]
            return Timeline(unit, bars) if len(bars) > 2 else None
    return None


def _list_steps(first: datetime, last: datetime, unit: str) -> list[datetime]:
    """Every beginning of a unit from the first to the last; a few more than can be shown are enough."""
    steps = [first]
    while steps[-1] < last and len(steps) <= _MOST_BARS:
        steps.append(_next_step(steps[-1], unit))
    return steps


def _next_step(step: datetime, unit: str) -> datetime:
    if unit == "day":
        return step + timedelta(days=1)
    months = step.month if unit == "month" else 12
    return step.replace(year=step.year + months // 12, month=months % 12 + 1)


_ROWS: Final = 60  # classes
_COLUMNS: Final = 6  # datasets that get a column each
_SHAPES: Final = 8  # kinds of files


@dataclass(frozen=True)
class FoundDataset:
    """A dataset as it was found."""

    name: str
    id: str
    place: str
    reference: str
    images: int
    bytes: int
    smallest: int
    largest: int
    first: str  # date of the oldest change; empty where dates are unknown
    last: str
    formats: str


@dataclass(frozen=True)
class ClassRow:
    """A class and its images."""

    name: str
    images: int
    share: float  # 0..1, of all images
    of_largest: float  # 0..1, of the largest class: the length of its bar
    by_dataset: list[int]


@dataclass(frozen=True)
class InventorySection:
    """The section."""

    opening: SectionSummary
    datasets: list[FoundDataset]
    columns: list[str]
    """Names of the datasets that the classes' table has columns for; empty where there is one, or too many."""
    classes: list[ClassRow]
    more_classes: int
    shapes: list[dict[str, Any]]
    """format, width, height, channels, bit_depth, count: of distinct contents, the most frequent first."""
    more_shapes: int
    timeline: Timeline | None


def inventory_section(context: ReportContext) -> InventorySection:
    """What the listing and the images' headers tell."""
    datasets = _describe_datasets(context)
    classes = _describe_classes(context, [one.id for one in datasets])
    columns = [one.name for one in datasets] if 1 < len(datasets) <= _COLUMNS else []
    shapes = context.images.count_values("format", "width", "height", "channels", "bit_depth")
    shapes = [row for row in shapes if row["format"] is not None]
    return InventorySection(
        _summarize_inventory(context, datasets),
        datasets,
        columns,
        classes[:_ROWS],
        max(0, len(classes) - _ROWS),
        shapes[:_SHAPES],
        max(0, len(shapes) - _SHAPES),
        make_timeline(context.inputs.listing.read(["modified"])) if "modified" in context.listing.names else None,
    )


def _describe_datasets(context: ReportContext) -> list[FoundDataset]:
    listing = context.listing
    dated = "modified" in listing.names
    wanted = [("size", "sum"), ("size", "min"), ("size", "max"), ([], "count_all")]
    wanted += [("modified", "min"), ("modified", "max")] if dated else []
    keys = {name: listing.encode_column(name) for name in ("dataset", "dataset_id", "bucket", "reference")}
    measured = {name: listing.read_column(name) for name in ("size", "modified")[: 1 + dated]}
    rows = group_rows(keys, wanted, **measured).sort_by("dataset_id").to_pylist()
    formats = _count_formats(context)
    return [
        FoundDataset(
            row["dataset"],
            row["dataset_id"],
            row["bucket"],
            row["reference"],
            row["count_all"],
            row["size_sum"],
            row["size_min"],
            row["size_max"],
            f"{row['modified_min']:%Y-%m-%d}" if dated else "",
            f"{row['modified_max']:%Y-%m-%d}" if dated else "",
            join_words(formats.get(row["dataset_id"], [])),
        )
        for row in rows
    ]


def _count_formats(context: ReportContext) -> dict[str, list[str]]:
    """Dataset's id → its images by format: ``178 bmp``."""
    contents, kinds = context.contents, context.images.encode_column("format")
    codes = np.append(kinds.codes, np.full(len(contents.unknown), -1, np.int32))
    kinds = EncodedColumn(codes[contents.codes], kinds.values)
    rows: dict[str, list[str]] = {}
    for row in count_values({"dataset_id": context.listing.encode_column("dataset_id"), "format": kinds}):
        rows.setdefault(row["dataset_id"], []).append(f"{row['count']:,} {row['format'] or 'unknown'}")
    return rows


def _describe_classes(context: ReportContext, ids: list[str]) -> list[ClassRow]:
    counts = context.class_counts
    total, largest = context.listed_count, max((sum(one.values()) for one in counts.values()), default=1)
    return [
        ClassRow(name, images, images / total, images / largest, [counts[name].get(one, 0) for one in ids])
        for name, images in ((name, sum(one.values())) for name, one in counts.items())
    ]


def _summarize_inventory(context: ReportContext, datasets: list[FoundDataset]) -> SectionSummary:
    listed, distinct = context.listed_count, np.count_nonzero(np.bincount(context.contents.codes))
    alike = "every one has its own content" if distinct == listed else f"{distinct:,} differ in content"
    found, unread = context.found_count, context.found_count - listed
    were, whence = "was" if found == 1 else "were", count_noun(len(datasets), "dataset")
    said = f"{count_noun(found, 'image')} {were} found in {whence}"
    classes = count_noun(len(context.class_counts), "class", "classes")
    together = f"{classes}, {format_size(sum(one.bytes for one in datasets))} together; {alike}."
    if unread:
        said += f"; {unread:,} of them {'was' if unread == 1 else 'were'} left out unread (see “What was left out”). "
        said += f"What follows is about the other {listed:,}: {together}"
    else:
        said += f": {together}"
    if sum(sum(one.values()) for one in context.class_counts.values()) > listed:
        said += " An image of several classes counts in each of them."
    fine = context.has_passed("raw_listing")
    if not fine:
        said += " Not all was as it should be: see the checks."
    return SectionSummary("found", "What was found", "good" if fine else "look", said)


_UNLISTED: Final = 60  # rows of each table


@dataclass(frozen=True)
class UnlistedSection:
    """The part of the section of what was found."""

    known: bool  # whether the listing told of it
    files: int
    kinds: list[dict[str, Any]]  # ending, reason, files, says: what the reason means
    more_kinds: int
    names: list[dict[str, Any]]  # setting, name, images, closest: those without a match first
    more_names: int
    twins: list[dict[str, Any]]


def unlisted_section(context: ReportContext) -> UnlistedSection:
    """What the listing found besides the images."""
    facts = context.inputs.found
    names = sorted(facts.get("names", []), key=lambda row: row["images"] > 0)
    kinds = [row | {"says": UNLISTED_REASONS.get(row["reason"], row["reason"])} for row in facts.get("unlisted", [])]
    return UnlistedSection(
        bool(facts),
        sum(row["files"] for row in kinds),
        kinds[:_UNLISTED],
        max(0, len(kinds) - _UNLISTED),
        names[:_UNLISTED],
        max(0, len(names) - _UNLISTED),
        facts.get("twins", [])[:_UNLISTED],
    )
