"""The split: how each stratum was divided, with exact numbers, the proof that nothing leaks, and the largest groups."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import SplitSettings
from brev_pipeline.report.album import Album, Picture
from brev_pipeline.report.ground import Ground
from brev_pipeline.report.opening import Opening
from brev_pipeline.report.rows import Codes, Numbered, Numbers, first
from brev_pipeline.report.sides import Divided, Sides, divided
from brev_pipeline.report.text import counted, joined, percent

_STRATA: Final = 80
_GROUPS: Final = 8
_PICTURES: Final = 6


@dataclass(frozen=True)
class Part:
    """A purpose's part of a stratum."""

    purpose: str
    images: int
    groups: int
    share: float
    """0..1, of the stratum's images."""
    wanted: float
    """0..1, as configured."""


@dataclass(frozen=True)
class Stratum:
    """A stratum and its parts, in the order of the purposes."""

    name: str
    images: int
    parts: list[Part]


@dataclass(frozen=True)
class LeakGroup:
    """Images that may not be divided."""

    name: str
    images: int
    items: int
    purpose: str
    strata: str
    pictures: list[tuple[Picture, str]]
    """Pictures and their paths."""


@dataclass(frozen=True)
class Division:
    """The section."""

    opening: Opening
    total: Stratum
    strata: list[Stratum]
    more_strata: int
    proof: list[tuple[str, int, int]]
    """What may not stand on two sides: its name, how many there are, how many stand on two sides nevertheless."""
    groups: list[LeakGroup]
    rule: str
    """How it was done, in words."""


def division(ground: Ground, album: Album) -> Division:
    """How the split came out, found again from its table."""
    sides = Sides.of(ground)
    total, strata, together, largest = _grouped(ground, album, sides)
    proof = _proof(ground, sides, together)
    return Division(
        _opening(ground, total, proof),
        total,
        strata[:_STRATA],
        max(0, len(strata) - _STRATA),
        proof,
        largest,
        _rule(ground.dividing),
    )


def wanted_shares(ground: Ground) -> dict[str, float]:
    """Purpose → share of each stratum, as configured; the remainder or the folds have the rest."""
    return ground.dividing.shares


def _grouped(ground: Ground, album: Album, sides: Sides) -> tuple[Stratum, list[Stratum], Divided, list[LeakGroup]]:
    """All that is told of the leak groups: in all, by stratum, whether they are whole, and the largest of them."""
    group = ground.split.numbered("leak_group")
    met = sides.met(group.codes, len(group.values))
    images = sides.images()
    total = _stratum("all images", ground, images.sum(0), met.sum(0))
    strata = _strata(ground, sides, images, group.codes) if len(sides.strata) > 1 else []
    return total, strata, divided(met), _largest(ground, album, group)


def _strata(ground: Ground, sides: Sides, images: Numbers, group: Codes) -> list[Stratum]:
    pair = sides.with_stratum(group)
    stratum = pair.values.to_numpy() % len(sides.strata)
    met = sides.met(pair.codes, len(stratum))
    groups = np.stack([np.bincount(stratum[one], minlength=len(sides.strata)) for one in met.T], 1)
    return [
        _stratum(name or "(no name)", ground, images[row], groups[row])
        for row, name in enumerate(sides.strata[: _STRATA + 1])
    ] + [Stratum("", 0, [])] * max(0, len(sides.strata) - _STRATA - 1)


def _stratum(name: str, ground: Ground, images: Numbers, groups: Numbers) -> Stratum:
    """A stratum by its images and leak groups, by purpose."""
    total, wanted = int(images.sum()), wanted_shares(ground)
    parts = [
        Part(one, own, whole, own / max(1, total), wanted.get(one, 0.0))
        for one, own, whole in zip(ground.purposes, images.tolist(), groups.tolist(), strict=True)
    ]
    return Stratum(name, total, parts)


