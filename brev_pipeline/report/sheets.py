"""Contact sheets: for each class some prepared images, each beside what its records' augmentations made of it.

An augmented picture is a record of the training files: same image, same seed, same pixels. A content that was drawn
once has one; nothing is made up to fill a row. Contents are taken in the order of their checksums, which is as good
as by lot and the same every time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.augmentation import ImageAugmenter
from brev_pipeline.charts.preview.describe import describe_augmentation
from brev_pipeline.report.album import Album, Picture
from brev_pipeline.report.ground import Ground
from brev_pipeline.report.opening import Opening
from brev_pipeline.report.rows import Mask, Numbers, Rows, first, tally
from brev_pipeline.report.text import counted, joined
from brev_pipeline.texts import TEXT

_CLASSES: Final = 60
_PICTURES: Final = 640  # on all sheets together
_SPAN: Final = (6, 24)  # pictures on one sheet
_RECORDS: Final = 3  # shown of one image
_COLUMNS: Final = ["content_id", "path", "item", "seed"]
_ORDER: Final = [("epoch", "ascending"), ("ordinal", "ascending")]
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
    made = []
    if album.is_open:
        by_class, rows = _purposes(ground), _candidates(ground, shown, most)
        made = [
            Sheet(name, by_class.get(name, ""), [_exhibit(one, album, augmenter) for one in _chosen(rows[name], most)])
            for name in shown
        ]
    return Sheets(_opening(ground, made, album), made, len(names) - len(shown), sorted(ground.guarded))


def _pictures_each(ground: Ground, classes: int) -> int:
    """How many pictures a sheet may have, for the page's bytes and the time it takes."""
    columns = (ground.images.column(f"prepared_{name}") for name in ("frames", "height", "width"))
    frames, *sides = (pc.max(column).as_py() or 1 for column in columns)
    affordable = min(_PICTURES, _PIXELS // (frames * sides[0] * sides[1])) // max(1, classes)
    return max(_SPAN[0], min(affordable, _SPAN[1]))


def _purposes(ground: Ground) -> dict[str, str]:
    """Class → its images by purpose, in words."""
    names, rows = ground.split.categories()
    counts: dict[str, dict[str, int]] = {}
    for row in tally({"category": names, "purpose": ground.split.numbered("purpose").at(rows)}):
        counts.setdefault(row["category"], {})[row["purpose"]] = row["count"]
    return {
        name: joined([f"{sides[one]:,} {one}" for one in ground.purposes if one in sides])
        for name, sides in counts.items()
    }


def _candidates(ground: Ground, names: list[str], most: int) -> dict[str, list[dict[str, Any]]]:
    """Class → rows for its sheet, in order: one per augmented record, or per image that has none."""
    found = _of_records(ground, names, most)
    plain = [name for name in names if not found[name]]
    return found | (_of_split(ground, plain, most) if plain else {})


def _of_records(ground: Ground, names: list[str], most: int) -> dict[str, list[dict[str, Any]]]:
    records = ground.records
    label = records.column("label").to_numpy().astype(np.int32)
    label[~(records.column("augmented").to_numpy() & _may_be_seen(ground, records))] = -1
    keys = pa.table({name: records.column(name) for name in ("content_id", "epoch", "ordinal")})
    chosen = [first(keys, 50 * most, label == one) for one in range(len(names))]
    del keys
    return dict(zip(names, _dealt(records, _COLUMNS, chosen), strict=True))


def _of_split(ground: Ground, names: list[str], most: int) -> dict[str, list[dict[str, Any]]]:
    """Images of classes that no augmented record has as its label, with the records of the images, if there are any."""
    category, rows = ground.split.categories()
    seen = _may_be_seen(ground, ground.split)
    keys = pa.table({"content_id": ground.split.column("content_id")})
    chosen = []
    for name in names:
        mine = np.zeros(len(seen), bool)
        mine[rows[category.among([name])]] = True
        chosen.append(first(keys, most, mine & seen))
    del keys
    dealt = _dealt(ground.split, _COLUMNS[:3], chosen)
    seeds = _seeds(ground, [row["content_id"] for mine in dealt for row in mine])
    return {
        name: [row | {"seed": seed} for row in mine for seed in seeds.get(row["content_id"], [None])]
        for name, mine in zip(names, dealt, strict=True)
    }


def _seeds(ground: Ground, contents: list[str]) -> dict[str, list[int]]:
    """Content → seeds of its augmented records: of a class that no image has as its first, no record has the label."""
    records = ground.records
    own = pc.is_in(records.column("content_id"), value_set=pa.array(contents, TEXT)).to_numpy()
    rows = np.flatnonzero(own & records.column("augmented").to_numpy() & _may_be_seen(ground, records))
    found: dict[str, list[int]] = {}
    for row in records.at(["content_id", "epoch", "ordinal", "seed"], rows).sort_by(_ORDER).to_pylist():
        found.setdefault(row["content_id"], []).append(row["seed"])
    return found


def _dealt(table: Rows, columns: list[str], chosen: list[Numbers]) -> list[list[dict[str, Any]]]:
    """The rows with each of some lists of numbers."""
    rows = iter(table.at(columns, np.concatenate([np.zeros(0, np.int64), *chosen])).to_pylist())
    return [list(islice(rows, len(one))) for one in chosen]


def _chosen(rows: list[dict[str, Any]], most: int) -> Iterator[list[dict[str, Any]]]:
    """The rows of each image on a class's sheet, until there are pictures enough."""
    for _, group in groupby(rows, key=lambda row: row["content_id"]):
        drawn = list({row["seed"]: row for row in group}.values())
        most -= 1 + min(_RECORDS, len(drawn))
        if most < 0:
            return
        yield drawn


def _exhibit(rows: list[dict[str, Any]], album: Album, augmenter: ImageAugmenter) -> Exhibit:
    content, seeds = rows[0]["content_id"], [row["seed"] for row in rows if row["seed"] is not None]
    # What is drawn hangs on the seed, not on the size.
    records = [
        (album.ask(content, seed), describe_augmentation(augmenter.parameters(seed, 1, 1))) for seed in seeds[:_RECORDS]
    ]
    return Exhibit(rows[0]["path"], rows[0]["item"], album.ask(content), records, len(seeds))


def _may_be_seen(ground: Ground, table: Rows) -> Mask:
    """(rows,) whether a row's purpose is one whose pictures may be looked at."""
    return ~table.numbered("purpose").among(sorted(ground.guarded))


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
