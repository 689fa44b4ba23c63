"""Paragraphs: what the dialogue of ``init`` says, no wider than the terminal is."""

import textwrap

from rich.console import Console
from rich.text import Text


def say(console: Console, text: str, style: str = "", indent: int = 2, mark: str = "") -> None:
    """A paragraph, indented, its lines no longer than the terminal is wide; ``mark`` stands before it."""
    first = f"{mark:>{indent - 1}} " if mark else " " * indent
    lines = textwrap.wrap(
        text, console.width, initial_indent=first, subsequent_indent=" " * indent, break_on_hyphens=False
    )
    for line in lines:
        console.print(Text(line, style=style), soft_wrap=True)


def heading(console: Console, text: str) -> None:
    """An empty line, and a line in bold."""
    console.print()
    console.print(Text(text, style="bold"))


def counted(number: int, noun: str) -> str:
    """``1 item``, ``2 items``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
