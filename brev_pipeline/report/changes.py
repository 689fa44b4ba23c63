"""What changed against the version before: images, classes, numbers, configuration, packages."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.report.ground import RULES, Ground, present, tally, with_class
from brev_pipeline.report.opening import Opening
from brev_pipeline.report.text import counted, joined

_PATHS: Final = 40
_ABSENT: Final = "—"


@dataclass(frozen=True)
class Change:
    """A kind of change and the images that it happened to."""

    title: str
    says: str
    images: int
    examples: list[tuple[str, str]]
    """Paths, and what happened to each."""


@dataclass(frozen=True)
class Difference:
    """A number, then and now."""

    name: str
    was: int
    now: int

    @property
    def change(self) -> str:
        """With its sign."""
        return f"{self.now - self.was:+,}" if self.now != self.was else "±0"


@dataclass(frozen=True)
class Setting:
    """A setting or package, then and now."""

    name: str
    was: str
    now: str


@dataclass(frozen=True)
class Changes:
    """The section; without a parent only the opening."""

    opening: Opening
    parent: str | None
    images: list[Change]
    classes: list[Difference]
    numbers: list[Difference]
    settings: list[Setting]
    packages: list[Setting]


def changes(ground: Ground) -> Changes:
    """Compare the version with its parent."""
    parent = ground.inputs.parent
    if parent is None:
        said = "This is the first published version of this pipeline: there is nothing to compare it with."
        return Changes(Opening("changes", "What changed", "plain", said), None, [], [], [], [], [])
    before, now = parent.manifest(), ground.inputs.manifest
    listing, split = parent.table("listing"), present(parent.table("assignments"))
    images = _images(ground, with_class(listing), split)
    settings = list(_differences(before["configuration"], now["configuration"]))
    packages = list(_differences(before.get("packages", {}), now.get("packages", {})))
    return Changes(
        _opening(parent.id, images, settings, packages),
        parent.id,
        [change for change in images if change.images],
        _classes(ground, with_class(listing)),
        _numbers(ground, before, parent.table("exclusions")),
        settings,
        packages,
    )


def _images(ground: Ground, old: pa.Table, old_split: pa.Table) -> list[Change]:
    new = ground.listing
    appeared = new.filter(pc.invert(pc.is_in(new["path"], value_set=old["path"].combine_chunks())))
    left = old.filter(pc.invert(pc.is_in(old["path"], value_set=new["path"].combine_chunks())))
    return [
        Change("New images", "listed now, not before", appeared.num_rows, _examples(appeared, "class", ground)),
        Change("Images that left", "listed before, not now", left.num_rows, _examples(left, "class", None)),
        _altered(old, new, "content_id", "Replaced images", "the same path, other bytes"),
        _altered(old, new, "class", "Relabelled images", "the same path, another class"),
        _altered(old_split, ground.split, "purpose", "Moved images", "they changed sides of the split"),
    ]


def _examples(rows: pa.Table, column: str, ground: Ground | None) -> list[tuple[str, str]]:
    shown = rows.sort_by("path").slice(0, _PATHS).select(["path", column]).to_pylist()
    fates = ground.fates(row["path"] for row in shown) if ground else {}
    return [(row["path"], ", ".join(filter(None, [row[column], fates.get(row["path"], "")]))) for row in shown]


def _altered(old: pa.Table, new: pa.Table, column: str, title: str, says: str) -> Change:
    at = pc.index_in(new["path"], value_set=old["path"].combine_chunks())
    was = old[column].take(at)
    rows = pa.table({"path": new["path"], "was": was, "now": new[column]})
    rows = rows.filter(pc.fill_null(pc.not_equal(rows["was"], rows["now"]), False)).sort_by("path")
    shown = rows.slice(0, _PATHS).to_pylist()
    return Change(title, says, rows.num_rows, [(row["path"], f"{row['was']} → {row['now']}") for row in shown])


def _classes(ground: Ground, old: pa.Table) -> list[Difference]:
    was, now = ({row["class"]: row["count"] for row in tally(one, "class")} for one in (old, ground.listing))
    names = [*ground.classes, *sorted(set(was) - set(now))]
    return [one for name in names if (one := Difference(name, was.get(name, 0), now.get(name, 0))).was != one.now]


def _numbers(ground: Ground, before: Mapping[str, Any], old_out: pa.Table) -> list[Difference]:
    now, new_out = ground.inputs.manifest, ground.inputs.exclusions
    rows = [Difference("Images listed", before["counts"]["listed"], now["counts"]["listed"])]
    for kind, title in (("images", "Images for"), ("records", "Records for")):
        was, is_now = before["counts"][kind], now["counts"][kind]
        names = [*ground.purposes, *sorted(set(was) - set(ground.purposes))]
        rows += [Difference(f"{title} {name}", was.get(name, 0), is_now.get(name, 0)) for name in names]
    out = [{row["rule"]: row["count"] for row in tally(table, "rule")} for table in (old_out, new_out)]
    rules = [name for name in RULES if name in {**out[0], **out[1]}] + sorted({*out[0], *out[1]} - set(RULES))
    return rows + [
        Difference(f"Left out: {RULES.get(name, name)}", out[0].get(name, 0), out[1].get(name, 0)) for name in rules
    ]


def _differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Setting]:
    old, new = dict(_flat(was)), dict(_flat(now))
    for key in sorted({**old, **new}):
        if old.get(key, _ABSENT) != new.get(key, _ABSENT):
            yield Setting(key, _text(old.get(key, _ABSENT)), _text(new.get(key, _ABSENT)))


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting by its dotted key; ranges and lists of texts stay whole, sections in lists are numbered."""
    if isinstance(value, Mapping) and value:
        for name, one in value.items():
            yield from _flat(one, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        for number, one in enumerate(value):
            yield from _flat(one, f"{key}[{number}]")
    else:
        yield key, list(value) if isinstance(value, tuple) else value


def _text(value: Any) -> str:
    if value is None:
        return "none"
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _opening(parent: str, images: list[Change], settings: list[Setting], packages: list[Setting]) -> Opening:
    names = ("are new", "left", "were replaced", "got another class", "changed sides")
    parts = [f"{change.images:,} {name}" for change, name in zip(images, names, strict=True) if change.images]
    said = f"Since version {parent}, {'of the images ' + joined(parts) if parts else 'the images stayed the same'}; "
    said += f"{counted(len(settings), 'setting')} changed"
    if packages:
        said += f", and so did {counted(len(packages), 'package')}"
    relabelled, moved = images[3].images, images[4].images
    said += "; no image changed sides of the split." if not moved else "; images that changed sides deserve a look."
    return Opening("changes", "What changed", "look" if relabelled or moved else "good", said)
