"""Exclusions: every image that was found and is in no training file, by rule and class; and the quarantine's reasons.

The universe is what was found: the listed images, and those that the listing left out unread, which stand in no other
table. Of these the exclusions name every one that no record holds.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.report.context import RULES_IN_BRIEF, RULES_IN_WORDS, ReportContext, SectionSummary, Tone
from brev_pipeline.report.rows import (
    EncodedColumn,
    Mask,
    count_values,
    encode_column,
    explode_categories,
    first_rows,
    pick_rows,
)
from brev_pipeline.report.text import count_noun, format_percent, join_words

_EXCLUDED: Final = 60  # examples of each rule, and classes


@dataclass(frozen=True)
class ExcludedImage:
    """An image that was left out."""

    path: str
    partner: str
    reason: str


@dataclass(frozen=True)
class RuleExclusions:
    """A rule and the images that it took out."""

    name: str
    says: str
    images: int
    share: float  # 0..1, of all images that were found
    examples: list[ExcludedImage]


@dataclass(frozen=True)
class ClassShortfall:
    """A class and its images that no record holds."""

    name: str
    found: int
    out: int
    why: str  # how many by which rule, in words


@dataclass(frozen=True)
class ExclusionsSection:
    """The section."""

    opening: SectionSummary
    found: int
    used: int
    rules: list[RuleExclusions]
    missing: list[ClassShortfall]  # classes that lack images, those that lack most first
    more_missing: int
    whole: int  # classes of which every image is used
    classes: int  # classes of which any image is used

    @property
    def total_excluded(self) -> int:
        """Images left out in all."""
        return sum(rule.images for rule in self.rules)


def exclusions_section(context: ReportContext) -> ExclusionsSection:
    """The exclusions by rule and class, and whether they and the used images together are what was found."""
    table, found = context.inputs.exclusions, context.found_count
    by_rule, rules = encode_column(table["rule"]), []
    for row in count_values({"rule": by_rule}):
        mine = first_rows(table.select(["path"]), _EXCLUDED, by_rule.match_any([row["rule"]]))
        shown = pa.table({name: pick_rows(table[name], mine) for name in ("path", "partner", "reason")})
        examples = [ExcludedImage(one["path"], one["partner"] or "", one["reason"]) for one in shown.to_pylist()]
        says = RULES_IN_WORDS.get(row["rule"], row["rule"].replace("_", " "))
        rules.append(RuleExclusions(row["rule"], says, row["count"], row["count"] / max(1, found), examples))
    used = pc.count_distinct(context.records.read_column("path")).as_py()
    classes = _count_shortfalls(context, by_rule)
    missing = sorted((one for one in classes if one.out), key=lambda one: (-one.out, one.name))
    return ExclusionsSection(
        _summarize_exclusions(found, used, rules),
        found,
        used,
        rules,
        missing[:_EXCLUDED],
        max(0, len(missing) - _EXCLUDED),
        len(classes) - len(missing),
        sum(one.out < one.found for one in classes),
    )


def _count_shortfalls(context: ReportContext, by_rule: EncodedColumn) -> list[ClassShortfall]:
    """Every class with what it lacks; an image of several classes counts in each of them."""
    found = Counter({name: sum(one.values()) for name, one in context.class_counts.items()})
    lacks = defaultdict[str, Counter[str]](Counter)
    filtered = context.inputs.filtered
    for names, rules in [_match_listed(context, by_rule), *([] if filtered is None else [_match_filtered(filtered)])]:
        for row in count_values({"class": names, "rule": rules}):
            lacks[row["class"]][row["rule"]] += row["count"]
    if filtered is not None:
        found.update({row["class"]: row["count"] for row in count_values({"class": _match_filtered(filtered)[0]})})
    return [
        ClassShortfall(name, count, lacks[name].total(), _describe_rules(lacks[name])) for name, count in found.items()
    ]


def _match_listed(context: ReportContext, by_rule: EncodedColumn) -> tuple[EncodedColumn, EncodedColumn]:
    """The classes of the listed images that were left out, and the rules that did it."""
    at = pc.index_in(context.listing.read_column("path"), value_set=context.inputs.exclusions["path"].combine_chunks())
    mine = at.is_valid().to_numpy()
    names, rows = explode_categories(context.listing.read_column("category", mine))
    return names, by_rule.take_rows(at.filter(pa.array(mine)).to_numpy()[rows])


def _match_filtered(filtered: pa.Table) -> tuple[EncodedColumn, EncodedColumn]:
    """The classes of the images that the listing left out, and the rules that did it."""
    names, rows = explode_categories(filtered["category"])
    return names, encode_column(filtered["rule"]).take_rows(rows)


def _describe_rules(lacks: Counter[str]) -> str:
    order = sorted(lacks, key=lambda rule: (-lacks[rule], rule))
    return join_words([f"{lacks[rule]:,} {RULES_IN_BRIEF.get(rule, rule.replace('_', ' '))}" for rule in order])


def _summarize_exclusions(found: int, used: int, rules: list[RuleExclusions]) -> SectionSummary:
    out = sum(rule.images for rule in rules)
    title = "What was left out"
    if used + out != found:
        both = f"{used:,} used and {out:,} left out make {used + out:,}"
        said = f"{found:,} images were found, but {both}: see the checks."
        return SectionSummary("left-out", title, "bad", said)
    if not out:
        said = f"Nothing was left out: every one of the {count_noun(found, 'image')} found is in the training files."
        return SectionSummary("left-out", title, "good", said.replace("every one of the 1 image", "the one image"))
    said = (
        f"{used:,} of the {count_noun(found, 'image')} found {'is' if used == 1 else 'are'} in the training files, "
        f"{out:,} {'is' if out == 1 else 'are'} not, and each of these has its reason: nothing was lost."
    )
    return SectionSummary("left-out", title, "good", said)


_QUARANTINED: Final = 100  # rows
_COLUMNS: Final = ["content_id", "status", "source_path", "format", "width", "height"]

STATUSES: Final = {
    "corrupt": "Damaged file",
    "unsupported": "Not a kind of image that is supported",
    "too_large": "Too large",
    "missing": "Gone when it was read",
    "changed": "Changed while the run read it",
    "stopped": "Not judged: stopped or crashed its decoder",
    "interrupted": "Not judged: its decoding was interrupted",
}


@dataclass(frozen=True)
class QuarantinedImage:
    """An image in quarantine, or one that was used with a note."""

    path: str
    others: int  # further paths with the same bytes
    status: str
    reason: str
    format: str


@dataclass(frozen=True)
class QuarantineSection:
    """The section."""

    opening: SectionSummary
    unusable: list[QuarantinedImage]
    more: int
    noted: list[QuarantinedImage]  # used, but read with a note
    more_noted: int


def quarantine_section(context: ReportContext) -> QuarantineSection:
    """Images that are not ok, and those that are but have a note."""
    images = context.images
    status = images.encode_column("status")
    bad = ~status.match_any(["ok"])
    noted = ~bad & images.read_column("note").is_valid().to_numpy()
    return QuarantineSection(
        _summarize_quarantine(context, status, bad, noted),
        _describe_images(context, bad, ["status", "source_path"], _QUARANTINED, "reason"),
        max(0, int(bad.sum()) - _QUARANTINED),
        _describe_images(context, noted, ["source_path"], _QUARANTINED // 4, "note"),
        max(0, int(noted.sum()) - _QUARANTINED // 4),
    )


def _describe_images(
    context: ReportContext, among: Mask, order: list[str], most: int, why: str
) -> list[QuarantinedImage]:
    if not among.any():
        return []
    images = context.images
    chosen = first_rows(pa.table({name: images.read_column(name, among) for name in order}), most)
    rows = images.read_rows([*_COLUMNS, why], np.flatnonzero(among)[chosen])
    contents = context.listing.read_column("content_id")
    there = contents.filter(pc.is_in(contents, value_set=rows["content_id"]))
    copies = {one["values"]: one["counts"] for one in pc.value_counts(there).to_pylist()}
    return [
        QuarantinedImage(
            row["source_path"],
            copies.get(row["content_id"], 1) - 1,
            STATUSES.get(row["status"], row["status"]),
            row[why] or "no reason was recorded",
            _describe_format(row["format"], row["width"], row["height"]),
        )
        for row in rows.to_pylist()
    ]


def _describe_format(name: str | None, width: int | None, height: int | None) -> str:
    sides = f"{width} × {height} px" if width and height else ""
    return ", ".join(filter(None, [name, sides])) or "unknown"


def _summarize_quarantine(context: ReportContext, status: EncodedColumn, bad: Mask, noted: Mask) -> SectionSummary:
    most = context.configuration["validation"]["prepared_images"]["max_quarantined"]
    contents, out, images = len(bad), int(bad.sum()), context.listed_count
    tone: Tone = "look" if out or noted.any() else "good"
    if not out:
        said = "The one image could" if images == 1 else f"All {count_noun(images, 'image')} could"
        said += " be read and prepared; none is in quarantine."
    else:
        found = sorted(count_values({"status": status.take_rows(bad)}), key=lambda one: one["status"])
        names = [f"{one['count']:,} × {STATUSES.get(one['status'], one['status']).lower()}" for one in found]
        mine = _count_images_with(context, bad)
        said = f"{count_noun(mine, 'image')} of {images:,} could not be used and "
        said += f"{'is' if mine == 1 else 'are'} left out of training and testing"
        if contents != images:
            said += f": {count_noun(out, 'file')} of {contents:,} that differ"
        share, tolerated = format_percent(out / contents), format_percent(most)
        said += f" ({join_words(names)}), {share}, where up to {tolerated} is tolerated."
    if marked := _count_images_with(context, noted):
        said += f" {count_noun(marked, 'image')} {'was' if marked == 1 else 'were'} read, but with a note."
    return SectionSummary("quarantine", "Quarantine", tone, said)


def _count_images_with(context: ReportContext, contents: Mask) -> int:
    """How many listed images have one of some contents."""
    known = np.append(contents, np.zeros(len(context.contents.unknown), bool))
    return int(known[context.contents.codes].sum())
