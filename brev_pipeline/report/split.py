"""The split: how each stratum was divided, with exact numbers, the proof that nothing leaks, and the largest groups."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import SplitSettings
from brev_pipeline.report.context import ReportContext, SectionSummary
from brev_pipeline.report.rows import Codes, EncodedColumn, Mask, Numbers, encode_column, first_rows
from brev_pipeline.report.text import count_noun, format_percent, join_words
from brev_pipeline.report.thumbnails import PictureRequest, ThumbnailCache
from brev_pipeline.split.report import find_divided

Divided = tuple[int, int]  # how many there are of a kind, and how many of them stand on two sides


@dataclass(frozen=True)
class PurposeMatrix:
    """Of each image of the split, its purpose and stratum as numbers."""

    purpose: Codes  # (images,) position among the names of the purposes
    purposes: int  # how many names there are
    stratum: Codes  # (images,) position among the strata's names in their order
    strata: list[str]  # these names

    @classmethod
    def from_context(cls, context: ReportContext) -> "PurposeMatrix":
        """Of a version's split."""
        purpose, stratum = (context.split.encode_column(name) for name in ("purpose", "stratum"))
        strata = sorted(stratum.values.to_pylist())
        purposes = context.purposes
        return cls(_find_positions(purpose, purposes), len(purposes), _find_positions(stratum, strata), strata)

    def with_stratum(self, codes: Codes) -> EncodedColumn:
        """(images,) numbers of the pairs of a number and the stratum; the value is number × strata + stratum."""
        return encode_column(pa.chunked_array([codes.astype(np.int64) * len(self.strata) + self.stratum]))

    def count_images(self) -> Numbers:
        """(strata, purposes) images."""
        shape = (len(self.strata), self.purposes)
        key = self.stratum.astype(np.int64) * shape[1] + self.purpose
        return np.bincount(key, minlength=shape[0] * shape[1]).reshape(shape)

    def mark_purposes(self, codes: Codes, count: int) -> Mask:
        """(count, purposes) whether any image with a number has a purpose."""
        met = np.zeros((count, self.purposes), bool)
        met[codes, self.purpose] = True
        return met


def _find_positions(column: EncodedColumn, names: list[str]) -> Codes:
    """(rows,) the place of each row's value among the names."""
    places = {name: place for place, name in enumerate(names)}
    return np.array([places[name] for name in column.values.to_pylist()], np.int32)[column.codes]


def count_divided(codes: Codes, purpose: Codes) -> Divided:
    """How many numbers there are in ``codes`` (images,), and how many of them stand on two sides."""
    divided = find_divided(codes, purpose)
    return len(divided), int(divided.sum())


_STRATA: Final = 80  # rows
_GROUPS: Final = 8  # the largest that hang together
_PICTURES: Final = 6  # of each of them


@dataclass(frozen=True)
class StratumShare:
    """A purpose's part of a stratum."""

    purpose: str
    images: int
    groups: int
    share: float  # 0..1, of the stratum's images
    wanted: float  # 0..1, as configured


@dataclass(frozen=True)
class Stratum:
    """A stratum and its parts, in the order of the purposes."""

    name: str
    images: int
    parts: list[StratumShare]


@dataclass(frozen=True)
class LeakGroup:
    """Images that may not be divided."""

    name: str
    images: int
    items: int
    purpose: str
    strata: str
    pictures: list[tuple[PictureRequest, str]]  # pictures and their paths


@dataclass(frozen=True)
class SplitSection:
    """The section."""

    opening: SectionSummary
    total: Stratum
    strata: list[Stratum]
    more_strata: int
    proof: list[tuple[str, int, int]]
    """What may not stand on two sides: its name, how many there are, how many stand on two sides nevertheless."""
    groups: list[LeakGroup]
    rule: str  # how it was done, in words


def split_section(context: ReportContext, album: ThumbnailCache) -> SplitSection:
    """How the split came out, found again from its table."""
    sides = PurposeMatrix.from_context(context)
    total, strata, together, largest = _describe_groups(context, album, sides)
    proof = _prove_separation(context, sides, together)
    return SplitSection(
        _summarize_split(context, total, proof),
        total,
        strata[:_STRATA],
        max(0, len(strata) - _STRATA),
        proof,
        largest,
        _describe_rule(context.split_settings),
    )


def _describe_groups(
    context: ReportContext, album: ThumbnailCache, sides: PurposeMatrix
) -> tuple[Stratum, list[Stratum], Divided, list[LeakGroup]]:
    """All that is told of the leak groups: in all, by stratum, whether they are whole, and the largest of them."""
    group = context.split.encode_column("leak_group")
    met = sides.mark_purposes(group.codes, len(group.values))
    images = sides.count_images()
    total = _make_stratum("all images", context, images.sum(0), met.sum(0))
    strata = _describe_strata(context, sides, images, group.codes) if len(sides.strata) > 1 else []
    return total, strata, count_divided(group.codes, sides.purpose), _largest_groups(context, album, group)


