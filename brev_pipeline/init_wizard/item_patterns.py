r"""Which part of a path tells the physical item that was photographed.

Every photo of one item must stand on one side of the split, so the regular expression that finds the item in the path
is the one thing in a configuration that no default can know. What is proposed joins rather than divides: of several
parts that may name the item the one with the fewest groups is taken, unless the groups are surely none: a class, a
camera, a session, a time, a number that counts photos.

* A level of folders such as ``kos01``, ``kos02``, with some photos each: the folder is the item.
* Else the first number of the name that varies, and is not that of a camera or a session: ``person12_bacteria_3``.
* Else, where each name has a number of its own, every photo is an item of its own.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from brev_pipeline.errors import SplitError
from brev_pipeline.init_wizard.path_structure import (
    FEW_GROUPS,
    MANY_PHOTOS,
    FolderLevel,
    NameForm,
    collect_values,
    find_name_forms,
    is_dense,
    last_word,
    stem_of,
)
from brev_pipeline.init_wizard.vocabulary import FRAMES, ITEM, LOT, PHOTO, SESSION, TEMPLATES, is_setting

OWN_ITEM: Final = r"/([^/]+)\.[^./]+$"
"""Every photo is an item of its own; files that differ in their folders and endings only are one."""
_USUAL_PATTERNS: Final = (
    (r"/([^/]+)/[^/]+$", "the folder that holds the photo"),
    (r"/([^/]+)/[^/]+/[^/]+$", "the folder above the photo's folder"),
    (r"/([^/_]+)_[^/]*$", "what stands before the first underscore"),
    (r"/([^/]+)_[^/_]*$", "what stands before the last underscore"),
    (r"/([^/-]+)-[^/]*$", "what stands before the first hyphen"),
    (r"/([^/-]+-[^/-]+)-[^/]*$", "what stands before the second hyphen"),
)
_ONE_EACH: Final = "every photo is an item of its own, by its name"
_TAIL: Final = re.compile(r"[\W_]+")
_ANY_TAIL: Final = r"(?:[^\w/][^/]*|_[^/]*)?"
_MAX_FORMS_TOLD: Final = 3  # forms of names
_MAX_TAILS: Final = 60  # photos made of one, at most
_TIMES_ONLY: Final = "the names hold nothing but times, and photos of one item may have been taken one after another"


@dataclass(frozen=True)
class ItemPattern:
    """A way to find the item in a path."""

    pattern: str
    meaning: str
    items: int  # distinct items
    most: int  # photos of the item that has the most


@dataclass(frozen=True)
class ItemFinding:
    """What the paths say of the items."""

    ways: list[ItemPattern]  # the best first
    doubts: list[str] = field(default_factory=list)  # why the best may be wrong, in words; empty where it is sure
    notes: list[str] = field(default_factory=list)  # what was taken for no item, and why
    is_running: bool = False  # whether the best counts photos, each of which is an item of its own


def match_items(paths: Sequence[str], pattern: str) -> list[str | None]:
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
    matches = (compiled.search(f"/{path}") for path in paths)
    return [match and next((group for group in match.groups() if group is not None), None) for match in matches]


def measure_pattern(photos: Sequence[str], pattern: str, meaning: str = "a pattern of your own") -> ItemPattern:
    """A pattern with what it makes of the photos."""
    counts = Counter(item for item in match_items(photos, pattern) if item is not None)
    return ItemPattern(pattern, meaning, len(counts), max(counts.values(), default=0))


def one_item_per_photo(photos: Sequence[str]) -> str:
    """The pattern by which every photo is an item of its own, whatever other folders hold."""
    depth = min((path.count("/") for path in photos), default=0)
    folders = rf"(?:[^/]+/){{{depth}}}" if depth > 1 else "[^/]+/" * depth
    return rf"/({folders}[^/]+)\.[^./]+$"


def rank_item_patterns(
    photos: Sequence[str], found: Sequence[FolderLevel], classes: Sequence[str | None]
) -> ItemFinding:
    """Rank the ways to find the items.

    Args:
        photos: their paths.
        found: the levels of their folders.
        classes: of the photos; all the same where nothing says one.
    """
    has_class = len(set(classes)) > 1
    notes = [
        f"the folders {level.some_names} are taken for places, cameras or sessions, not for items"
        for level in found
        if level.role == "session"
    ]
    folders = [level for level in found if level.role == "item"]
    beneath = [level for level in folders if level.at < 0]
    if beneath:
        meaning = f"the folder, one for each item: {beneath[0].some_names}"
        best = measure_pattern(photos, "/([^/]+)" + "/[^/]+" * -beneath[0].at + "$", meaning)
        doubts = _doubt_of_new_numbering(photos, best.pattern, found)
        return ItemFinding(_add_usual_patterns(photos, best), doubts, notes)
    doubts = [f"the folders {level.some_names} may be items, but lie at different depths" for level in folders]
    own = _find_in_names(photos, classes)
    best = own.ways[0]
    doubts += own.doubts + _doubt_of_new_numbering(photos, best.pattern, found)
    doubts += [
        f"the folders {level.some_names} may be items, each with photos of several classes"
        for level in _find_crossing_levels(found, classes)
    ]
    for level in found:
        if level.role == "unsure" and not (has_class and _lie_in_one_folder(photos, best.pattern, level)):
            doubts.append(f"the folders {level.some_names} may be classes, or items, or neither")
    return ItemFinding(_add_usual_patterns(photos, best), doubts, [*notes, *own.notes], own.is_running)


def _doubt_of_new_numbering(photos: Sequence[str], pattern: str, found: Sequence[FolderLevel]) -> list[str]:
    """A doubt where the items' numbers begin anew in each folder of a batch or day."""
    items = match_items(photos, pattern)
    for level in found:
        if level.role not in ("session", "time") or len(level.counts) < 2 or not _is_lot(level):
            continue
        own_numbers = (re.sub(r"\D+", "", item or "") for item in items)
        numbers = collect_values(zip(level.column, own_numbers, strict=True))
        anew = [one for one in numbers.values() if len(one) > 1 and is_dense(one)]
        if 2 * len(anew) > len(numbers) and sum(map(len, anew)) > len(set().union(*anew)):
            said = f"the items' numbers begin anew in each of the folders {level.some_names}: the same items"
            return [f"{said}, or others? --pattern with that folder in its group says that they are others"]
    return []


