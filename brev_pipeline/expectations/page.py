"""The page around a stage's results: its head, its style and its tables; no script, nothing from outside."""

import html
from collections.abc import Mapping, Sequence
from typing import Any, Final

Result = Mapping[str, Any]

_STYLE: Final = """
:root { color-scheme: light dark; --paper: #f6f5f2; --card: #fff; --ink: #1d1f23; --soft: #5d636d; --line: #dedcd6;
  --good: #1f7a4d; --bad: #b3261e; --warn: #8a5a00; --mark: #0b6e99; --tint: #eef3f5; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181b; --card: #1f2226; --ink: #e8e6e1; --soft: #a3a9b3;
  --line: #35393f; --good: #5fc793; --bad: #ff8a80; --warn: #f0b95a; --mark: #6cc3e6; --tint: #262b30; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 20px 56px; }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 14px; margin-bottom: 20px; }
nav [aria-current] { color: var(--ink); font-weight: 600; text-decoration: none; }
a { color: var(--mark); }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 4px; }
h3 { font-size: 15px; margin: 0; }
p { margin: 0; }
.lead { color: var(--soft); margin-bottom: 20px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
.card > table { min-width: 720px; }
.card.rules > table { table-layout: fixed; }
.card.rules > table > thead th:first-child { width: 112px; } .card.rules > table > thead th:last-child { width: 150px; }
.card > table > thead th { font-size: 13px; color: var(--soft); font-weight: 600; }
.card > table > * > tr > * { padding: 12px 14px; text-align: left; vertical-align: top;
  border-top: 1px solid var(--line); }
.card > table > thead > tr > *, .card > table > tbody:first-child > tr:first-child > * { border-top: 0; }
.expectation { color: var(--soft); font-size: 14px; margin-top: 4px; }
.expectation .badge { color: var(--ink); background: var(--tint); border-radius: 4px; padding: 0 5px;
  font: 13px ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.expectation br { display: none; }
.expectation strong { display: block; color: var(--bad); font-weight: 400; margin-top: 4px; }
.observed { white-space: nowrap; font-variant-numeric: tabular-nums; }
.state { display: inline-block; min-width: 66px; font-weight: 600; white-space: nowrap; }
.state.good { color: var(--good); } .state.bad { color: var(--bad); } .state.warn { color: var(--warn); }
.reason { color: var(--bad); }
.expectation table, .rows table { width: auto; margin-top: 8px; font-size: 13px; }
.expectation td, .expectation th, .rows td, .rows th { border: 1px solid var(--line); padding: 3px 8px;
  text-align: left; color: var(--ink); }
.rows td, .rows th { white-space: nowrap; }
.rows { overflow-x: auto; margin-top: 10px; } .rows p { font-size: 13px; color: var(--soft); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
footer { color: var(--soft); font-size: 13px; margin-top: 18px; }
"""
_STATES: Final = {"good": "✓ passed", "bad": "✗ failed", "warn": "! warning"}


def page(stage: str, results: Sequence[Result], rows: Sequence[str], stages: Sequence[str]) -> bytes:
    """A stage's page: how many rules it kept, then every rule.

    Args:
        stage: its name.
        results: of its suite.
        rows: a table row for each, as HTML.
        stages: those with a page beside this one.
    """
    return _document(
        f"{stage}: validation",
        _navigation(stage, stages)
        + f"<h1>{html.escape(stage)}</h1><p class='lead'>{_summary(results)}</p>"
        + _card(["", "Rule", "Observed"], rows, "card rules"),
    )


def index_page(verdicts: Mapping[str, Sequence[Result]]) -> bytes:
    """All stages, each with the state of its suite."""
    rows = [
        f"<tr><td>{_state(results)}</td><td><a href='{html.escape(stage)}.html'>{html.escape(stage)}</a></td>"
        f"<td class='number'>{len(results)}</td><td class='number'>{sum(bool(r['passed']) for r in results)}</td>"
        f"<td>{_broken(results)}</td></tr>"
        for stage, results in verdicts.items()
    ]
    every = [result for results in verdicts.values() for result in results]
    return _document(
        "Data Docs",
        f"<h1>Data Docs</h1><p class='lead'>What was validated before this version was published. {_summary(every)}</p>"
        + _card(["", "Stage", "Rules", "Passed", "Not kept"], rows),
    )


def badge(result: Result) -> str:
    """What became of a rule, as a word."""
    kind = "good" if result["passed"] else "warn" if result["severity"] == "warn" else "bad"
    return f'<span class="state {kind}">{_STATES[kind]}</span>'


def rows_table(rows: Sequence[Mapping[str, Any]], offending: int, column: str = "") -> str:
    """The first rows that break a rule, as they stand in its frame; what the rule is about right behind their name."""
    if not rows:
        return ""
    names = sorted(rows[0], key=lambda name: name not in (next(iter(rows[0])), column))
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{_text(row.get(name))}</td>" for name in names) + "</tr>" for row in rows)
    said = f"{len(rows)} of {offending:,} rows that break it:" if offending > len(rows) else "Rows that break it:"
    return f"<div class='rows'><p>{said}</p><table><tr>{head}</tr>{body}</table></div>"


def _text(value: Any) -> str:
    return "" if value is None else html.escape(f"{value:.6g}" if isinstance(value, float) else str(value))


def _state(results: Sequence[Result]) -> str:
    broken = [result for result in results if not result["passed"]]
    worst = max(broken, key=lambda result: result["severity"] != "warn", default={"passed": True})
    return badge(worst) if results else ""


def _broken(results: Sequence[Result]) -> str:
    return html.escape(", ".join(str(result["check"]) for result in results if not result["passed"]))


def _summary(results: Sequence[Result]) -> str:
    broken = [result for result in results if not result["passed"]]
    failed = sum(result["severity"] != "warn" for result in broken)
    said = f"{len(results) - len(broken)} of {len(results)} rules kept"
    said += f", {failed} failed" if failed else ""
    return said + (f", {len(broken) - failed} warned" if len(broken) > failed else "") + "."


def _navigation(stage: str, stages: Sequence[str]) -> str:
    if not stages:
        return ""
    links = [
        f"<a href='{html.escape(one)}.html'{' aria-current=page' if one == stage else ''}>{html.escape(one)}</a>"
        for one in stages
    ]
    return "<nav><a href='index.html'>Data Docs</a>" + "".join(links) + "</nav>"


def _card(head: Sequence[str], rows: Sequence[str], kind: str = "card") -> str:
    cells = "".join(f"<th>{name}</th>" for name in head)
    return f'<div class="{kind}"><table><thead><tr>{cells}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _document(title: str, body: str) -> bytes:
    return (
        "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        # Without this line browsers ask the server for a favicon.
        "<link rel='icon' href='data:,'>"
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body><main>{body}"
        "<footer>Validated and described by Great Expectations.</footer></main></body></html>\n"
    ).encode()
