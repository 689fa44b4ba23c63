"""Dagster's IO manager for the stages' tables: Parquet in the store, one folder per run, never overwritten.

A table that comes from an earlier run is taken only if its checks passed (see `verdicts`). One that was recorded
and is gone fails for good: retrying does not bring it back.
"""

from typing import TYPE_CHECKING, Any

import dagster as dg

from brev_pipeline.config.models import RetrySettings
from brev_pipeline.errors import StoreError
from brev_pipeline.orchestration.retries import failures_for_people
from brev_pipeline.orchestration.verdicts import Verdicts
from brev_pipeline.store import PipelineStore, StoredTable
from brev_pipeline.store.parquet import to_parquet

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = "table"
"""Metadata key: where the table lies, below the pipeline's ``tables`` folder."""


class StoreTables(dg.IOManager):
    """Keeps the tables of one pipeline.

    Args:
        store: the pipeline's store.
        retry: what to do about a store that cannot be reached just now.
        unchecked: load tables whether their checks passed or not, for the checks themselves.
    """

    def __init__(self, store: PipelineStore, retry: RetrySettings, *, unchecked: bool = False) -> None:
        self._store = store
        self._retry = retry
        self._unchecked = unchecked

    def handle_output(self, context: dg.OutputContext, table: Any) -> None:
        """Write a stage's table; its place, schema and rows become metadata of the materialization."""
        stage = context.asset_key.path[-1]
        with failures_for_people(context, self._retry):
            name = self._write(f"{context.run_id}/{stage}", to_parquet(table))
        context.add_output_metadata(
            {
                TABLE: name,
                "address": dg.MetadataValue.path(self._store.tables.place(name)),
                "dagster/row_count": table.num_rows,
                "dagster/column_schema": column_schema(table.schema),
            }
        )

    def load_input(self, context: dg.InputContext) -> StoredTable:
        """A stage's table, to read what is wanted of it: this run's, or else the newest that was materialized."""
        stage = context.asset_key.path[-1]
        with failures_for_people(context, self._retry):
            name = self.find(context, stage)
            if not self._unchecked:
                Verdicts(self._store.tables).require(name, stage)
            return StoredTable(self._store.tables, name)

    def find(self, context: dg.InputContext, stage: str) -> str:
        """Name of the newest table of ``stage`` that this run may see, below the ``tables`` folder."""
        run_id = context.step_context.run_id
        own = [name for name in (self._store.tables / run_id).names() if _is_table(name, stage)]
        if own:
            return f"{run_id}/{max(own, key=_number)}"
        event = context.instance.get_latest_materialization_event(context.asset_key)
        materialization = event.asset_materialization if event else None
        if materialization is None or TABLE not in materialization.metadata:
            raise StoreError(f"{context.asset_key.to_user_string()} was never materialized: materialize it first")
        return str(materialization.metadata[TABLE].value)

    def _write(self, stem: str, data: bytes) -> str:
        number = 1
        while True:
            # A retry of a step finds what its first try wrote; the newest number counts.
            name = f"{stem}.parquet" if number == 1 else f"{stem}.{number}.parquet"
            if self._store.tables.create(name, data, exist_ok=True):
                return name
            number += 1


def _is_table(name: str, stage: str) -> bool:
    return name.startswith(f"{stage}.") and name.endswith(".parquet")


def _number(name: str) -> int:
    middle = name.split(".")[1]
    return int(middle) if middle.isdigit() else 1


def column_schema(schema: "pa.Schema") -> dg.TableSchema:
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
