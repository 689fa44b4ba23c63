"""The checks of every stage, each with its verdict in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from brev_pipeline.report.ground import Ground
from brev_pipeline.report.opening import Opening, Tone
from brev_pipeline.report.text import counted, number, percent
from brev_pipeline.stages import SPECS

Verdict = Literal["passed", "warning", "failed"]


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
    """The checks with what they found, and users' own as the manifest quotes them."""
    manifest = ground.inputs.manifest
    given = ground.checks
    own = manifest.get("user_checks", {})
    order = [name for name in SPECS if name in given] + sorted(set(given) - set(SPECS))
    stages = [
        Stage(
            name,
            SPECS[name].title if name in SPECS else name,
            SPECS[name].about if name in SPECS else "",
            [_check(one) for one in [*given[name], *(_own(one) for one in own.get(name, []))]],
        )
        for name in order
    ]
    return Verdicts(_opening(stages), stages)


def _own(one: Mapping[str, Any]) -> dict[str, Any]:
    return {**one, "says": f"a check of this project's own: {one['check']}"}


def _check(one: Mapping[str, Any]) -> Check:
    passed = one.get("passed", True)  # a published version's rules about history: what came of them is in its report
    verdict: Verdict = "passed" if passed else "warning" if one["severity"] == "warn" else "failed"
    return Check(one["check"], one["says"], verdict, _found(one), one["severity"] == "error")


def _found(one: Mapping[str, Any]) -> str:
    advice = f". {one['advice']}" if one.get("advice") else ""
    if one.get("offending"):
        return f"{counted(one['offending'], 'entry', 'entries')} found against it{advice}"
    value = one.get("observed")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return f"measured: {percent(value) if '%' in one['says'] else number(value)}{advice}"


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
