"""Quarantine: the images that could not be used, each with its reason."""

from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.report.album import Thumbnail, thumbnail_of
from brev_pipeline.report.ground import Ground
from brev_pipeline.report.opening import Opening, Tone
from brev_pipeline.report.text import counted, joined, percent

_ROWS: Final = 100
_PICTURES: Final = 24

STATUSES: Final = {
    "corrupt": "Damaged file",
    "unsupported": "Not a kind of image that is supported",
    "too_large": "Too large",
    "missing": "Gone when it was read",
    "changed": "Changed while the run read it",
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
    images = ground.inputs.images
    ok = pc.equal(images["status"], "ok")
    bad = images.filter(pc.invert(ok)).sort_by([("status", "ascending"), ("source_path", "ascending")])
    noted = images.filter(pc.and_(ok, pc.is_valid(images["note"]))).sort_by("source_path")
    return Quarantine(
        _opening(ground, bad, noted.num_rows),
        _rows(ground, bad.slice(0, _ROWS), "reason"),
        max(0, bad.num_rows - _ROWS),
        _rows(ground, noted.slice(0, _ROWS // 4), "note"),
        max(0, noted.num_rows - _ROWS // 4),
    )


def _rows(ground: Ground, rows: pa.Table, why: str) -> list[Unusable]:
    there = ground.listing.filter(pc.is_in(ground.listing["content_id"], value_set=rows["content_id"].combine_chunks()))
    copies = _counts(there)
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


def _counts(rows: pa.Table) -> dict[str, int]:
    return {one["values"]: one["counts"] for one in pc.value_counts(rows["content_id"]).to_pylist()}


def _pictures(ground: Ground, rows: pa.Table) -> dict[str, Thumbnail]:
    if ground.inputs.photos is None:
        return {}
    rows = rows.slice(0, _PICTURES)
    photos = zip(rows["content_id"].to_pylist(), ground.inputs.photos(rows), strict=True)
    return {content: thumbnail_of(photo) for content, photo in photos if photo is not None}


def _format(name: str | None, width: int | None, height: int | None) -> str:
    sides = f"{width} × {height} px" if width and height else ""
    return ", ".join(filter(None, [name, sides])) or "unknown"


def _opening(ground: Ground, bad: pa.Table, noted: int) -> Opening:
    contents = ground.inputs.images.num_rows
    most = ground.configuration["validation"]["prepared_images"]["max_quarantined"]
    tone: Tone = "look" if bad.num_rows or noted else "good"
    if not bad.num_rows:
        said = f"All {counted(contents, 'image')} could be read and prepared; none is in quarantine."
        said = said.replace("All 1 image could", "The one image could")
    else:
        kinds = [
            f"{one['counts']:,} × {STATUSES.get(one['values'], one['values']).lower()}"
            for one in pc.value_counts(bad["status"]).to_pylist()
        ]
        said = (
            f"{counted(bad.num_rows, 'image')} of {contents:,} could not be used and "
            f"{'is' if bad.num_rows == 1 else 'are'} left out of training and testing ({joined(kinds)}): "
            f"{percent(bad.num_rows / contents)}, where up to {percent(most)} is tolerated."
        )
    if noted:
        said += f" {counted(noted, 'image')} {'was' if noted == 1 else 'were'} used, with a note."
    return Opening("quarantine", "Quarantine", tone, said)
