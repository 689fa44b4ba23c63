"""Class checks: what a listing tells besides its table.

Which names of the configuration match, which names are nearly the same, which classes hardly say what is on their
images, and which files are not listed. It travels as JSON, to the checks, to the people who watch a run, and into the
report. Odd classes are told, not refused: a sound data set may have them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final
from unicodedata import normalize

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import ListingSettings
from brev_pipeline.errors import ListingError
from brev_pipeline.labels.findings import LabelFindings
from brev_pipeline.listing.image_filter import UNLISTED_REASONS, UnlistedKind
from brev_pipeline.listing.path_classes import ROOT, ClassNameCounts, normalize_names

_NAMES_SHOWN: Final = 3
_COMPARED: Final = 5000  # names at most, the most frequent: each is compared letter by letter
# Rows at most: the findings travel in the metadata of a table.
_MAX_KINDS: Final = 100
_MAX_TWINS: Final = 100


@dataclass
class ListingFindings:
    """What was found besides the images; that of several datasets adds up."""

    names: ClassNameCounts = field(default_factory=ClassNameCounts)
    unlisted: Counter[UnlistedKind] = field(default_factory=Counter)
    """Files that are not listed, see `count_unlisted`."""
    labels: LabelFindings = field(default_factory=LabelFindings)

    def add_findings(self, other: "ListingFindings") -> None:
        """Count what another has too."""
        self.names.add_counts(other.names)
        self.unlisted.update(other.unlisted)
        self.labels.add_findings(other.labels)

    def build_summary(self, settings: ListingSettings) -> dict[str, Any]:
        """All of it, JSON-safe and the same for the same files.

        Returns:
            ``names``: a row for each name of ``class_mapping`` and ``classes``: setting, name, images (how many it
            matches), closest (existing names, in words; empty where it matches). ``twins``: names that people take
            for the same. ``unlisted``: a row for each kind of file that is not listed: ending, reason, files.
            ``label_findings``, where labels were read: rows as of `LabelFindings.build_summary`.
        """
        told = self.labels.build_summary()
        labels = {"label_findings": told} if told else {}
        return {**check_class_names(self.names, settings), "unlisted": list(_list_unlisted(self.unlisted)), **labels}


def check_class_names(names: ClassNameCounts, settings: ListingSettings) -> dict[str, Any]:
    """As `ListingFindings.build_summary`, of what paths and settings alone tell."""
    return {
        "names": list(_match_settings(names, settings)),
        "twins": [*_find_twins(names), *_find_parted_twins(names, settings)][:_MAX_TWINS],
    }


def require_mapping_match(names: ClassNameCounts, settings: ListingSettings) -> None:
    """Demand that a key of ``class_mapping`` matches.

    Raises:
        ListingError: there are keys, and none does.
    """
    rows = [row for row in _match_settings(names, settings) if row["setting"] == "listing.class_mapping"]
    if not rows or any(row["images"] for row in rows):
        return
    keys = "; ".join(f"{row['name']!r}: {row['closest']}" for row in rows[:_NAMES_SHOWN])
    more = f"; and {len(rows) - _NAMES_SHOWN} more" if len(rows) > _NAMES_SHOWN else ""
    raise ListingError(
        f"listing.class_mapping: none of its {len(rows)} key(s) is a name that listing.category finds. {keys}{more}. "
        "Correct the keys, or listing.category"
    )


def explain_no_classes(names: ClassNameCounts, settings: ListingSettings, example: str) -> str:
    """Why no image of a dataset has a class, in words; ``example`` is the path of one of them."""
    rule = settings.category
    if isinstance(rule, str):
        fault = f"the regular expression {rule!r} matches none of its {names.images} images"
        hint = "it is searched in / and the path within the dataset"
    else:
        fault = f"none of its {names.images} images lies in a folder of level {', '.join(map(str, rule.folder_levels))}"
        hint = "-1 is the folder that holds the image, 0 lies in the dataset's root"
    return f"holds no image with a class by listing.category: {fault}, for example {example}; {hint}"


def _match_settings(names: ClassNameCounts, settings: ListingSettings) -> Iterator[dict[str, Any]]:
    for setting, wanted, counts, known in (
        ("listing.class_mapping", list(settings.class_mapping), names.keys, names.path_names + names.others),
        ("listing.classes", normalize_names(settings.classes or []), names.categories, names.categories),
    ):
        composed = _normalize_counts(known)
        for name in wanted:
            images = counts[name]
            # Only for names that match nothing: the closest ones cost a comparison with every name.
            closest = "" if images else _suggest_names(normalize("NFC", name), composed)
            yield {"setting": setting, "name": name, "images": images, "closest": closest}


def _suggest_names(name: str, known: Mapping[str, int]) -> str:
    """What there is in place of a name that matches nothing, in words."""
    if name in known:
        return f"{name!r} is there, but each of its images lies in a nearer folder that has a key too"
    common = [frequent for frequent, _ in Counter(known).most_common(_COMPARED)]
    if not common:
        return ""
    folded: dict[str, list[str]] = {}
    for frequent in common:
        folded.setdefault(frequent.casefold(), []).append(frequent)
    if close := [like for fold in get_close_matches(name.casefold(), folded, _NAMES_SHOWN) for like in folded[fold]]:
        # Of spellings that differ in case, the one that is nearest to the name first.
        return f"closest: {', '.join(get_close_matches(name, close, _NAMES_SHOWN, 0))}"
    return f"there are {', '.join(common[:_NAMES_SHOWN])}{', …' if len(common) > _NAMES_SHOWN else ''}"


def _normalize_counts(counts: Mapping[str, int]) -> Counter[str]:
    normalized = Counter[str]()
    for name, count in counts.items():
        normalized[normalize("NFC", name)] += count
    return normalized


def _find_twins(names: ClassNameCounts) -> Iterator[dict[str, Any]]:
    """Names that look the same, or differ only in case and spaces: name, images, twin, images of the twin, and what.

    Names in two of Unicode's forms are one class, those that differ in case are two.
    """
    forms: dict[str, list[str]] = {}
    for name in sorted(names.path_names):
        forms.setdefault(normalize("NFC", name), []).append(name)
    for composed, group in sorted(forms.items()):
        for other in group[1:]:
            what = f"the same name in two of Unicode's forms ({group[0]!a}, {other!a}): one class, {composed}"
            yield _twin_row(group[0], other, names.path_names, f"{what}; give both folders one name")
    cases: dict[str, list[str]] = {}
    for name in sorted(names.categories):
        cases.setdefault(_fold_case(name), []).append(name)
    for _, group in sorted(cases.items()):
        for other in group[1:]:
            what = "the same but for case or spaces: two classes"
            advice = "where they are one, give both the same name in listing.class_mapping"
            yield _twin_row(group[0], other, names.categories, f"{what}; {advice}")


def _find_parted_twins(names: ClassNameCounts, settings: ListingSettings) -> Iterator[dict[str, Any]]:
    """Found names that are the same but for case and spaces, and that ``class_mapping`` parts; as `_find_twins`.

    Where their classes are nearly the same names, these are told already.
    """
    renames = {normalize("NFC", key): "+".join(normalize_names(to)) for key, to in settings.class_mapping.items()}
    cases: dict[str, dict[str, str]] = {}
    images = _normalize_counts(names.path_names)
    for name in sorted(images):
        cases.setdefault(_fold_case(name), {})[name] = renames.get(name, name)
    for group in cases.values():
        first, *others = group
        for other in others:
            if _fold_case(group[first]) != _fold_case(group[other]):
                what = " and ".join(
                    f"makes {group[name]} of {name!r}" if name in renames else f"has no key {name!r}"
                    for name in (first, other)
                )
                what = f"the same but for case or spaces: class_mapping {what}"
                yield _twin_row(first, other, images, f"{what}; where they are one class, give both a key with it")


def _fold_case(name: str) -> str:
    return " ".join(name.casefold().split())


def _twin_row(name: str, other: str, images: Mapping[str, int], what: str) -> dict[str, Any]:
    return {"name": name, "images": images[name], "twin": other, "images of the twin": images[other], "what": what}


def _list_unlisted(kinds: Mapping[UnlistedKind, int]) -> Iterator[dict[str, Any]]:
    ordered = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    for (ending, reason), files in ordered[:_MAX_KINDS]:
        yield {"ending": ending, "reason": reason, "files": files}
    rest = Counter[str]()
    for (_, reason), files in ordered[_MAX_KINDS:]:
        rest[reason] += files
    for reason in filter(rest.__getitem__, UNLISTED_REASONS):
        yield {"ending": "others", "reason": reason, "files": rest[reason]}


_OF_ALL: Final = ("all", "data", "dataset", "datasets", "files", "sample", "samples")
_OF_IMAGES: Final = ("image", "images", "img", "imgs", "photo", "photos", "pic", "pics", "picture", "pictures")
_OF_FORMATS: Final = ("bmp", "bmps", "jpeg", "jpegimages", "jpg", "jpgs", "png", "pngs", "tif", "tiff")
_OF_STEPS: Final = ("input", "inputs", "output", "outputs", "raw", "tmp")
_OF_TESTS: Final = ("dev", "devel", "eval", "holdout", "test", "testing", "tests", "testset")
_OF_TRAINING: Final = ("train", "training", "trainset", "val", "valid", "validation")
GENERIC_NAMES: Final = frozenset([*_OF_ALL, *_OF_IMAGES, *_OF_FORMATS, *_OF_STEPS, *_OF_TESTS, *_OF_TRAINING])
"""Names of folders that hold images of every class, in lower case."""
_MIN_IMAGES: Final = 10  # images: with fewer, classes of one image are no sign of anything
_LEVELS_HINT: Final = "{folder: -2} is the folder above, {folder: 0} the uppermost one, or a regular expression"


def count_classes(column: pa.ChunkedArray) -> dict[str, int]:
    """Name → how many rows of a column of lists have it, by name."""
    counted = pc.value_counts(pc.list_flatten(column))
    names, counts = counted.field("values").to_pylist(), counted.field("counts").to_pylist()
    return dict(sorted(zip(names, counts, strict=True)))


def find_odd_classes(counts: Mapping[str, int], images: int, settings: ListingSettings) -> list[dict[str, Any]]:
    """A row for each class that hardly says what is on its images: class, images, odd, what to do.

    Who wants a name as it is says so by listing it: as a category of ``class_mapping``, or under ``classes``.
    ``counts`` is class → images, ``images`` how many there are in all.
    """
    wanted = normalize_names(settings.classes or [])
    meant = {*wanted, *(name for names in settings.class_mapping.values() for name in normalize_names(names))}
    odd: list[tuple[str, str, str]] = []
    for name in (name for name in counts if name not in meant):
        if name == ROOT:
            advice = "move them into folders, let listing.category find their class"
            odd.append((name, "images that lie in no folder", f"{advice}, or map {ROOT} in listing.class_mapping"))
        elif name.casefold() in GENERIC_NAMES:
            what = "the name of a folder of all images, or of a side of a split"
            advice = f"set listing.category to where the class stands: {_LEVELS_HINT}"
            odd.append((name, what, f"{advice}; or map the name in listing.class_mapping"))
    if len(counts) == 1 and wanted != list(counts):
        (name,) = counts
        advice = f"set listing.category to what tells the classes apart: {_LEVELS_HINT}"
        odd.append((name, "the only class", f"{advice}; where there is only one, say listing.classes: [{name}]"))
    alone = [name for name, count in counts.items() if count == 1 and name not in meant]
    if images >= _MIN_IMAGES and 2 * len(alone) >= images:
        what = f"one of {len(alone)} classes with a single image"
        odd.append((alone[0], what, "let listing.category find what many images share, not what names one of them"))
    return [{"class": name, "images": counts[name], "odd": what, "what to do": advice} for name, what, advice in odd]
