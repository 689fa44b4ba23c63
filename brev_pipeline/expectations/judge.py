"""Judging without Great Expectations, whose import takes seconds: for who asks what a suite would say, as `plan` does.

A run is judged by Great Expectations alone. The three expectations that the suites are made of are few lines each, and
a test holds them against its answers.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from brev_pipeline.expectations.rules import Finding, Rule
from brev_pipeline.expectations.validate import SHOWN_ROWS, plain_rows, validate

if TYPE_CHECKING:
    import pandas as pd


def judge(rules: Sequence[Rule], frames: Mapping[str, "pd.DataFrame"]) -> list[Finding]:
    """What `validate` would find, in the rules' order; without ``result``. Arguments as there."""
    return [_find(rule, frames[rule.frame]) for rule in rules]


def _find(rule: Rule, frame: "pd.DataFrame") -> Finding:
    if rule.expectation not in _BREAKS or rule.arguments["column"] not in frame:
        return validate([rule], {rule.frame: frame})[0]
    values = frame[rule.arguments["column"]].dropna()
    broken = values.index[_BREAKS[rule.expectation](values, rule.arguments)]
    whole = rule.frame == "summary"
    told = frame[rule.advice].loc[broken[:1]].tolist() if rule.advice else []
    shown = frame.drop(columns=rule.advice) if rule.advice else frame
    return Finding(
        rule,
        passed=not len(broken),
        observed=values.iloc[0].item() if whole and len(values) == 1 else None,
        offending=0 if whole else len(broken),
        rows=[] if whole else plain_rows(shown, list(broken[:SHOWN_ROWS])),
        advice=str(told[0]) if told else None,
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
