"""What changed, for people: the sections that ``plan`` and ``diff`` share. What is not otherwise is not shown."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from brev_pipeline.cli.output import make_visible

MAX_SHOWN: Final = 3  # examples of a kind; ``--json`` has more
_INDENT: Final = 12  # columns that a section's title takes
_MAX_VALUE_LENGTH: Final = 60  # characters of a setting's value
# What may have become of images, in the order in which it is told.
_KINDS: Final = ("new", "gone", "renamed", "changed", "relabelled", "unread")
_KIND_TEXTS: Final = {"relabelled": "other class", "unread": "not read"}


def show_images(console: Console, images: Mapping[str, Any]) -> None:
    """Images by kind of change, by class, and examples; of a first listing, where all is new, only how many."""
    told = _format_kinds(images, _KINDS) or "none is new, gone or otherwise"
    print_section(console, "images", f"{format_counts(images)}: {told}")
    kinds = [kind for kind in _KINDS if images[kind]]
    if not kinds:
        return
    rows = [row for row in images["by_class"] if any(row[kind] for kind in kinds) or row["was"] != row["now"]]
    print_grid(console, [[row["class"], format_counts(row), _format_kinds(row, kinds)] for row in rows], right=(1,))
    # Of a first listing every image would be an example of a new one.
    for kind in kinds if images["was"] else ():
        some = [_format_example(one) for one in images["examples"][kind]]
        print_examples(console, _KIND_TEXTS.get(kind, kind), some, images[kind])


def show_left_out(console: Console, left_out: Sequence[Mapping[str, Any]]) -> None:
    """Images that are in no shard, by the rule that takes them out."""
    for one in left_out:
        if one["was"] != one["now"] or one["new"]:
            more = f", {one['new']:,} not before" if one["new"] and one["new"] != one["now"] else ""
            print_section(console, "left out", f"{one['rule']}: {format_counts(one)}{more}")
            some = [f"{row['path']}: {row['reason']}" for row in one["examples"]]
            print_examples(console, "", some, one["new"])


def show_purposes(console: Console, sides: Mapping[str, Any]) -> None:
    """Images of each side, and those that change sides."""
    rows = sides["by_purpose"]
    if any(row["was"] != row["now"] or row["new"] for row in rows):
        print_section(console, "sides", "images by purpose")
        table = [[row["purpose"], format_counts(row), f"{row['new']:,} new" if row["new"] else ""] for row in rows]
        print_grid(console, table, right=(1,))
    moved = sides["moved"]
    if moved["images"]:
        told = ", ".join(f"{one['images']:,} from {one['was']} to {one['now']}" for one in moved["by_sides"])
        head = f"[bold yellow]{moved['images']:,} images change sides[/]"
        print_section(console, "sides", f"{head}: {_escape_text(told)}", raw=True)
        some = [f"{one['path']}: {one['was']} → {one['now']}" for one in moved["examples"]]
        print_examples(console, "", some, moved["images"])


def show_labels(console: Console, labels: Mapping[str, Any]) -> None:
    """Label numbers that are others."""
    if changed := labels["changed"]:
        print_section(console, "labels", ", ".join(map(_format_label, changed)))


def show_provenance(console: Console, found: Mapping[str, Any]) -> None:
    """What the data are made by, where it is otherwise: settings by YAML path, packages, code of stages."""
    for one in found["settings"]:
        was, now = (_format_setting(one, side) for side in ("was", "now"))
        print_section(console, "setting", f"{one['path']}: {was} → {now}")
    for title, kind, name in (("package", "packages", "name"), ("code", "code", "stage")):
        for one in found[kind]:
            print_section(console, title, f"{one[name]}: {one['was'] or 'not there'} → {one['now'] or 'not there'}")


def print_section(
    console: Console, title: str, said: str, *, raw: bool = False, lines: bool = False, style: str = "bold"
) -> None:
    """A title, and what is said under it; with ``raw`` that has Rich's marks in it, with ``lines`` several lines."""
    row = Table.grid(padding=(0, 2, 0, 0))
    row.add_column(style=style, no_wrap=True, width=_INDENT - 2)
    row.add_column(overflow="fold")
    row.add_row(title, said if raw else _escape_text(said, lines=lines))
    console.print(row)


def print_grid(
    console: Console, rows: Iterable[Sequence[str]], *, head: Sequence[str] = (), right: Sequence[int] = ()
) -> None:
    """A small table below a heading, with the columns ``right`` aligned to that side."""
    rows = list(rows)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_header=bool(head))
    for place, name in enumerate(head or [""] * len(rows[0] if rows else ())):
        table.add_column(name, justify="right" if place in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(_escape_text, row))
    console.print(Padding(table, (0, 0, 0, _INDENT), expand=False))


def print_examples(console: Console, title: str, some: Sequence[str], count: int) -> None:
    """The first few of some, and how many there are besides."""
    for text in list_first_few(some, count):
        line = _escape_text(f"{title}: {text}" if title and text in some else text)
        console.print(Padding(f"[dim]{line}[/]", (0, 0, 0, _INDENT), expand=False))


def list_first_few(some: Sequence[str], count: int, most: int = MAX_SHOWN) -> list[str]:
    """The first few of some, and how many there are besides."""
    shown = list(some[:most])
    return [*shown, f"… and {count - len(shown):,} more"] if count > len(shown) else shown


def format_row(row: Mapping[str, Any]) -> str:
    """A row that a check found, column by column; a value that begins with its column's name says it already."""
    filled = {key: str(value) for key, value in row.items() if value is not None}
    return ", ".join(value if value.startswith(f"{key}: ") else f"{key} {value}" for key, value in filled.items())


def _escape_text(text: str, *, lines: bool = False) -> str:
    """Text as it is printed: no marks of Rich's, nothing that a terminal obeys; with ``lines`` it may have several."""
    return escape(make_visible(text, line=not lines))


def format_counts(row: Mapping[str, Any]) -> str:
    """``was → now``, or the one number where they are the same."""
    return f"{row['was']:,} → {row['now']:,}" if row["was"] != row["now"] else f"{row['now']:,}"


def _format_kinds(found: Mapping[str, Any], kinds: Iterable[str]) -> str:
    told = [f"{found[kind]:,} {_KIND_TEXTS.get(kind, kind)}" for kind in kinds if found[kind]]
    return ", ".join(told)


def _format_example(one: Mapping[str, Any]) -> str:
    if "path" not in one:
        return f"{one['was']} → {one['now']}"
    return f"{one['path']} ({one['class']})" if "class" in one else f"{one['path']}: {one['was']} → {one['now']}"


def _format_label(one: Mapping[str, Any]) -> str:
    if one["was"] is None:
        return f"{one['class']} gets {one['now']}"
    return f"{one['class']} {one['was']} → {'no number' if one['now'] is None else one['now']}"


def _format_setting(one: Mapping[str, Any], name: str) -> str:
    if name not in one:
        return "not there"
    text = json.dumps(one[name], ensure_ascii=False)
    return text if len(text) <= _MAX_VALUE_LENGTH else f"{text[: _MAX_VALUE_LENGTH - 1]}…"
