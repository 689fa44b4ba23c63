"""Asset checks: one per rule of a stage's suite, all of a stage found in one pass of Great Expectations; and what they
found, kept beside the stage's table in the store.

Dagster stops what comes after a failed blocking check in the same run, but a later run may begin after it. So whoever
takes a table from the store looks at its check results first, and the published manifest quotes them. A result says
which rule was applied with which arguments, to which table, beside which others: only one of the present rules, on
this very table and those that it was made of, counts. Each check has its own, for checks can be run one by one.
"""

import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import dagster as dg

from brev_pipeline.config import PipelineConfig
from brev_pipeline.errors import StoreError
from brev_pipeline.expectations import SUITES, Finding, Rule
from brev_pipeline.expectations.rules import describe_finding
from brev_pipeline.orchestration.steps import asset_key, record_pace, retry_or_fail
from brev_pipeline.provenance import Lineage
from brev_pipeline.stages import inputs_of, table_stages
from brev_pipeline.store import Folder, PipelineStore
from brev_pipeline.store.hashed_files import short_sha256

_COLUMN_TYPES: Final = {bool: "bool", int: "int", float: "float"}
_FILE_NAME: Final = re.compile(r"\.checks\.(?P<time>[0-9TZ.]+)\.(?P<run>[^/]+)\.(?P<sha256>[0-9a-f]{32})\.json")
CheckRecord = dict[str, Any]
"""What is kept of one check of one table: `summarize_finding`, and which tables it was about."""


def build_asset_checks(config: PipelineConfig) -> list[dg.AssetChecksDefinition]:
    """The blocking checks of a pipeline, one definition per stage."""
    return [_build_stage_checks(config, stage) for stage in table_stages()]


def _build_stage_checks(config: PipelineConfig, stage: str) -> dg.AssetChecksDefinition:
    key = asset_key(config.name, stage)
    rules = SUITES[stage](config)

    @dg.multi_asset_check(
        name=f"{config.name}__{stage}_suite",
        description=f"The suite of {stage}: {len(rules)} rules, by Great Expectations.",
        specs=[
            dg.AssetCheckSpec(
                rule.name,
                asset=key,
                description=rule.says,
                blocking=True,
                additional_deps=[asset_key(config.name, name) for name in inputs_of(stage)],
            )
            for rule in rules
        ],
        ins={
            name: dg.AssetIn(asset_key(config.name, name), input_manager_key=f"{config.name}__tables")
            for name in (stage, *inputs_of(stage))
        },
        compute_kind="great_expectations",
        # Each check can be run by itself, as after a tolerance was changed.
        can_subset=True,
        pool=config.name,
    )
    def suite(context: dg.AssetCheckExecutionContext, **tables: Any) -> Iterator[dg.AssetCheckResult]:
        # All results are yielded before the step ends; a list that is returned would be lost with a failure.
        with retry_or_fail(context, config.retry):
            asked = {check.name for check in context.selected_asset_check_keys}
            began = time.perf_counter()
            findings, page = _evaluate_rules(context, config, stage, tables, asked)
            record_pace(context, config, f"{stage}.checks", None, time.perf_counter() - began)
        made_by = tables[stage].name.partition("/")[0]
        earlier_run = None if made_by == context.run.run_id else made_by
        for finding in findings:
            yield _build_check_result(key, finding, page, earlier_run)

    return suite


def _evaluate_rules(
    context: Any, config: PipelineConfig, stage: str, tables: dict[str, Any], asked: set[str]
) -> tuple[list[Finding], str]:
    """What the rules that were asked for found, and where the page about it lies."""
    from brev_pipeline.expectations.frames import build_frames
    from brev_pipeline.expectations.validate import validate_frames
    from brev_pipeline.release.assignments import read_baseline
    from brev_pipeline.tables import give_memory_back

    give_memory_back()
    rules = [rule for rule in SUITES[stage](config) if rule.name in asked]
    store = PipelineStore.from_config(config)
    newest = store.publications.read_newest()
    findings = validate_frames(rules, build_frames(stage, tables, config, read_baseline(config, stage)))
    table, number = tables[stage], newest.number if newest else 0
    return findings, CheckResultStore(store.tables).write(
        table.name, stage, findings, table.lineage, context.run.run_id, publication=number
    )


def _build_check_result(key: dg.AssetKey, finding: Finding, page: str, earlier_run: str | None) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.ERROR if finding.rule.severity == "error" else dg.AssetCheckSeverity.WARN
    metadata: dict[str, Any] = {"rule": finding.rule.says, "expectation": finding.rule.expectation}
    if finding.observed is not None:
        observed = finding.observed
        metadata["observed"] = round(observed, 6) if isinstance(observed, float) else observed
    optional = {
        "offending rows": finding.offending,
        "examples": _build_table_metadata(finding.rows) if finding.rows else None,
        "reason": finding.reason,
        "what to do": finding.advice,
    }
    metadata |= {name: value for name, value in optional.items() if value}
    metadata["data docs"] = dg.MetadataValue.path(page)
    description = describe_finding(finding)
    if earlier_run and not finding.passed:
        # As after "Re-execute from failure": what was repaired since is not in this table.
        description += (
            f". This is the table of run {earlier_run}, as the data were then: if they were repaired since, launch "
            "the whole job"
        )
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=finding.rule.name,
        passed=finding.passed,
        severity=severity,
        metadata=metadata,
        description=description,
    )


