"""Spans: pieces of a key space that can be listed independently, and how to cut one in two.

A page of a listing can only be asked for when the one before has ended, unless another starting key is known.
Any key will do: a span is "all keys behind `after`, up to and with `until`", so wherever it is cut, no key is lost
and none is seen twice. A good cut only balances the work. Keys are compared as S3 orders them, by their UTF-8 bytes,
which is the order of Python's strings too.
"""

from typing import Final, NamedTuple

# Characters that count up in names, by kind: a name's digits are rarely followed by letters at the same place.
_KINDS: Final = ("0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
# Places behind the first difference at which a cut is tried: behind them there is too little left to cut.
_DEPTH: Final = 6


class Span(NamedTuple):
    """The keys ``k`` with ``k.startswith(prefix) and after < k``, and ``k <= until`` where that is given."""

    prefix: str
    after: str = ""
    until: str | None = None


def end_of_folder(folder: str) -> str:
    """A key behind all keys of ``folder`` (which ends with ``/``) and before those of the folders after it."""
    return folder[:-1] + chr(ord("/") + 1)


def by_folder(rest: Span, folders: list[str]) -> list[Span]:
    """One span per folder: the part of ``rest`` that lies in folders.

    Args:
        rest: what is to be listed.
        folders: common prefixes directly below ``rest.prefix``, all of them, in order.
    """
    behind = [folder for folder in folders if end_of_folder(folder) > rest.after]
    return [Span(folder, rest.after if rest.after.startswith(folder) else "") for folder in behind]


def at_folders(rest: Span, folders: list[str], parts: int) -> list[Span]:
    """``rest`` cut into at most ``parts`` spans of about equally many folders."""
    behind = [end for folder in folders if (end := end_of_folder(folder)) > rest.after]
    parts = max(1, min(parts, len(behind)))
    cuts = [behind[len(behind) * part // parts - 1] for part in range(1, parts)]
    starts, ends = [rest.after, *cuts], [*cuts, rest.until]
    return [Span(rest.prefix, after, until) for after, until in zip(starts, ends, strict=True)]


def cut(span: Span) -> tuple[Span, Span] | None:
    """Two spans that together are ``span``, cut where half of its remaining keys may lie; None: no good cut.

    ``span.after`` should be a key that was seen: the guess goes by its characters.
    """
    after = span.after.removeprefix(span.prefix)
    until = span.until.removeprefix(span.prefix) if span.until and span.until.startswith(span.prefix) else None
    middle = _between(after, until)
    if middle is None:
        return None
    key = span.prefix + middle
    return span._replace(until=key), span._replace(after=key)


def _between(low: str, high: str | None) -> str | None:
    """A text about half-way between two, exclusively; high None: half-way to the last text of low's kind."""
    tried = 0
    for place, character in enumerate(low):
        if high is not None and high[place : place + 1] == character:
            continue
        middle = _half_way(character, high[place : place + 1] if high is not None else "")
        if middle or tried == _DEPTH:
            return low[:place] + middle if middle else None
        # Everything that begins as low does up to here lies below high.
        high = None
        tried += 1
    return None


def _half_way(low: str, high: str) -> str:
    """A character half-way between two, exclusively; high empty: to the last of low's kind. Empty: there is none."""
    kind = next((kind for kind in _KINDS if low in kind), "")
    bottom, top = kind.find(low), kind.find(high) if high and high in kind else len(kind)
    middle = (bottom + 1 + top) // 2
    return kind[middle] if bottom < middle < top else ""
