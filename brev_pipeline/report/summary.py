"""The head of the page: the verdict, and the figures that matter most."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from brev_pipeline.report.division import Division
from brev_pipeline.report.ground import Ground
from brev_pipeline.report.left_out import LeftOut
from brev_pipeline.report.opening import Tone
from brev_pipeline.report.text import counted
from brev_pipeline.report.verdicts import Verdicts
from brev_pipeline.tables import AUGMENTED


@dataclass(frozen=True)
class Side:
    """A purpose: its images, and its records, which are never added to those of another."""

    purpose: str
    images: int
    share: float
    """0..1, of the images that were divided."""
    records: str
    """In words; of a fold those as they are, and the augmented ones."""


@dataclass(frozen=True)
class Summary:
    """The head of the page."""

    pipeline: str
    version: str
    tone: Tone
    verdict: str
    says: str
    when: str
    """Date and time for people; empty where it is unknown."""
    figures: list[tuple[str, str]]
    """Value and what it counts."""
    sides: list[Side]


def summary(ground: Ground, checks: Verdicts, split: Division, out: LeftOut) -> Summary:
    """Of the whole version."""
    inputs, manifest = ground.inputs, ground.inputs.manifest
    failed, warned = checks.count("failed"), checks.count("warning")
    wrong = failed or "bad" in (split.opening.tone, out.opening.tone)
    tone: Tone = "bad" if wrong else "look" if warned else "good"
    records = manifest["counts"]["records"]
    passed = f"{checks.count('passed')} of {checks.total} checks passed"
    figures = [
        (f"{ground.found:,}", "image found" if ground.found == 1 else "images found"),
        (f"{out.used:,}", "image used" if out.used == 1 else "images used"),
        (f"{out.classes:,}", "class used" if out.classes == 1 else "classes used"),
        (f"{checks.count('passed')} / {checks.total}", "checks passed"),
    ]
    verdict = {
        "bad": f"{counted(failed, 'check')} failed" if failed else "Something is wrong with this version",
        "look": f"No check failed; {counted(warned, 'warning')} to look at",
        "good": "All checks passed",
    }[tone]
    said = {
        "bad": f"{passed}. Do not train with this version before the failures are understood.",
        "look": f"{passed}; nothing was found that has to stop a run. See “{checks.opening.title}” for the warnings.",
        "good": f"{passed}, and nothing that belongs together stands on two sides of the split.",
    }[tone]
    return Summary(
        manifest["pipeline"],
        inputs.version,
        tone,
        verdict,
        said,
        _when(inputs.published_at),
        figures,
        [Side(one.purpose, one.images, one.share, _records(records, one.purpose)) for one in split.total.parts],
    )


def _records(counts: Mapping[str, int], purpose: str) -> str:
    plain, drawn = counts.get(purpose, 0), counts.get(f"{purpose}{AUGMENTED}")
    return counted(plain, "record") if drawn is None else f"{counted(plain, 'record')} as they are, {drawn:,} augmented"


def _when(stamp: str | None) -> str:
    """``22 November 2026, 15:11 UTC``."""
    if stamp is None:
        return ""
    try:
        at = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    at = at.astimezone(UTC) if at.tzinfo else at
    return f"{at.day} {at:%B %Y, %H:%M} UTC"
