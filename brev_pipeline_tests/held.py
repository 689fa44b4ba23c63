"""Tables in memory where the package reads them from the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Held:
    """A table as `brev_pipeline.tables.Columns`."""

    table: pa.Table

    @property
    def names(self) -> list[str]:
        """Of its columns."""
        return self.table.column_names

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """These columns, or all."""
        if columns is None:
            return self.table
        return self.table.select([name for name in dict.fromkeys(columns) if name in self.table.column_names])


def held(tables: Mapping[str, pa.Table]) -> dict[str, Held]:
    """Each of some tables so."""
    return {name: Held(table) for name, table in tables.items()}
