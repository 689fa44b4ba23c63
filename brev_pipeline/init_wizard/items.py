r"""Items: which part of a path tells the physical item that was photographed.

Every photo of one item must stand on one side of the split, so the regular expression that finds the item in the path
is the one thing in a configuration that no default can know. What is proposed joins rather than divides: of several
parts that may name the item the one with the fewest groups is taken, unless the groups are surely none: a class, a
camera, a session, a time, a number that counts photos.

* A level of folders such as ``kos01``, ``kos02``, with some photos each: the folder is the item.
* Else the first number of the name that varies, and is not that of a camera or a session: ``person12_bacteria_3``.
* Else, where each name has a number of its own, every photo is an item of its own.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from brev_pipeline.errors import SplitError
from brev_pipeline.init_wizard.levels import FEW_GROUPS, MANY_PHOTOS, Level
from brev_pipeline.init_wizard.names import Form, forms, is_dense, last_word, stem_of
from brev_pipeline.init_wizard.words import FRAMES, ITEM, LOT, PHOTO, SESSION, TEMPLATES, is_setting

OWN_ITEM: Final = r"/([^/]+)\.[^./]+$"
"""Every photo is an item of its own; files that differ in their folders and endings only are one."""
_USUAL: Final = (
    (r"/([^/]+)/[^/]+$", "the folder that holds the photo"),
    (r"/([^/]+)/[^/]+/[^/]+$", "the folder above the photo's folder"),
    (r"/([^/_]+)_[^/]*$", "what stands before the first underscore"),
    (r"/([^/]+)_[^/_]*$", "what stands before the last underscore"),
    (r"/([^/-]+)-[^/]*$", "what stands before the first hyphen"),
    (r"/([^/-]+-[^/-]+)-[^/]*$", "what stands before the second hyphen"),
)
_TAIL: Final = re.compile(r"[\W_]+")
_ANY_TAIL: Final = r"(?:[^\w/][^/]*|_[^/]*)?"
_MOST_TOLD: Final = 3  # forms of names
_MOST_TAILS: Final = 60  # photos made of one, at most
_NAMES_TIMES: Final = "the names hold nothing but times, and photos of one item may have been taken one after another"


@dataclass(frozen=True)
class Way:
    """A way to find the item in a path."""

    pattern: str
    meaning: str
    items: int
    """Distinct items."""
    most: int
    """Photos of the item that has the most."""


@dataclass(frozen=True)
class ItemFinding:
    """What the paths say of the items."""

    ways: list[Way]
    """The best first."""
    doubts: list[str] = field(default_factory=list)
    """Why the best may be wrong, in words; empty where it is sure."""
    notes: list[str] = field(default_factory=list)
    """What was taken for no item, and why."""
    is_running: bool = False
    """Whether the best counts photos, each of which is an item of its own."""


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
    search = compiled.search
    if compiled.groups == 1:
        return [match[1] if (match := search(f"/{path}")) else None for path in paths]
    return [_first(match.groups()) if (match := search(f"/{path}")) else None for path in paths]


def _first(groups: Sequence[str | None]) -> str | None:
    return next((group for group in groups if group is not None), None)


def way_of(photos: Sequence[str], pattern: str, meaning: str = "a pattern of your own") -> Way:
    """A pattern with what it makes of the photos."""
    counts = Counter(item for item in items_of(photos, pattern) if item is not None)
    return Way(pattern, meaning, len(counts), max(counts.values(), default=0))


def own_path(photos: Sequence[str]) -> str:
    """The pattern by which every photo is an item of its own, whatever other folders hold."""
    depths = {path.count("/") for path in photos}
    folders = rf"(?:[^/]+/){{{min(depths)}}}" if min(depths) > 1 else "[^/]+/" * min(depths)
    return rf"/({folders}[^/]+)\.[^./]+$"


def find_items(photos: Sequence[str], found: Sequence[Level], classes: Sequence[str | None]) -> ItemFinding:
    """Rank the ways to find the items.

    Args:
        photos: their paths.
        found: the levels of their folders.
        classes: of the photos; all the same where nothing says one.
    """
    has_class = len(set(classes)) > 1
    notes = [
        f"the folders {level.names} are taken for places, cameras or sessions, not for items"
        for level in found
        if level.role == "session"
    ]
    folders = [level for level in found if level.role == "item"]
    beneath = [level for level in folders if level.at < 0]
    if beneath:
        at = beneath[0].at
        best = way_of(photos, "/([^/]+)" + "/[^/]+" * -at + "$", f"the folder, one for each item: {beneath[0].names}")
        return ItemFinding(_with_usual(photos, best), _anew(photos, best.pattern, found), notes)
    doubts = [f"the folders {level.names} may be items, but lie at different depths" for level in folders]
    best, own, is_running = _by_names(photos, classes)
    doubts += own.doubts
    doubts += _anew(photos, best.pattern, found)
    doubts += [
        f"the folders {level.names} may be items, each with photos of several classes"
        for level in _crossing(photos, found, classes)
    ]
    for level in found:
        if level.role == "unsure" and not (has_class and _same(photos, best.pattern, level)):
            doubts.append(f"the folders {level.names} may be classes, or items, or neither")
    return ItemFinding(_with_usual(photos, best), doubts, [*notes, *own.notes], is_running)


def _anew(photos: Sequence[str], pattern: str, found: Sequence[Level]) -> list[str]:
    """A doubt where the items' numbers begin anew in each folder of a batch or day."""
    items = items_of(photos, pattern)
    for level in found:
        if level.role not in ("session", "time") or len(level.counts) < 2 or not _is_lot(level):
            continue
        numbers: dict[str, set[str]] = defaultdict(set)
        for path, item in zip(photos, items, strict=True):
            numbers[path.split("/")[:-1][level.at]].add(re.sub(r"\D+", "", item or ""))
        anew = [one for one in numbers.values() if len(one) > 1 and is_dense(sorted(one))]
        if 2 * len(anew) > len(numbers) and sum(map(len, anew)) > len(set().union(*anew)):
            said = f"the items' numbers begin anew in each of the folders {level.names}: the same items, or others?"
            return [f"{said} --pattern with that folder in its group says that they are others"]
    return []