def _is_lot(level: FolderLevel) -> bool:
    """Whether the folders are of batches or days, in which other things come by; cameras see the same ones."""
    words = {last_word(re.sub(r"[\W\d_]+$", "", name)) for name in level.counts}
    return level.role == "time" or bool(words & LOT)


def _find_crossing_levels(found: Sequence[FolderLevel], classes: Sequence[str | None]) -> list[FolderLevel]:
    """Levels beneath the classes, or of numbers, whose folders hold photos of several classes each."""
    above = [level.at for level in found if level.column == list(classes)]
    out = []
    for level in found:
        if level.role != "class" or len(level.counts) < 2 or level.at in above:
            continue
        pairs = Counter(name for name, _ in set(zip(level.column, classes, strict=True)))
        is_beneath = bool(above) and (level.at < 0) == (above[-1] < 0) and level.at > above[-1]
        numbered = all(re.fullmatch(r"\D*\d+", name) for name in level.counts)
        if (is_beneath or numbered) and 2 * sum(count > 1 for count in pairs.values()) > len(pairs):
            out.append(level)
    return out


def _lie_in_one_folder(photos: Sequence[str], pattern: str, level: FolderLevel) -> bool:
    """Whether the items lie in one folder of the level each."""
    folders = collect_values(zip(match_items(photos, pattern), level.column, strict=True))
    return all(len(names) == 1 for names in folders.values()) and len(folders) <= 2 * len(level.counts)


