"""What a rule is: one sentence for people, one expectation for Great Expectations.

Rules are described here without importing Great Expectations, so that Dagster can list the checks of a code
location without paying for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypedDict, Unpack

Severity = Literal["error", "warn"]


@dataclass(frozen=True)
class Rule:
    """One rule of a stage's suite.

    Attributes:
        name: of the asset check.
        says: the rule as a sentence for people.
        frame: which of the stage's frames it is about (see `frames`).
        expectation: class name of the expectation in Great Expectations.
        arguments: of the expectation.
        severity: ``error`` stops everything after the stage, ``warn`` is shown.
        of_history: whether it compares with earlier versions: what it finds depends on when it is asked, so the
            manifest, which is the same for the same data, quotes the rule without what came of it.
        advice: column of the frame that says what to do about the rows that break the rule: the same in all of them.
        examples: frame whose rows are shown where the rule is broken; None for the rows that break it.
    """

    name: str
    says: str
    frame: str
    expectation: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    severity: Severity = "error"
    of_history: bool = False
    advice: str | None = None
    examples: str | None = None


@dataclass(frozen=True)
class Finding:
    """What a rule found.

    Attributes:
        rule: the rule.
        passed: whether the frame keeps it.
        observed: the observed value of a rule about the whole, for example a share; None for a rule about rows.
        offending: how many rows break the rule.
        rows: up to 20 of them.
        reason: why the rule could not be applied, where that was so.
        advice: what to do, where the frame says so of the rows that break the rule.
        result: what Great Expectations said of it, as JSON, without places, clocks and ids of the run.
    """

    rule: Rule
    passed: bool
    observed: Any = None
    offending: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    reason: str | None = None
    advice: str | None = None
    result: Mapping[str, Any] = field(default_factory=dict)


class RuleOptions(TypedDict, total=False):
    """What a rule may say besides; see `Rule`."""

    severity: Severity
    of_history: bool
    advice: str
    examples: str


def rule_all_true(name: str, says: str, column: str, **options: Unpack[RuleOptions]) -> Rule:
    """A rule that a column of truth values is true in every row: one of the frame ``rows``, or ``frame.column``."""
    return _make_rule(name, says, column, "rows", "ExpectColumnValuesToBeInSet", {"value_set": [True]}, options)


def rule_unique(name: str, says: str, column: str) -> Rule:
    """A rule that no two rows have the same value in a column, named as in `rule_all_true`."""
    return _make_rule(name, says, column, "rows", "ExpectColumnValuesToBeUnique", {}, {})


def rule_in_set(name: str, says: str, column: str, values: list[str]) -> Rule:
    """A rule that every value of a column, named as in `rule_all_true`, is one of ``values``."""
    return _make_rule(name, says, column, "rows", "ExpectColumnValuesToBeInSet", {"value_set": values}, {})


def rule_between(
    name: str,
    says: str,
    column: str,
    *,
    low: float | None = None,
    high: float | None = None,
    **options: Unpack[RuleOptions],
) -> Rule:
    """A rule that every value of a column lies in [low, high]: one of the frame ``summary``, or ``frame.column``."""
    bounds = {"min_value": low, "max_value": high}
    return _make_rule(name, says, column, "summary", "ExpectColumnValuesToBeBetween", bounds, options)


def _make_rule(
    name: str,
    says: str,
    column: str,
    frame: str,
    expectation: str,
    arguments: Mapping[str, Any],
    options: RuleOptions,
) -> Rule:
    if "." in column:
        frame, column = column.split(".")
    return Rule(name, says, frame, expectation, {"column": column, **arguments}, **options)


def describe_finding(finding: Finding) -> str:
    """One sentence: what the rule is, and what was found."""
    if finding.passed:
        return finding.rule.says
    if finding.offending:
        outcome = f"{finding.offending:,} {'row breaks' if finding.offending == 1 else 'rows break'} this"
        outcome += _format_examples(finding)
    else:
        outcome = f"found {_format_observed(finding)}"
    advice = f". {finding.advice}" if finding.advice else ""
    return f"Not so: {finding.rule.says}; {finding.reason or outcome}{advice}"


# Columns that say which row is meant, the best first.
_NAMING_COLUMNS: Final = (
    *("path", "source_path", "entry", "paths"),
    *("stratum", "group", "leak_group", "content_id", "purpose"),
)


def _format_examples(finding: Finding) -> str:
    name = next((name for name in _NAMING_COLUMNS if finding.rows and name in finding.rows[0]), None)
    if name is None:
        return ""
    shown = [str(row[name]) for row in finding.rows[:3]]
    return f": {', '.join(shown)}{', …' if finding.offending > len(shown) else ''}"


def _format_observed(finding: Finding) -> str:
    """What was observed; in per cent where the rule speaks in them."""
    value = finding.observed
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if "%" in finding.rule.says:
        return f"{100 * value:.4g}%"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