def _is_lot(level: Level) -> bool:
    """Whether the folders are of batches or days, in which other things come by; cameras see the same ones."""
    words = {last_word(re.sub(r"[\W\d_]+$", "", name)) for name in level.counts}
    return level.role == "time" or bool(words & LOT)


def _crossing(photos: Sequence[str], found: Sequence[Level], classes: Sequence[str | None]) -> list[Level]:
    """Levels beneath the classes, or of numbers, whose folders hold photos of several classes each."""
    columns = {level.at: [path.split("/")[:-1][level.at] for path in photos] for level in found}
    above = [level.at for level in found if columns[level.at] == list(classes)]
    out = []
    for level in found:
        if level.role != "class" or len(level.counts) < 2 or level.at in above:
            continue
        pairs = Counter(name for name, _ in set(zip(columns[level.at], classes, strict=True)))
        is_beneath = bool(above) and (level.at < 0) == (above[-1] < 0) and level.at > above[-1]
        numbered = all(re.fullmatch(r"\D*\d+", name) for name in level.counts)
        if (is_beneath or numbered) and 2 * sum(count > 1 for count in pairs.values()) > len(pairs):
            out.append(level)
    return out


def _same(photos: Sequence[str], pattern: str, level: Level) -> bool:
    """Whether the items lie in one folder of the level each."""
    folders: dict[str | None, set[str]] = defaultdict(set)
    for path, item in zip(photos, items_of(photos, pattern), strict=True):
        folders[item].add(path.split("/")[:-1][level.at])
    return all(len(names) == 1 for names in folders.values()) and len(folders) <= 2 * len(level.counts)


