"""Great Expectations' Data Docs, made to stand alone: a page per stage, and an index.

What each rule is and what was observed is rendered by Great Expectations' own renderers. Their pages around it load
styles and scripts from some nine hosts; here the page is ours: one small inlined stylesheet, no script, no request.
Nothing in it depends on a clock, a run or a machine: the same results give the same bytes.

Besides `validate` this is the only module that imports Great Expectations.
"""

import functools
import html
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import jinja2
from markupsafe import Markup

from brev_pipeline.expectations import validate  # noqa: F401 - turns usage statistics off
from brev_pipeline.expectations.rules import Finding

Result = Mapping[str, Any]
"""What `keep_finding` keeps of a finding."""

FOLDER: Final = "data_docs"
# Great Expectations numbers its elements by a random id where it means them to be folded by a script.
_SCRIPTED: Final = re.compile(r'\s(?:id|data-toggle|href|aria-[a-z]+)=(?:"[^"]*"|[^\s>]+)')


def keep_finding(finding: Finding) -> dict[str, Any]:
    """What a page needs of a finding, as JSON: the rule, what became of it, examples, the expectation's own result."""
    return {
        "check": finding.rule.name,
        "says": finding.rule.says,
        "severity": finding.rule.severity,
        "passed": finding.passed,
        "offending": finding.offending,
        "observed": finding.observed,
        "reason": finding.reason,
        "advice": finding.advice,
        "examples": finding.rows,
        "result": dict(finding.result),
    }


def render_data_docs(verdicts: Mapping[str, Sequence[Result]]) -> dict[str, bytes]:
    """The Data Docs of a version: self-contained HTML, the same bytes from the same results.

    Importing Great Expectations costs seconds where nobody did so before; a page itself some 20 ms.

    Args:
        verdicts: stage → results of its suite (see `keep_finding`), stages in the order in which they are shown.

    Returns:
        ``data_docs/index.html`` and ``data_docs/<stage>.html`` for each stage.
    """
    index = _load_template().render(stage=None, stages=verdicts).encode()
    pages = {
        f"{FOLDER}/{stage}.html": render_stage_page(stage, results, list(verdicts))
        for stage, results in verdicts.items()
    }
    return {f"{FOLDER}/index.html": index, **pages}


def render_stage_page(stage: str, results: Sequence[Result], stages: Sequence[str] = ()) -> bytes:
    """The page of one stage's validation.

    Args:
        stage: its name.
        results: of its suite, in the suite's order (see `keep_finding`).
        stages: those that have a page beside this one; empty: this page stands alone.
    """
    shown = [_build_row(result) for result in results]
    return _load_template().render(stage=stage, results=shown, stages=stages).encode()


def _build_row(result: Result) -> dict[str, Any]:
    """What the template lays out of one rule: the result, and how Great Expectations puts it."""
    expectation, observed = _render_result(result["result"]) if result["result"] else ("", "")
    value = result["observed"]
    if isinstance(value, int | float) and not isinstance(value, bool):
        # A rule about a frame of one row: what stands there says more than the share of rows that break it.
        observed = f"{value:,.6g}" if isinstance(value, float) else f"{value:,}"
    examples = [] if result["passed"] else result["examples"]
    column = result["result"].get("expectation_config", {}).get("kwargs", {}).get("column", "")
    # What the rule is about stands right behind what the row is called.
    columns = sorted(examples[0], key=lambda name: name not in (next(iter(examples[0])), column)) if examples else []
    rendered = {"expectation": expectation, "observed": observed, "examples": examples, "columns": columns}
    return {**result, **rendered, "offending": int(result["offending"] or 0)}


@functools.cache
def _load_template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("brev_pipeline.expectations"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = lambda value: (
        "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    )
    return environment.get_template("data_docs.html.j2")


def _render_result(result: Mapping[str, Any]) -> tuple[str, str]:
    """The expectation and the observed value of one result, as HTML, by Great Expectations."""
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.core.expectation_validation_result import ExpectationValidationResultSchema
    from great_expectations.render.renderer.content_block import ValidationResultsTableContentBlockRenderer

    loaded = ExpectationValidationResultSchema().load(dict(result))
    if isinstance(loaded, dict):
        loaded = ExpectationValidationResult(**loaded)
    block = ValidationResultsTableContentBlockRenderer.render([loaded]).to_json_dict()
    view = _load_view()
    context = view.env.get_template("component.j2").new_context({})
    # Each row of the table: status, expectation, observed value.
    parts = [view.render_content_block(context, _escape_block(cell)) for cell in block["table"][0][1:3]]
    # Markup: its templates escape what they are given, but for the texts of tables, which `_escape_block` does.
    expectation, observed = (Markup(_SCRIPTED.sub("", str(part))) for part in parts)  # noqa: S704
    return expectation, observed


@functools.cache
def _load_view() -> Any:
    from great_expectations.render.view.view import DefaultJinjaComponentView

    return DefaultJinjaComponentView()


def _escape_block(block: Any) -> Any:
    """A content block without parts that need a script, and with its cells' text escaped (their templates do not)."""
    if isinstance(block, str):
        return html.escape(block)
    if isinstance(block, list):
        return [_escape_block(part) for part in block if not _is_folded(part)]
    if isinstance(block, dict) and block.get("content_block_type") == "table":
        return block | {"table": [[_escape_block(cell) for cell in row] for row in block["table"]]}
    return block


def _is_folded(block: Any) -> bool:
    return isinstance(block, dict) and block.get("content_block_type") == "collapse"
