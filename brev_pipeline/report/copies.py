"""Copies and conflicts: images that show the same pixels, side by side."""

from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.report.context import ReportContext, SectionSummary
from brev_pipeline.report.rows import Codes, Mask, Numbers, encode_column
from brev_pipeline.report.text import count_noun
from brev_pipeline.report.thumbnails import PictureRequest, ThumbnailCache

_GROUPS: Final = 12  # of conflicts, and of copies
_MEMBERS: Final = 6  # of a group that are shown


@dataclass(frozen=True)
class CopyMember:
    """An image of a group of copies."""

    path: str
    category: str
    fate: str
    picture: PictureRequest


@dataclass(frozen=True)
class CopyGroup:
    """Images with the same pixels."""

    conflict: bool  # they stand under different classes
    same_bytes: bool  # not only the pixels: the files are equal byte for byte
    size: int
    members: list[CopyMember]

    @property
    def kind(self) -> str:
        """In words."""
        return "the same file" if self.same_bytes else "the same pixels in different files"


@dataclass(frozen=True)
class CopiesSection:
    """The section."""

    opening: SectionSummary
    conflicts: list[CopyGroup]
    more_conflicts: int
    copies: list[CopyGroup]
    more_copies: int


def copies_section(context: ReportContext, album: ThumbnailCache) -> CopiesSection:
    """Groups of copies, those under different classes first; the largest groups first."""
    groups = _group_copies(context)
    conflicts, harmless = (groups.order[groups.conflict[groups.order] == wanted] for wanted in (True, False))
    shown = [_show_groups(context, album, groups, one[:_GROUPS]) for one in (conflicts, harmless)]
    more = [max(0, len(one) - _GROUPS) for one in (conflicts, harmless)]
    outcome = [(len(one), int(groups.size[one].sum()), int(groups.used[one].sum())) for one in (conflicts, harmless)]
    opening = _summarize_copies(*outcome)
    return CopiesSection(opening, shown[0], more[0], shown[1], more[1])


@dataclass(frozen=True)
class _Groups:
    """The images of which there are several with the same pixels, and their groups, by number."""

    rows: Numbers  # (images,) in the listing, in the order of their paths
    group: Numbers  # (images,) of each its group
    size: Numbers  # (groups,) images
    used: Numbers  # (groups,) images that a record holds
    conflict: Mask  # (groups,) whether they stand under several classes
    same_bytes: Mask  # (groups,) whether they have one content
    order: Numbers  # (groups,) the largest first, of equal ones that with the first path


def _group_copies(context: ReportContext) -> _Groups:
    listing, pictures = context.listing, _number_pictures(context)
    sizes = np.bincount(pictures)
    several = sizes > 1
    repeated = several[pictures]
    rows, group = np.flatnonzero(repeated), (np.cumsum(several) - 1)[pictures[repeated]]
    size = sizes[several]
    conflict = _values_differ(listing.encode_column("class", repeated).codes, group, len(size))
    same_bytes = ~_values_differ(context.contents.codes[repeated], group, len(size))
    paths = listing.read_column("path", repeated)
    out = pc.is_in(paths, value_set=context.inputs.exclusions["path"].combine_chunks()).to_numpy()
    used = np.bincount(group[~out], minlength=len(size))
    by_path = pc.sort_indices(paths).to_numpy()
    rows, group = rows[by_path], group[by_path]
    foremost = np.full(len(size), len(rows))
    np.minimum.at(foremost, group, np.arange(len(rows)))
    return _Groups(rows, group, size, used, conflict, same_bytes, np.lexsort((foremost, -size)))


def _number_pictures(context: ReportContext) -> Codes:
    """(listed images,) a number for each picture: equal pixels, or equal bytes where there are no pixels."""
    contents, pixels = context.contents, context.images.read_column("pixel_id")
    if pixels.null_count:
        pixels = pc.coalesce(pixels, context.images.read_column("content_id"))
    texts = pa.chunked_array([*pixels.chunks, contents.unknown.cast(pixels.type)], pixels.type)
    del pixels
    return encode_column(texts).codes[contents.codes]


def _values_differ(values: Codes, group: Numbers, groups: int) -> Mask:
    """(groups,) whether the values of a group differ."""
    low, high = np.full(groups, np.iinfo(np.int32).max), np.full(groups, -1)
    np.minimum.at(low, group, values)
    np.maximum.at(high, group, values)
    differ: Mask = low != high
    return differ


def _show_groups(context: ReportContext, album: ThumbnailCache, groups: _Groups, chosen: Numbers) -> list[CopyGroup]:
    rows = [groups.rows[np.flatnonzero(groups.group == one)[:_MEMBERS]] for one in chosen]
    if not rows:
        return []
    images = context.listing.read_rows(["path", "class", "content_id"], np.concatenate(rows)).to_pylist()
    fates = context.describe_fates(one["path"] for one in images)
    members = (
        CopyMember(one["path"], one["class"], fates.get(one["path"], "not used"), album.request(one["content_id"]))
        for one in images
    )
    facts = zip(*(column[chosen].tolist() for column in (groups.conflict, groups.same_bytes, groups.size)), strict=True)
    return [
        CopyGroup(conflict, same_bytes, size, list(islice(members, len(mine))))
        for (conflict, same_bytes, size), mine in zip(facts, rows, strict=True)
    ]


Outcome = tuple[int, int, int]  # pictures, the images of them, and how many of these images a record holds


def _summarize_copies(clash: Outcome, same: Outcome) -> SectionSummary:
    title = "Copies and conflicts"
    if not clash[0] and not same[0]:
        said = "No two images show the same pixels: there are no copies, and no picture stands under two classes."
        return SectionSummary("copies", title, "good", said)
    harmless = f"{_count_pictures(same, 'exists', 'exist')} more than once under the same class{_count_images(same)}; "
    said = harmless if same[0] else ""
    if not clash[0]:
        return SectionSummary("copies", title, "good", f"{said}no picture stands under two classes.")
    said += f"{_count_pictures(clash, 'stands', 'stand')} under different classes{_count_images(clash)}."
    return SectionSummary("copies", title, "look", said)


def _count_pictures(of: Outcome, one: str, many: str) -> str:
    return f"{count_noun(of[0], 'picture')} {one if of[0] == 1 else many}"


def _count_images(of: Outcome) -> str:
    _, images, used = of
    kept = "all of them" if used == images else f"{used:,} of them" if used else "none of them"
    return f" ({images:,} images, {kept} in the training files)"