def _add_usual_patterns(photos: Sequence[str], best: ItemPattern) -> list[ItemPattern]:
    """The best way, then others that find an item in every path and tell them apart in another way."""
    told = {tuple(match_items(photos, best.pattern))}
    ways = [best]
    for pattern, meaning in (*_USUAL_PATTERNS, (OWN_ITEM, _ONE_EACH)):
        items = tuple(match_items(photos, pattern))
        if None in items or items in told or len(set(items)) == 1:
            continue
        told.add(items)
        ways.append(measure_pattern(photos, pattern, meaning))
    return ways


class _PlacedForm(NamedTuple):
    """Names of one form, and where in them the item stands; None where each photo is an item of its own."""

    form: NameForm
    at: int | None

    @property
    def kind(self) -> str:
        return "" if self.at is None else self.form.kinds[self.at]


def _find_in_names(photos: Sequence[str], classes: Sequence[str | None]) -> ItemFinding:
    """The best pattern by the names of files, and what is to be said of it."""
    remarks = ItemFinding([measure_pattern(photos, OWN_ITEM, _ONE_EACH)])
    stems = [stem_of(path) for path in photos]
    originals = _find_originals(stems)
    rows = [row for row, original in enumerate(originals) if original is None]
    forms = find_name_forms([stems[row] for row in rows])
    forms = [form._replace(rows=[rows[at] for at in form.rows]) for form in forms]
    placed = [_PlacedForm(form, _place_item(form, [classes[row] for row in form.rows], remarks)) for form in forms]
    has_tails = len(rows) < len(stems)
    if not has_tails and all(at is None for _, at in placed):
        return replace(remarks, is_running=True)
    best = measure_pattern(photos, _join_patterns(placed, has_tails), _describe_places(placed))
    items = match_items(photos, best.pattern)
    if has_tails:
        remarks.doubts.extend(_doubt_of_kinds(placed) + _doubt_of_tails(photos, originals, items))
    if None in items:
        remarks.doubts.append("the names have no common form")
        return remarks
    if not has_tails:
        if _counts_photos(photos, placed, items):
            return replace(remarks, is_running=True)
        remarks.doubts.extend(_doubt_of_kinds(placed))
    return replace(remarks, ways=[best])


def _join_patterns(placed: Sequence[_PlacedForm], has_tails: bool) -> str:
    """One regular expression for all forms: each has its own place of the item."""
    simple = {form.make_pattern(at) for form, at in placed if at is not None}
    if not has_tails and len(simple) == 1 and all(at is not None for _, at in placed):
        return simple.pop()
    attach, tail = _may_attach(placed), _ANY_TAIL if has_tails else ""
    return "|".join(dict.fromkeys(form.make_pattern(at, whole=True, attach=attach, tail=tail) for form, at in placed))


def _counts_photos(photos: Sequence[str], placed: Sequence[_PlacedForm], items: Sequence[str | None]) -> bool:
    """Whether what would be the items' number is the photos' own: it stands last, and once in each folder."""
    if any(at is not None and form.varies_after(at, "9xt") for form, at in placed):
        return False
    leads = _read_leads(placed, len(photos))
    in_folders = Counter(zip((path.rpartition("/")[0] for path in photos), leads, items, strict=True))
    if max(in_folders.values()) > 1:
        return False
    stems = map(stem_of, photos)
    if len(set(zip(stems, leads, items, strict=True))) > len(set(zip(leads, items, strict=True))):
        return False  # the same number stands behind another camera or session
    return not _are_same_things(leads, [str(item) for item in items])


def _find_originals(stems: Sequence[str]) -> list[str | None]:
    """Of each name the shortest other name that it begins with, before a tail: ``img12`` of ``img12_flip``."""
    names = set(stems)
    roots = [
        next((name[: cut.start()] for cut in _TAIL.finditer(name) if name[: cut.start()] in names), None)
        for name in stems
    ]
    # A name that a great many begin with is their common word, not the photo that they were made of.
    common = {root for root, count in Counter(roots).items() if count > _MAX_TAILS}
    return [None if root in common else root for root in roots]