def _with_usual(photos: Sequence[str], best: Way) -> list[Way]:
    """The best way, then others that find an item in every path and tell them apart in another way."""
    told = {tuple(items_of(photos, best.pattern))}
    ways = [best]
    for pattern, meaning in (*_USUAL, (OWN_ITEM, "every photo is an item of its own, by its name")):
        items = tuple(items_of(photos, pattern))
        if None in items or items in told or len(set(items)) == 1:
            continue
        told.add(items)
        ways.append(way_of(photos, pattern, meaning))
    return ways


@dataclass
class _Notes:
    doubts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def _by_names(photos: Sequence[str], classes: Sequence[str | None]) -> tuple[Way, _Notes, bool]:
    """The best way by the names of files, what is to be said of it, and whether it counts photos."""
    said = _Notes()
    own = way_of(photos, OWN_ITEM, "every photo is an item of its own, by its name")
    stems = [stem_of(path) for path in photos]
    roots = _roots(stems)
    rows = [row for row, root in enumerate(roots) if root is None]
    taken = [form._replace(rows=[rows[at] for at in form.rows]) for form in forms([stems[row] for row in rows])]
    places = [_place(form, [classes[row] for row in form.rows], said) for form in taken]
    if len(rows) < len(stems):
        return _with_tails(photos, roots, taken, places, said)
    if all(at is None for at in places):
        return own, said, True
    simple = {_pattern(form, at) for form, at in zip(taken, places, strict=True) if at is not None}
    if None in places or len(simple) > 1:
        # Each form has its own place of the item; what has none is an item of its own.
        attach = _may_attach(taken, places)
        patterns = list(
            dict.fromkeys(_pattern(form, at, whole=True, attach=attach) for form, at in zip(taken, places, strict=True))
        )
    else:
        patterns = list(simple)
    pattern = "|".join(patterns)
    best = way_of(photos, pattern, _meaning(taken, places))
    items = items_of(photos, pattern)
    if None in items:
        return own, _Notes([*said.doubts, "the names have no common form"], said.notes), False
    unlike = _unlike(taken, places)
    if not all(_is_last(form, at) for form, at in zip(taken, places, strict=True)):
        return best, _Notes([*said.doubts, *unlike], said.notes), False
    leads = _leads(taken, places, len(photos))
    each = Counter(zip((path.rpartition("/")[0] for path in photos), leads, items, strict=True))
    if max(each.values()) > 1:
        return best, _Notes([*said.doubts, *unlike], said.notes), False
    named = zip(leads, items, strict=True)
    if len(set(zip(stems, leads, items, strict=True))) > len(set(named)):
        return (
            best,
            _Notes([*said.doubts, *unlike], said.notes),
            False,
        )  # the same number stands behind another camera or session
    if _is_joined(leads, [str(item) for item in items]):
        return best, _Notes([*said.doubts, *unlike], said.notes), False
    return own, said, True


def _roots(stems: Sequence[str]) -> list[str | None]:
    """Of each name the shortest other name that it begins with, before a tail: ``img12`` of ``img12_flip``."""
    names = set(stems)
    roots = [
        next((name[: cut.start()] for cut in _TAIL.finditer(name) if name[: cut.start()] in names), None)
        for name in stems
    ]
    # A name that a great many begin with is their common word, not the photo that they were made of.
    common = {root for root, count in Counter(roots).items() if count > _MOST_TAILS}
    return [None if root in common else root for root in roots]


