"""What changed against the version before: images, classes, numbers, configuration, packages."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from brev_pipeline.report.altered import Change, altered_images
from brev_pipeline.report.ground import RULES, Ground
from brev_pipeline.report.opening import Opening
from brev_pipeline.report.rows import Rows, numbered, tally
from brev_pipeline.report.text import counted, joined
from brev_pipeline.store import StoredTable

_ABSENT: Final = "—"


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
    before, now = parent.read_manifest(), ground.inputs.manifest
    tables = {name: StoredTable(parent.folder, f"{name}.parquet") for name in ("listing", "assignments", "exclusions")}
    listing = Rows(tables["listing"])
    old_out = tables["exclusions"].read(["path", "rule"])
    images = altered_images(ground, listing, Rows(tables["assignments"]), old_out)
    settings = list(_differences(before["configuration"], now["configuration"]))
    packages = list(_differences(before.get("packages", {}), now.get("packages", {})))
    return Changes(
        _opening(parent.id, images, settings, packages),
        parent.id,
        [change for change in images if change.images],
        _classes(ground, listing),
        _numbers(ground, before, old_out),
        settings,
        packages,
    )


def _classes(ground: Ground, old: Rows) -> list[Difference]:
    was = {row["class"]: row["count"] for row in tally({"class": old.categories()[0]})}
    now = {name: sum(one.values()) for name, one in ground.class_counts.items()}
    names = [*ground.classes, *sorted(set(was) - set(now))]
    return [one for name in names if (one := Difference(name, was.get(name, 0), now.get(name, 0))).was != one.now]


def _numbers(ground: Ground, before: Mapping[str, Any], old_out: pa.Table) -> list[Difference]:
    now, new_out = ground.inputs.manifest, ground.inputs.exclusions
    rows = [Difference("Images found", before["counts"]["listed"], now["counts"]["listed"])]
    for kind, title in (("images", "Images for"), ("records", "Records for")):
        was, is_now = before["counts"][kind], now["counts"][kind]
        names = [name for name in ground.purposes if name in {**was, **is_now}]
        names += sorted({*was, *is_now} - set(names))
        rows += [Difference(f"{title} {name}", was.get(name, 0), is_now.get(name, 0)) for name in names]
    rules_of = [tally({"rule": numbered(table["rule"])}) for table in (old_out, new_out)]
    out = [{row["rule"]: row["count"] for row in rows_of} for rows_of in rules_of]
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
    if isinstance(value, Mapping):
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


_HAPPENED: Final = (
    ("is new", "are new"),
    ("left", "left"),
    ("is no longer read", "are no longer read"),
    ("is read again", "are read again"),
    ("was renamed", "were renamed"),
    ("was replaced", "were replaced"),
    ("got another class", "got another class"),
    ("changed sides", "changed sides"),
)
"""Of each change that `altered_images` gives: what happened to one image, and to several."""


def _opening(parent: str, images: list[Change], settings: list[Setting], packages: list[Setting]) -> Opening:
    parts = [f"{change.images:,} {words[change.images > 1]}" for change, words in zip(images, _HAPPENED, strict=True)]
    parts = [part for part, change in zip(parts, images, strict=True) if change.images]
    said = f"Since version {parent}, {'of the images ' + joined(parts) if parts else 'the images stayed the same'}; "
    said += f"{counted(len(settings), 'setting')} changed"
    if packages:
        said += f", and so did {counted(len(packages), 'package')}"
    relabelled, moved = images[-2].images, images[-1].images
    said += "; no image changed sides of the split." if not moved else "; images that changed sides deserve a look."
    return Opening("changes", "What changed", "look" if relabelled or moved else "good", said)
