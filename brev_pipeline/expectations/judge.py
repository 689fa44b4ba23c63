"""Judging without Great Expectations, whose import takes seconds: for who asks what a suite would say, as `plan` does.

A run is judged by Great Expectations alone. The three expectations that the suites are made of are few lines each, and
a test holds them against its answers.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from brev_pipeline.expectations.rules import Finding, Rule
from brev_pipeline.expectations.validate import SHOWN_ROWS, shape_finding, validate

if TYPE_CHECKING:
    import pandas as pd


def judge(rules: Sequence[Rule], frames: Mapping[str, "pd.DataFrame"]) -> list[Finding]:
    """What `validate` would find, in the rules' order; without ``result``. Arguments as there."""
    return [_find(rule, frames) for rule in rules]


def _find(rule: Rule, frames: Mapping[str, "pd.DataFrame"]) -> Finding:
    frame = frames[rule.frame]
    if rule.expectation not in _BREAKS or rule.arguments["column"] not in frame:
        return validate([rule], frames)[0]
    values = frame[rule.arguments["column"]].dropna()
    broken = values.index[_BREAKS[rule.expectation](values, rule.arguments)]
    return shape_finding(
        rule,
        frame,
        frames.get(rule.examples or ""),
        passed=not len(broken),
        observed=values.iloc[0].item() if rule.frame == "summary" and len(values) == 1 else None,
        broken=len(broken),
        places=broken[:SHOWN_ROWS].tolist(),
    )


def _not_between(values: "pd.Series[Any]", arguments: Mapping[str, Any]) -> Any:
    low, high = arguments.get("min_value"), arguments.get("max_value")
    wrong = values != values
    wrong = wrong if low is None else wrong | (values < low)
    return wrong if high is None else wrong | (values > high)


_BREAKS: Final[dict[str, Callable[["pd.Series[Any]", Mapping[str, Any]], Any]]] = {
    "ExpectColumnValuesToBeInSet": lambda values, arguments: ~values.isin(arguments["value_set"]),
    "ExpectColumnValuesToBeUnique": lambda values, _: values.duplicated(keep=False),
    "ExpectColumnValuesToBeBetween": _not_between,
}
"""Expectation → (values that are there,) whether each of them breaks it."""
