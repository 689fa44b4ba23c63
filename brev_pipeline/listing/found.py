"""Found: which names of the configuration match, which names are nearly the same, and which files are not listed.

What a listing tells besides its table. It travels as JSON, to the checks, to the people who watch a run, and into the
report.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final
from unicodedata import normalize

from brev_pipeline.config.models import ListingSettings
from brev_pipeline.errors import ListingError
from brev_pipeline.listing.classes import composed_names
from brev_pipeline.listing.names import REASONS, Kind
from brev_pipeline.listing.naming import Names

_CLOSEST: Final = 3
_COMPARED: Final = 5000  # names at most, the most frequent: each is compared letter by letter
_KINDS: Final = 100
_TWINS: Final = 100


@dataclass
class Found:
    """What was found besides the images; that of several datasets adds up."""

    names: Names = field(default_factory=Names)
    unlisted: Counter[Kind] = field(default_factory=Counter)
    """Files that are not listed, see `count_unlisted`."""

    def update(self, other: "Found") -> None:
        """Count what another has too."""
        self.names.update(other.names)
        self.unlisted.update(other.unlisted)

    def facts(self, settings: ListingSettings) -> dict[str, Any]:
        """All of it, JSON-safe and the same for the same files.

        Returns:
            ``names``: a row for each name of ``class_mapping`` and ``classes``: setting, name, images (how many it
            matches), closest (existing names, in words; empty where it matches). ``twins``: names that people take
            for the same. ``unlisted``: a row for each kind of file that is not listed: ending, reason, files.
        """
        return {**names_facts(self.names, settings), "unlisted": list(_unlisted(self.unlisted))}


def names_facts(names: Names, settings: ListingSettings) -> dict[str, Any]:
    """As `Found.facts`, of what paths and settings alone tell."""
    return {"names": list(_matched(names, settings)), "twins": [*_twins(names), *_parted(names, settings)][:_TWINS]}


def demand_matches(names: Names, settings: ListingSettings) -> None:
    """Demand that a key of ``class_mapping`` matches.

    Raises:
        ListingError: there are keys, and none does.
    """
    rows = [row for row in _matched(names, settings) if row["setting"] == "listing.class_mapping"]
    if not rows or any(row["images"] for row in rows):
        return
    keys = "; ".join(f"{row['name']!r}: {row['closest']}" for row in rows[:_CLOSEST])
    more = f"; and {len(rows) - _CLOSEST} more" if len(rows) > _CLOSEST else ""
    raise ListingError(
        f"listing.class_mapping: none of its {len(rows)} key(s) is a name that listing.category finds. {keys}{more}. "
        "Correct the keys, or listing.category"
    )


def no_classes(names: Names, settings: ListingSettings, example: str) -> str:
    """Why no image of a dataset has a class.

    Args:
        names: of its images.
        settings: what was asked for.
        example: path of one of them.
    """
    rule = settings.category
    if isinstance(rule, str):
        said = f"the regular expression {rule!r} matches none of its {names.images} images"
        what = "it is searched in / and the path within the dataset"
    else:
        said = f"none of its {names.images} images lies in a folder of level {', '.join(map(str, rule.levels))}"
        what = "-1 is the folder that holds the image, 0 lies in the dataset's root"
    return f"holds no image with a class by listing.category: {said}, for example {example}; {what}"


def _matched(names: Names, settings: ListingSettings) -> Iterator[dict[str, Any]]:
    there = names.found + names.others
    for setting, wanted, counts, known in (
        ("listing.class_mapping", list(settings.class_mapping), names.keys, there),
        ("listing.classes", composed_names(settings.classes or []), names.categories, names.categories),
    ):
        composed = _composed(known)
        for name in wanted:
            images = counts[name]
            closest = "" if images else _closest(normalize("NFC", name), composed)
            yield {"setting": setting, "name": name, "images": images, "closest": closest}


def _closest(name: str, known: Mapping[str, int]) -> str:
    """What there is in place of a name that matches nothing, in words."""
    if name in known:
        return f"{name!r} is there, but each of its images lies in a nearer folder that has a key too"
    common = [one for one, _ in Counter(known).most_common(_COMPARED)]
    folded: dict[str, list[str]] = {}
    for one in common:
        folded.setdefault(one.casefold(), []).append(one)
    close = [one for fold in get_close_matches(name.casefold(), folded, _CLOSEST) for one in folded[fold]]
    if close:
        # Of spellings that differ in case, the one that is nearest to the name first.
        return f"closest: {', '.join(get_close_matches(name, close, _CLOSEST, 0))}"
    return f"there are {', '.join(common[:_CLOSEST])}{', …' if len(common) > _CLOSEST else ''}" if common else ""


def _composed(counts: Mapping[str, int]) -> Counter[str]:
    found = Counter[str]()
    for name, count in counts.items():
        found[normalize("NFC", name)] += count
    return found


def _twins(names: Names) -> Iterator[dict[str, Any]]:
    """Names that look the same, or differ only in case and spaces: name, images, twin, images of the twin, and what.

    Names in two of Unicode's forms are one class, those that differ in case are two.
    """
    forms: dict[str, list[str]] = {}
    for name in sorted(names.found):
        forms.setdefault(normalize("NFC", name), []).append(name)
    for composed, group in sorted(forms.items()):
        for other in group[1:]:
            what = f"the same name in two of Unicode's forms ({group[0]!a}, {other!a}): one class, {composed}"
            yield _twin(group[0], other, names.found, f"{what}; give both folders one name")
    cases: dict[str, list[str]] = {}
    for name in sorted(names.categories):
        cases.setdefault(_folded(name), []).append(name)
    for _, group in sorted(cases.items()):
        for other in group[1:]:
            what = "the same but for case or spaces: two classes"
            advice = "where they are one, give both the same name in listing.class_mapping"
            yield _twin(group[0], other, names.categories, f"{what}; {advice}")


def _parted(names: Names, settings: ListingSettings) -> Iterator[dict[str, Any]]:
    """Found names that are the same but for case and spaces, and that ``class_mapping`` parts; as `_twins`.

    Where their classes are nearly the same names, these are told already.
    """
    renames = {normalize("NFC", key): "+".join(composed_names(to)) for key, to in settings.class_mapping.items()}
    cases: dict[str, dict[str, str]] = {}
    found = _composed(names.found)
    for name in sorted(found):
        cases.setdefault(_folded(name), {})[name] = renames.get(name, name)
    for group in cases.values():
        first, *others = group
        for other in others:
            if _folded(group[first]) != _folded(group[other]):
                what = " and ".join(
                    f"makes {group[one]} of {one!r}" if one in renames else f"has no key {one!r}"
                    for one in (first, other)
                )
                advice = "where they are one class, give both a key with it"
                yield _twin(first, other, found, f"the same but for case or spaces: class_mapping {what}; {advice}")


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


def _twin(name: str, other: str, images: Mapping[str, int], what: str) -> dict[str, Any]:
    return {"name": name, "images": images[name], "twin": other, "images of the twin": images[other], "what": what}


def _unlisted(kinds: Mapping[Kind, int]) -> Iterator[dict[str, Any]]:
    ordered = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    for (ending, reason), files in ordered[:_KINDS]:
        yield {"ending": ending, "reason": reason, "files": files}
    rest = Counter[str]()
    for (_, reason), files in ordered[_KINDS:]:
        rest[reason] += files
    for reason in filter(rest.__getitem__, REASONS):
        yield {"ending": "others", "reason": reason, "files": rest[reason]}