def _with_tails(
    photos: Sequence[str],
    roots: Sequence[str | None],
    taken: Sequence[Form],
    places: Sequence[int | None],
    said: _Notes,
) -> tuple[Way, _Notes, bool]:
    """The way where some names are other names with a tail: the item is that of the name without it."""
    attach = _may_attach(taken, places)
    patterns = dict.fromkeys(
        _pattern(form, at, whole=True, attach=attach, tail=_ANY_TAIL) for form, at in zip(taken, places, strict=True)
    )
    best = way_of(photos, "|".join(patterns), _meaning(taken, places))
    stems = [stem_of(path) for path in photos]
    items = items_of(photos, best.pattern)
    of_stem = dict(zip(stems, items, strict=True))
    doubts = _unlike(taken, places)
    rows = zip(photos, roots, items, strict=True)
    if lost := [path for path, root, item in rows if root is not None and item != of_stem[root]]:
        doubts.append(
            f"{lost[0]} and {len(lost) - 1} others begin with the name of another photo: are they of one item?"
        )
    if None in items:
        own = way_of(photos, OWN_ITEM, "every photo is an item of its own, by its name")
        return own, _Notes([*said.doubts, *doubts, "the names have no common form"], said.notes), False
    return best, _Notes([*said.doubts, *doubts], said.notes), False


def _unlike(taken: Sequence[Form], places: Sequence[int | None]) -> list[str]:
    """A doubt where names of several forms do not have the same kind of thing where the item would stand."""
    kinds = {form.kinds[at] if at is not None else "" for form, at in zip(taken, places, strict=True)}
    if len(kinds) < 2:
        return []
    of_kind = {form.kinds[at] if at is not None else "": form for form, at in zip(taken, places, strict=True)}
    examples = sorted(_example(form) for form in of_kind.values())
    return [f"names such as {' and '.join(examples)} are not of one form: what of them is the item?"]


def _may_attach(taken: Sequence[Form], places: Sequence[int | None]) -> bool:
    """Whether the word before a number may be part of the item: in all names that have the word, or in none."""
    attached, apart = set[str](), set[str]()
    for form, at in zip(taken, places, strict=True):
        if at is None:
            continue
        if at and form.kinds[at - 1] == "a" and form.is_constant(at - 1):
            attached.add(last_word(form.fields[at - 1][0]))
        elif before := [i for i in range(at) if form.kinds[i] == "a"]:
            apart |= {last_word(text) for text in form.fields[before[-1]]}
    return not attached & apart


def _is_last(form: Form, at: int | None) -> bool:
    """Whether nothing that could count an item's photos stands behind its place."""
    later = range(at + 1, len(form.kinds)) if at is not None else ()
    return not any(form.kinds[i] in ("9", "x", "t") and not form.is_constant(i) for i in later)


def _leads(taken: Sequence[Form], places: Sequence[int | None], count: int) -> list[str]:
    """The words before the item's number."""
    leads = [""] * count
    for form, at in zip(taken, places, strict=True):
        words = [i for i in range(at or 0) if form.kinds[i] == "a"]
        for place, row in enumerate(form.rows):
            leads[row] = " ".join(form.fields[i][place] for i in words)
    return leads


def _is_joined(leads: Sequence[str], items: Sequence[str]) -> bool:
    """Whether numbers that stand once behind each word are of things: few of a wide range, the same again."""
    numbers: dict[str, set[str]] = defaultdict(set)
    for lead, item in zip(leads, items, strict=True):
        numbers[lead].add(item)
    if len(numbers) < 2:
        return False
    sets = sorted(numbers.values(), key=len)
    largest = sets[-1]
    again = [len(one & largest) for one in sets[:-1]]
    return sum(again) >= 0.9 * sum(map(len, sets[:-1])) and not is_dense([re.sub(r"\D", "", item) for item in largest])


def _word_before(form: Form, at: int) -> str:
    """The word that stands right before a place."""
    before = [i for i in (at - 1, at - 2) if i >= 0]
    for i in before:
        if form.kinds[i] == "a":
            return last_word(form.fields[i][0])
        if form.kinds[i] in "9tx":
            return ""
    return ""