def _doubt_of_tails(photos: Sequence[str], originals: Sequence[str | None], items: Sequence[str | None]) -> list[str]:
    """A doubt where a name that is another name with a tail is not of that one's item."""
    item_of = dict(zip(map(stem_of, photos), items, strict=True))
    rows = zip(photos, originals, items, strict=True)
    lost = [path for path, original, item in rows if original is not None and item != item_of[original]]
    if not lost:
        return []
    return [f"{lost[0]} and {len(lost) - 1} others begin with the name of another photo: are they of one item?"]


def _doubt_of_kinds(placed: Sequence[_PlacedForm]) -> list[str]:
    """A doubt where names of several forms do not have the same kind of thing where the item would stand."""
    form_of = {one.kind: one.form for one in placed}
    if len(form_of) < 2:
        return []
    examples = sorted(form.first_name for form in form_of.values())
    return [f"names such as {' and '.join(examples)} are not of one form: what of them is the item?"]


def _may_attach(placed: Sequence[_PlacedForm]) -> bool:
    """Whether the word before a number may be part of the item: in all names that have the word, or in none."""
    attached, apart = set[str](), set[str]()
    for form, at in placed:
        if at is None:
            continue
        if at and form.kinds[at - 1] == "a" and form.is_constant(at - 1):
            attached.add(last_word(form.fields[at - 1][0]))
        elif before := [i for i in range(at) if form.kinds[i] == "a"]:
            apart |= {last_word(text) for text in form.fields[before[-1]]}
    return not attached & apart


def _read_leads(placed: Sequence[_PlacedForm], count: int) -> list[str]:
    """The words before the item's number."""
    leads = [""] * count
    for form, at in placed:
        words = [i for i in range(at or 0) if form.kinds[i] == "a"]
        for place, row in enumerate(form.rows):
            leads[row] = " ".join(form.fields[i][place] for i in words)
    return leads


def _are_same_things(leads: Sequence[str], items: Sequence[str]) -> bool:
    """Whether numbers that stand once behind each word are of things: few of a wide range, the same again."""
    numbers = collect_values(zip(leads, items, strict=True))
    if len(numbers) < 2:
        return False
    sets = sorted(numbers.values(), key=len)
    largest = sets[-1]
    again = [len(one & largest) for one in sets[:-1]]
    return sum(again) >= 0.9 * sum(map(len, sets[:-1])) and not is_dense([re.sub(r"\D", "", item) for item in largest])


def _place_item(form: NameForm, classes: Sequence[str | None], remarks: ItemFinding) -> int | None:
    """Where in the names of a form the item stands; None where each photo is one of its own."""
    varying = [at for at, kind in enumerate(form.kinds) if kind in ("9", "x") and not form.is_constant(at)]
    if (named := next((at for at in varying if form.find_word_before(at) in ITEM), None)) is not None:
        _doubt_of_lots(form, named, remarks)
        return named
    for at in varying:
        values, word = form.fields[at], form.find_word_before(at)
        groups = len(set(values))
        some = ", ".join(sorted(set(values))[:4])
        if 1 < groups == len(set(classes)) == len(set(zip(values, classes, strict=True))):
            continue  # the class once more
        if word in SESSION or (groups <= FEW_GROUPS and len(values) / groups > MANY_PHOTOS):
            taken = f"{word or 'the number'} {some} … in the names ({groups}) is taken for a session or camera"
            _add_once(remarks.notes if word in SESSION or not form.varies_after(at) else remarks.doubts, taken)
            continue
        if at == varying[-1] and word in FRAMES:
            _add_once(remarks.doubts, "the names count frames, and frames of one film show the same things")
        if varying == [at] and word in PHOTO | FRAMES and not form.varies_after(at, "a"):
            return None
        _doubt_of_grid(form, at, [later for later in varying if later > at and form.kinds[later] == "9"], remarks)
        _doubt_of_words(form, at, classes, remarks)
        _doubt_of_lots(form, at, remarks)
        return at
    if any(kind == "t" and not form.is_constant(at) for at, kind in enumerate(form.kinds)) and len(form.rows) > 1:
        _add_once(remarks.doubts, _TIMES_ONLY)
    return None


def _add_once(texts: list[str], text: str) -> None:
    if text not in texts:
        texts.append(text)


