"""Paths taken apart: file names into words, numbers, times, and what stands between them; folders into levels.

``person12_bacteria_3`` is word, number, word, number. Names that are taken apart alike have the same *form*; in each
form the same place means the same, so what varies there can be counted.

A level is counted from the root (0, 1, …) or from the photo (-1 holds it, -2 is above), as `listing.category` and
`split.given` count. Only levels that every photo has are looked at. Its folders are classes, sides of the split,
things, places or times, or nothing.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, NamedTuple, TypeVar

from brev_pipeline.init_wizard.vocabulary import (
    CLASS,
    FOLDS,
    GENERIC,
    ITEM,
    QUALITY,
    SESSION,
    VIEWS,
    is_shard,
    purpose_of,
)

K = TypeVar("K")
V = TypeVar("V")
_DATE = r"(?:19[89]\d|20[0-4]\d)([-_.]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])"
_CLOCK = r"(?:[T_\-. ]?(?:[01]\d|2[0-3])[-_.h]?[0-5]\d(?:[-_.m]?[0-5]\d(?:[-_.,]?\d{3,6})?)?Z?)?"
_MILLISECONDS: Final = r"(?:[01]\d|2[0-3])[-_.:h][0-5]\d[-_.:m][0-5]\d[-_.,]\d{3}"
_TIME: Final = re.compile(
    rf"(?<!\d){_DATE}{_CLOCK}(?!\d)|(?<![\w-]){_MILLISECONDS}(?![\w-])|(?<![^\W_])1\d{{9}}(?:\d{{3}}|\d{{6}}|\d{{9}})?(?![^\W_])"
)
_SINCE_1970: Final = re.compile(r"1\d{9}(?:\d{3}|\d{6}|\d{9})?")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_WORD_AND_NUMBER: Final = re.compile(r"(?P<a>[^\W\d_]+)(?P<n>\d+)|(?P<n2>\d+)(?P<a2>[^\W\d_]+)")
_SEPARATORS: Final = re.compile(r"([\W_]+)")
_DIGIT: Final = re.compile(r"\d")
_MAX_FORMS: Final = 12
# Kind of a part of a name → what matches such a part, and what matches its first character.
_PART_PATTERNS: Final = {
    "9": (r"\d+", r"\d"),
    "a": (r"[^/\d]+?", r"[^/\d]"),
    "t": (r"\d[\d_T:.hmZ-]*", r"\d"),
    "x": (r"[^/_. ]+", r"[^/]"),
}


class NamePart(NamedTuple):
    """A part of a name."""

    kind: str  # ``a`` word or words, ``9`` number, ``t`` time, ``x`` letters and digits mixed, ``-`` what separates
    text: str


class NameForm(NamedTuple):
    """Names that are taken apart alike."""

    kinds: tuple[str, ...]  # of their fields; what separates stands as it is
    rows: list[int]  # which of the names these are
    fields: list[list[str]]  # the texts at each place, one list a place, in the order of ``rows``

    def is_constant(self, at: int) -> bool:
        """Whether all names have the same there; of a few names nobody knows."""
        return len(self.rows) >= 5 and len(set(self.fields[at])) == 1

    @property
    def first_name(self) -> str:
        """The first name of the form, as an example."""
        return "".join(column[0] for column in self.fields)

    def find_word_before(self, at: int) -> str:
        """The word that stands right before a place; empty where none does."""
        for place in (at - 1, at - 2):
            if place >= 0 and self.kinds[place] == "a":
                return last_word(self.fields[place][0])
            if place >= 0 and self.kinds[place] in "9tx":
                return ""
        return ""

    def varies_after(self, at: int, kinds: str = "a9xt") -> bool:
        """Whether something of these kinds that could tell things apart stands behind a place."""
        later = range(at + 1, len(self.kinds))
        return any(self.kinds[place] in kinds and not self.is_constant(place) for place in later)

    def make_pattern(self, at: int | None, *, whole: bool = False, attach: bool = True, tail: str = "") -> str:
        """The regular expression that finds a place in the names of the form.

        Args:
            at: the place; None: the whole name.
            whole: let it match names of this form only.
            attach: whether a word right before the place is part of what is found.
            tail: what else a name of this form may end in.
        """
        if at is None:
            return rf"/({''.join(self._match_part(place) for place in range(len(self.kinds)))}){tail}\.[^./]+$"
        before = "".join(self._match_part(place, exact=whole) for place in range(at))
        key = self._match_part(at)
        if attach and at and self.kinds[at - 1] == "a" and self.is_constant(at - 1):
            attached = self._match_part(at - 1)
            before, key = before[: -len(attached)], attached + key
        if whole:
            after = "".join(self._match_part(place) for place in range(at + 1, len(self.kinds)))
            return rf"/{before}({key}){after}{tail}\.[^./]+$"
        if at + 1 == len(self.kinds):
            return rf"/{before}({key})\.[^./]+$"
        return rf"/{before}({key}){self._match_part(at + 1, first=True)}[^/]*$"

    def _match_part(self, at: int, *, exact: bool = True, first: bool = False) -> str:
        """What matches a part of the names: all of it, or its first character."""
        kind = self.kinds[at]
        if kind == "a" and self.is_constant(at):
            return escape_readably(self.fields[at][0])
        if kind == "x" and not first:
            return r"[^/_. ]+" if not exact or len(self.kinds) > 1 else r"[^/]+"
        if kind in _PART_PATTERNS:
            return _PART_PATTERNS[kind][first]
        return escape_readably(kind[0] if first else kind)


def find_name_forms(stems: Sequence[str]) -> list[NameForm]:
    """The forms of names without their endings, the most frequent first.

    Where there are too many of them (hashes, free text), numbers with letters count as mixed; where there are still
    too many, each name is one mixed field.
    """
    return list(_group_forms(tuple(stems)))


@lru_cache(maxsize=1)  # asked again after each answer of a dialogue
def _group_forms(stems: tuple[str, ...]) -> list[NameForm]:
    for take in (_split_finely, _split_coarsely):
        taken = [take(stem) for stem in stems]
        shapes = [tuple(field.text if field.kind == "-" else field.kind for field in fields) for fields in taken]
        if len(set(shapes)) <= _MAX_FORMS:
            break
    else:
        taken = [[NamePart("x", stem)] for stem in stems]
        shapes = [("x",)] * len(stems)
    rows: dict[tuple[str, ...], list[int]] = {}
    for row, shape in enumerate(shapes):
        rows.setdefault(shape, []).append(row)
    found = [
        NameForm(shape, own, [[taken[row][at].text for row in own] for at in range(len(shape))])
        for shape, own in rows.items()
    ]
    return sorted(found, key=lambda form: (-len(form.rows), form.kinds))


def _split_finely(stem: str) -> list[NamePart]:
    return _join_words([part for field in _separate(stem) for part in _divide(field)])


def _split_coarsely(stem: str) -> list[NamePart]:
    return _join_words([NamePart("x", f.text) if f.kind in "m9" and len(f.text) > 1 else f for f in _separate(stem)])


def _separate(stem: str) -> list[NamePart]:
    """Times, identifiers, and the rest cut at what separates; ``m``: letters and digits."""
    out: list[NamePart] = []
    place = 0
    times = list(_TIME.finditer(stem))
    # Beside a date, what may be seconds since 1970 is a number: a barcode.
    times = [found for found in times if not _SINCE_1970.fullmatch(found[0])] or times
    for found in sorted([*times, *_UUID.finditer(stem)], key=lambda match: match.start()):
        if found.start() < place:
            continue
        out += _cut_at_separators(stem[place : found.start()])
        out.append(NamePart("x" if "-" in found[0] and len(found[0]) == 36 else "t", found[0]))
        place = found.end()
    return out + _cut_at_separators(stem[place:])


def _cut_at_separators(text: str) -> list[NamePart]:
    runs = enumerate(_SEPARATORS.split(text))  # every second one separates
    kinds = (
        ("-" if at % 2 else "9" if run.isdecimal() else "m" if _DIGIT.search(run) else "a", run) for at, run in runs
    )
    return [NamePart(kind, run) for kind, run in kinds if run]


def _divide(field: NamePart) -> list[NamePart]:
    """``vial17`` is a word and a number; ``3fa2c`` is neither."""
    if field.kind != "m":
        return [field]
    if two := _WORD_AND_NUMBER.fullmatch(field.text):
        return (
            [NamePart("a", two["a"]), NamePart("9", two["n"])]
            if two["a"]
            else [NamePart("9", two["n2"]), NamePart("a", two["a2"])]
        )
    return [NamePart("x", field.text)]


def _join_words(fields: list[NamePart]) -> list[NamePart]:
    """Words that follow each other are one field: ``missing_hole``."""
    out: list[NamePart] = []
    for field in fields:
        if field.kind == "a" and len(out) > 1 and out[-1].kind == "-" and out[-2].kind == "a":
            separator = out.pop()
            out[-1] = NamePart("a", out[-1].text + separator.text + field.text)
        else:
            out.append(field)
    return [NamePart("x", field.text) if field.kind == "m" else field for field in out]


def stem_of(path: str) -> str:
    """A file's name without its ending."""
    name = path.rpartition("/")[2]
    return name.rpartition(".")[0] or name


