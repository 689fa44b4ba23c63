"""Cron expressions, checked where they stand in the YAML instead of where Dagster would stumble over them."""

import re

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day", 1, 31, []),
    ("month", 1, 12, ["", *_MONTHS]),
    ("weekday", 0, 7, _DAYS),
)


def check_cron(expression: str) -> str:
    """Return ``expression`` if it has five good fields: lists of ``*``, ``n`` or ``n-m``, each with ``/step``.

    Raises:
        ValueError: it has not; the message names the field.
    """
    parts = expression.split()
    if len(parts) != len(_FIELDS):
        raise ValueError(f"{expression!r}: a cron has five fields (minute hour day month weekday), as in '0 3 * * *'")
    for part, (name, low, high, names) in zip(parts, _FIELDS, strict=True):
        if not all(_is_good(piece, low, high, names) for piece in part.lower().split(",")):
            raise ValueError(f"{expression!r}: the {name} {part!r} is not within {low}..{high}")
    return expression


def _is_good(piece: str, low: int, high: int, names: list[str]) -> bool:
    match = re.fullmatch(r"(?:\*|(\w+)(?:-(\w+))?)(?:/([1-9]\d*))?", piece)
    if match is None:
        return False
    ends = [_number(end, names) for end in match.group(1, 2) if end is not None]
    return all(end is not None and low <= end <= high for end in ends) and ends == sorted(
        ends, key=lambda end: end or 0
    )


def _number(text: str, names: list[str]) -> int | None:
    if text.isdecimal():
        return int(text)
    return names.index(text) if text in names else None
