"""The checks of every stage, each with its verdict in words; and the head of the page, which sums them up."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from brev_pipeline.report.context import ReportContext, SectionSummary, Tone
from brev_pipeline.report.exclusions import ExclusionsSection
from brev_pipeline.report.split import SplitSection
from brev_pipeline.report.text import count_noun, format_number, format_percent, order_names
from brev_pipeline.stages import SPECS
from brev_pipeline.tables import AUGMENTED

Verdict = Literal["passed", "warning", "failed"]


@dataclass(frozen=True)
class CheckVerdict:
    """One check and what it found."""

    name: str
    says: str
    verdict: Verdict
    found: str  # what it found, in words; empty where there is nothing to add
    stops: bool  # whether a failure stops the run


@dataclass(frozen=True)
class StageVerdicts:
    """A stage and its checks."""

    name: str
    title: str
    about: str
    checks: list[CheckVerdict]


@dataclass(frozen=True)
class ChecksSection:
    """The section."""

    opening: SectionSummary
    stages: list[StageVerdicts]

    def count_verdict(self, verdict: Verdict) -> int:
        """How many checks have a verdict."""
        return sum(check.verdict == verdict for stage in self.stages for check in stage.checks)

    @property
    def total_checks(self) -> int:
        """All checks."""
        return sum(len(stage.checks) for stage in self.stages)


def checks_section(context: ReportContext) -> ChecksSection:
    """The checks with what they found, and users' own as the manifest quotes them."""
    manifest = context.inputs.manifest
    given = context.checks
    own = {
        name: [{**one, "says": f"a check of this project's own: {one['check']}"} for one in checks]
        for name, checks in manifest.get("user_checks", {}).items()
    }
    stages = [
        StageVerdicts(
            name,
            SPECS[name].title if name in SPECS else name,
            SPECS[name].about if name in SPECS else "",
            [_make_verdict(one) for one in [*given[name], *own.get(name, [])]],
        )
        for name in order_names(given, SPECS)
    ]
    return ChecksSection(_summarize_checks(stages), stages)


def _make_verdict(one: Mapping[str, Any]) -> CheckVerdict:
    passed = one.get("passed", True)  # a published version's rules about history: what came of them is in its report
    verdict: Verdict = "passed" if passed else "warning" if one["severity"] == "warn" else "failed"
    return CheckVerdict(one["check"], one["says"], verdict, _describe_finding(one), one["severity"] == "error")


def _describe_finding(one: Mapping[str, Any]) -> str:
    advice = f". {one['advice']}" if one.get("advice") else ""
    if one.get("offending"):
        return f"{count_noun(one['offending'], 'entry', 'entries')} found against it{advice}"
    value = one.get("observed")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return f"measured: {format_percent(value) if '%' in one['says'] else format_number(value)}{advice}"


def _summarize_checks(stages: list[StageVerdicts]) -> SectionSummary:
    found = [check.verdict for stage in stages for check in stage.checks]
    failed, warned = found.count("failed"), found.count("warning")
    tone: Tone = "bad" if failed else "look" if warned or not found else "good"
    if not found:
        said = "No check was recorded with this version."
    elif failed:
        said = f"{count_noun(failed, 'check')} of {len(found)} failed: this version should not have been published."
    elif warned:
        said = (
            f"Each stage was checked before the next one could begin: {len(found) - warned} of {len(found)} checks "
            f"passed, {count_noun(warned, 'warning')} did not stop the run but should be looked at."
        )
    else:
        said = f"Each stage was checked before the next one could begin, and all {len(found)} checks passed."
    return SectionSummary("checks", "Checks of every stage", tone, said)


@dataclass(frozen=True)
class PurposeSummary:
    """A purpose: its images, and its records, which are never added to those of another."""

    purpose: str
    images: int
    share: float  # 0..1, of the images that were divided
    records: str  # in words; of a fold those as they are, and the augmented ones


@dataclass(frozen=True)
class PageSummary:
    """The head of the page."""

    pipeline: str
    version: str
    tone: Tone
    verdict: str
    says: str
    figures: list[tuple[str, str]]  # value and what it counts
    sides: list[PurposeSummary]


def page_summary(
    context: ReportContext, checks: ChecksSection, split: SplitSection, out: ExclusionsSection
) -> PageSummary:
    """Of the whole version."""
    inputs, manifest = context.inputs, context.inputs.manifest
    failed, warned = checks.count_verdict("failed"), checks.count_verdict("warning")
    wrong = failed or "bad" in (split.opening.tone, out.opening.tone)
    tone: Tone = "bad" if wrong else "look" if warned else "good"
    records = manifest["counts"]["records"]
    passed = f"{checks.count_verdict('passed')} of {checks.total_checks} checks passed"
    figures = [
        (f"{context.found_count:,}", "image found" if context.found_count == 1 else "images found"),
        (f"{out.used:,}", "image used" if out.used == 1 else "images used"),
        (f"{out.classes:,}", "class used" if out.classes == 1 else "classes used"),
        (f"{checks.count_verdict('passed')} / {checks.total_checks}", "checks passed"),
    ]
    verdict = {
        "bad": f"{count_noun(failed, 'check')} failed" if failed else "Something is wrong with this version",
        "look": f"No check failed; {count_noun(warned, 'warning')} to look at",
        "good": "All checks passed",
    }[tone]
    said = {
        "bad": f"{passed}. Do not train with this version before the failures are understood.",
        "look": f"{passed}; nothing was found that has to stop a run. See “{checks.opening.title}” for the warnings.",
        "good": f"{passed}, and nothing that belongs together stands on two sides of the split.",
    }[tone]
    return PageSummary(
        manifest["pipeline"],
        inputs.version,
        tone,
        verdict,
        said,
        figures,
        [
            PurposeSummary(one.purpose, one.images, one.share, _count_records(records, one.purpose))
            for one in split.total.parts
        ],
    )


def _count_records(counts: Mapping[str, int], purpose: str) -> str:
    plain, drawn = count_noun(counts.get(purpose, 0), "record"), counts.get(f"{purpose}{AUGMENTED}")
    return plain if drawn is None else f"{plain} as they are, {drawn:,} augmented"