def _proof(ground: Ground, sides: Sides, together: Divided) -> list[tuple[str, int, int]]:
    scope = ground.configuration["split"]["uniqueness_scope"] == "stratum"
    return [
        ("physical items", *_whole(ground, sides, "item", scope)),
        ("groups of images that hang together", *together),
        ("files (copies have the same bytes)", *_whole(ground, sides, "content_id")),
        ("pictures (copies have the same pixels)", *_whole(ground, sides, "pixel_id")),
    ]


def _whole(ground: Ground, sides: Sides, column: str, scope: bool = False) -> Divided:
    """Whether the images with the same value, in a stratum or in all, stand on one side."""
    # Only the codes outlive this line; the texts take ten times as much.
    codes = ground.split.numbered(column).codes
    if scope:
        codes = sides.with_stratum(codes).codes
    return divided(sides.met(codes, int(codes.max(initial=-1)) + 1))


def _largest(ground: Ground, album: Album, group: Numbered) -> list[LeakGroup]:
    sizes = np.bincount(group.codes, minlength=len(group.values))
    order = first(pa.table({"fewer": -sizes, "name": group.values}), _GROUPS)
    chosen = [one for one in order.tolist() if sizes[one] > 1]
    rows = np.flatnonzero(np.isin(group.codes, chosen))
    if not len(rows):
        return []
    mine = ground.split.at(["path", "content_id", "item", "purpose", "stratum"], rows)
    of = group.codes[rows]
    return [_leak_group(album, group.values[one].as_py(), mine.filter(pa.array(of == one))) for one in chosen]


def _leak_group(album: Album, name: str, rows: pa.Table) -> LeakGroup:
    rows = rows.sort_by("path")
    shown = rows.slice(0, _PICTURES).select(["content_id", "path"]).to_pylist()
    return LeakGroup(
        name,
        rows.num_rows,
        pc.count_distinct(rows["item"]).as_py(),
        joined(pc.unique(rows["purpose"]).to_pylist()),
        joined(sorted(pc.unique(rows["stratum"]).to_pylist())),
        [(album.ask(row["content_id"]), row["path"]) for row in shown],
    )


def _rule(settings: SplitSettings) -> str:
    asked = joined([f"{name} {percent(share)}" for name, share in sorted(settings.purposes.items())], 100)
    rest = f"{settings.folds} folds of the same size get" if settings.folds else f"{settings.remainder} gets"
    said = f"Shares asked for: {asked}; {rest} the rest. " if asked else f"{rest[0].upper()}{rest[1:]} all. "
    said += "Purposes that are given stand as given; the shares are of the rest. " if settings.given else ""
    strata, items = (_key(key) for key in (settings.stratification, settings.uniqueness))
    said += f"Strata come from {strata}. " if strata else "There is one stratum. "
    said += f"What is one physical item comes from {items}" if items else "Every image counts as an item of its own"
    scope = " (numbers begin anew in each stratum)" if items and settings.uniqueness_scope == "stratum" else ""
    return f"{said}{scope}. Method {settings.method}, seed {settings.seed}."


def _key(key: str | list[str] | None) -> str:
    if key is None or isinstance(key, str):
        return f"the path, by the pattern {key}" if key else ""
    return f"the column{'s' * (len(key) > 1)} {joined(key)}"


def _opening(ground: Ground, total: Stratum, proof: list[tuple[str, int, int]]) -> Opening:
    numbers = joined([f"{part.images:,} for {part.purpose}" for part in total.parts])
    images = total.images
    said = f"{counted(images, 'image')} {'was' if images == 1 else 'were'} divided: {numbers}"
    if leaks := sum(divided for _, _, divided in proof):
        return Opening("split", "Who trains, who tests", "bad", f"{said}; {leaks:,} that belong together were divided!")
    fine = ground.is_fine("sample_split")
    said += "; no item and no copy stands on two sides" + (
        "." if fine else ", but not all is as wanted: see the checks."
    )
    return Opening("split", "Who trains, who tests", "good" if fine else "look", said)
