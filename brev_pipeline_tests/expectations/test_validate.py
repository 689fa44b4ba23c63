"""What is judged without Great Expectations is what Great Expectations says, for every suite's rules."""

import random

import numpy as np
import pandas as pd
import pytest

from brev_pipeline.config import parse_config
from brev_pipeline.expectations import SUITES, Finding, Rule
from brev_pipeline.expectations.rules import rule_all_true, rule_between, rule_in_set, rule_unique
from brev_pipeline.expectations.validate import evaluate_frames, validate_frames

CONFIG = parse_config("{name: any, store: store, datasets: [{name: a, id: a, bucket: a}]}")
RULES = [
    rule_all_true("whole", "says", "truth"),
    rule_unique("once", "says", "text"),
    rule_in_set("known", "says", "text", ["a", "b", "c"]),
    rule_between("low", "says", "number", low=0.2),
    rule_between("high", "says", "rows.number", high=0.8),
    rule_between("both", "says", "rows.number", low=0.1, high=0.9, advice="advice"),
]


def told(finding: Finding) -> tuple[object, ...]:
    return finding.passed, finding.observed, finding.offending, finding.rows, finding.reason, finding.advice


def frames(seed: int, rows: int) -> dict[str, pd.DataFrame]:
    draw = random.Random(seed)
    numbers = [draw.choice([0.0, 0.1, 0.5, 0.9, 1.0, np.nan]) for _ in range(rows)]
    data = {
        "truth": pd.Series([draw.random() < 0.8 for _ in range(rows)], dtype=bool),
        "text": pd.Series([draw.choice(["a", "b", "c", "d", None]) for _ in range(rows)], dtype=object),
        "number": pd.Series(numbers, dtype=float),
        "advice": [f"do {number}" for number in range(rows)],
    }
    return {"rows": pd.DataFrame(data), "summary": pd.DataFrame([{"number": draw.choice([0.0, 0.2, 0.5, 1])}])}


@pytest.mark.parametrize(("seed", "rows"), [(1, 0), (2, 1), (3, 7), (4, 60), (5, 400)])
def test_the_same_findings(seed: int, rows: int) -> None:
    given = frames(seed, rows)
    assert list(map(told, evaluate_frames(RULES, given))) == list(map(told, validate_frames(RULES, given)))


def test_every_suite_is_made_of_what_can_be_judged() -> None:
    from brev_pipeline.expectations.validate import _RULE_BREAKERS

    assert {rule.expectation for suite in SUITES.values() for rule in suite(CONFIG)} <= set(_RULE_BREAKERS)


def test_a_rule_of_another_kind_is_left_to_great_expectations() -> None:
    rule = Rule("long", "says", "rows", "ExpectColumnValueLengthsToBeBetween", {"column": "text", "max_value": 1})
    (finding,) = evaluate_frames([rule], {"rows": pd.DataFrame({"text": ["a", "bb"]})})
    assert not finding.passed
    assert finding.offending == 1
