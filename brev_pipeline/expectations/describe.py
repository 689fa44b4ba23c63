"""What a rule found, in one sentence for people."""

from typing import Final

from brev_pipeline.expectations.rules import Finding


def describe(finding: Finding) -> str:
    """One sentence: what the rule is, and what was found."""
    if finding.passed:
        return finding.rule.says
    if finding.offending:
        found = f"{finding.offending:,} {'row breaks' if finding.offending == 1 else 'rows break'} this"
        found += _examples(finding)
    else:
        found = f"found {_said(finding)}"
    advice = f". {finding.advice}" if finding.advice else ""
    return f"Not so: {finding.rule.says}; {finding.reason or found}{advice}"


_NAMES: Final = ("path", "source_path", "entry", "paths", "stratum", "group", "leak_group", "content_id", "purpose")
"""Columns that say which row is meant, the best first."""


def _examples(finding: Finding) -> str:
    name = next((name for name in _NAMES if finding.rows and name in finding.rows[0]), None)
    if name is None:
        return ""
    shown = [str(row[name]) for row in finding.rows[:3]]
    return f": {', '.join(shown)}{', …' if finding.offending > len(shown) else ''}"


def _said(finding: Finding) -> str:
    """What was observed; in per cent where the rule speaks in them."""
    value = finding.observed
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return (
        f"{100 * value:.4g}%"
        if "%" in finding.rule.says
        else f"{value:,}"
        if isinstance(value, int)
        else f"{value:.4g}"
    )
