"""Quarantine: the images that could not be used, each with its reason."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.report.album import Thumbnail, thumbnail_of
from brev_pipeline.report.ground import Ground
from brev_pipeline.report.opening import Opening, Tone
from brev_pipeline.report.rows import Mask, Numbered, first, tally
from brev_pipeline.report.text import counted, joined, percent

_ROWS: Final = 100
_PICTURES: Final = 24
_COLUMNS: Final = ["content_id", "status", "source_path", "format", "width", "height"]

STATUSES: Final = {
    "corrupt": "Damaged file",
    "unsupported": "Not a kind of image that is supported",
    "too_large": "Too large",
    "missing": "Gone when it was read",
    "changed": "Changed while the run read it",
    "stopped": "Not judged: stopped or crashed its decoder",
    "interrupted": "Not judged: its decoding was interrupted",
}


@dataclass(frozen=True)
class Unusable:
    """An image in quarantine, or one that was used with a note."""

    path: str
    others: int
    """Further paths with the same bytes."""
    status: str
    reason: str
    format: str
    picture: Thumbnail | None = None


@dataclass(frozen=True)
class Quarantine:
    """The section."""

    opening: Opening
    unusable: list[Unusable]
    more: int
    noted: list[Unusable]
    """Used, but read with a note."""
    more_noted: int


def quarantine(ground: Ground) -> Quarantine:
    """Images that are not ok, and those that are but have a note."""
    images = ground.images
    status = images.numbered("status")
    bad = ~status.among(["ok"])
    noted = ~bad & images.column("note").is_valid().to_numpy()
    return Quarantine(
        _opening(ground, status, bad, noted),
        _rows(ground, bad, ["status", "source_path"], _ROWS, "reason"),
        max(0, int(bad.sum()) - _ROWS),
        _rows(ground, noted, ["source_path"], _ROWS // 4, "note"),
        max(0, int(noted.sum()) - _ROWS // 4),
    )


def _rows(ground: Ground, among: Mask, order: list[str], most: int, why: str) -> list[Unusable]:
    if not among.any():
        return []
    images = ground.images
    chosen = first(pa.table({name: images.column(name, among) for name in order}), most)
    wanted = images.names if why == "reason" and ground.inputs.photos else [*_COLUMNS, why]
    rows = images.at(wanted, np.flatnonzero(among)[chosen])
    contents = ground.listing.column("content_id")
    there = contents.filter(pc.is_in(contents, value_set=rows["content_id"]))
    copies = {one["values"]: one["counts"] for one in pc.value_counts(there).to_pylist()}
    pictures = _pictures(ground, rows) if why == "reason" else {}
    return [
        Unusable(
            row["source_path"],
            copies.get(row["content_id"], 1) - 1,
            STATUSES.get(row["status"], row["status"]),
            row[why] or "no reason was recorded",
            _format(row["format"], row["width"], row["height"]),
            pictures.get(row["content_id"]),
        )
        for row in rows.to_pylist()
    ]


def _pictures(ground: Ground, rows: pa.Table) -> dict[str, Thumbnail]:
    if ground.inputs.photos is None:
        return {}
    rows = rows.slice(0, _PICTURES)
    photos = zip(rows["content_id"].to_pylist(), ground.inputs.photos(rows), strict=True)
    return {content: thumbnail_of(photo) for content, photo in photos if photo is not None}


def _format(name: str | None, width: int | None, height: int | None) -> str:
    sides = f"{width} × {height} px" if width and height else ""
    return ", ".join(filter(None, [name, sides])) or "unknown"


def _opening(ground: Ground, status: Numbered, bad: Mask, noted: Mask) -> Opening:
    most = ground.configuration["validation"]["prepared_images"]["max_quarantined"]
    contents, out, images = len(bad), int(bad.sum()), ground.listed
    tone: Tone = "look" if out or noted.any() else "good"
    if not out:
        said = "The one image could" if images == 1 else f"All {counted(images, 'image')} could"
        said += " be read and prepared; none is in quarantine."
    else:
        found = sorted(tally({"status": status.at(bad)}), key=lambda one: one["status"])
        kinds = joined([f"{one['count']:,} × {STATUSES.get(one['status'], one['status']).lower()}" for one in found])
        mine = _images_with(ground, bad)
        said = f"{counted(mine, 'image')} of {images:,} could not be used and "
        said += f"{'is' if mine == 1 else 'are'} left out of training and testing"
        if contents != images:
            said += f": {counted(out, 'file')} of {contents:,} that differ"
        said += f" ({kinds}), {percent(out / contents)}, where up to {percent(most)} is tolerated."
    if marked := _images_with(ground, noted):
        said += f" {counted(marked, 'image')} {'was' if marked == 1 else 'were'} read, but with a note."
    return Opening("quarantine", "Quarantine", tone, said)


def _images_with(ground: Ground, contents: Mask) -> int:
    """How many listed images have one of some contents."""
    known = np.append(contents, np.zeros(len(ground.contents.strange), bool))
    return int(known[ground.contents.codes].sum())