def count_most_first(names: Iterable[str | None]) -> Counter[str]:
    """How often each name occurs, most first; None is no name."""
    return Counter(dict(Counter(name for name in names if name is not None).most_common()))


def last_word(text: str) -> str:
    """The last word of a field of words, in small letters."""
    return re.split(r"[\W_]+", text.casefold())[-1] if text else ""


def is_dense(numbers: Iterable[str]) -> bool:
    """Whether numbers count up from 0 or 1 with few gaps: what a program gives to one file after another."""
    values = {int(number) for number in numbers if number.isdecimal()}
    return bool(values) and min(values) <= 1 and len(values) >= 0.8 * (max(values) - min(values) + 1)


def collect_values(pairs: Iterable[tuple[K, V]]) -> dict[K, set[V]]:
    """Key → the different values beside it."""
    values: dict[K, set[V]] = {}
    for key, value in pairs:
        values.setdefault(key, set()).add(value)
    return values


Role = Literal["class", "split", "item", "session", "time", "nothing", "unsure"]
"""``session``: a place, a camera, a batch that many things share."""

# So few groups of so many photos each are no things: nobody photographs a thing a hundred times, and few of them.
FEW_GROUPS: Final = 12
MANY_PHOTOS: Final = 100
_MAX_PER_ITEM: Final = 60  # photos of a thing that is a folder, at most
# Folders such as study1_positive, in which only the last word is a class.
JUDGED: Final = re.compile(r"[^\W\d_]+\d+[-_. ]+(?P<word>[^\W\d_]+)")
_NUMBERED: Final = re.compile(r"(?P<word>.*?)(?P<number>\d+)")


