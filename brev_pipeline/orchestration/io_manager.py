"""Dagster's IO manager for the stages' tables: Parquet in the store, one folder per run, never overwritten.

A table that comes from an earlier run is taken only if it was made by the present configuration and code (see
`provenance`), and if its checks passed (see `asset_checks`), users' own among them (see `user_checks`). One that was
recorded and is gone fails for good: retrying does not bring it back.
"""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import dagster as dg

from brev_pipeline.config import PipelineConfig
from brev_pipeline.errors import StoreError
from brev_pipeline.expectations import SUITES
from brev_pipeline.orchestration.asset_checks import CheckRecord, CheckResultStore
from brev_pipeline.orchestration.steps import retry_or_fail
from brev_pipeline.orchestration.user_checks import TABLE_KEY, record_checked_table, require_user_checks
from brev_pipeline.provenance import Lineage, check_current, read_lineage
from brev_pipeline.stages import table_stages
from brev_pipeline.store import PipelineStore, StoredTable
from brev_pipeline.store.hashed_files import hashed_name
from brev_pipeline.store.parquet import to_parquet

if TYPE_CHECKING:
    import pyarrow as pa

# Of a table in its run's folder: a retry of a step writes the next number; what it holds is named by its hash.
_TABLE_NAME: Final = re.compile(r"(?P<stage>\w+)\.(?P<number>\d+)\.(?P<sha256>[0-9a-f]{32})\.parquet")


@dataclass(frozen=True)
class StageTable(StoredTable):
    """A stage's table as it was loaded.

    Attributes:
        stage: whose table it is.
        lineage: what made it.
        check_results: of its suite, in the rules' order; empty where the checks themselves load it.
        user_checks: what users' blocking checks said of it: check, severity, passed.
    """

    stage: str = ""
    lineage: Lineage = field(default_factory=dict, repr=False)
    check_results: list[CheckRecord] = field(default_factory=list, repr=False)
    user_checks: list[dict[str, Any]] = field(default_factory=list, repr=False)


class TableIOManager(dg.IOManager):
    """Keeps the tables of one pipeline."""

    def __init__(self, config: PipelineConfig) -> None:
        self._config = config
        self._tables = PipelineStore.from_config(config).tables
        self._rules = {stage: SUITES[stage](config) for stage in table_stages()}
        self._loaded: dict[tuple[str, str], dict[str, Lineage]] = {}

    def handle_output(self, context: dg.OutputContext, table: Any) -> None:
        """Write a stage's table; its place, schema and rows become metadata of the materialization."""
        stage = context.asset_key.path[-1]
        with retry_or_fail(context, self._config.retry):
            data, number = to_parquet(table), len(self._list_run_tables(context.run_id, stage)) + 1
            name = hashed_name(f"{context.run_id}/{stage}.{number}", data)
            self._tables.create_file(name, data)
        context.add_output_metadata(
            {
                TABLE_KEY: name,
                "address": dg.MetadataValue.path(self._tables.file_url(name)),
                "dagster/row_count": table.num_rows,
                "dagster/column_schema": build_column_schema(table.schema),
            }
        )

    def load_input(self, context: dg.InputContext) -> StageTable:
        """A stage's table, to read what is wanted of it: this run's, or else the newest that was materialized."""
        stage = context.asset_key.path[-1]
        with retry_or_fail(context, self._config.retry):
            name = self.find_table(context, stage)
            lineage = read_lineage(StoredTable(self._tables, name, verified=True).metadata, stage, name)
            step = (context.step_context.run_id, context.step_context.step.key)
            if step not in self._loaded:
                self._loaded = {step: {}}  # a step begins: what others loaded is no matter any more
            self._loaded[step][stage] = lineage
            check_current(self._config, self._loaded[step])
            ours = {of: {rule.name for rule in rules} for of, rules in self._rules.items()}
            if checks := _list_checks_of_step(context):
                if not checks <= ours[stage]:
                    record_checked_table(self._tables, context.step_context, name)
                return StageTable(self._tables, name, True, None, stage, lineage)
            return StageTable(
                self._tables,
                name,
                verified=True,
                stage=stage,
                lineage=lineage,
                check_results=CheckResultStore(self._tables).require_passed(name, stage, self._rules[stage], lineage),
                user_checks=require_user_checks(
                    context.step_context, self._config.name, self._tables, ours, stage, name, lineage
                ),
            )

    def find_table(self, context: dg.InputContext, stage: str) -> str:
        """Name of the newest table of ``stage`` that this run may see, below the ``tables`` folder."""
        run_id = context.step_context.run_id
        if names := self._list_run_tables(run_id, stage):
            return f"{run_id}/{names[-1]}"
        event = context.instance.get_latest_materialization_event(context.asset_key)
        materialization = event.asset_materialization if event else None
        if materialization is None or TABLE_KEY not in materialization.metadata:
            raise StoreError(f"{context.asset_key.to_user_string()} was never materialized: materialize it first")
        return str(materialization.metadata[TABLE_KEY].value)

    def _list_run_tables(self, run_id: str, stage: str) -> list[str]:
        """A run's tables of a stage, oldest first."""
        tables = filter(None, map(_TABLE_NAME.fullmatch, (self._tables / run_id).list_names()))
        of_stage = [parts for parts in tables if parts["stage"] == stage]
        # Not by name: the tenth retry's would come before the second's.
        return [parts[0] for parts in sorted(of_stage, key=lambda parts: int(parts["number"]))]


def _list_checks_of_step(context: dg.InputContext) -> set[str]:
    """Checks of the asset that the step which loads it is there for: they look at what nobody else may use before."""
    step = context.step_context
    definition = step.job_def.asset_layer.get_assets_def_for_node(step.node_handle)
    if definition is None or definition.keys:
        return set()
    return {check.name for check in definition.check_keys if check.asset_key == context.asset_key}


def build_column_schema(schema: "pa.Schema") -> dg.TableSchema:
    """Dagster's view of a table's columns, with the descriptions of `brev_pipeline.tables`."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=field.name,
                type=str(field.type),
                description=(field.metadata or {}).get(b"description", b"").decode() or None,
                constraints=dg.TableColumnConstraints(nullable=field.nullable),
            )
            for field in schema
        ]
    )