def _build_table_metadata(rows: list[dict[str, Any]]) -> dg.MetadataValue:
    """Rows as Dagster's table; it takes text, numbers and truth values only."""
    plain = (str, int, float, bool, type(None))
    records = [
        dg.TableRecord({key: value if isinstance(value, plain) else str(value) for key, value in row.items()})
        for row in rows
    ]
    columns = []
    for key in rows[0]:
        types = {type(row[key]) for row in rows if row[key] is not None}
        name = _COLUMN_TYPES.get(types.pop(), "string") if len(types) == 1 else "string"
        columns.append(dg.TableColumn(key, type=name))
    return dg.MetadataValue.table(records=records, schema=dg.TableSchema(columns=columns))


class NotValidatedError(StoreError):
    """A table may not be used: its checks failed, or never ran as they are now."""


@dataclass(frozen=True)
class CheckResultStore:
    """The check results of one pipeline's tables, in its ``tables`` folder."""

    tables: Folder

    def write(
        self,
        table: str,
        stage: str,
        findings: Sequence[Finding],
        lineage: Lineage,
        run_id: str,
        publication: int | None = None,
    ) -> str:
        """Keep what a run of checks, of the whole suite or of some, found of a table, for programs and for people.

        ``table`` is its name in the folder, ``publication`` the number of the newest one at that time, which rules
        about history compared with (0: none). Returns where the page for people lies (HTML, whole in itself).
        """
        from brev_pipeline.expectations.data_docs import keep_finding, render_stage_page

        results = json.loads(json.dumps([keep_finding(finding) for finding in findings], default=str))
        about = {**_identify_tables(stage, lineage), "publication": publication}
        record = {
            "checks": [
                {**summarize_finding(finding), **about, "result": result}
                for finding, result in zip(findings, results, strict=True)
            ]
        }
        data = (json.dumps(record, indent=1, ensure_ascii=False, default=str) + "\n").encode()
        page = self._write_page(table.removesuffix(".parquet"), render_stage_page(stage, results))
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self.tables.create_file(f"{table}.checks.{stamp}.{run_id}.{short_sha256(data)}.json", data, exist_ok=True)
        return page

    def _write_page(self, stem: str, page: bytes) -> str:
        """Where the page lies: beside the table, behind those of earlier checks of it."""
        number = 1
        while True:
            name = f"{stem}.validation.html" if number == 1 else f"{stem}.validation.{number}.html"
            if self.tables.create_file(name, page, exist_ok=True):
                return self.tables.file_url(name)
            number += 1

    def read_newest(self, table: str) -> dict[str, CheckRecord]:
        """Check → its newest result for ``table``; empty where it was never checked.

        Raises:
            StoreError: a result is damaged.
        """
        folder_name, _, name = table.rpartition("/")
        folder, files = self.tables / folder_name, []
        for file in folder.list_names():
            parts = _FILE_NAME.fullmatch(file.removeprefix(name)) if file.startswith(name) else None
            if parts:
                files.append((parts["time"], file, parts["sha256"]))
        newest: dict[str, CheckRecord] = {}
        for _, file, digest in sorted(files):
            data = folder.read(file)
            if short_sha256(data) != digest:
                raise StoreError(
                    f"{folder.file_url(file)} is damaged: its bytes are not those that it is named by; remove it, and "
                    "run the checks of its stage again"
                )
            newest |= {entry["check"]: entry for entry in json.loads(data)["checks"]}
        return newest

    def require_passed(self, table: str, stage: str, rules: Sequence[Rule], lineage: Lineage) -> list[CheckRecord]:
        """The results for a table, one per rule of the stage as it is now, in their order, if they let it be used.

        Raises:
            NotValidatedError: a check of severity error failed; or a rule was never applied as it is now to this
                table and those that it was made of. The message names them, and says what to do.
            StoreError: a result is damaged.
        """
        results, about = self.read_newest(table), _identify_tables(stage, lineage)
        wanted = {rule.name: {**_describe_rule(rule), **about} for rule in rules}
        missing = [
            name
            for name, asked in wanted.items()
            if any(results.get(name, {}).get(key) != value for key, value in asked.items())
        ]
        if missing:
            as_now = f"not validated by its rules as they are now ({', '.join(missing)})"
            raise NotValidatedError(
                f"{stage} ({table}) was {as_now if results else 'never validated'}: run the checks of {stage}, or "
                "materialize it together with them, then run again"
            )
        failed = [name for name in wanted if not results[name]["passed"] and results[name]["severity"] == "error"]
        if failed:
            raise NotValidatedError(
                f"{stage} ({table}) failed its check(s) {', '.join(failed)}: mend the data and launch the whole job; "
                f"or, where a tolerance was wrong, correct `validation` and run the checks of {stage} again"
            )
        return [results[name] for name in wanted]


def summarize_finding(finding: Finding) -> CheckRecord:
    """What is kept of a finding: the rule as it was applied, and what came of it."""
    return {
        **_describe_rule(finding.rule),
        "passed": finding.passed,
        "observed": finding.observed,
        "offending": finding.offending,
        "advice": finding.advice,
    }


def _describe_rule(rule: Rule) -> CheckRecord:
    return {
        "check": rule.name,
        "says": rule.says,
        "severity": rule.severity,
        "frame": rule.frame,
        "expectation": rule.expectation,
        # As they are read back, where tuples are lists: results on record are compared with the rules of now.
        "arguments": json.loads(json.dumps(dict(rule.arguments))),
        "history": rule.of_history,
    }


def _identify_tables(stage: str, lineage: Lineage) -> CheckRecord:
    """The table that is checked, and those that it was made of and compared with."""
    return {"table_id": lineage[stage].id, "compared_with": {name: lineage[name].id for name in inputs_of(stage)}}
