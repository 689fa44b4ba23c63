"""From a survey to the parts of a configuration, each with what speaks for it, and what is not sure.

A *doubt* has a topic, that is, the option of the command that settles it. Where somebody has settled a topic, nothing
is guessed about it, and there is no doubt.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from brev_pipeline.errors import ConfigError
from brev_pipeline.init_wizard.annotations import SurveyedImages, separate_photos
from brev_pipeline.init_wizard.class_rules import UNLABELLED, ClassRule, apply_class_rule, find_class_rules
from brev_pipeline.init_wizard.existing_split import (
    ExistingSplit,
    count_crossing_items,
    find_existing_split,
    split_by_folder,
    split_by_pattern,
)
from brev_pipeline.init_wizard.item_patterns import (
    ItemFinding,
    find_template_words,
    match_items,
    measure_pattern,
    one_item_per_photo,
    rank_item_patterns,
)
from brev_pipeline.init_wizard.path_structure import (
    FolderLevel,
    collect_values,
    count_most_first,
    find_folder_levels,
    is_dense,
)
from brev_pipeline.init_wizard.survey import FileSurvey
from brev_pipeline.init_wizard.vocabulary import FOLDS, QUALITY, purpose_of

Topic = Literal["sample-filter", "category", "given", "pattern", "scope"]
# Share of the items on two given sides up to which they are taken for the same items.
_MAX_CROSSING_SHARE: Final = 0.2


class Doubt(NamedTuple):
    """What somebody has to decide."""

    topic: Topic
    text: str


@dataclass(frozen=True)
class Choices:
    """What somebody has decided already."""

    sample_filter: str | None = None
    """Regular expression; ``all``: all images are photos; ``proposed``: those that are taken for them."""
    category: str | None = None  # number of a folder's level, a regular expression, or ``none``
    given: str | None = None  # number of a folder's level, a regular expression, or ``none``
    pattern: str | None = None  # regular expression, or ``photo`` or ``folder``
    scope: str | None = None


@dataclass(frozen=True)
class Proposal:
    """The parts of a configuration that the photos decide."""

    beside: SurveyedImages
    photos: list[str]
    below: str  # folder of the place that holds all photos and no mask, ending with a slash; empty: the place itself
    levels: list[FolderLevel]
    class_ways: list[ClassRule]
    category: ClassRule
    given: ExistingSplit | None
    items: ItemFinding
    pattern: str
    scope: str
    shared: list[str]  # items that stand under two classes
    doubts: list[Doubt] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    sample_filter: str | None = None
    mask_folders: list[str] = field(default_factory=list)
    """Folders whose images have no class, since nothing else tells them from photos."""

    def doubts_about(self, topic: Topic) -> list[str]:
        """The doubts of a topic, in words."""
        return [doubt.text for doubt in self.doubts if doubt.topic == topic]

    @property
    def listing_settings(self) -> dict[str, Any]:
        """Section ``listing`` of the configuration."""
        out: dict[str, Any] = {"sample_filter": self.sample_filter} if self.sample_filter else {}
        rule, masks = self.category.rule, self.mask_folders
        if masks:
            names = sorted(name for name in set(apply_class_rule(self.photos, rule or {"folder": -1})) if name)
            out["category"] = _exclude_masks(masks, rule)
            if rule is None:
                out["class_mapping"] = {name: [UNLABELLED] for name in names}
            out["classes"] = [UNLABELLED] if rule is None else names
        elif rule is None:
            out["class_mapping"] = {"__root__": [UNLABELLED]}
        elif rule != {"folder": -1}:
            out["category"] = rule
        return out

    @property
    def purpose_shares(self) -> dict[str, float]:
        """Purposes and their shares; the remainder is devel."""
        sides = set(self.given.purposes.values()) if self.given else set()
        return {"train": 0.8, "test": 0} if "test" in sides else {"train": 0.8}


def _exclude_masks(masks: Sequence[str], rule: Any) -> str:
    """A rule as a regular expression that finds no class for what lies in these folders."""
    none = rf"^(?!.*/({'|'.join(map(re.escape, masks))})/).*"
    if isinstance(rule, str):
        return none + rule
    at = -1 if rule is None else rule["folder"]
    if at < 0:
        return rf"{none}/(?P<category>[^/]+)" + "/[^/]+" * -at + "$"
    return none[:-2] + "/[^/]+" * at + "/(?P<category>[^/]+)/"


def propose_settings(
    found: FileSurvey, choices: Choices | None = None, beside: SurveyedImages | None = None
) -> Proposal:
    """Say what the files of a place mean.

    Args:
        found: the files.
        choices: what somebody has decided; default: nothing.
        beside: what lies beside the photos, if that is known already.

    Raises:
        ConfigError: a choice cannot be used.
    """
    choices, beside = choices or Choices(), beside or separate_photos(found)
    doubts, told = list[Doubt](), list[str]()
    photos = _choose_photos(found, beside, choices, doubts, told)
    below = _find_common_folder(photos, beside, choices)
    photos = [path.removeprefix(below) for path in photos]
    seen = find_folder_levels(photos)
    ways, category = _choose_category(photos, seen, beside, choices, doubts, told)
    given = _choose_split(found, photos, seen, beside, choices, doubts)
    items, pattern = _choose_items(photos, seen, category, given, choices, doubts)
    doubts += _doubt_of_views(photos, pattern, category)
    told += items.notes if choices.pattern is None else []
    shared = _find_shared_items(photos, pattern, category)
    scope = choices.scope or "global"
    kept = [doubt for doubt in doubts if getattr(choices, doubt.topic.replace("-", "_")) is None]
    is_proposed = choices.sample_filter in (None, "proposed")
    chosen = beside.filter if is_proposed else None if choices.sample_filter == "all" else choices.sample_filter
    masks = beside.folders if is_proposed and not below else []
    return Proposal(
        beside, photos, below, seen, ways, category, given, items, pattern, scope, shared, kept, told, chosen, masks
    )


def _choose_photos(
    found: FileSurvey, beside: SurveyedImages, choices: Choices, doubts: list[Doubt], told: list[str]
) -> list[str]:
    if choices.sample_filter == "all":
        return found.images
    if choices.sample_filter not in (None, "proposed"):
        search = _compile_option(choices.sample_filter, "--sample-filter").search
        return [path for path in found.images if search(path.rpartition("/")[2])]
    if beside.masks:
        told.append(
            f"{len(beside.masks)} images are taken for masks and left out: {beside.why_masks} (labels by masks are not "
            f"read yet); such as {beside.masks[0]}"
        )
    if beside.strays:
        told.append(f"left out, since all other photos lie in folders: {', '.join(beside.strays)}")
        if beside.filter is None:
            said = f"{', '.join(beside.strays)} can not be told from photos by their names"
            doubts.append(Doubt("sample-filter", said))
    if words := find_template_words(beside.photos):
        listed = " and ".join(f"…{word}" for word in words)
        said = f"the names end in {listed}: are both photos, or is one of them a picture to compare with?"
        doubts.append(Doubt("sample-filter", said))
    told += beside.notes
    return beside.photos


def _find_common_folder(photos: Sequence[str], beside: SurveyedImages, choices: Choices) -> str:
    """The folder that holds all photos and no mask, where names cannot tell them apart."""
    if not beside.folders or choices.sample_filter not in (None, "proposed") or not photos:
        return ""
    first, last = min(photos).split("/")[:-1], max(photos).split("/")[:-1]
    common: list[str] = []
    for one, other in zip(first, last, strict=False):
        if one != other:
            break
        common.append(one)
        prefix = "/".join(common) + "/"
        if not any(path.startswith(prefix) for path in [*beside.masks, *beside.strays]):
            return prefix
    return ""


def _choose_category(
    photos: Sequence[str],
    seen: Sequence[FolderLevel],
    beside: SurveyedImages,
    choices: Choices,
    doubts: list[Doubt],
    told: list[str],
) -> tuple[list[ClassRule], ClassRule]:
    ways, doubt = find_class_rules(photos, seen)
    if doubt:
        doubts.append(Doubt("category", doubt))
    if beside.labels:
        told += [f"not read yet: {line}" for line in beside.labels]
    if choices.category is not None:
        return ways, choose_class_rule(photos, choices.category)
    best = ways[0]
    sides = [name for name in best.counts if purpose_of(name)]
    if sides and len(best.counts) > 1 and not best.in_names:
        said = f"the folder {sides[0]} is named like a side of a split: do its photos have no class? "
        said += "Then name as place the folder with the others; -1 takes it for a class"
        doubts.append(Doubt("category", said))
    if best.in_names and beside.tables:
        said = f"the names may say the class ({best.meaning}), and {beside.tables[0]} may too, which is not read yet"
        doubts.append(Doubt("category", said))
    if best.rule is None or len(best.counts) == 1:
        if beside.labels:
            said = f"no path says the class; it may stand in {beside.labels[0]}, which is not read yet"
            doubts.append(Doubt("category", said))
        else:
            told.append("no path says a class, so that all photos are one class")
    return ways, best


def choose_class_rule(photos: Sequence[str], choice: str) -> ClassRule:
    """What somebody chose for the class. Raises `ConfigError` where it cannot be used."""
    if choice == "none":
        return ClassRule(None, "nothing", Counter({UNLABELLED: len(photos)}))
    rule: Any = {"folder": int(choice)} if re.fullmatch(r"[+-]?\d+", choice) else choice
    groups = _compile_option(rule, "--category").groupindex if isinstance(rule, str) else ["category"]
    if not any(name.startswith("category") for name in groups):
        raise ConfigError(f"--category: {rule!r} has no group (?P<category>…) around the part that is the class")
    found = apply_class_rule(photos, rule)
    if None in found:
        missed = [path for path, name in zip(photos, found, strict=True) if name is None]
        raise ConfigError(f"--category {choice}: {len(missed)} photos have no class, such as {missed[0]}")
    return ClassRule(rule, "as you said", count_most_first(filter(None, found)))


def _choose_split(
    found: FileSurvey,
    photos: Sequence[str],
    seen: Sequence[FolderLevel],
    beside: SurveyedImages,
    choices: Choices,
    doubts: list[Doubt],
) -> ExistingSplit | None:
    if choices.given == "none":
        return None
    if choices.given is not None:
        return _apply_split_choice(photos, choices.given)
    way = find_existing_split(found, photos, seen, beside.lists)
    if way is None and (level := next((one for one in seen if _may_be_sides(one)), None)):
        said = f"the folders {level.some_names} may be sides of a split or folds, by a word of their names"
        doubts.append(Doubt("given", said))
    if way is None:
        doubts += [Doubt("given", line) for line in beside.splits]
    if way and "lists" in way.settings and str(getattr(found.place, "bucket", "")).startswith("s3://"):
        doubts.append(Doubt("given", f"{way.meaning} say a split, and lists are read from local files only"))
    return way


def _may_be_sides(level: FolderLevel) -> bool:
    """Whether folders are folds, or some of a few, not all alike, have a word for a side of a split in their names."""
    if all(re.fullmatch(rf"(?i)({'|'.join(FOLDS)})[-_. ]?\d+", name) for name in level.counts):
        return len(level.counts) > 1
    sides = [{purpose_of(word) for word in re.split(r"[\W_]+", name)} - {None} for name in level.counts]
    return 1 < len(sides) <= 4 and any(sides) and not all(one == sides[0] for one in sides)


def _apply_split_choice(photos: Sequence[str], chosen: str) -> ExistingSplit:
    if re.fullmatch(r"[+-]?\d+", chosen):
        way = split_by_folder(photos, int(chosen))
    elif "purpose" in _compile_option(chosen, "--given").groupindex:
        way = split_by_pattern(photos, chosen)
    else:
        raise ConfigError(f"--given: {chosen!r} has no group (?P<purpose>…) around the part that is the side")
    if unknown := [word for word in way.purposes if purpose_of(word) is None]:
        raise ConfigError(f"--given {chosen}: {', '.join(unknown[:5])} are no sides such as train, val, test")
    return way


def _choose_items(
    photos: Sequence[str],
    seen: Sequence[FolderLevel],
    category: ClassRule,
    given: ExistingSplit | None,
    choices: Choices,
    doubts: list[Doubt],
) -> tuple[ItemFinding, str]:
    items = rank_item_patterns(photos, seen, apply_class_rule(photos, category.rule))
    if choices.pattern is not None:
        if choices.pattern == "photo":
            return items, one_item_per_photo(photos)
        return items, r"/([^/]+)/[^/]+$" if choices.pattern == "folder" else choices.pattern
    doubts += [Doubt("pattern", text) for text in items.doubts]
    pattern = items.ways[0].pattern
    if given is None:
        return items, pattern
    both, all_items = count_crossing_items(match_items(photos, pattern), given.words)
    if not both:
        return items, pattern
    if items.is_running and _number_in_folders(photos, given):
        meaning = "every photo is an item of its own, by its folder and name"
        way = measure_pattern(photos, one_item_per_photo(photos), meaning)
        return ItemFinding([way, *items.ways], items.doubts, items.notes, True), way.pattern
    if both > _MAX_CROSSING_SHARE * all_items:
        said = (
            f"{both} of {all_items} items stand on two sides of the split that {given.meaning} give: do their numbers "
            f"begin anew on each side? --pattern with the folder in its group says so; --pattern '{pattern}' that they "
            "are the same, and then a run stops until each stands on one side"
        )
        doubts.append(Doubt("pattern", said))
    return items, pattern


def _number_in_folders(photos: Sequence[str], given: ExistingSplit) -> bool:
    """Whether names are numbers that count up in each folder, the folder of the side not counted."""
    numbers: dict[str, list[str]] = {}
    for path, side in zip(photos, given.words, strict=True):
        folder, _, name = path.rpartition("/")
        if not (match := re.fullmatch(r"\D*(\d+)\D*", name.rpartition(".")[0])):
            return False
        numbers.setdefault(f"/{folder}/".replace(f"/{side}/", "/", 1), []).append(match[1])
    return sum(is_dense(one) for one in numbers.values()) > 0.8 * len(numbers)


def _doubt_of_views(photos: Sequence[str], pattern: str, category: ClassRule) -> list[Doubt]:
    """A doubt where words of the names are taken for classes, and most items have most of them, as they have views."""
    if not category.in_names or QUALITY.issuperset(name.casefold() for name in category.counts):
        return []
    pairs = zip(match_items(photos, pattern), apply_class_rule(photos, category.rule), strict=True)
    classes = collect_values(pairs)
    most = sum(2 * len(names) > max(2, len(category.counts)) for names in classes.values())
    if 2 * most <= len(classes):
        return []
    return [Doubt("category", f"most items have photos of most classes ({category.meaning}): are those views?")]


def _find_shared_items(photos: Sequence[str], pattern: str, category: ClassRule) -> list[str]:
    """Items that stand under two classes, sorted."""
    classes = collect_values(zip(match_items(photos, pattern), apply_class_rule(photos, category.rule), strict=True))
    return sorted(item for item, names in classes.items() if item is not None and len(names) > 1)


def _compile_option(pattern: str, option: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.IGNORECASE if option == "--sample-filter" else 0)
    except re.error as error:
        raise ConfigError(f"{option}: {pattern!r} is not a regular expression: {error}") from error
