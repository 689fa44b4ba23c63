"""What commands print for programs: with ``--json`` one JSON document on standard output, and nothing else there.

Progress and warnings go to standard error then, the exit status is the same, and an error is a document too.
"""

import json
import textwrap
from collections.abc import Mapping
from typing import Any, Final

import click
from rich.console import Console
from rich.text import Text

from brev_pipeline.report import text as text_of_names

JSON_FLAG: Final = "--json"

# The option that every command has which prints results.
JSON_OPTION = click.option(
    JSON_FLAG, "as_json", is_flag=True, help="Print one JSON document; progress goes to standard error."
)


def make_console(*, as_json: bool = False) -> Console:
    """Where text for people goes: standard output, or standard error where that is for programs."""
    # Not wrapped by Rich: a line stays one line, so that paths in it can be copied.
    return Console(highlight=False, soft_wrap=True, stderr=as_json)


def make_visible(text: str, *, line: bool = False) -> str:
    r"""Text that a terminal shows and does not obey: controls and marks of direction in a name stand as ``\u001b``.

    Args:
        text: of names that others gave, or a message with some.
        line: a single line: line feeds are written out too.
    """
    shown = text_of_names.escape_invisible(text)
    return shown.replace("\n", "\\u000a") if line else shown


def print_json(facts: Mapping[str, Any]) -> None:
    """Print the document."""
    click.echo(json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False))


def print_error(error: Exception, *, as_json: bool) -> None:
    """Print an error: as a document on standard output, or as text on standard error.

    Args:
        error: one of ours, or one of click's about how the command was called.
        as_json: which of the two.
    """
    usage = isinstance(error, click.ClickException)
    said = error.format_message() if isinstance(error, click.ClickException) else str(error)
    name = "UsageError" if usage else type(error).__name__
    if as_json:
        print_json({"error": {"type": name, "message": said}})
    else:
        click.echo(make_visible(said if name == "ConfigError" else f"{name}: {said}"), err=True)


def print_paragraph(console: Console, text: str, style: str = "", indent: int = 2, mark: str = "") -> None:
    """A paragraph, indented, its lines no longer than the terminal is wide; ``mark`` stands before it."""
    first = f"{mark:>{indent - 1}} " if mark else " " * indent
    lines = textwrap.wrap(
        text, console.width, initial_indent=first, subsequent_indent=" " * indent, break_on_hyphens=False
    )
    for line in lines:
        console.print(Text(line, style=style), soft_wrap=True)


def print_heading(console: Console, text: str) -> None:
    """An empty line, and a line in bold."""
    console.print()
    console.print(Text(text, style="bold"))


def format_count(number: int, noun: str) -> str:
    """``1 item``, ``2 items``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
