"""Left out: every image that was found and is in no training file, by the rule that took it out and by class.

The universe is what was found: the listed images, and those that the listing left out unread, which stand in no other
table. Of these the exclusions name every one that no record holds.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.report.ground import BRIEFLY, RULES, Ground
from brev_pipeline.report.opening import Opening
from brev_pipeline.report.rows import Numbered, categories, first, numbered, picked, tally
from brev_pipeline.report.text import counted, joined

_ROWS: Final = 60


@dataclass(frozen=True)
class Excluded:
    """An image that was left out."""

    path: str
    partner: str
    reason: str


@dataclass(frozen=True)
class Rule:
    """A rule and the images that it took out."""

    name: str
    says: str
    images: int
    share: float
    """0..1, of all images that were found."""
    examples: list[Excluded]


@dataclass(frozen=True)
class Missing:
    """A class and its images that no record holds."""

    name: str
    found: int
    out: int
    why: str
    """How many by which rule, in words."""


@dataclass(frozen=True)
class LeftOut:
    """The section."""

    opening: Opening
    found: int
    used: int
    rules: list[Rule]
    missing: list[Missing]
    """Classes that lack images, those that lack most first."""
    more_missing: int
    whole: int
    """Classes of which every image is used."""
    classes: int
    """Classes of which any image is used."""

    @property
    def out(self) -> int:
        """Images left out in all."""
        return sum(rule.images for rule in self.rules)


def left_out(ground: Ground) -> LeftOut:
    """The exclusions by rule and class, and whether they and the used images together are what was found."""
    table, found = ground.inputs.exclusions, ground.found
    by_rule, rules = numbered(table["rule"]), []
    for row in tally({"rule": by_rule}):
        mine = first(table.select(["path"]), _ROWS, by_rule.among([row["rule"]]))
        shown = pa.table({name: picked(table[name], mine) for name in ("path", "partner", "reason")})
        examples = [Excluded(one["path"], one["partner"] or "", one["reason"]) for one in shown.to_pylist()]
        says = RULES.get(row["rule"], row["rule"].replace("_", " "))
        rules.append(Rule(row["rule"], says, row["count"], row["count"] / max(1, found), examples))
    used = pc.count_distinct(ground.records.column("path")).as_py()
    classes = _classes(ground, by_rule)
    missing = sorted((one for one in classes if one.out), key=lambda one: (-one.out, one.name))
    return LeftOut(
        _opening(found, used, rules),
        found,
        used,
        rules,
        missing[:_ROWS],
        max(0, len(missing) - _ROWS),
        len(classes) - len(missing),
        sum(one.out < one.found for one in classes),
    )


def _classes(ground: Ground, by_rule: Numbered) -> list[Missing]:
    """Every class with what it lacks; an image of several classes counts in each of them."""
    found = Counter({name: sum(one.values()) for name, one in ground.class_counts.items()})
    lacks: dict[str, Counter[str]] = {}
    filtered = ground.inputs.filtered
    for names, rules in [_listed_lacks(ground, by_rule), *([] if filtered is None else [_filtered(filtered)])]:
        for row in tally({"class": names, "rule": rules}):
            lacks.setdefault(row["class"], Counter())[row["rule"]] += row["count"]
    if filtered is not None:
        found.update({row["class"]: row["count"] for row in tally({"class": _filtered(filtered)[0]})})
    return [
        Missing(name, count, lacks.get(name, Counter()).total(), _why(lacks.get(name, {})))
        for name, count in found.items()
    ]


def _listed_lacks(ground: Ground, by_rule: Numbered) -> tuple[Numbered, Numbered]:
    """The classes of the listed images that were left out, and the rules that did it."""
    at = pc.index_in(ground.listing.column("path"), value_set=ground.inputs.exclusions["path"].combine_chunks())
    mine = at.is_valid().to_numpy()
    names, rows = categories(ground.listing.column("category", mine))
    return names, by_rule.at(at.filter(pa.array(mine)).to_numpy()[rows])


def _filtered(filtered: pa.Table) -> tuple[Numbered, Numbered]:
    """The classes of the images that the listing left out, and the rules that did it."""
    names, rows = categories(filtered["category"])
    return names, numbered(filtered["rule"]).at(rows)


def _why(lacks: "Counter[str] | dict[str, int]") -> str:
    return joined([f"{lacks[rule]:,} {BRIEFLY.get(rule, rule.replace('_', ' '))}" for rule in _in_order(lacks)])


def _in_order(lacks: "Counter[str] | dict[str, int]") -> list[str]:
    return sorted(lacks, key=lambda rule: (-lacks[rule], rule))


def _opening(found: int, used: int, rules: list[Rule]) -> Opening:
    out = sum(rule.images for rule in rules)
    title = "What was left out"
    if used + out != found:
        said = (
            f"{found:,} images were found, but {used:,} used and {out:,} left out make {used + out:,}: see the checks."
        )
        return Opening("left-out", title, "bad", said)
    if not out:
        said = f"Nothing was left out: every one of the {counted(found, 'image')} found is in the training files."
        return Opening("left-out", title, "good", said.replace("every one of the 1 image", "the one image"))
    said = (
        f"{used:,} of the {counted(found, 'image')} found {'is' if used == 1 else 'are'} in the training files, "
        f"{out:,} {'is' if out == 1 else 'are'} not, and each of these has its reason: nothing was lost."
    )
    return Opening("left-out", title, "good", said)
