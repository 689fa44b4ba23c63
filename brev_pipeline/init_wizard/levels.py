"""Levels: what the folders of each level say: a class, a side of the split, a thing, a place or time, or nothing.

A level is counted from the root (0, 1, …) or from the photo (-1 holds it, -2 is above), as `listing.category` and
`split.given` count. Only levels that every photo has are looked at.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from brev_pipeline.init_wizard.names import is_dense, is_time, last_word
from brev_pipeline.init_wizard.words import CLASS, FOLDS, GENERIC, ITEM, QUALITY, SESSION, VIEWS, is_shard, purpose_of

Role = Literal["class", "split", "item", "session", "time", "nothing", "unsure"]
"""``session``: a place, a camera, a batch that many things share."""

FEW_GROUPS: Final = 12
MANY_PHOTOS: Final = 100
"""So few groups of so many photos each are no things: nobody photographs a thing a hundred times, and few of them."""
_PER_ITEM: Final = 60  # photos of a thing that is a folder, at most
JUDGED: Final = re.compile(r"[^\W\d_]+\d+[-_. ]+(?P<word>[^\W\d_]+)")
"""Folders such as study1_positive, in which only the last word is a class."""
_NUMBERED: Final = re.compile(r"(?P<word>.*?)(?P<number>\d+)")


@dataclass(frozen=True)
class Level:
    """The folders of one level."""

    at: int
    """As configurations count."""
    counts: Counter[str]
    """Name → photos, most first."""
    role: Role

    @property
    def names(self) -> str:
        """Some of the names, for people."""
        some = sorted(self.counts)
        return ", ".join(some[:4]) + (f", … ({len(some)})" if len(some) > 4 else "")


def levels(photos: Sequence[str]) -> list[Level]:
    """The levels that every photo has, from the root to the photo; each is told once where all paths are as deep."""
    parts = [path.split("/")[:-1] for path in photos]
    if not parts:
        return []
    least, most = min(map(len, parts)), max(map(len, parts))
    places = list(range(-least, 0)) if least == most else [*range(least), *range(-least, 0)]
    found = []
    for at in places:
        column = [folders[at] for folders in parts]
        counts = Counter(dict(Counter(column).most_common()))
        found.append(Level(at, counts, _role(counts, column, photos)))
    return found


def _role(counts: Counter[str], column: Sequence[str], photos: Sequence[str]) -> Role:
    names, total = list(counts), len(column)
    small = [name.casefold() for name in names]
    if sum(counts[name] for name in names if purpose_of(name)) == total:
        return "split" if len({purpose_of(name) for name in names}) > 1 else "nothing"
    generic = sum(counts[name] for name in names if name.casefold() in GENERIC)
    if generic:
        return "nothing" if generic > total / 2 else "unsure"
    if len(names) == 1:
        return "class" if re.search(r"[^\W\d_]", names[0]) else "nothing"
    if sum(counts[name] for name in names if is_time(name)) > 0.9 * total:
        return "time"
    if all(name in VIEWS for name in small) or all(re.fullmatch(r"\d+x|x\d+", name) for name in small):
        return "session"
    if (
        sum(counts[name] for name in names if (match := JUDGED.fullmatch(name)) and match["word"].casefold() in QUALITY)
        == total
    ):
        return "class"
    shards = {is_shard(name) for name in names}
    if False not in shards and (None not in shards or _are_shards(column, photos)):
        return "nothing"
    numbered = [_NUMBERED.fullmatch(name) for name in names]
    if all(numbered) and len({match["word"] for match in numbered if match}) == 1:
        return _numbered([(match["word"], match["number"]) for match in numbered if match], total)
    if all(re.search(r"\d", name) for name in names) and len(names) > 2:
        return _coded(names, total, column, photos)
    if len(names) > 20 and total / len(names) < 5:
        return "unsure"
    return "class"


def _are_shards(column: Sequence[str], photos: Sequence[str]) -> bool:
    """Whether folders hold many photos each, under names that are found in no other one."""
    within = {(path.rpartition("/")[2], name) for name, path in zip(column, photos, strict=True)}
    return len(column) > _PER_ITEM * len(set(column)) and len({name for name, _ in within}) == len(within)


def _numbered(parts: Sequence[tuple[str, str]], total: int) -> Role:
    """Of names that differ in their number only."""
    word, each = last_word(parts[0][0].rstrip("_-. ")), total / len(parts)
    if word in CLASS:
        return "class"
    if word in FOLDS:
        return "nothing"
    if word in SESSION:
        return "session"
    if word in ITEM:
        return "item"
    if not word and len(parts) <= 20 and is_dense([number for _, number in parts]) and each >= 30:
        return "class"
    if len(parts) <= FEW_GROUPS and each > MANY_PHOTOS:
        return "session"
    if not word and len(parts) <= FEW_GROUPS and is_dense([number for _, number in parts]):
        return "unsure"  # as many things as there may be classes
    return "item" if each <= _PER_ITEM else "unsure"


def _coded(names: Sequence[str], total: int, column: Sequence[str], photos: Sequence[str]) -> Role:
    """Of names that all have digits and differ in more: 001.horse, or SOB_B_A_14-22549AB."""
    words = {re.sub(r"[\W\d_]+", "", name) for name in names}
    if len(words) == len(names) and total / len(names) >= 20:
        return "class"
    if total / len(names) > _PER_ITEM:
        return "unsure"
    within: dict[str, set[str]] = defaultdict(set)
    for name, path in zip(column, photos, strict=True):
        within[path.rpartition("/")[2]].add(name)
    return "item" if len(words) < len(names) or sum(map(len, within.values())) > 2 * len(within) else "unsure"