def _place(form: Form, classes: Sequence[str | None], said: _Notes) -> int | None:
    """Where in the names of a form the item stands; None where each photo is one of its own."""
    varying = [at for at, kind in enumerate(form.kinds) if kind in ("9", "x") and not form.is_constant(at)]
    if (named := next((at for at in varying if _word_before(form, at) in ITEM), None)) is not None:
        _doubt_of_lots(form, named, said)
        return named
    for at in varying:
        values, word = form.fields[at], _word_before(form, at)
        groups = len(set(values))
        some = ", ".join(sorted(set(values))[:4])
        if 1 < groups == len(set(classes)) == len(set(zip(values, classes, strict=True))):
            continue  # the class once more
        if word in SESSION or (groups <= FEW_GROUPS and len(values) / groups > MANY_PHOTOS):
            taken = f"{word or 'the number'} {some} … in the names ({groups}) is taken for a session or camera"
            _note(said.notes if word in SESSION or not _varies_after(form, at) else said.doubts, taken)
            continue
        if at == varying[-1] and word in FRAMES:
            _note(said.doubts, "the names count frames, and frames of one film show the same things")
        if varying == [at] and word in PHOTO | FRAMES and not _varies_after(form, at, words_only=True):
            return None
        _doubt_of_grid(form, at, [later for later in varying if later > at and form.kinds[later] == "9"], said)
        _doubt_of_words(form, at, classes, said)
        _doubt_of_lots(form, at, said)
        return at
    if any(kind == "t" and not form.is_constant(at) for at, kind in enumerate(form.kinds)) and len(form.rows) > 1:
        _note(said.doubts, _NAMES_TIMES)
    return None


def _varies_after(form: Form, at: int, *, words_only: bool = False) -> bool:
    """Whether something that could tell things apart stands behind a place."""
    kinds = "a" if words_only else "a9xt"
    return any(form.kinds[i] in kinds and not form.is_constant(i) for i in range(at + 1, len(form.kinds)))


def _note(notes: list[str], text: str) -> None:
    if text not in notes:
        notes.append(text)


def _doubt_of_grid(form: Form, at: int, later: Sequence[int], said: _Notes) -> None:
    """A few numbers, each before the same many: which is the thing's, and which counts its photos?"""
    if not later:
        return
    first = form.fields[at]
    second = max((form.fields[i] for i in later), key=lambda column: len(set(column)))
    groups, others = len(set(first)), len(set(second))
    counts = groups <= FEW_GROUPS and others > max(FEW_GROUPS, 3 * groups)
    if counts or (groups == len(first) and FEW_GROUPS < others < 0.7 * len(second)):
        said.doubts.append(
            f"names such as {_example(form)} have two numbers, one of {groups} and one "
            f"of {others} values: which of them is the item's?"
        )


def _doubt_of_words(form: Form, at: int, classes: Sequence[str | None], said: _Notes) -> None:
    """Words, each before numbers that begin anew, may be the things' names: many, or few that cross the classes."""
    for i in range(at):
        if form.kinds[i] == "a" and not form.is_constant(i):
            parts = [_TAIL.split(text) for text in form.fields[i]]
            is_even = len(set(map(len, parts))) == 1 < len(parts[0])
            for names in (form.fields[i], *(zip(*parts, strict=True) if is_even else ())):
                _doubt_of_names(names, form.fields[at], classes, said)


def _doubt_of_names(names: Sequence[str], at: Sequence[str], classes: Sequence[str | None], said: _Notes) -> None:
    numbers, within = defaultdict[str, list[str]](list), defaultdict[str, set[str | None]](set)
    for name, number, category in zip(names, at, classes, strict=True):
        numbers[name].append(number)
        within[name].add(category)
    each = len(names) / len(numbers)
    anew = sum(is_dense(one) for one in numbers.values())
    many = len(numbers) > FEW_GROUPS and each <= 20
    crossing = len(numbers) > 1 and 2 * sum(len(found) > 1 for found in within.values()) > len(numbers)
    views = all(is_setting(last) or last in PHOTO for last in map(last_word, numbers))
    if (many or (crossing and not views)) and each > 1.5 and anew > len(numbers) / 2:
        some = ", ".join(sorted(numbers)[:3])
        _note(said.doubts, f"the names have {len(numbers)} words ({some}, …): are they the items?")


