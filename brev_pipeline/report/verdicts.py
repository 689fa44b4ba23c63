"""The checks of every stage, each with its verdict in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from brev_pipeline.report.ground import Ground
from brev_pipeline.report.opening import Opening, Tone
from brev_pipeline.report.text import counted, number, percent

Verdict = Literal["passed", "warning", "failed"]

STAGES: Final[dict[str, tuple[str, str]]] = {
    "raw_listing": ("Finding the images", "what lies in the bucket"),
    "sample_integrity": ("Knowing each image", "who is a copy of whom, by checksum"),
    "prepared_images": ("Preparing the images", "from files to pixels of one size"),
    "sample_split": ("Dividing the images", "who trains and who tests"),
    "sampling_weights": ("Weighing the groups", "how often each group is drawn"),
    "tfrecord_shards": ("Writing the training files", "the drawn and augmented records"),
}
"""Stage → its name for people, and what it is about."""


@dataclass(frozen=True)
class Check:
    """One check and what it found."""

    name: str
    says: str
    verdict: Verdict
    found: str
    """What it found, in words; empty where there is nothing to add."""
    stops: bool
    """Whether a failure stops the run."""


@dataclass(frozen=True)
class Stage:
    """A stage and its checks."""

    name: str
    title: str
    about: str
    checks: list[Check]


@dataclass(frozen=True)
class Verdicts:
    """The section."""

    opening: Opening
    stages: list[Stage]

    def count(self, verdict: Verdict) -> int:
        """How many checks have a verdict."""
        return sum(check.verdict == verdict for stage in self.stages for check in stage.checks)

    @property
    def total(self) -> int:
        """All checks."""
        return sum(len(stage.checks) for stage in self.stages)


def verdicts(ground: Ground) -> Verdicts:
    """The checks as the manifest quotes them."""
    given = ground.inputs.manifest.get("checks", {})
    order = [name for name in STAGES if name in given] + sorted(set(given) - set(STAGES))
    stages = [Stage(name, *STAGES.get(name, (name, "")), [_check(one) for one in given[name]]) for name in order]
    return Verdicts(_opening(stages), stages)


def _check(one: Mapping[str, Any]) -> Check:
    verdict: Verdict = "passed" if one.get("passed", True) else "warning" if one["severity"] == "warn" else "failed"
    return Check(one["check"], one["says"], verdict, _found(one), one["severity"] == "error")


def _found(one: Mapping[str, Any]) -> str:
    if one.get("offending"):
        return f"{counted(one['offending'], 'entry', 'entries')} found against it"
    value = one.get("observed")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return f"measured: {percent(value) if '%' in one['says'] else number(value)}"


def _opening(stages: list[Stage]) -> Opening:
    found = [check.verdict for stage in stages for check in stage.checks]
    failed, warned = found.count("failed"), found.count("warning")
    tone: Tone = "bad" if failed else "look" if warned or not found else "good"
    if not found:
        said = "No check was recorded with this version."
    elif failed:
        said = f"{counted(failed, 'check')} of {len(found)} failed: this version should not have been published."
    elif warned:
        said = (
            f"Each stage was checked before the next one could begin: {len(found) - warned} of {len(found)} checks "
            f"passed, {counted(warned, 'warning')} did not stop the run but should be looked at."
        )
    else:
        said = f"Each stage was checked before the next one could begin, and all {len(found)} checks passed."
    return Opening("checks", "Checks of every stage", tone, said)
