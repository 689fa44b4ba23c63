"""What in the path may say the class of a photo, the likeliest first.

A folder level of words, the deepest that there is; else words in the file names, those that lead or those at one place,
counted from either end; else nothing, and all photos are one class. A word that leads is taken for a class; elsewhere
only a known one, where no other place says something else; the rest is a doubt.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Final

from brev_pipeline.init_wizard.path_structure import (
    JUDGED,
    FolderLevel,
    count_most_first,
    last_word,
    list_some,
    stem_of,
)
from brev_pipeline.init_wizard.vocabulary import (
    DEFECTS,
    FRAMES,
    ITEM,
    PHOTO,
    QUALITY,
    TEMPLATES,
    is_setting,
    purpose_of,
)

ROOT: Final = "__root__"
UNLABELLED: Final = "unlabelled"
_BEFORE: Final = r"/(?P<category>[^/\d]*[^/\d_. (-])[-_. (]*\d[^/]*$"
_LEADING: Final = (
    (r"/(?P<category>[^/]+)_\d+\.[^./]+$", "the words before the last number of the name"),
    (_BEFORE, "the words before the first number of the name"),
)
_BEHIND: Final = (
    (r"\d[-_. )]+(?P<category>[^/\d.]*[^/\d._ -])\.[^./]+$", "the words after the last number of the name"),
    (r"/[^/\d]*\d+[-_. ]+(?P<category>[^/\d]*[^/\d_. -])[-_. ]+\d[^/]*$", "the words between two numbers of the name"),
)
_WORD: Final = r"(?P<category>[^\W\d_]+)"
_PART: Final = "[^-_. /]+[-_. ]+"
_PART_BEHIND: Final = "[-_. ]+[^-_. /]+"
_SEPARATES: Final = re.compile(r"[-_. ]+")
_NO_CLASSES: Final = ITEM | PHOTO | TEMPLATES | FRAMES
_MAX_CLASSES: Final = 100
_MIN_KNOWN_SHARE: Final = 0.1  # of the photos have a known word in their names
_KNOWN_CLASSES: Final = QUALITY | DEFECTS


@dataclass(frozen=True)
class ClassRule:
    """A way to tell the class from the path."""

    rule: Any  # ``{"folder": n}``, a regular expression, or None: all photos are one class
    meaning: str
    counts: Counter[str] = field(default_factory=Counter)  # class → photos, most first

    @property
    def in_names(self) -> bool:
        """Whether file names say it; a rule that ends in a whole name is of the folder before it."""
        return isinstance(self.rule, str) and not self.rule.endswith("/[^/]+$")


def apply_class_rule(photos: Sequence[str], rule: Any) -> list[str | None]:
    """The class that a rule finds in each path; None where it finds none. Without a rule all are unlabelled."""
    if rule is None:
        return [UNLABELLED] * len(photos)
    if isinstance(rule, str):
        search = re.compile(rule).search
        found = (search(f"/{path}") for path in photos)
        groups = (sorted(match.groupdict().items()) if match else [] for match in found)
        return [next((text for name, text in own if name.startswith("category") and text), None) for own in groups]
    at = rule["folder"]
    parts = (path.split("/")[:-1] or [ROOT] * (at == -1) for path in photos)
    return [folders[at] if -len(folders) <= at < len(folders) else None for folders in parts]


def find_class_rules(photos: Sequence[str], found: Sequence[FolderLevel]) -> tuple[list[ClassRule], str | None]:
    """The ways to tell the class, best first, the last being that there is one class; and what is not sure of it."""
    several = [level for level in found if level.role == "class" and len(level.counts) > 1]
    ways = [_make_rule(level, photos) for level in _rank_levels(several)]
    doubt = _doubt_of_levels(several, photos) or (_doubt_of_finer(ways[0], photos) if ways else None)
    if not ways:
        ways = _find_in_names(photos)
        doubt = _doubt_of_names(ways, photos)
    elif not _are_known(ways[0].counts) and (others := _find_beside_folders(ways[0], photos)):
        either = f"{ways[0].meaning}; or {_describe_rule(others[0])}"
        doubt = doubt or f"the folders and the names may say the class: {either}"
        ways += others
    if not ways and (unsure := [level for level in found if level.role == "unsure"]):
        doubt = f"the folders {unsure[0].some_names} may be classes, or items, or neither"
    if not ways:
        leaf = next((level for level in found if level.at == -1 and level.role == "class"), None)
        ways = [ClassRule({"folder": -1}, _describe_level(leaf), leaf.counts)] if leaf else []
        ways = [way for way in ways if len(found) == 1 or QUALITY & {name.casefold() for name in way.counts}]
    one = ClassRule(None, f"nothing: all photos are one class, {UNLABELLED}", Counter({UNLABELLED: len(photos)}))
    return [*ways, one], doubt


def _make_rule(level: FolderLevel, photos: Sequence[str]) -> ClassRule:
    """The class by a level's folders; where they are study1_positive, by their last words."""
    if level.at >= 0 or not all(map(JUDGED.fullmatch, level.counts)):
        return ClassRule({"folder": level.at}, _describe_level(level), level.counts)
    rule = r"/[^/\d]+\d+[-_. ]+(?P<category>[^/\d_]+)" + "/[^/]+" * -level.at + "$"
    counts = count_most_first(apply_class_rule(photos, rule))
    return ClassRule(rule, f"the last word of {_describe_level(level)}", counts)


