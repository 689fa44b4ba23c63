r"""Items: which part of a file's name tells the physical item that was photographed.

Every photo of one item must stand on one side of the split, so the regular expression that finds the item in the path
is the one thing in a configuration that no default can know. The usual ways of naming files are tried on the files
that were found; a way fits if it finds an item in each of them, and it is worth proposing if some have more than one
photo.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from brev_pipeline.errors import SplitError

_NAMES: Final = (
    (r"/(\d+)_\d+\.[^./]+$", "digits before the last underscore: 17_1531483200123.bmp"),
    (r"/([^/_]+)_[^/]*\.[^./]+$", "what stands before the first underscore: vial17_top_2.png"),
    (r"/([^/]+)_[^/_]*\.[^./]+$", "what stands before the last underscore: line2_vial17_3.png"),
    (r"/([^/-]+)-[^/]*\.[^./]+$", "what stands before the first hyphen: 17-a.jpg"),
    (r"/([^/]+)-[^/-]*\.[^./]+$", "what stands before the last hyphen: line2-17-a.jpg"),
    (r"/([^/ ]+) [^/]*\.[^./]+$", "what stands before the first space: 17 (2).jpg"),
    (r"/(\d+)[^/\d][^/]*\.[^./]+$", "the digits at the beginning: 17top.png"),
    (r"/(?:[^/]*[^/\d])?(\d+)[^/\d]*\.[^./]+$", "the last digits: top17.png"),
    (r"/([^/]+)/[^/]+$", "the folder: one folder per item"),
)
OWN_ITEM: Final = r"/([^/]+)\.[^./]+$"
"""Every photo is an item of its own."""


@dataclass(frozen=True)
class Suggestion:
    """A way to find the item in a path."""

    pattern: str
    meaning: str
    items: int
    """Distinct items, in each folder by itself."""
    most: int
    """Photos of the item that has the most."""


def suggestions(paths: Sequence[str]) -> list[Suggestion]:
    """The ways that find an item in every path, best first; the last: every photo is an item of its own.

    The best has the fewest photos of its largest item, for an item is photographed some times, and a wrong pattern
    puts many items into one; ways that tell the same items apart are proposed once.

    Args:
        paths: relative to the place, as `Survey.images`.
    """
    found: list[Suggestion] = []
    seen: set[tuple[str | None, ...]] = set()
    for pattern, meaning in _NAMES:
        if pattern == _NAMES[-1][0] and len({path.rpartition("/")[0] for path in paths}) < 20:
            continue  # few folders are classes, not items
        items = items_of(paths, pattern)
        told = tuple(items)
        if None in items or told in seen or len(set(told)) == 1:
            continue
        seen.add(told)
        counts = Counter(zip(_folders(paths), items, strict=True))
        if (most := max(counts.values(), default=0)) > 1:
            found.append(Suggestion(pattern, meaning, len(counts), most))
    found.sort(key=lambda way: way.most)
    return [*found, Suggestion(OWN_ITEM, "every photo is an item of its own", len(paths), 1)]


def items_of(paths: Sequence[str], pattern: str) -> list[str | None]:
    """The item that a regular expression finds in each path; None where it finds none.

    Raises:
        SplitError: it is no regular expression, or has no group.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise SplitError(f"{pattern!r} is not a regular expression: {error}") from error
    if not compiled.groups:
        raise SplitError(f"{pattern!r} has no group: put parentheses around the part that names the item")
    return [_item(compiled.search(f"/{path}")) for path in paths]


def shared_between_folders(paths: Sequence[str], pattern: str) -> list[str]:
    """Items that are found in more than one folder, sorted: one physical item, or numbers that begin anew?"""
    folders: dict[str | None, set[str]] = defaultdict(set)
    for folder, item in zip(_folders(paths), items_of(paths, pattern), strict=True):
        folders[item].add(folder)
    return sorted(item for item, found in folders.items() if item is not None and len(found) > 1)


def _item(match: re.Match[str] | None) -> str | None:
    return next((group for group in match.groups() if group is not None), None) if match else None


def _folders(paths: Sequence[str]) -> list[str]:
    return [path.rpartition("/")[0] for path in paths]
