"""Copies and conflicts: images that show the same pixels, side by side."""

from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.report.album import Album, Picture
from brev_pipeline.report.ground import Ground
from brev_pipeline.report.opening import Opening
from brev_pipeline.report.text import counted

_GROUPS: Final = 12  # of conflicts, and of copies
_MEMBERS: Final = 6


@dataclass(frozen=True)
class Member:
    """An image of a group of copies."""

    path: str
    category: str
    fate: str
    picture: Picture


@dataclass(frozen=True)
class Group:
    """Images with the same pixels."""

    conflict: bool
    """They stand under different classes."""
    same_bytes: bool
    """Not only the pixels: the files are equal byte for byte."""
    size: int
    members: list[Member]

    @property
    def kind(self) -> str:
        """In words."""
        return "the same file" if self.same_bytes else "the same pixels in different files"


@dataclass(frozen=True)
class Copies:
    """The section."""

    opening: Opening
    conflicts: list[Group]
    more_conflicts: int
    copies: list[Group]
    more_copies: int


def copies(ground: Ground, album: Album) -> Copies:
    """Groups of copies, those under different classes first; the largest groups first."""
    groups = _groups(ground)
    conflicts, harmless = (groups.filter(pc.equal(groups["conflict"], wanted)) for wanted in (True, False))
    shown = [_shown(ground, album, one.slice(0, _GROUPS)) for one in (conflicts, harmless)]
    more = [max(0, one.num_rows - _GROUPS) for one in (conflicts, harmless)]
    return Copies(_opening(ground, conflicts, harmless), shown[0], more[0], shown[1], more[1])


def _groups(ground: Ground) -> pa.Table:
    """One row per group: paths, content_ids and classes of its images in order of path, contents, conflict."""
    listing, images = ground.listing, ground.inputs.images
    at = pc.index_in(listing["content_id"], value_set=images["content_id"].combine_chunks())
    pixels = pc.coalesce(images["pixel_id"].take(at), listing["content_id"])
    columns = listing.select(["path", "content_id", "class"]).append_column("pixels", pixels)
    counts = pc.value_counts(pixels)
    several = counts.filter(pc.greater(pc.struct_field(counts, "counts"), 1))
    repeated = pc.is_in(pixels, value_set=pc.struct_field(several, "values"))
    grouped = (
        columns.filter(repeated)
        .sort_by("path")
        .group_by("pixels", use_threads=False)
        .aggregate(
            [
                *((name, "list") for name in ("path", "content_id", "class")),
                *((name, "count_distinct") for name in ("content_id", "class")),
                ("path", "count"),
            ]
        )
    )
    conflict = pc.greater(grouped["class_count_distinct"], 1)
    grouped = grouped.append_column("conflict", conflict).append_column(
        "first", pc.list_element(grouped["path_list"], 0)
    )
    return grouped.sort_by([("path_count", "descending"), ("first", "ascending")])


def _shown(ground: Ground, album: Album, groups: pa.Table) -> list[Group]:
    rows = groups.to_pylist()
    fates = ground.fates(path for row in rows for path in row["path_list"][:_MEMBERS])
    return [_group(row, fates, album) for row in rows]


def _group(row: dict[str, Any], fates: dict[str, str], album: Album) -> Group:
    members = zip(row["path_list"], row["class_list"], row["content_id_list"], strict=True)
    return Group(
        row["conflict"],
        row["content_id_count_distinct"] == 1,
        row["path_count"],
        [
            Member(path, category, fates.get(path, "not used"), album.ask(content))
            for path, category, content in list(members)[:_MEMBERS]
        ],
    )


_POLICY: Final = {
    "fail": "such images stop a run",
    "quarantine": "such images are left out",
    "keep": "such images are used under both classes, as configured",
}


def _opening(ground: Ground, conflicts: pa.Table, harmless: pa.Table) -> Opening:
    clash, same = conflicts.num_rows, harmless.num_rows
    if not clash and not same:
        said = "No two images show the same pixels: there are no copies, and no picture stands under two classes."
        return Opening("copies", "Copies and conflicts", "good", said)
    images = pc.sum(harmless["path_count"]).as_py() or 0
    kept = "copies always stay on the same side of the split"
    said = (
        f"{counted(same, 'picture')} {'exists' if same == 1 else 'exist'} more than once under the same class "
        f"({counted(images, 'image')}; {kept}); "
        if same
        else ""
    )
    if not clash:
        return Opening("copies", "Copies and conflicts", "good", said + "no picture stands under two classes.")
    policy = _POLICY[ground.configuration["integrity"]["label_conflicts"]]
    said += f"{counted(clash, 'picture')} {'stands' if clash == 1 else 'stand'} under two classes: {policy}."
    return Opening("copies", "Copies and conflicts", "look", said[0].upper() + said[1:])