def _doubt_of_finer(way: ClassRule, photos: Sequence[str]) -> str | None:
    """A doubt where folders beneath one class only are of words, as the defects beneath NG."""
    if not isinstance(way.rule, Mapping) or way.rule["folder"] < 0:
        return None
    at, beneath = way.rule["folder"], defaultdict[str, Counter[str]](Counter)
    for path in photos:
        folders = path.split("/")[:-1]
        beneath[folders[at]][folders[at + 1] if len(folders) > at + 1 else ""] += 1
    for name, counts in sorted(beneath.items()):
        are_words = not any(re.search(r"\d|^$", one) for one in counts)
        if are_words and 1 < len(counts) <= _MAX_CLASSES and min(counts.values()) >= 2:
            beneath_it = f"beneath {name} lie the folders {list_some(counts)}"
            return f"{beneath_it}, beneath other classes none such: finer classes?"
    return None


def _describe_level(level: FolderLevel) -> str:
    place = {-1: "that holds the photo", -2: "above the photo's folder"}.get(level.at, f"of level {level.at}")
    return f"the folder {place}: {level.some_names}"


def _is_known(level: FolderLevel) -> bool:
    return _are_known(level.counts, QUALITY)


def _are_known(names: Iterable[str], known: Collection[str] = _KNOWN_CLASSES) -> bool:
    """Whether one of the words of some names is a known word for a class."""
    return any(word in known for name in names for word in re.split(r"[\W_]+", name.casefold()))


def _rank_levels(several: Sequence[FolderLevel]) -> list[FolderLevel]:
    """Those with words of inspection first, then the deepest; where depths differ, that of the fewest names."""
    mixed = len({level.at < 0 for level in several}) > 1
    deepest_first = list(several)[::-1]
    return sorted(deepest_first, key=lambda level: (not _is_known(level), len(level.counts) if mixed else 0))


def _doubt_of_levels(several: Sequence[FolderLevel], photos: Sequence[str]) -> str | None:
    """Why the best of several levels may be the wrong one."""
    if len(several) < 2 or sum(map(_is_known, several)) == 1:
        return None
    best, other = _rank_levels(several)[:2]
    if _is_known(best) and (best.at == several[-1].at or len(best.counts) < len(other.counts)):
        return None
    if _determines(*(apply_class_rule(photos, {"folder": level.at}) for level in (best, other))):
        return None  # the finer classes of the same thing
    return f"the folders of two levels may be the classes: {best.some_names}; or {other.some_names}"