@dataclass(frozen=True)
class FolderLevel:
    """The folders of one level."""

    at: int  # as configurations count
    column: list[str]  # of each photo its folder
    counts: Counter[str]  # name → photos, most first
    role: Role

    @property
    def some_names(self) -> str:
        """Some of the names, for people."""
        return list_some(self.counts)


def find_folder_levels(photos: Sequence[str]) -> list[FolderLevel]:
    """The levels that every photo has, from the root to the photo; each is told once where all paths are as deep."""
    parts = [path.split("/")[:-1] for path in photos]
    if not parts:
        return []
    least, most = min(map(len, parts)), max(map(len, parts))
    places = list(range(-least, 0)) if least == most else [*range(least), *range(-least, 0)]
    found = []
    for at in places:
        column = [folders[at] for folders in parts]
        counts = count_most_first(column)
        found.append(FolderLevel(at, column, counts, _role_of(counts, column, photos)))
    return found


def _role_of(counts: Counter[str], column: Sequence[str], photos: Sequence[str]) -> Role:
    names, total = list(counts), len(column)
    small = [name.casefold() for name in names]
    if sum(counts[name] for name in names if purpose_of(name)) == total:
        return "split" if len({purpose_of(name) for name in names}) > 1 else "nothing"
    generic = sum(counts[name] for name in names if name.casefold() in GENERIC)
    if generic:
        return "nothing" if generic > total / 2 else "unsure"
    if len(names) == 1:
        return "class" if re.search(r"[^\W\d_]", names[0]) else "nothing"
    if sum(counts[name] for name in names if _TIME.fullmatch(name)) > 0.9 * total:
        return "time"
    if all(name in VIEWS for name in small) or all(re.fullmatch(r"\d+x|x\d+", name) for name in small):
        return "session"
    judged = [JUDGED.fullmatch(name) for name in names]
    if all(match and match["word"].casefold() in QUALITY for match in judged):
        return "class"
    shards = {is_shard(name) for name in names}
    if False not in shards and (None not in shards or _are_shards(column, photos)):
        return "nothing"
    numbered = [_NUMBERED.fullmatch(name) for name in names]
    if all(numbered) and len({match["word"] for match in numbered if match}) == 1:
        return _role_of_numbered([(match["word"], match["number"]) for match in numbered if match], total)
    if all(re.search(r"\d", name) for name in names) and len(names) > 2:
        return _role_of_coded(names, total, column, photos)
    if len(names) > 20 and total / len(names) < 5:
        return "unsure"
    return "class"


