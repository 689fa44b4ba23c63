"""Contact sheets: for each class some prepared images, each beside what its records' augmentations made of it.

An augmented picture is a record of the training files: same image, same seed, same pixels. A content that was drawn
once has one; nothing is made up to fill a row. Contents are taken in the order of their checksums, which is as good
as by lot and the same every time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.augment import ImageAugmenter
from brev_pipeline.preview.describe import describe
from brev_pipeline.report.album import Album, Picture
from brev_pipeline.report.ground import Ground, tally
from brev_pipeline.report.opening import Opening
from brev_pipeline.report.text import counted, joined
from brev_pipeline.texts import TEXT

_CLASSES: Final = 60
_PICTURES: Final = 640  # on all sheets together
_SPAN: Final = (6, 24)  # pictures on one sheet
_RECORDS: Final = 3  # shown of one image
_COLUMNS: Final = ["content_id", "path", "item", "seed"]
_PIXELS: Final = 14_000_000  # that are augmented for one page: about a second's work


@dataclass(frozen=True)
class Exhibit:
    """A prepared image and its records."""

    path: str
    item: str
    prepared: Picture
    records: list[tuple[Picture, str]]
    """Pictures, and what the augmentation did, in words."""
    drawn: int
    """Records in all; more than are shown, perhaps."""


@dataclass(frozen=True)
class Sheet:
    """A class."""

    name: str
    images: str
    """By purpose, in words."""
    exhibits: list[Exhibit]


@dataclass(frozen=True)
class Sheets:
    """The section."""

    opening: Opening
    sheets: list[Sheet]
    more: int
    guarded: list[str]
    """Purposes whose pictures are not shown."""


def sheets(ground: Ground, album: Album, augmenter: ImageAugmenter) -> Sheets:
    """One sheet per class of the version."""
    names: list[str] = ground.inputs.manifest["classes"]
    shown = names[:_CLASSES]
    most = _pictures_each(ground, len(shown))
    by_class = _purposes(ground)
    made = [
        Sheet(
            name,
            by_class.get(name, ""),
            [_exhibit(rows, album, augmenter) for rows in _chosen(ground, label, name, most)],
        )
        for label, name in enumerate(shown)
        if album.is_open
    ]
    return Sheets(_opening(ground, made, album), made, len(names) - len(shown), sorted(ground.guarded))


def _pictures_each(ground: Ground, classes: int) -> int:
    """How many pictures a sheet may have, for the page's bytes and the time it takes."""
    columns = ground.inputs.images.select(["prepared_frames", "prepared_height", "prepared_width"])
    frames, *sides = (pc.max(column).as_py() or 1 for column in columns.columns)
    affordable = min(_PICTURES, _PIXELS // (frames * sides[0] * sides[1])) // max(1, classes)
    return max(_SPAN[0], min(affordable, _SPAN[1]))


def _purposes(ground: Ground) -> dict[str, str]:
    """Class → its images by purpose, in words."""
    flat = ground.split.select(["purpose"]).append_column("category", ground.split["category"])
    lengths = pc.list_parent_indices(flat["category"])
    rows = pa.table({"purpose": flat["purpose"].take(lengths), "category": pc.list_flatten(flat["category"])})
    counts: dict[str, dict[str, int]] = {}
    for row in tally(rows, "category", "purpose"):
        counts.setdefault(row["category"], {})[row["purpose"]] = row["count"]
    return {
        name: joined([f"{sides[one]:,} {one}" for one in ground.purposes if one in sides])
        for name, sides in counts.items()
    }


def _chosen(ground: Ground, label: int, name: str, most: int) -> Iterator[list[dict[str, Any]]]:
    """The rows of each image on a class's sheet: a row per record, until there are pictures enough."""
    records = ground.inputs.records
    mine = records.filter(pc.and_(records["augmented"], pc.equal(records["label"], label)))
    rows = _open_rows(ground, mine).sort_by([(key, "ascending") for key in ("content_id", "epoch", "ordinal")])
    found = rows.slice(0, 50 * most).select(_COLUMNS).to_pylist() or _plain(ground, name, most)
    for _, group in groupby(found, key=lambda row: row["content_id"]):
        drawn = list({row["seed"]: row for row in group}.values())
        most -= 1 + min(_RECORDS, len(drawn))
        if most < 0:
            return
        yield drawn


def _exhibit(rows: list[dict[str, Any]], album: Album, augmenter: ImageAugmenter) -> Exhibit:
    content, seeds = rows[0]["content_id"], [row["seed"] for row in rows if row["seed"] is not None]
    # What is drawn hangs on the seed, not on the size.
    records = [(album.ask(content, seed), describe(augmenter.parameters(seed, 1, 1))) for seed in seeds[:_RECORDS]]
    return Exhibit(rows[0]["path"], rows[0]["item"], album.ask(content), records, len(seeds))


def _plain(ground: Ground, name: str, most: int) -> list[dict[str, Any]]:
    """Images of a class without augmented records."""
    flat = pa.table(
        {
            "row": pc.list_parent_indices(ground.split["category"]),
            "category": pc.list_flatten(ground.split["category"]),
        }
    )
    rows = ground.split.take(flat.filter(pc.equal(flat["category"], name))["row"])
    rows = _open_rows(ground, rows).sort_by("content_id").slice(0, most).select(_COLUMNS[:3])
    return [row | {"seed": None} for row in rows.to_pylist()]


def _open_rows(ground: Ground, rows: pa.Table) -> pa.Table:
    """Rows of purposes that may be looked at."""
    return rows.filter(pc.invert(pc.is_in(rows["purpose"], value_set=pa.array(sorted(ground.guarded), TEXT))))


def _opening(ground: Ground, made: list[Sheet], album: Album) -> Opening:
    title = "What training sees"
    if not album.is_open:
        return Opening("sheets", title, "plain", "No pictures were at hand when this page was made.")
    shown = sum(bool(sheet.exhibits) for sheet in made)
    said = (
        f"For {counted(shown, 'class', 'classes')}: images as prepared, and beside each the augmented copies that "
        "stand in the training files, remade here from the records' own seeds, pixel for pixel (only smaller)."
    )
    if ground.guarded:
        said += f" Pictures of {joined(sorted(ground.guarded))} are not shown, because every look at them is logged."
    return Opening("sheets", title, "plain", said)
