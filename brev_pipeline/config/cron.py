"""Cron expressions, checked where they stand in the YAML instead of where Dagster would stumble over them."""

import re
from datetime import date, timedelta
from itertools import pairwise

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day", 1, 31, []),
    ("month", 1, 12, ["", *_MONTHS]),
    ("weekday", 0, 7, _DAYS),
)
_LONGEST = 300  # characters


def check_cron(expression: str) -> str:
    """Return ``expression`` if it has five good fields: lists of ``*``, ``n`` or ``n-m``, each with ``/step``.

    Raises:
        ValueError: it has not; the message names the field.
    """
    if len(expression) > _LONGEST:
        raise ValueError(f"a cron of {len(expression)} characters; at most {_LONGEST} can be used")
    parts = expression.split()
    if len(parts) != len(_FIELDS):
        raise ValueError(f"{expression!r}: a cron has five fields (minute hour day month weekday), as in '0 3 * * *'")
    for part, (name, low, high, names) in zip(parts, _FIELDS, strict=True):
        if not all(_is_good(piece, low, high, names) for piece in part.lower().split(",")):
            raise ValueError(f"{expression!r}: the {name} {part!r} is not within {low}..{high}")
    if not _days(expression):
        raise ValueError(f"{expression!r}: no month has such a day, so it would never come")
    return expression


def longest_gap(expression: str) -> timedelta:
    """The longest time between two ticks of a good expression, in wall-clock time: daylight saving is left out."""
    minutes, hours = (_values(expression, place) for place in (0, 1))
    times = [60 * hour + minute for hour in sorted(hours) for minute in sorted(minutes)]
    within = max((later - earlier for earlier, later in pairwise(times)), default=0)
    days = _days(expression)
    across = max(later - earlier for earlier, later in pairwise(days))
    return max(timedelta(minutes=within), across - timedelta(minutes=times[-1] - times[0]))


def _days(expression: str) -> list[date]:
    """The days of eight years (in which every date comes twice) on which an expression has ticks."""
    days, months, weekdays = (_values(expression, place) for place in (2, 3, 4))
    parts = expression.split()
    # Cron's own rule: where both the day and the weekday are limited, either will do.
    either = not parts[2].startswith("*") and not parts[4].startswith("*")
    first = date(2024, 1, 1)
    found = []
    for number in range(8 * 366):
        day = first + timedelta(days=number)
        fits = day.day in days, day.isoweekday() % 7 in weekdays
        if day.month in months and (any(fits) if either else all(fits)):
            found.append(day)
    return found


def _values(expression: str, place: int) -> set[int]:
    """The values that a field of a good expression stands for; Sunday is 0."""
    name, low, high, names = _FIELDS[place]
    found: set[int] = set()
    for piece in expression.split()[place].lower().split(","):
        span, _, step = piece.partition("/")
        first, dash, last = span.partition("-")
        begin = low if span == "*" else _number(first, names) or 0
        end = high if span == "*" or (step and not dash) else _number(last or first, names) or 0
        found |= set(range(begin, end + 1, int(step or 1)))
    return {value % 7 for value in found} if name == "weekday" else found


def _is_good(piece: str, low: int, high: int, names: list[str]) -> bool:
    match = re.fullmatch(r"(?:\*|(\w+)(?:-(\w+))?)(?:/([1-9][0-9]{0,8}))?", piece)
    if match is None:
        return False
    ends = [_number(end, names) for end in match.group(1, 2) if end is not None]
    return all(end is not None and low <= end <= high for end in ends) and ends == sorted(
        ends, key=lambda end: end or 0
    )


def _number(text: str, names: list[str]) -> int | None:
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return int(text)
    return names.index(text) if text in names else None