def _are_shards(column: Sequence[str], photos: Sequence[str]) -> bool:
    """Whether folders hold many photos each, under names that are found in no other one."""
    within = {(path.rpartition("/")[2], name) for name, path in zip(column, photos, strict=True)}
    return len(column) > _MAX_PER_ITEM * len(set(column)) and len({name for name, _ in within}) == len(within)


# Words before the number of a folder → what such folders are; the first that fits.
_ROLES_OF_WORDS: Final[tuple[tuple[frozenset[str], Role], ...]] = (
    (CLASS, "class"),
    (FOLDS, "nothing"),
    (SESSION, "session"),
    (ITEM, "item"),
)


def _role_of_numbered(parts: Sequence[tuple[str, str]], total: int) -> Role:
    """Of names that differ in their number only."""
    word, each = last_word(parts[0][0].rstrip("_-. ")), total / len(parts)
    if role := next((role for words, role in _ROLES_OF_WORDS if word in words), None):
        return role
    if not word and len(parts) <= 20 and is_dense([number for _, number in parts]) and each >= 30:
        return "class"
    if len(parts) <= FEW_GROUPS and each > MANY_PHOTOS:
        return "session"
    if not word and len(parts) <= FEW_GROUPS and is_dense([number for _, number in parts]):
        return "unsure"  # as many things as there may be classes
    return "item" if each <= _MAX_PER_ITEM else "unsure"


def _role_of_coded(names: Sequence[str], total: int, column: Sequence[str], photos: Sequence[str]) -> Role:
    """Of names that all have digits and differ in more: 001.horse, or SOB_B_A_14-22549AB."""
    words = {re.sub(r"[\W\d_]+", "", name) for name in names}
    if len(words) == len(names) and total / len(names) >= 20:
        return "class"
    if total / len(names) > _MAX_PER_ITEM:
        return "unsure"
    within = collect_values((path.rpartition("/")[2], name) for name, path in zip(column, photos, strict=True))
    return "item" if len(words) < len(names) or sum(map(len, within.values())) > 2 * len(within) else "unsure"


def escape_readably(text: str) -> str:
    """A regular expression that people can read: what needs no backslash outside of brackets has none."""
    return re.escape(text).replace(r"\-", "-").replace(r"\ ", " ")


def list_some(names: Iterable[str]) -> str:
    """The first four of some names in their order, for people, and how many there are."""
    some = sorted(names)
    return ", ".join(some[:4]) + (f", … ({len(some)})" if len(some) > 4 else "")
