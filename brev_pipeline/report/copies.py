"""Copies and conflicts: images that show the same pixels, side by side."""

from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.report.album import Album, Picture
from brev_pipeline.report.ground import Ground
from brev_pipeline.report.opening import Opening
from brev_pipeline.report.rows import Codes, Mask, Numbers, numbered
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
    conflicts, harmless = (groups.order[groups.conflict[groups.order] == wanted] for wanted in (True, False))
    shown = [_shown(ground, album, groups, one[:_GROUPS]) for one in (conflicts, harmless)]
    more = [max(0, len(one) - _GROUPS) for one in (conflicts, harmless)]
    outcome = [(len(one), int(groups.size[one].sum()), int(groups.used[one].sum())) for one in (conflicts, harmless)]
    opening = _opening(*outcome)
    return Copies(opening, shown[0], more[0], shown[1], more[1])


@dataclass(frozen=True)
class _Groups:
    """The images of which there are several with the same pixels, and their groups, by number.

    Attributes:
        rows: (images,) their rows in the listing, in the order of their paths.
        group: (images,) of each its group.
        size: (groups,) images.
        used: (groups,) images that a record holds.
        conflict: (groups,) whether they stand under several classes.
        same_bytes: (groups,) whether they have one content.
        order: (groups,) the largest first, of equal ones that with the first path.
    """

    rows: Numbers
    group: Numbers
    size: Numbers
    used: Numbers
    conflict: Mask
    same_bytes: Mask
    order: Numbers


def _groups(ground: Ground) -> _Groups:
    listing, pictures = ground.listing, _pictures(ground)
    sizes = np.bincount(pictures)
    several = sizes > 1
    repeated = several[pictures]
    rows, group = np.flatnonzero(repeated), (np.cumsum(several) - 1)[pictures[repeated]]
    size = sizes[several]
    conflict = _differ(listing.numbered("class", repeated).codes, group, len(size))
    same_bytes = ~_differ(ground.contents.codes[repeated], group, len(size))
    paths = listing.column("path", repeated)
    out = pc.is_in(paths, value_set=ground.inputs.exclusions["path"].combine_chunks()).to_numpy()
    used = np.bincount(group[~out], minlength=len(size))
    by_path = pc.sort_indices(paths).to_numpy()
    rows, group = rows[by_path], group[by_path]
    foremost = np.full(len(size), len(rows))
    np.minimum.at(foremost, group, np.arange(len(rows)))
    return _Groups(rows, group, size, used, conflict, same_bytes, np.lexsort((foremost, -size)))


def _pictures(ground: Ground) -> Codes:
    """(listed images,) a number for each picture: equal pixels, or equal bytes where there are no pixels."""
    contents, pixels = ground.contents, ground.images.column("pixel_id")
    if pixels.null_count:
        pixels = pc.coalesce(pixels, ground.images.column("content_id"))
    texts = pa.chunked_array([*pixels.chunks, contents.strange.cast(pixels.type)], pixels.type)
    del pixels
    return numbered(texts).codes[contents.codes]


def _differ(values: Codes, group: Numbers, groups: int) -> Mask:
    """(groups,) whether the values of a group differ."""
    low, high = np.full(groups, np.iinfo(np.int32).max), np.full(groups, -1)
    np.minimum.at(low, group, values)
    np.maximum.at(high, group, values)
    differ: Mask = low != high
    return differ


def _shown(ground: Ground, album: Album, groups: _Groups, chosen: Numbers) -> list[Group]:
    rows = [groups.rows[np.flatnonzero(groups.group == one)[:_MEMBERS]] for one in chosen]
    if not rows:
        return []
    images = ground.listing.at(["path", "class", "content_id"], np.concatenate(rows)).to_pylist()
    fates = ground.fates(one["path"] for one in images)
    members = iter(images)
    return [
        Group(
            bool(groups.conflict[one]),
            bool(groups.same_bytes[one]),
            int(groups.size[one]),
            [_member(image, fates, album) for image in islice(members, len(mine))],
        )
        for one, mine in zip(chosen, rows, strict=True)
    ]


def _member(image: dict[str, Any], fates: dict[str, str], album: Album) -> Member:
    path, content = image["path"], image["content_id"]
    return Member(path, image["class"], fates.get(path, "not used"), album.ask(content))


Outcome = tuple[int, int, int]
"""Pictures, the images of them, and how many of these images a record holds."""


def _opening(clash: Outcome, same: Outcome) -> Opening:
    title = "Copies and conflicts"
    if not clash[0] and not same[0]:
        said = "No two images show the same pixels: there are no copies, and no picture stands under two classes."
        return Opening("copies", title, "good", said)
    said = f"{_told(same, 'exists', 'exist')} more than once under the same class{_images(same)}; " if same[0] else ""
    if not clash[0]:
        return Opening("copies", title, "good", f"{said}no picture stands under two classes.")
    said += f"{_told(clash, 'stands', 'stand')} under different classes{_images(clash)}."
    return Opening("copies", title, "look", said)


def _told(of: Outcome, one: str, many: str) -> str:
    return f"{counted(of[0], 'picture')} {one if of[0] == 1 else many}"


def _images(of: Outcome) -> str:
    _, images, used = of
    kept = "all of them" if used == images else f"{used:,} of them" if used else "none of them"
    return f" ({images:,} images, {kept} in the training files)"
