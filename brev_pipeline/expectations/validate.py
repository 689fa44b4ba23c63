"""The only module that imports Great Expectations (seconds, and some 200 MB): applies a suite to its frames.

The context is ephemeral: nothing is written to disk, and nothing is sent anywhere. A run is judged by Great
Expectations alone; who only asks what a suite would say, as `plan` does, evaluates the three expectations that suites
are made of here (`evaluate_frames`), which a test holds against its answers.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from brev_pipeline.errors import BrevPipelineError
from brev_pipeline.expectations.rules import Finding, Rule

if TYPE_CHECKING:
    import pandas as pd

_SHOWN_ROWS: Final = 20

# Usage statistics off: Great Expectations reads this when it is imported, which nobody does before this module.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")


def validate_frames(rules: Sequence[Rule], frames: Mapping[str, "pd.DataFrame"]) -> list[Finding]:
    """Apply ``rules`` to their frames.

    Args:
        rules: of one stage.
        frames: name → frame, with a default index; every frame that a rule names.

    Returns:
        One finding per rule, in the rules' order. A rule that cannot be applied (a column is missing) fails,
        with the reason.
    """
    findings: dict[str, Finding] = {}
    asset = _make_asset()
    for name in dict.fromkeys(rule.frame for rule in rules):
        rules_of_frame = [rule for rule in rules if rule.frame == name]
        findings |= {finding.rule.name: finding for finding in _validate_frame(asset, rules_of_frame, name, frames)}
    return [findings[rule.name] for rule in rules]


def _make_asset() -> Any:
    """What frames are batches of. In a context of its own for each call: calls run in threads of one process."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    try:
        context = gx.get_context(mode="ephemeral")
    except OSError as error:
        # Even an ephemeral context makes a temporary folder, and removes it again.
        what = f"Great Expectations cannot make a temporary folder: {error.strerror}: {error.filename}"
        raise BrevPipelineError(f"{what}; set TMPDIR to a folder that can be written, with some space") from error
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context.data_sources.pandas_default.add_dataframe_asset("frame")


def _validate_frame(
    asset: Any, rules: Sequence[Rule], name: str, frames: Mapping[str, "pd.DataFrame"]
) -> list[Finding]:
    import great_expectations as gx

    frame = frames[name]
    expectations = [
        getattr(gx.expectations, rule.expectation)(**rule.arguments, meta={"rule": rule.name}) for rule in rules
    ]
    # It copies the frame for every rule: only what rules name, and not what merely tells people which row is meant.
    named = {rule.arguments.get("column") for rule in rules}
    judged = frame[[column for column in frame.columns if column in named]]
    # The batch is asked itself: to file suite and definition with the context costs as much as the answer.
    batch = asset.get_batch(asset.build_batch_request({"dataframe": judged}))
    outcome = batch.validate(gx.ExpectationSuite(name="suite", expectations=expectations), result_format="SUMMARY")
    # Results come in another order than the suite; `meta` survives.
    by_name = {result.expectation_config.meta["rule"]: result for result in outcome.results}
    return [_build_finding(rule, by_name[rule.name], frame, frames.get(rule.examples or "")) for rule in rules]


def _build_finding(rule: Rule, result: Any, frame: "pd.DataFrame", examples: "pd.DataFrame | None") -> Finding:
    facts = result.result or {}
    return _make_finding(
        rule,
        frame,
        examples,
        passed=bool(result.success),
        observed=_find_observed(rule, facts, frame),
        broken=int(facts.get("unexpected_count") or 0),
        places=facts.get("partial_unexpected_index_list") or [],
        reason=_join_exceptions(result.exception_info or {}),
        result=_strip_result(result.to_json_dict()),
    )


def _make_finding(
    rule: Rule,
    frame: "pd.DataFrame",
    examples: "pd.DataFrame | None",
    *,
    passed: bool,
    observed: Any,
    broken: int,
    places: Sequence[int],
    reason: str | None = None,
    result: Mapping[str, Any] | None = None,
) -> Finding:
    """The finding, with the rows that people are shown: of ``places``, the first that break the rule, or examples."""
    index = list(places[:_SHOWN_ROWS])
    advice = frame[rule.advice].iloc[index[:1]].tolist() if rule.advice else []
    if examples is None:
        # Truths say nothing of a row that breaks them, but that it does.
        shown = frame.drop(columns=rule.advice or []).select_dtypes(exclude="bool").iloc[index]
        shown = shown[:0] if rule.frame == "summary" else shown
    else:
        shown = examples[:0] if passed else examples.head(_SHOWN_ROWS)
    return Finding(
        rule,
        passed=passed,
        observed=observed,
        offending=0 if rule.frame == "summary" else broken,
        rows=_to_plain_rows(shown),
        reason=reason,
        advice=str(advice[0]) if advice else None,
        result=result or {},
    )


