"""Names: a file's name taken apart into words, numbers, times, and what stands between them.

``person12_bacteria_3`` is word, number, word, number. Names that are taken apart alike have the same *form*; in each
form the same place means the same, so what varies there can be counted.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

_DATE = r"(?:19[89]\d|20[0-4]\d)([-_.]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])"
_CLOCK = r"(?:[T_\-. ]?(?:[01]\d|2[0-3])[-_.h]?[0-5]\d(?:[-_.m]?[0-5]\d(?:[-_.,]?\d{3,6})?)?Z?)?"
_MILLISECONDS: Final = r"(?:[01]\d|2[0-3])[-_.:h][0-5]\d[-_.:m][0-5]\d[-_.,]\d{3}"
TIME: Final = re.compile(
    rf"(?<!\d){_DATE}{_CLOCK}(?!\d)|(?<![\w-]){_MILLISECONDS}(?![\w-])|(?<![^\W_])1\d{{9}}(?:\d{{3}}|\d{{6}}|\d{{9}})?(?![^\W_])"
)
_SINCE_1970: Final = re.compile(r"1\d{9}(?:\d{3}|\d{6}|\d{9})?")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_TWO: Final = re.compile(r"(?P<a>[^\W\d_]+)(?P<n>\d+)|(?P<n2>\d+)(?P<a2>[^\W\d_]+)")
_BETWEEN: Final = re.compile(r"([\W_]+)")
_DIGIT: Final = re.compile(r"\d")
_MOST_FORMS: Final = 12


class Field(NamedTuple):
    """A part of a name."""

    kind: str
    """``a`` word or words, ``9`` number, ``t`` time, ``x`` letters and digits mixed, ``-`` what separates."""
    text: str


class Form(NamedTuple):
    """Names that are taken apart alike."""

    kinds: tuple[str, ...]
    """Of their fields; what separates stands as it is."""
    rows: list[int]
    """Which of the names these are."""
    fields: list[list[str]]
    """The texts at each place, one list a place, in the order of ``rows``."""

    def is_constant(self, at: int) -> bool:
        """Whether all names have the same there; of a few names nobody knows."""
        return len(self.rows) >= 5 and len(set(self.fields[at])) == 1


def forms(stems: Sequence[str]) -> list[Form]:
    """The forms of names without their endings, the most frequent first.

    Where there are too many of them (hashes, free text), numbers with letters count as mixed; where there are still
    too many, each name is one mixed field.
    """
    return list(_forms(tuple(stems)))


@lru_cache(maxsize=1)  # asked again after each answer of a dialogue
def _forms(stems: tuple[str, ...]) -> list[Form]:
    for take in (_fine, _coarse):
        taken = [take(stem) for stem in stems]
        shapes = [tuple(field.text if field.kind == "-" else field.kind for field in fields) for fields in taken]
        if len(set(shapes)) <= _MOST_FORMS:
            break
    else:
        taken = [[Field("x", stem)] for stem in stems]
        shapes = [("x",)] * len(stems)
    rows: dict[tuple[str, ...], list[int]] = {}
    for row, shape in enumerate(shapes):
        rows.setdefault(shape, []).append(row)
    found = [
        Form(shape, own, [[taken[row][at].text for row in own] for at in range(len(shape))])
        for shape, own in rows.items()
    ]
    return sorted(found, key=lambda form: (-len(form.rows), form.kinds))


def _fine(stem: str) -> list[Field]:
    return _joined_words([part for field in _separated(stem) for part in _divided(field)])


def _coarse(stem: str) -> list[Field]:
    return _joined_words([Field("x", f.text) if f.kind in "m9" and len(f.text) > 1 else f for f in _separated(stem)])


def _separated(stem: str) -> list[Field]:
    """Times, identifiers, and the rest cut at what separates; ``m``: letters and digits."""
    out: list[Field] = []
    place = 0
    times = list(TIME.finditer(stem))
    # Beside a date, what may be seconds since 1970 is a number: a barcode.
    times = [found for found in times if not _SINCE_1970.fullmatch(found[0])] or times
    for found in sorted([*times, *_UUID.finditer(stem)], key=lambda match: match.start()):
        if found.start() < place:
            continue
        out += _cut(stem[place : found.start()])
        out.append(Field("x" if "-" in found[0] and len(found[0]) == 36 else "t", found[0]))
        place = found.end()
    return out + _cut(stem[place:])


def _cut(text: str) -> list[Field]:
    runs = _BETWEEN.split(text)  # every second one separates
    kinds = (
        "-" if at % 2 else "9" if run.isdecimal() else "m" if _DIGIT.search(run) else "a" for at, run in enumerate(runs)
    )
    return [Field(kind, run) for kind, run in zip(kinds, runs, strict=True) if run]


def _divided(field: Field) -> list[Field]:
    """``vial17`` is a word and a number; ``3fa2c`` is neither."""
    if field.kind != "m":
        return [field]
    if two := _TWO.fullmatch(field.text):
        return (
            [Field("a", two["a"]), Field("9", two["n"])] if two["a"] else [Field("9", two["n2"]), Field("a", two["a2"])]
        )
    return [Field("x", field.text)]


def _joined_words(fields: list[Field]) -> list[Field]:
    """Words that follow each other are one field: ``missing_hole``."""
    out: list[Field] = []
    for field in fields:
        if field.kind == "a" and len(out) > 1 and out[-1].kind == "-" and out[-2].kind == "a":
            separator = out.pop()
            out[-1] = Field("a", out[-1].text + separator.text + field.text)
        else:
            out.append(field)
    return [Field("x", field.text) if field.kind == "m" else field for field in out]


def stem_of(path: str) -> str:
    """A file's name without its ending."""
    name = path.rpartition("/")[2]
    return name.rpartition(".")[0] or name


def last_word(text: str) -> str:
    """The last word of a field of words, in small letters."""
    return re.split(r"[\W_]+", text.casefold())[-1] if text else ""


def is_dense(numbers: Sequence[str]) -> bool:
    """Whether numbers count up from 0 or 1 with few gaps: what a program gives to one file after another."""
    values = {int(number) for number in numbers if number.isdecimal()}
    return bool(values) and min(values) <= 1 and len(values) >= 0.8 * (max(values) - min(values) + 1)


def is_time(name: str) -> bool:
    """Whether a name is a time or a date, and nothing else."""
    return TIME.fullmatch(name) is not None
