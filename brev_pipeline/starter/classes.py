"""Classes: what in the path may say the class of a photo, the likeliest first.

A folder level of words, the deepest that there is; else words in the file names that few numbers share; else nothing,
and all photos are one class.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from brev_pipeline.starter.levels import JUDGED, Level
from brev_pipeline.starter.names import last_word
from brev_pipeline.starter.words import FRAMES, ITEM, PHOTO, QUALITY, SESSION, TEMPLATES, VIEWS, purpose_of

ROOT: Final = "__root__"
UNLABELLED: Final = "unlabelled"
_BEFORE: Final = r"/(?P<category>[^/\d]*[^/\d_. (-])[-_. (]*\d[^/]*$"
_IN_NAMES: Final = (
    (r"/(?P<category>[^/]+)_\d+\.[^./]+$", "the words before the last number of the name"),
    (_BEFORE, "the words before the first number of the name"),
    (r"\d[-_. )]+(?P<category>[^/\d.]*[^/\d._ -])\.[^./]+$", "the words after the last number of the name"),
    (r"/[^/\d]*\d+[-_. ]+(?P<category>[^/\d]*[^/\d_. -])[-_. ]+\d[^/]*$", "the words between two numbers of the name"),
)
_NO_CLASSES: Final = ITEM | SESSION | PHOTO | VIEWS | TEMPLATES | FRAMES
_MOST: Final = 100


@dataclass(frozen=True)
class ClassWay:
    """A way to tell the class from the path."""

    rule: Any
    """``{"folder": n}``, a regular expression, or None: all photos are one class."""
    meaning: str
    counts: Counter[str] = field(default_factory=Counter)
    """Class → photos, most first."""

    @property
    def in_names(self) -> bool:
        """Whether file names say it; a rule that ends in a whole name is of the folder before it."""
        return isinstance(self.rule, str) and not self.rule.endswith("/[^/]+$")


def categories_of(photos: Sequence[str], rule: Any) -> list[str | None]:
    """The class that a rule finds in each path; None where it finds none. Without a rule all are unlabelled."""
    if rule is None:
        return [UNLABELLED] * len(photos)
    if isinstance(rule, str):
        search = re.compile(rule).search
        found = (search(f"/{path}") for path in photos)
        return [_captured(match.groupdict()) if match else None for match in found]
    at = rule["folder"] if isinstance(rule, Mapping) else rule.folder
    return [_folder(path.split("/")[:-1], at if isinstance(at, int) else at[0]) for path in photos]


def _captured(groups: Mapping[str, str | None]) -> str | None:
    return next((text for name, text in sorted(groups.items()) if name.startswith("category") and text), None)


def _folder(folders: Sequence[str], at: int) -> str | None:
    if not folders and at == -1:
        return ROOT
    return folders[at] if -len(folders) <= at < len(folders) else None


def class_ways(photos: Sequence[str], found: Sequence[Level]) -> tuple[list[ClassWay], str | None]:
    """The ways to tell the class, best first, the last being that there is one class; and what is not sure of it."""
    several = [level for level in found if level.role == "class" and len(level.counts) > 1]
    ways = [_way(level, photos) for level in _ranked(several)]
    doubt = _doubt(several, photos) or (_finer(ways[0], photos) if ways else None)
    if not ways:
        ways = _in_names(photos)
        if not ways and (unsure := [level for level in found if level.role == "unsure"]):
            doubt = f"the folders {unsure[0].names} may be classes, or items, or neither"
    if not ways:
        leaf = next((level for level in found if level.at == -1 and level.role == "class"), None)
        ways = [ClassWay({"folder": -1}, _of_level(leaf), leaf.counts)] if leaf else []
        ways = [way for way in ways if len(found) == 1 or QUALITY & {name.casefold() for name in way.counts}]
    one = ClassWay(None, f"nothing: all photos are one class, {UNLABELLED}", Counter({UNLABELLED: len(photos)}))
    return [*ways, one], doubt


def _way(level: Level, photos: Sequence[str]) -> ClassWay:
    """The class by a level's folders; where they are study1_positive, by their last words."""
    if level.at >= 0 or not all(map(JUDGED.fullmatch, level.counts)):
        return ClassWay({"folder": level.at}, _of_level(level), level.counts)
    rule = r"/[^/\d]+\d+[-_. ]+(?P<category>[^/\d_]+)" + "/[^/]+" * -level.at + "$"
    counts = Counter(name for name in categories_of(photos, rule) if name is not None)
    return ClassWay(rule, f"the last word of {_of_level(level)}", Counter(dict(counts.most_common())))