def _describe_strata(context: ReportContext, sides: PurposeMatrix, images: Numbers, group: Codes) -> list[Stratum]:
    pair = sides.with_stratum(group)
    stratum = pair.values.to_numpy() % len(sides.strata)
    met = sides.mark_purposes(pair.codes, len(stratum))
    groups = np.stack([np.bincount(stratum[one], minlength=len(sides.strata)) for one in met.T], 1)
    return [
        _make_stratum(name or "(no name)", context, images[row], groups[row])
        for row, name in enumerate(sides.strata[: _STRATA + 1])
    ] + [Stratum("", 0, [])] * max(0, len(sides.strata) - _STRATA - 1)


def _make_stratum(name: str, context: ReportContext, images: Numbers, groups: Numbers) -> Stratum:
    """A stratum by its images and leak groups, by purpose."""
    total, wanted = int(images.sum()), context.split_settings.shares
    parts = [
        StratumShare(one, own, whole, own / max(1, total), wanted.get(one, 0.0))
        for one, own, whole in zip(context.purposes, images.tolist(), groups.tolist(), strict=True)
    ]
    return Stratum(name, total, parts)


def _prove_separation(context: ReportContext, sides: PurposeMatrix, together: Divided) -> list[tuple[str, int, int]]:
    scope = context.configuration["split"]["uniqueness_scope"] == "stratum"
    return [
        ("physical items", *_check_whole(context, sides, "item", scope)),
        ("groups of images that hang together", *together),
        ("files (copies have the same bytes)", *_check_whole(context, sides, "content_id")),
        ("pictures (copies have the same pixels)", *_check_whole(context, sides, "pixel_id")),
    ]


def _check_whole(context: ReportContext, sides: PurposeMatrix, column: str, scope: bool = False) -> Divided:
    """Whether the images with the same value, in a stratum or in all, stand on one side."""
    # Only the codes outlive this line; the texts take ten times as much.
    codes = context.split.encode_column(column).codes
    if scope:
        codes = sides.with_stratum(codes).codes
    return count_divided(codes, sides.purpose)


def _largest_groups(context: ReportContext, album: ThumbnailCache, group: EncodedColumn) -> list[LeakGroup]:
    sizes = np.bincount(group.codes, minlength=len(group.values))
    order = first_rows(pa.table({"fewer": -sizes, "name": group.values}), _GROUPS)
    chosen = [one for one in order.tolist() if sizes[one] > 1]
    rows = np.flatnonzero(np.isin(group.codes, chosen))
    if not len(rows):
        return []
    mine = context.split.read_rows(["path", "content_id", "item", "purpose", "stratum"], rows)
    of = group.codes[rows]
    return [_make_leak_group(album, group.values[one].as_py(), mine.filter(pa.array(of == one))) for one in chosen]


def _make_leak_group(album: ThumbnailCache, name: str, rows: pa.Table) -> LeakGroup:
    rows = rows.sort_by("path")
    shown = rows.slice(0, _PICTURES).select(["content_id", "path"]).to_pylist()
    return LeakGroup(
        name,
        rows.num_rows,
        pc.count_distinct(rows["item"]).as_py(),
        join_words(pc.unique(rows["purpose"]).to_pylist()),
        join_words(sorted(pc.unique(rows["stratum"]).to_pylist())),
        [(album.request(row["content_id"]), row["path"]) for row in shown],
    )


def _describe_rule(settings: SplitSettings) -> str:
    asked = join_words([f"{name} {format_percent(share)}" for name, share in sorted(settings.purposes.items())], 100)
    rest = f"{settings.folds} folds of the same size get" if settings.folds else f"{settings.remainder} gets"
    said = f"Shares asked for: {asked}; {rest} the rest. " if asked else f"{rest[0].upper()}{rest[1:]} all. "
    said += "Purposes that are given stand as given; the shares are of the rest. " if settings.given else ""
    strata, items = (_describe_key(key) for key in (settings.stratification, settings.uniqueness))
    said += f"Strata come from {strata}. " if strata else "There is one stratum. "
    said += f"What is one physical item comes from {items}" if items else "Every image counts as an item of its own"
    scope = " (numbers begin anew in each stratum)" if items and settings.uniqueness_scope == "stratum" else ""
    return f"{said}{scope}. Method {settings.method}, seed {settings.seed}."


def _describe_key(key: str | list[str] | None) -> str:
    if key is None or isinstance(key, str):
        return f"the path, by the pattern {key}" if key else ""
    return f"the column{'s' * (len(key) > 1)} {join_words(key)}"


def _summarize_split(context: ReportContext, total: Stratum, proof: list[tuple[str, int, int]]) -> SectionSummary:
    numbers = join_words([f"{part.images:,} for {part.purpose}" for part in total.parts])
    images = total.images
    said = f"{count_noun(images, 'image')} {'was' if images == 1 else 'were'} divided: {numbers}"
    title = "Who trains, who tests"
    if leaks := sum(divided for _, _, divided in proof):
        return SectionSummary("split", title, "bad", f"{said}; {leaks:,} that belong together were divided!")
    fine = context.has_passed("sample_split")
    end = "." if fine else ", but not all is as wanted: see the checks."
    said += f"; no item and no copy stands on two sides{end}"
    return SectionSummary("split", title, "good" if fine else "look", said)
