"""What was found in the bucket: images per dataset and class, their sizes, formats and dates."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from brev_pipeline.report.ground import Ground
from brev_pipeline.report.opening import Opening
from brev_pipeline.report.rows import Numbered, grouped, tally
from brev_pipeline.report.text import counted, joined, size
from brev_pipeline.report.timeline import Timeline, timeline

_ROWS: Final = 60
_COLUMNS: Final = 6
_SHAPES: Final = 8


@dataclass(frozen=True)
class Dataset:
    """A dataset as it was found."""

    name: str
    id: str
    place: str
    reference: str
    images: int
    bytes: int
    smallest: int
    largest: int
    first: str
    """Date of the oldest change; empty where dates are unknown."""
    last: str
    formats: str


@dataclass(frozen=True)
class ClassRow:
    """A class and its images."""

    name: str
    images: int
    share: float
    """0..1, of all images."""
    of_largest: float
    """0..1, of the largest class: the length of its bar."""
    by_dataset: list[int]


@dataclass(frozen=True)
class Found:
    """The section."""

    opening: Opening
    datasets: list[Dataset]
    columns: list[str]
    """Names of the datasets that the classes' table has columns for; empty where there is one, or too many."""
    classes: list[ClassRow]
    more_classes: int
    shapes: list[dict[str, Any]]
    """format, width, height, channels, bit_depth, count: of distinct contents, the most frequent first."""
    more_shapes: int
    timeline: Timeline | None


def found(ground: Ground) -> Found:
    """What the listing and the images' headers tell."""
    datasets = _datasets(ground)
    classes = _classes(ground, [one.id for one in datasets])
    columns = [one.name for one in datasets] if 1 < len(datasets) <= _COLUMNS else []
    shapes = ground.images.tally("format", "width", "height", "channels", "bit_depth")
    shapes = [row for row in shapes if row["format"] is not None]
    return Found(
        _opening(ground, datasets),
        datasets,
        columns,
        classes[:_ROWS],
        max(0, len(classes) - _ROWS),
        shapes[:_SHAPES],
        max(0, len(shapes) - _SHAPES),
        timeline(ground.inputs.listing.read(["modified"])) if "modified" in ground.listing.names else None,
    )


def _datasets(ground: Ground) -> list[Dataset]:
    listing = ground.listing
    dated = "modified" in listing.names
    wanted = [("size", "sum"), ("size", "min"), ("size", "max"), ([], "count_all")]
    wanted += [("modified", "min"), ("modified", "max")] if dated else []
    keys = {name: listing.numbered(name) for name in ("dataset", "dataset_id", "bucket", "reference")}
    measured = {name: listing.column(name) for name in ("size", "modified")[: 1 + dated]}
    rows = grouped(keys, wanted, **measured).sort_by("dataset_id").to_pylist()
    formats = _formats(ground)
    return [
        Dataset(
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
            joined(formats.get(row["dataset_id"], [])),
        )
        for row in rows
    ]


def _formats(ground: Ground) -> dict[str, list[str]]:
    """Dataset's id → its images by format: ``178 bmp``."""
    contents, kinds = ground.contents, ground.images.numbered("format")
    codes = np.append(kinds.codes, np.full(len(contents.strange), -1, np.int32))
    kinds = Numbered(codes[contents.codes], kinds.values)
    rows: dict[str, list[str]] = {}
    for row in tally({"dataset_id": ground.listing.numbered("dataset_id"), "format": kinds}):
        rows.setdefault(row["dataset_id"], []).append(f"{row['count']:,} {row['format'] or 'unknown'}")
    return rows


def _classes(ground: Ground, ids: list[str]) -> list[ClassRow]:
    counts = ground.class_counts
    total, largest = ground.listed, max((sum(one.values()) for one in counts.values()), default=1)
    return [
        ClassRow(name, images, images / total, images / largest, [counts[name].get(one, 0) for one in ids])
        for name, images in ((name, sum(one.values())) for name, one in counts.items())
    ]


def _opening(ground: Ground, datasets: list[Dataset]) -> Opening:
    listed, distinct = ground.listed, np.count_nonzero(np.bincount(ground.contents.codes))
    alike = "every one has its own content" if distinct == listed else f"{distinct:,} differ in content"
    found, unread = ground.found, ground.found - listed
    said = f"{counted(found, 'image')} {'was' if found == 1 else 'were'} found in {counted(len(datasets), 'dataset')}"
    classes = counted(len(ground.classes), "class", "classes")
    together = f"{classes}, {size(sum(one.bytes for one in datasets))} together; {alike}."
    if unread:
        said += f"; {unread:,} of them {'was' if unread == 1 else 'were'} left out unread (see “What was left out”). "
        said += f"What follows is about the other {listed:,}: {together}"
    else:
        said += f": {together}"
    if sum(sum(one.values()) for one in ground.class_counts.values()) > listed:
        said += " An image of several classes counts in each of them."
    fine = ground.is_fine("raw_listing")
    if not fine:
        said += " Not all was as it should be: see the checks."
    return Opening("found", "What was found", "good" if fine else "look", said)