def _doubt_of_lots(form: Form, at: int, said: _Notes) -> None:
    """Numbers that begin anew behind each number of a batch or a day are of other things, or are they?"""
    for lot in range(at):
        if form.is_constant(lot) or not (form.kinds[lot] == "9" and _word_before(form, lot) in LOT):
            continue
        numbers: dict[str, set[str]] = defaultdict(set)
        for name, number in zip(form.fields[lot], form.fields[at], strict=True):
            numbers[name].add(number)
        if 2 * sum(len(one) > 1 and is_dense(sorted(one)) for one in numbers.values()) > len(numbers) > 1:
            word = _word_before(form, lot)
            _note(
                said.doubts,
                f"the items' numbers begin anew behind each {word} in names such as {_example(form)}: the same items, "
                f"or others? --pattern with the {word} in its group says that they are others",
            )


def _pattern(form: Form, at: int | None, *, whole: bool = False, attach: bool = True, tail: str = "") -> str:
    """The regular expression that finds a place in the names of a form.

    Args:
        form: of the names.
        at: the place; None: the whole name.
        whole: let it match names of this form only.
        attach: whether a word right before the item's number is part of the item.
        tail: what else a name of this form may end in.
    """
    if at is None:
        return rf"/({''.join(_part(form, i, exact=True) for i in range(len(form.kinds)))}){tail}\.[^./]+$"
    before = "".join(_part(form, i, exact=whole) for i in range(at))
    key = _part(form, at, exact=True)
    if attach and at and form.kinds[at - 1] == "a" and form.is_constant(at - 1):
        attached = _part(form, at - 1, exact=True)
        before, key = before[: -len(attached)], attached + key
    if whole:
        after = "".join(_part(form, i, exact=True) for i in range(at + 1, len(form.kinds)))
        return rf"/{before}({key}){after}{tail}\.[^./]+$"
    if at + 1 == len(form.kinds):
        return rf"/{before}({key})\.[^./]+$"
    return rf"/{before}({key}){_part(form, at + 1, exact=True, one=True)}[^/]*$"


def _part(form: Form, at: int, *, exact: bool, one: bool = False) -> str:
    kind = form.kinds[at]
    if kind == "9":
        return r"\d" if one else r"\d+"
    if kind == "a":
        if form.is_constant(at):
            return re.escape(form.fields[at][0]).replace(r"\-", "-").replace(r"\ ", " ")
        return r"[^/\d]" if one else r"[^/\d]+?"
    if kind == "t":
        return r"\d" if one else r"\d[\d_T:.hmZ-]*"
    if kind == "x":
        return r"[^/]" if one else (r"[^/_. ]+" if not exact or len(form.kinds) > 1 else r"[^/]+")
    return re.escape(kind[0] if one else kind).replace(r"\-", "-").replace(r"\ ", " ")


def _meaning(taken: Sequence[Form], places: Sequence[int | None]) -> str:
    said: list[str] = []
    for form, at in zip(taken, places, strict=True):
        word = _word_before(form, at) if at is not None else ""
        what = f"the number after {word!r}" if word else "the first number that can name a thing"
        said.append(f"{what if at is not None else 'the name'}: {_example(form)}")
    return "; or ".join(said[:_MOST_TOLD]) + (f"; or {len(said) - _MOST_TOLD} other forms" * (len(said) > _MOST_TOLD))


def _example(form: Form) -> str:
    """The first name of a form."""
    return "".join(column[0] for column in form.fields)


def pairs_with_templates(photos: Sequence[str]) -> list[str]:
    """Words that names end in by which a photo shows how a thing should look; empty where there are none."""
    words = Counter(last_word(re.sub(r"[\W\d_]+$", "", path.rpartition("/")[2].rpartition(".")[0])) for path in photos)
    found = [word for word in words if word in TEMPLATES and words[word] >= 0.2 * len(photos)]
    return sorted(word for word in words if words[word] >= 0.2 * len(photos)) if found else []