def _find_in_names(photos: Sequence[str]) -> list[ClassRule]:
    """The ways by the names of files: those with known words first, words that are two readings at once last."""
    ways: dict[str, ClassRule] = {}
    found: dict[str, list[str | None]] = {}
    words: list[list[str]] = []
    for pattern, meaning in (*_LEADING, *_BEHIND, *(places := _list_places(photos))):
        names = apply_class_rule(photos, pattern)
        counts = count_most_first(names)
        if None in names or len(counts) < 2:
            continue
        if (pattern, meaning) in places:
            words.append([name for name in names if name])
        is_told = any(_determines(names, one) and _determines(one, names) for one in found.values())
        if not is_told and _are_classes(counts):
            ways[pattern], found[pattern] = ClassRule(pattern, f"{meaning}: {list_some(counts)}", counts), names
    joined = dict[str, bool]()
    for pattern, names in found.items():
        parts = [part for part in words if _determines(names, part) and not _determines(part, names)]
        pairs = combinations(parts, 2)
        joined[pattern] = any(not _determines(one, other) and not _determines(other, one) for one, other in pairs)
        if joined[pattern] and not all(map(_are_classes, map(Counter, parts))):
            del ways[pattern]  # left_ok, right_ok: a view and a class
    return sorted(ways.values(), key=lambda way: (joined[way.rule], not _are_known(way.counts)))


def _list_places(photos: Sequence[str]) -> list[tuple[str, str]]:
    """Patterns for a word between two separators of the name, counted from its beginning and from its end."""
    least = min((len(_SEPARATES.split(stem_of(path))) for path in photos), default=0)
    first = [(rf"/{_PART * at}{_WORD}[-_. ][^/]*$", f"part {at + 1} of the name") for at in range(least)]
    last = [
        (
            rf"[-_. /]{_WORD}{_PART_BEHIND * at}\.[^./]+$",
            f"part {at + 1} of the name, counted from its end" if at else "the last part of the name",
        )
        for at in range(least)
    ]
    return [*first, *last]


def _determines(names: Sequence[str | None], others: Sequence[str | None]) -> bool:
    """Whether the one determines the other."""
    return len(set(zip(names, others, strict=True))) == len(set(names))


def _doubt_of_names(ways: Sequence[ClassRule], photos: Sequence[str]) -> str | None:
    """Why words in names may be no class, or another one."""
    if not ways:
        words = (set(re.split(r"[\W\d_]+", stem_of(path).casefold())) for path in photos)
        known = Counter(word for found in words for word in found & _KNOWN_CLASSES)
        some = sorted(word for word, count in known.items() if 2 <= count < len(photos))
        if sum(known[word] for word in some) < _MIN_KNOWN_SHARE * len(photos):
            return None
        return f"some names have a word such as {', '.join(some[:4])}, but none has a place in all of them"
    best, others = ways[0], ways[1:]
    is_leading = best.rule in dict(_LEADING)
    found = apply_class_rule(photos, best.rule)
    if is_leading:
        others = [way for way in others if not _determines(found, apply_class_rule(photos, way.rule))]
    if others:
        rules = "; or ".join(map(_describe_rule, [best, *others]))
        return f"the names may say the class in {len(others) + 1} ways: {rules}"
    if is_leading or _are_known(best.counts):
        return None
    return f"the names have words that may be classes, or places, cameras, sessions, people: {_describe_rule(best)}"


def _find_beside_folders(folder: ClassRule, photos: Sequence[str]) -> list[ClassRule]:
    """The ways by known words of names that say something else than the folders."""
    of_folders = apply_class_rule(photos, folder.rule)
    known = [way for way in _find_in_names(photos) if _are_known(way.counts)]
    return [way for way in known if not _determines(of_folders, apply_class_rule(photos, way.rule))]


def _describe_rule(way: ClassRule) -> str:
    return f"{way.meaning} (--category '{way.rule}')"


def _are_classes(counts: Counter[str]) -> bool:
    words = map(last_word, counts)
    others = sum(word in _NO_CLASSES or is_setting(word) or purpose_of(word) is not None for word in words)
    if not 2 <= len(counts) <= _MAX_CLASSES or 2 * others >= len(counts):
        return False
    # Names such as "part 3_2" have the number of the thing in what stands before the last one.
    if sum(bool(re.search(r"\d", name)) for name in counts) > len(counts) / 2:
        return False
    return sorted(counts.values())[len(counts) // 2] >= 5 and min(counts.values()) >= 2
