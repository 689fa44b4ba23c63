"""Asset checks: one per rule of a stage's suite, all of a stage found in one pass of Great Expectations."""

import time
from collections.abc import Iterator
from typing import Any

import dagster as dg

from brev_pipeline.config import PipelineConfig
from brev_pipeline.expectations import SUITES, Finding
from brev_pipeline.expectations.rules import describe_finding
from brev_pipeline.orchestration.steps import asset_key, record_pace, retry_or_fail
from brev_pipeline.stages import inputs_of, table_stages


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
        for finding in findings:
            yield _build_check_result(key, finding, page, _find_earlier_run(context, tables[stage].name))

    return suite


def _evaluate_rules(
    context: Any, config: PipelineConfig, stage: str, tables: dict[str, Any], asked: set[str]
) -> tuple[list[Finding], str]:
    """What the rules that were asked for found, and where the page about it lies."""
    from brev_pipeline.expectations.frames import build_frames
    from brev_pipeline.expectations.validate import validate_frames
    from brev_pipeline.orchestration.check_results import CheckResultStore
    from brev_pipeline.release.baseline import read_baseline
    from brev_pipeline.store import PipelineStore
    from brev_pipeline.tables import give_memory_back

    give_memory_back()
    rules = [rule for rule in SUITES[stage](config) if rule.name in asked]
    store = PipelineStore.from_config(config)
    newest = store.publications.read_newest()
    findings = validate_frames(rules, build_frames(stage, tables, config, read_baseline(config, stage)))
    own, number = tables[stage], newest.number if newest else 0
    return findings, CheckResultStore(store.tables).write(
        own.name, stage, findings, own.lineage, context.run.run_id, publication=number
    )


def _find_earlier_run(context: Any, table: str) -> str | None:
    """The run that made the table, if it is another one."""
    made_by = table.partition("/")[0]
    return None if made_by == context.run.run_id else made_by


def _build_check_result(key: dg.AssetKey, finding: Finding, page: str, earlier_run: str | None) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.ERROR if finding.rule.severity == "error" else dg.AssetCheckSeverity.WARN
    metadata: dict[str, Any] = {"rule": finding.rule.says, "expectation": finding.rule.expectation}
    if finding.observed is not None:
        metadata["observed"] = _round(finding.observed)
    if finding.offending:
        metadata["offending rows"] = finding.offending
    if finding.rows:
        metadata["examples"] = _build_table_metadata(finding.rows)
    if finding.reason:
        metadata["reason"] = finding.reason
    if finding.advice:
        metadata["what to do"] = finding.advice
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


def _round(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value


def _build_table_metadata(rows: list[dict[str, Any]]) -> dg.MetadataValue:
    """Rows as Dagster's table; it takes text, numbers and truth values only."""
    plain = (str, int, float, bool, type(None))
    records = [
        dg.TableRecord({key: value if isinstance(value, plain) else str(value) for key, value in row.items()})
        for row in rows
    ]
    types = {key: _name_column_type({type(row[key]) for row in rows if row[key] is not None}) for key in rows[0]}
    columns = [dg.TableColumn(name, type=kind) for name, kind in types.items()]
    return dg.MetadataValue.table(records=records, schema=dg.TableSchema(columns=columns))


def _name_column_type(types: set[type]) -> str:
    names = {bool: "bool", int: "int", float: "float"}
    return names.get(types.pop(), "string") if len(types) == 1 else "string"
