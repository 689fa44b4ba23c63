"""Changes, for people: the sections that ``plan`` and ``diff`` share. What is not otherwise is not shown."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

SHOWN: Final = 5
"""Examples of a kind; ``--json`` has more."""
_LONG: Final = 60  # characters of a setting's value
KINDS: Final = ("new", "gone", "renamed", "changed", "relabelled", "unread")
"""What may have become of images, in the order in which it is told."""
_CLASS: Final = {"relabelled": "other class", "unread": "not read"}


def show_images(console: Console, images: Mapping[str, Any]) -> None:
    """Images by kind of change, by class, and examples."""
    heading(console, "images", f"{_arrow(images)}: {_counted(images, KINDS)}")
    kinds = [kind for kind in KINDS if images[kind]]
    if not kinds:
        return
    rows = [row for row in images["by_class"] if any(row[kind] for kind in kinds) or row["was"] != row["now"]]
    grid(
        console,
        ["class", "was", "now", *(_CLASS.get(kind, kind) for kind in kinds)],
        [[row["class"], row["was"], row["now"], *(row[kind] or "" for kind in kinds)] for row in rows],
    )
    for kind in kinds:
        some = [_example(one) for one in images["examples"][kind]]
        examples(console, _CLASS.get(kind, kind), some, images[kind])


def show_left_out(console: Console, left_out: Sequence[Mapping[str, Any]]) -> None:
    """Images that are in no shard, by the rule that takes them out."""
    for one in left_out:
        if one["was"] != one["now"] or one["new"]:
            more = f", {one['new']:,} not before" if one["new"] and one["new"] != one["now"] else ""
            heading(console, "left out", f"{one['rule']}: {_arrow(one)}{more}")
            some = [f"{row['path']}: {row['reason']}" for row in one["examples"]]
            examples(console, "", some, one["new"])


def show_sides(console: Console, sides: Mapping[str, Any]) -> None:
    """Images of each side, and those that change sides."""
    rows = sides["by_purpose"]
    if any(row["was"] != row["now"] or row["new"] for row in rows):
        heading(console, "sides", "images by purpose")
        grid(console, ["purpose", "was", "now", "new"], [[*list(row.values())[:3], row["new"] or ""] for row in rows])
    moved = sides["moved"]
    if moved["images"]:
        told = ", ".join(f"{one['images']:,} from {one['was']} to {one['now']}" for one in moved["by_sides"])
        heading(console, "sides", f"[bold yellow]{moved['images']:,} images change sides[/]: {escape(told)}", raw=True)
        examples(
            console, "", [f"{one['path']}: {one['was']} → {one['now']}" for one in moved["examples"]], moved["images"]
        )


def show_labels(console: Console, labels: Mapping[str, Any]) -> None:
    """Label numbers that are others."""
    if changed := labels["changed"]:
        told = ", ".join(f"{one['class']} {_number(one['was'])} → {_number(one['now'])}" for one in changed)
        heading(console, "labels", told)


def show_settings(console: Console, settings: Sequence[Mapping[str, Any]]) -> None:
    """Settings that are others, by YAML path."""
    for one in settings:
        heading(console, "setting", f"{one['path']}: {_value(one, 'was')} → {_value(one, 'now')}")


def show_packages(console: Console, packages: Sequence[Mapping[str, Any]]) -> None:
    """Packages of other versions."""
    for one in packages:
        heading(console, "package", f"{one['name']}: {one['was'] or 'not there'} → {one['now'] or 'not there'}")


def heading(console: Console, title: str, said: str, *, raw: bool = False) -> None:
    """One line: a title, and what is to be said under it.

    Args:
        console: where to.
        title: of the section.
        said: text; with ``raw`` it has Rich's marks in it.
        raw: see there.
    """
    row = Table.grid(padding=(0, 2, 0, 0))
    row.add_column(style="bold", no_wrap=True, width=10)
    row.add_column(overflow="fold")
    row.add_row(title, said if raw else escape(said))
    console.print(row)


def grid(console: Console, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A small table below a heading: the first column text, the others numbers."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for place, name in enumerate(head):
        table.add_column(name, justify="right" if place else "left", overflow="fold")
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else escape(str(value)) for value in row))
    console.print(Padding(table, (0, 0, 0, 12)))


def examples(console: Console, title: str, some: Sequence[str], count: int) -> None:
    """The first few of some, and how many there are besides."""
    for text in some[:SHOWN]:
        _dim(console, f"{title}: {text}" if title else text)
    if count > min(len(some), SHOWN):
        _dim(console, f"… and {count - min(len(some), SHOWN):,} more")


def _dim(console: Console, text: str) -> None:
    console.print(Padding(f"[dim]{escape(text)}[/]", (0, 0, 0, 12)))


def _arrow(row: Mapping[str, Any]) -> str:
    return f"{row['was']:,} → {row['now']:,}" if row["was"] != row["now"] else f"{row['now']:,}"


def _counted(found: Mapping[str, Any], kinds: Iterable[str]) -> str:
    told = [f"{found[kind]:,} {_CLASS.get(kind, kind)}" for kind in kinds if found[kind]]
    return ", ".join(told) or "none is new, gone or otherwise"


def _example(one: Mapping[str, Any]) -> str:
    if "path" not in one:
        return f"{one['was']} → {one['now']}"
    return f"{one['path']} ({one['class']})" if "class" in one else f"{one['path']}: {one['was']} → {one['now']}"


def _number(number: int | None) -> str:
    return "none" if number is None else str(number)


def _value(one: Mapping[str, Any], name: str) -> str:
    if name not in one:
        return "not there"
    text = json.dumps(one[name], ensure_ascii=False)
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"