def _finer(way: ClassWay, photos: Sequence[str]) -> str | None:
    """A doubt where folders beneath one class only are of words, as the defects beneath NG."""
    if not isinstance(way.rule, Mapping) or way.rule["folder"] < 0:
        return None
    at, beneath = way.rule["folder"], defaultdict[str, Counter[str]](Counter)
    for path in photos:
        folders = path.split("/")[:-1]
        beneath[folders[at]][folders[at + 1] if len(folders) > at + 1 else ""] += 1
    for name, counts in sorted(beneath.items()):
        if (
            1 < len(counts) <= _MOST
            and min(counts.values()) >= 2
            and not any(re.search(r"\d|^$", one) for one in counts)
        ):
            return f"beneath {name} lie the folders {_some(counts)}, beneath other classes none such: finer classes?"
    return None


def _of_level(level: Level) -> str:
    place = {-1: "that holds the photo", -2: "above the photo's folder"}.get(level.at, f"of level {level.at}")
    return f"the folder {place}: {level.names}"


def _is_known(level: Level) -> bool:
    words = {word for name in level.counts for word in re.split(r"[\W_]+", name.casefold())}
    return bool(words & QUALITY)


def _ranked(several: Sequence[Level]) -> list[Level]:
    """Those with words of inspection first, then the deepest; where depths differ, that of the fewest names."""
    mixed = len({level.at < 0 for level in several}) > 1
    deepest_first = list(several)[::-1]
    return sorted(deepest_first, key=lambda level: (not _is_known(level), len(level.counts) if mixed else 0))


def _doubt(several: Sequence[Level], photos: Sequence[str]) -> str | None:
    """Why the best of several levels may be the wrong one."""
    if len(several) < 2 or sum(map(_is_known, several)) == 1:
        return None
    best, other = _ranked(several)[:2]
    if _is_known(best) and (best.at == several[-1].at or len(best.counts) < len(other.counts)):
        return None
    pairs = set(
        zip(categories_of(photos, {"folder": best.at}), categories_of(photos, {"folder": other.at}), strict=True)
    )
    if len(pairs) == len(best.counts):
        return None  # the finer classes of the same thing
    return f"the folders of two levels may be the classes: {best.names}; or {other.names}"


def _in_names(photos: Sequence[str]) -> list[ClassWay]:
    ways: list[ClassWay] = []
    for pattern, meaning in _IN_NAMES:
        found = categories_of(photos, pattern)
        if None in found:
            continue
        counts = Counter({name: count for name, count in Counter(found).most_common() if name is not None})
        if any(way.counts == counts for way in ways) or not _are_classes(counts):
            continue
        if pattern.startswith(r"\d") and _are_views(photos, pattern):
            continue
        ways.append(ClassWay(pattern, f"{meaning}: {_some(counts)}", counts))
    return ways


def _are_classes(counts: Counter[str]) -> bool:
    words = [last_word(name) for name in counts]
    if not 2 <= len(counts) <= _MOST or 2 * sum(word in _NO_CLASSES or bool(purpose_of(word)) for word in words) >= len(
        words
    ):
        return False
    # Names such as "part 3_2" have the number of the thing in what stands before the last one.
    if sum(bool(re.search(r"\d", name)) for name in counts) > len(counts) / 2:
        return False
    return sorted(counts.values())[len(counts) // 2] >= 5 and min(counts.values()) >= 2


def _are_views(photos: Sequence[str], pattern: str) -> bool:
    """Whether each of the numbers has most of the words: views of things, not classes."""
    search = re.compile(pattern).search
    seen: dict[str, set[str]] = defaultdict(set)
    for path in photos:
        if match := search(f"/{path}"):
            seen[f"/{path}"[: match.start("category")]].add(match["category"])
    return sum(len(words) > 1 for words in seen.values()) > len(seen) / 2


def _some(counts: Counter[str]) -> str:
    some = sorted(counts)
    return ", ".join(some[:4]) + (f", … ({len(some)})" if len(some) > 4 else "")