def _strip_result(result: dict[str, Any]) -> dict[str, Any]:
    """A result without what differs from run to run (ids, metric keys) or names places of this machine (traces)."""
    config = result["expectation_config"]
    kwargs = {name: value for name, value in config["kwargs"].items() if name != "batch_id"}
    facts = {name: value for name, value in result["result"].items() if "index_list" not in name}
    message = _join_exceptions(result["exception_info"] or {})
    raised = {"raised_exception": message is not None, "exception_message": message, "exception_traceback": None}
    return {
        "success": bool(result["success"]),
        "expectation_config": {"type": config["type"], "kwargs": kwargs, "meta": config["meta"]},
        "result": facts,
        "exception_info": raised,
        "meta": {},
    }


def _find_observed(rule: Rule, facts: Mapping[str, Any], frame: "pd.DataFrame") -> Any:
    # The summary is one row: what stands there is what was observed.
    if rule.frame == "summary" and len(frame) == 1 and rule.arguments.get("column") in frame:
        return _to_plain(frame[rule.arguments["column"]].iloc[0])
    return _to_plain(facts.get("observed_value"))


def _join_exceptions(info: Mapping[str, Any]) -> str | None:
    details = [info, *(value for value in info.values() if isinstance(value, Mapping))]
    messages = [str(detail["exception_message"]) for detail in details if detail.get("raised_exception") is True]
    return "; ".join(messages) or None


def _to_plain_rows(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """Rows of a frame, JSON-safe, with numbers as people read them: 0.3, and not 0.30000000000000004."""
    rows = [{str(key): _to_plain(value) for key, value in row.items()} for row in frame.to_dict("records")]
    return [
        {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in row.items()}
        for row in rows
    ]


def _to_plain(value: Any) -> Any:
    """A JSON-safe value: NumPy scalars to Python's, lists as they are, missing values to None."""
    plain = value.tolist() if hasattr(value, "tolist") else value
    return None if isinstance(plain, float) and plain != plain else plain


def evaluate_frames(rules: Sequence[Rule], frames: Mapping[str, "pd.DataFrame"]) -> list[Finding]:
    """What `validate_frames` would find, in the rules' order; without ``result``. Arguments as there."""
    return [_evaluate_rule(rule, frames) for rule in rules]


def _evaluate_rule(rule: Rule, frames: Mapping[str, "pd.DataFrame"]) -> Finding:
    frame = frames[rule.frame]
    if rule.expectation not in _RULE_BREAKERS or rule.arguments["column"] not in frame:
        return validate_frames([rule], frames)[0]
    values = frame[rule.arguments["column"]].dropna()
    broken = values.index[_RULE_BREAKERS[rule.expectation](values, rule.arguments)]
    return _make_finding(
        rule,
        frame,
        frames.get(rule.examples or ""),
        passed=not len(broken),
        observed=values.iloc[0].item() if rule.frame == "summary" and len(values) == 1 else None,
        broken=len(broken),
        places=broken[:_SHOWN_ROWS].tolist(),
    )


def _is_outside(values: "pd.Series[Any]", arguments: Mapping[str, Any]) -> Any:
    low, high = arguments.get("min_value"), arguments.get("max_value")
    outside = values != values
    outside = outside if low is None else outside | (values < low)
    return outside if high is None else outside | (values > high)


# Expectation → (values that are there,) whether each of them breaks it.
_RULE_BREAKERS: Final[dict[str, Callable[["pd.Series[Any]", Mapping[str, Any]], Any]]] = {
    "ExpectColumnValuesToBeInSet": lambda values, arguments: ~values.isin(arguments["value_set"]),
    "ExpectColumnValuesToBeUnique": lambda values, _: values.duplicated(keep=False),
    "ExpectColumnValuesToBeBetween": _is_outside,
}
