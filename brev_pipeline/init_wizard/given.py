"""Given: the sides that somebody has divided the photos into already, as folders, names or lists of files say it."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from brev_pipeline.init_wizard.levels import Level
from brev_pipeline.init_wizard.survey import Survey
from brev_pipeline.init_wizard.words import is_trainval, purpose_of

_IN_NAMES: Final = r"/(?P<purpose>[A-Za-z]+)[^/A-Za-z][^/]*$"


@dataclass(frozen=True)
class GivenWay:
    """A split that is there already."""

    settings: dict[str, Any]
    """Of ``split.given``, without words: folder, pattern or lists."""
    meaning: str
    words: list[str | None]
    """Of each photo; None where it has none."""
    purposes: dict[str, str | None] = field(default_factory=dict)
    """Word → our purpose; None: divided as configured."""

    @property
    def counts(self) -> Counter[str]:
        """Word → photos, most first."""
        return Counter(dict(Counter(word for word in self.words if word is not None).most_common()))


def given_way(
    found: Survey, photos: Sequence[str], all_levels: Sequence[Level], lists: Mapping[str, str]
) -> GivenWay | None:
    """The split that is there; None where there is none."""
    level = next((level for level in all_levels if level.role == "split"), None)
    if level is not None:
        depths = {path.count("/") for path in photos}
        return of_folder(photos, level.at + max(depths) if level.at < 0 and len(depths) == 1 else level.at)
    if lists:
        return _of_lists(found, photos, lists)
    words = words_of(photos, {"pattern": _IN_NAMES})
    if None not in words and len(set(words)) > 1 and all(purpose_of(str(word)) for word in set(words)):
        return of_pattern(photos, _IN_NAMES)
    return None


def words_of(photos: Sequence[str], settings: Mapping[str, Any]) -> list[str | None]:
    """The word that a folder or a pattern gives each photo."""
    if "folder" in settings:
        at, parts = settings["folder"], [path.split("/")[:-1] for path in photos]
        return [folders[at] if -len(folders) <= at < len(folders) else None for folders in parts]
    search = re.compile(settings["pattern"]).search
    return [match["purpose"] if (match := search(f"/{path}")) else None for path in photos]


def of_folder(photos: Sequence[str], at: int) -> GivenWay:
    """The split that the folders of a level give."""
    words = words_of(photos, {"folder": at})
    return GivenWay({"folder": at}, f"the folders {_some(words)}", words, _purposes(words))


def of_pattern(photos: Sequence[str], pattern: str) -> GivenWay:
    """The split that the names give."""
    words = words_of(photos, {"pattern": pattern})
    return GivenWay({"pattern": pattern}, f"the names: {_some(words)}", words, _purposes(words))


def _of_lists(found: Survey, photos: Sequence[str], lists: Mapping[str, str]) -> GivenWay:
    lines = [(line, word) for word, path in lists.items() for line in found.lines(path)[0]]
    words: list[str | None] = [None] * len(photos)
    # A name that means two photos means none; with more of its folders it may mean one.
    for parts in range(1, _telling_parts(photos) + 1):
        keys = [_last(path, parts) for path in photos]
        often = Counter(keys)
        named = {_last(line, parts): word for line, word in lines}
        for number, key in enumerate(keys):
            if often[key] == 1:
                words[number] = words[number] or named.get(key) or named.get(key.rpartition(".")[0])
    return GivenWay({"lists": dict(lists)}, f"the lists {', '.join(lists.values())}", words, _purposes(words))


def _telling_parts(photos: Sequence[str]) -> int:
    """How many parts of a path, counted from its end, tell all photos apart."""
    most = max((path.count("/") for path in photos), default=0) + 1
    return next((n for n in range(1, most) if len({_last(path, n) for path in photos}) == len(photos)), most)


def _last(path: str, parts: int) -> str:
    return path if path.count("/") < parts else "/".join(path.rsplit("/", parts)[1:])


def _some(words: Sequence[str | None]) -> str:
    return ", ".join(sorted({word for word in words if word is not None}))


def _purposes(words: Sequence[str | None]) -> dict[str, str | None]:
    """What each word means; without a devel of their own, it is taken out of train."""
    meant = {
        word: "train" if is_trainval(word) else purpose_of(word)
        for word in sorted({word for word in words if word is not None})
    }
    if "devel" not in meant.values():
        meant = {word: None if purpose == "train" else purpose for word, purpose in meant.items()}
    return meant


def crossing(items: Sequence[str | None], words: Sequence[str | None]) -> tuple[int, int]:
    """How many items stand on two of the given sides, and how many stand on one at least."""
    sides: dict[str, set[str]] = {}
    for item, word in zip(items, words, strict=True):
        if item is not None and word is not None:
            sides.setdefault(item, set()).add(word)
    return sum(len(found) > 1 for found in sides.values()), len(sides)
