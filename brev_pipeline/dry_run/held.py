"""Held: a table in memory where others lie in the store."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Held:
    """A table as `tables.Columns`."""

    table: pa.Table

    @property
    def names(self) -> list[str]:
        """Names of its columns."""
        names: list[str] = self.table.column_names
        return names

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """These columns of it (those that it has, each once), or all."""
        if columns is None:
            return self.table
        return self.table.select([name for name in dict.fromkeys(columns) if name in self.table.column_names])
