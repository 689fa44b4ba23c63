"""The verdicts derived anew: every rule of the suites applied to the version's own tables, beside the manifest's.

The rules are those of the pipeline's runs, on the same frames; they are applied here by plain comparison, without
Great Expectations. What a run observed of history (rules about the version before) stands in no manifest.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.audit.derived_listing import derive_facts
from brev_pipeline.audit.derived_split import read_ledger_before
from brev_pipeline.audit.version_claims import CodeDependent, Finding, VersionClaims, depend_on_code
from brev_pipeline.expectations.frames import Baseline, build_frames
from brev_pipeline.expectations.rules import Rule
from brev_pipeline.expectations.suites import SUITES
from brev_pipeline.split.label_map import attach_classes
from brev_pipeline.table_metadata import note_found
from brev_pipeline.tables import InMemoryTable
from brev_pipeline.texts import TEXT

if TYPE_CHECKING:
    import pandas as pd

_OUTCOME: Final = ("passed", "observed", "offending")
# Frames of the split that leave out what a given split names: not derived where its files are not at hand.
_BY_GIVEN: Final = ("strata", "oversize")
# Columns that name a row of a frame, the plainest first.
_NAMING: Final = ("path", "source_path", "stratum", "group", "class", "content_id", "purpose")


def rule_contradictions(claims: VersionClaims) -> Iterator[Finding]:
    """Rules whose verdict in the manifest is not what the tables give, that are missing there, or not ours."""
    tables = _stage_tables(claims)
    said: Mapping[str, Sequence[Mapping[str, Any]]] = claims.manifest["checks"]
    if set(said) != set(SUITES):
        line = f"manifest.json: checks has {sorted(said)}, the suites are {sorted(SUITES)}"
        yield CodeDependent(line, frozenset(set(said) ^ set(SUITES)))
        return
    given = read_ledger_before(claims).given
    lacking = claims.config.split.given is not None and claims.config.split.given.input_files and given is None
    for stage, suite in SUITES.items():
        rules = {rule.name: rule for rule in suite(claims.config)}
        checks = {str(check["check"]): check for check in said[stage]}
        yield from _compare_rules(stage, rules, checks)
        if stage not in tables:
            continue  # of a stage that somebody added: its table is no part of a version
        judged = [rule for rule in rules.values() if rule.name in checks and not rule.of_history]
        if lacking and stage == "sample_split":
            judged = [rule for rule in judged if rule.frame not in _BY_GIVEN]
        views = build_frames(stage, tables, claims.config, Baseline(given=given))
        for rule in judged:
            yield from _compare_verdict(stage, rule, checks[rule.name], views[rule.frame])
    for stage, others in sorted(claims.manifest.get("user_checks", {}).items()):
        for check in others:
            if not check.get("passed") and str(check.get("severity")).lower() == "error":
                name = f"{stage}.{check.get('check')}"
                yield f"manifest.json: the user's check {name} failed, and the version was published"


def _compare_rules(stage: str, rules: Mapping[str, Rule], checks: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """Rules that the manifest lacks, or has beyond the configuration's, or has with other arguments."""
    for name in sorted(rules.keys() ^ checks.keys()):
        what = "is missing" if name in rules else "is no rule of this package"
        yield from depend_on_code([f"manifest.json: the check {stage}.{name} {what}"], stage)
    for name in sorted(rules.keys() & checks.keys()):
        rule, check = rules[name], checks[name]
        # As the manifest has them: JSON makes lists of tuples.
        arguments = json.loads(json.dumps(dict(rule.arguments)))
        for key, value in (("severity", rule.severity), ("arguments", arguments)):
            if check.get(key) != value:
                line = (
                    f"manifest.json: {key} of the check {stage}.{name} is {check.get(key)}, the manifest's "
                    f"configuration gives {value}: the data were judged by another one"
                )
                yield from depend_on_code([line], stage)
        history = rule.of_history
        if bool(check.get("history")) != history or (history and any(key in check for key in _OUTCOME)):
            yield f"manifest.json: the check {stage}.{name} is {'' if history else 'not '}about history"


def _compare_verdict(stage: str, rule: Rule, check: Mapping[str, Any], frame: "pd.DataFrame") -> Iterator[Finding]:
    """What a rule finds, beside what the manifest says that it found; and a blocking rule that is broken."""
    broken = _find_broken_rows(rule, frame)
    offending = int(broken.sum())
    summary = rule.frame == "summary"
    found = {
        "passed": not offending,
        "observed": _plain_value(frame[rule.arguments["column"]].iloc[0]) if summary and len(frame) == 1 else None,
        "offending": 0 if summary else offending,
    }
    said = {key: check.get(key) for key in found}
    naming = next((name for name in _NAMING if name in frame), None)
    is_named = offending and not summary and naming is not None
    which = f", the first: {frame[naming][broken].iloc[0]}" if is_named else ""
    if said != found:
        line = f"manifest.json: the check {stage}.{rule.name} is said to have found {said}, the tables give {found}"
        # Older code may have counted otherwise; no code calls passed what failed.
        yield CodeDependent(line + which, frozenset({stage} if said["passed"] == found["passed"] else ()))
    elif offending and rule.severity == "error":
        # That it failed and was published nevertheless is said of the manifest's verdict.
        yield f"{stage}: {rule.says}: that is not so{which}"


def _find_broken_rows(rule: Rule, frame: "pd.DataFrame") -> Any:
    """(rows,) which rows break a rule; empty cells break none, as with Great Expectations.

    Raises:
        ValueError: the rule is of a kind that is not known here.
    """
    column, arguments = frame[rule.arguments["column"]], rule.arguments
    if rule.expectation == "ExpectColumnValuesToBeInSet":
        return column.notna() & ~column.isin(arguments["value_set"])
    if rule.expectation == "ExpectColumnValuesToBeUnique":
        return column.notna() & column.duplicated(keep=False)
    if rule.expectation == "ExpectColumnValuesToBeBetween":
        low, high = arguments.get("min_value"), arguments.get("max_value")
        broken = column.isna() & False
        broken = broken if low is None else broken | (column < low)
        return broken if high is None else broken | (column > high)
    raise ValueError(f"the rule {rule.name} is of a kind that is not known here: {rule.expectation}")


def _plain_value(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    # JSON has no NaN: the manifest says null of a value that there is none of.
    return None if isinstance(value, float) and value != value else value


def _stage_tables(claims: VersionClaims) -> dict[str, InMemoryTable]:
    """The tables as the stages' own, as far as a version holds them."""
    images, split = claims.tables["images"], claims.split_table
    # Where the pixels lay is no part of a version; that there are some shows in their size.
    there = images["prepared_height"].is_valid()
    images = images.append_column("file", pc.if_else(there, pa.scalar("", TEXT), pa.scalar(None, TEXT)))
    images = images.append_column("length", pc.if_else(there, 1, 0))
    split = split.append_column("assigned_by", pa.repeat(pa.scalar("", TEXT), len(split)))
    split = attach_classes(split, claims.manifest["classes"])
    listing = claims.tables["listing"]
    tables = {
        "raw_listing": note_found(listing, derive_facts(claims)),
        "sample_integrity": listing,
        "prepared_images": images,
        "sample_split": split,
        "sampling_weights": claims.tables["weights"],
        "tfrecord_shards": claims.tables["records"],
    }
    return {stage: InMemoryTable(table) for stage, table in tables.items()}
