"""The sides that somebody has divided the photos into already, as folders, names or lists of files say it."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from brev_pipeline.init_wizard.path_structure import FolderLevel, collect_values, count_most_first
from brev_pipeline.init_wizard.survey import FileSurvey
from brev_pipeline.init_wizard.vocabulary import is_trainval, purpose_of

_IN_NAMES: Final = r"/(?P<purpose>[A-Za-z]+)[^/A-Za-z][^/]*$"


@dataclass(frozen=True)
class ExistingSplit:
    """A split that is there already."""

    settings: dict[str, Any]  # of ``split.given``, without words: folder, pattern or lists
    meaning: str
    words: list[str | None]  # of each photo; None where it has none

    @cached_property
    def purposes(self) -> dict[str, str | None]:
        """Word → our purpose; None: divided as configured. Without a devel of their own, it is taken out of train."""
        words = sorted({word for word in self.words if word is not None})
        meant = {word: "train" if is_trainval(word) else purpose_of(word) for word in words}
        if "devel" in meant.values():
            return meant
        return {word: None if purpose == "train" else purpose for word, purpose in meant.items()}

    @property
    def photo_counts(self) -> Counter[str]:
        """Word → photos, most first."""
        return count_most_first(self.words)


def find_existing_split(
    found: FileSurvey, photos: Sequence[str], all_levels: Sequence[FolderLevel], lists: Mapping[str, str]
) -> ExistingSplit | None:
    """The split that is there; None where there is none."""
    level = next((level for level in all_levels if level.role == "split"), None)
    if level is not None:
        depths = {path.count("/") for path in photos}
        return split_by_folder(photos, level.at + max(depths) if level.at < 0 and len(depths) == 1 else level.at)
    if lists:
        return _split_by_lists(found, photos, lists)
    words = read_words(photos, {"pattern": _IN_NAMES})
    if None not in words and len(set(words)) > 1 and all(purpose_of(str(word)) for word in set(words)):
        return split_by_pattern(photos, _IN_NAMES)
    return None


def read_words(photos: Sequence[str], settings: Mapping[str, Any]) -> list[str | None]:
    """The word that a folder or a pattern gives each photo."""
    if "folder" in settings:
        at, parts = settings["folder"], [path.split("/")[:-1] for path in photos]
        return [folders[at] if -len(folders) <= at < len(folders) else None for folders in parts]
    search = re.compile(settings["pattern"]).search
    return [match["purpose"] if (match := search(f"/{path}")) else None for path in photos]


def split_by_folder(photos: Sequence[str], at: int) -> ExistingSplit:
    """The split that the folders of a level give."""
    words = read_words(photos, {"folder": at})
    return ExistingSplit({"folder": at}, f"the folders {_list_words(words)}", words)


def split_by_pattern(photos: Sequence[str], pattern: str) -> ExistingSplit:
    """The split that the names give."""
    words = read_words(photos, {"pattern": pattern})
    return ExistingSplit({"pattern": pattern}, f"the names: {_list_words(words)}", words)


def _split_by_lists(found: FileSurvey, photos: Sequence[str], lists: Mapping[str, str]) -> ExistingSplit:
    lines = [(line, word) for word, path in lists.items() for line in found.read_lines(path)[0]]
    words: list[str | None] = [None] * len(photos)
    # A name that means two photos means none; with more of its folders it may mean one.
    for parts in range(1, _count_distinguishing_parts(photos) + 1):
        keys = [_last_parts(path, parts) for path in photos]
        often = Counter(keys)
        named = {_last_parts(line, parts): word for line, word in lines}
        for number, key in enumerate(keys):
            if often[key] == 1:
                words[number] = words[number] or named.get(key) or named.get(key.rpartition(".")[0])
    return ExistingSplit({"lists": dict(lists)}, f"the lists {', '.join(lists.values())}", words)


def _count_distinguishing_parts(photos: Sequence[str]) -> int:
    """How many parts of a path, counted from its end, tell all photos apart."""
    most = max((path.count("/") for path in photos), default=0) + 1
    return next((n for n in range(1, most) if len({_last_parts(path, n) for path in photos}) == len(photos)), most)


def _last_parts(path: str, parts: int) -> str:
    return path if path.count("/") < parts else "/".join(path.rsplit("/", parts)[1:])


def _list_words(words: Sequence[str | None]) -> str:
    return ", ".join(sorted({word for word in words if word is not None}))


def count_crossing_items(items: Sequence[str | None], words: Sequence[str | None]) -> tuple[int, int]:
    """How many items stand on two of the given sides, and how many stand on one at least."""
    pairs = zip(items, words, strict=True)
    sides = collect_values((item, word) for item, word in pairs if item is not None and word is not None)
    return sum(len(found) > 1 for found in sides.values()), len(sides)