def _doubt_of_grid(form: NameForm, at: int, later: Sequence[int], remarks: ItemFinding) -> None:
    """A few numbers, each before the same many: which is the thing's, and which counts its photos?"""
    if not later:
        return
    first = form.fields[at]
    second = max((form.fields[i] for i in later), key=lambda column: len(set(column)))
    groups, others = len(set(first)), len(set(second))
    counts = groups <= FEW_GROUPS and others > max(FEW_GROUPS, 3 * groups)
    if counts or (groups == len(first) and FEW_GROUPS < others < 0.7 * len(second)):
        _add_once(
            remarks.doubts,
            f"names such as {form.first_name} have two numbers, one of {groups} and one "
            f"of {others} values: which of them is the item's?",
        )


def _doubt_of_words(form: NameForm, at: int, classes: Sequence[str | None], remarks: ItemFinding) -> None:
    """Words, each before numbers that begin anew, may be the things' names: many, or few that cross the classes."""
    for i in range(at):
        if form.kinds[i] == "a" and not form.is_constant(i):
            parts = [_TAIL.split(text) for text in form.fields[i]]
            is_even = len(set(map(len, parts))) == 1 < len(parts[0])
            for names in (form.fields[i], *(zip(*parts, strict=True) if is_even else ())):
                _doubt_of_names(names, form.fields[at], classes, remarks)


def _doubt_of_names(
    names: Sequence[str], counted: Sequence[str], classes: Sequence[str | None], remarks: ItemFinding
) -> None:
    numbers, within = collect_values(zip(names, counted, strict=True)), collect_values(zip(names, classes, strict=True))
    each = len(names) / len(numbers)
    anew = sum(is_dense(one) for one in numbers.values())
    many = len(numbers) > FEW_GROUPS and each <= 20
    crossing = len(numbers) > 1 and 2 * sum(len(found) > 1 for found in within.values()) > len(numbers)
    views = all(is_setting(last) or last in PHOTO for last in map(last_word, numbers))
    if (many or (crossing and not views)) and each > 1.5 and anew > len(numbers) / 2:
        some = ", ".join(sorted(numbers)[:3])
        _add_once(remarks.doubts, f"the names have {len(numbers)} words ({some}, …): are they the items?")


def _doubt_of_lots(form: NameForm, at: int, remarks: ItemFinding) -> None:
    """Numbers that begin anew behind each number of a batch or a day are of other things, or are they?"""
    for lot in range(at):
        if form.is_constant(lot) or not (form.kinds[lot] == "9" and form.find_word_before(lot) in LOT):
            continue
        numbers = collect_values(zip(form.fields[lot], form.fields[at], strict=True))
        if 2 * sum(len(one) > 1 and is_dense(one) for one in numbers.values()) > len(numbers) > 1:
            word = form.find_word_before(lot)
            _add_once(
                remarks.doubts,
                f"the items' numbers begin anew behind each {word} in names such as {form.first_name}: the same items, "
                f"or others? --pattern with the {word} in its group says that they are others",
            )


def _describe_places(placed: Sequence[_PlacedForm]) -> str:
    meanings: list[str] = []
    for form, at in placed:
        word = form.find_word_before(at) if at is not None else ""
        what = f"the number after {word!r}" if word else "the first number that can name a thing"
        meanings.append(f"{'the name' if at is None else what}: {form.first_name}")
    if len(meanings) > _MAX_FORMS_TOLD:
        meanings[_MAX_FORMS_TOLD:] = [f"{len(meanings) - _MAX_FORMS_TOLD} other forms"]
    return "; or ".join(meanings)


def find_template_words(photos: Sequence[str]) -> list[str]:
    """Words that names end in by which a photo shows how a thing should look; empty where there are none."""
    words = Counter(last_word(re.sub(r"[\W\d_]+$", "", stem_of(path))) for path in photos)
    found = [word for word in words if word in TEMPLATES and words[word] >= 0.2 * len(photos)]
    return sorted(word for word in words if words[word] >= 0.2 * len(photos)) if found else []
