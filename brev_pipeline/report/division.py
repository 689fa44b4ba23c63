"""The split: how each stratum was divided, with exact numbers, the proof that nothing leaks, and the largest groups."""

from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.report.album import Album, Picture
from brev_pipeline.report.ground import Ground, tally
from brev_pipeline.report.opening import Opening
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
    proof = _proof(ground)
    strata = _strata(ground)
    return Division(
        _opening(ground, proof),
        _stratum("all images", ground, ground.split),
        strata[:_STRATA],
        max(0, len(strata) - _STRATA),
        proof,
        _largest(ground, album),
        _rule(ground.configuration["split"]),
    )


def wanted_shares(ground: Ground) -> dict[str, float]:
    """Purpose → share of each stratum, as configured; the remainder has the rest."""
    settings = ground.configuration["split"]
    named = dict(settings["purposes"])
    return named | {settings["remainder"]: max(0.0, 1 - sum(named.values()))}


def _strata(ground: Ground) -> list[Stratum]:
    names = sorted(pc.unique(ground.split["stratum"]).to_pylist())
    if len(names) == 1:
        return []
    return [
        _stratum(name or "(no name)", ground, ground.split.filter(pc.equal(ground.split["stratum"], name)))
        for name in names[: _STRATA + 1]
    ] + [Stratum("", 0, [])] * max(0, len(names) - _STRATA - 1)


def _stratum(name: str, ground: Ground, rows: pa.Table) -> Stratum:
    images = {row["purpose"]: row["count"] for row in tally(rows, "purpose")}
    whole = tally(rows.group_by(["purpose", "leak_group"], use_threads=False).aggregate([]), "purpose")
    groups = {row["purpose"]: row["count"] for row in whole}
    total, wanted = max(1, rows.num_rows), wanted_shares(ground)
    parts = [
        Part(one, images.get(one, 0), groups.get(one, 0), images.get(one, 0) / total, wanted.get(one, 0.0))
        for one in ground.purposes
    ]
    return Stratum(name, rows.num_rows, parts)


def _proof(ground: Ground) -> list[tuple[str, int, int]]:
    scope = ["stratum"] if ground.configuration["split"]["uniqueness_scope"] == "stratum" else []
    kinds = {
        "physical items": [*scope, "item"],
        "groups of images that hang together": ["leak_group"],
        "files (copies have the same bytes)": ["content_id"],
        "pictures (copies have the same pixels)": ["pixel_id"],
    }
    return [(name, *_divided(ground.split, columns)) for name, columns in kinds.items()]


def _divided(split: pa.Table, columns: list[str]) -> tuple[int, int]:
    sides = split.group_by([*columns, "purpose"], use_threads=False).aggregate([])
    sides = sides.group_by(columns, use_threads=False).aggregate([([], "count_all")])
    return sides.num_rows, pc.sum(pc.greater(sides["count_all"], 1)).as_py() or 0


def _largest(ground: Ground, album: Album) -> list[LeakGroup]:
    rows = [row for row in tally(ground.split, "leak_group", most=_GROUPS) if row["count"] > 1]
    return [_leak_group(ground, album, row["leak_group"]) for row in rows]


def _leak_group(ground: Ground, album: Album, name: str) -> LeakGroup:
    rows = ground.split.filter(pc.equal(ground.split["leak_group"], name)).sort_by("path")
    shown = rows.slice(0, _PICTURES).select(["content_id", "path"]).to_pylist()
    return LeakGroup(
        name,
        rows.num_rows,
        pc.count_distinct(rows["item"]).as_py(),
        joined(pc.unique(rows["purpose"]).to_pylist()),
        joined(sorted(pc.unique(rows["stratum"]).to_pylist())),
        [(album.ask(row["content_id"]), row["path"]) for row in shown],
    )


def _rule(settings: dict[str, Any]) -> str:
    asked = joined([f"{name} {percent(share)}" for name, share in sorted(settings["purposes"].items())])
    strata, items = (_key(settings[name]) for name in ("stratification", "uniqueness"))
    said = f"Shares asked for: {asked}; {settings['remainder']} gets the rest. "
    said += f"Strata come from {strata}. " if strata else "There is one stratum. "
    said += f"What is one physical item comes from {items}" if items else "Every image counts as an item of its own"
    scope = " (numbers begin anew in each stratum)" if items and settings["uniqueness_scope"] == "stratum" else ""
    return f"{said}{scope}. Method {settings['method']}, seed {settings['seed']}."


def _key(key: str | list[str] | None) -> str:
    if key is None or isinstance(key, str):
        return f"the path, by the pattern {key}" if key else ""
    return f"the column{'s' * (len(key) > 1)} {joined(key)}"


def _opening(ground: Ground, proof: list[tuple[str, int, int]]) -> Opening:
    sides = {row["purpose"]: row["count"] for row in tally(ground.split, "purpose")}
    numbers = joined([f"{sides.get(name, 0):,} for {name}" for name in ground.purposes])
    images = ground.split.num_rows
    said = f"{counted(images, 'image')} {'was' if images == 1 else 'were'} divided: {numbers}"
    if leaks := sum(divided for _, _, divided in proof):
        return Opening("split", "Who trains, who tests", "bad", f"{said}; {leaks:,} that belong together were divided!")
    checks = ground.inputs.manifest.get("checks", {}).get("sample_split", [])
    fine = all(one["passed"] for one in checks)
    said += "; no item and no copy stands on two sides" + (
        "." if fine else ", but not all is as wanted: see the checks."
    )
    return Opening("split", "Who trains, who tests", "good" if fine else "look", said)
