"""Rows: tables as the sections read them, a column at a time; what is only counted or compared becomes numbers.

A listing may have tens of millions of rows. Texts of one column take some sixty bytes a row then, their numbers four.
So a section holds the texts of a column or two while it numbers them, and asks for further columns of the few rows
that it shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline import texts
from brev_pipeline.tables import Columns
from brev_pipeline.texts import join_names

Codes = npt.NDArray[np.int32]
Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
CLASS = "class"


@dataclass(frozen=True)
class EncodedColumn:
    """A column as numbers: in a row stands ``values[codes[row]]``, or null where the code is −1."""

    codes: Codes
    values: pa.Array

    def take_rows(self, rows: npt.NDArray[Any]) -> "EncodedColumn":
        """Of some rows."""
        return EncodedColumn(self.codes[rows], self.values)

    def match_any(self, values: Sequence[Any]) -> Mask:
        """(rows,) whether one of the values stands there."""
        wanted = pc.index_in(pa.array(values, self.values.type), value_set=self.values)
        return np.isin(self.codes, wanted.drop_null().to_numpy())


@dataclass(frozen=True)
class TableView:
    """The rows of a table of images or records, also with the column ``class``; rows not ``listed`` are left out.

    Args:
        source: the table. Nothing of it is kept but which rows are listed.
    """

    source: Columns

    @cached_property
    def names(self) -> list[str]:
        """The table's own columns."""
        return self.source.names

    @cached_property
    def _listed(self) -> pa.ChunkedArray | None:
        return self.source.read(["listed"])["listed"] if "listed" in self.names else None

    def read_column(self, name: str, where: Mask | None = None) -> pa.ChunkedArray:
        """A column, or some of its rows; ``class`` is an image's category, several joined with commas."""
        column = self._read_own(name)
        return _join_classes(name, column if where is None else column.filter(pa.array(where)))

    def encode_column(self, name: str, where: Mask | None = None) -> EncodedColumn:
        """A column, or some of its rows, as numbers."""
        return encode_column(self.read_column(name, where))

    def read_rows(self, names: Sequence[str], rows: npt.NDArray[Any]) -> pa.Table:
        """Columns of the rows with some numbers, in their order; no other column is in memory with one of them."""
        return pa.table({name: _join_classes(name, pick_rows(self._read_own(name), rows)) for name in names})

    def count_values(self, *names: str) -> list[dict[str, Any]]:
        """How often each combination of values occurs, as `count_values` gives it."""
        return count_values({name: self.encode_column(name) for name in names})

    def explode_categories(self) -> tuple[EncodedColumn, Numbers]:
        """Every category of every row, and its row; a row of several has several, one of none has ``""``."""
        return explode_categories(self._read_own("category"))

    def _read_own(self, name: str) -> pa.ChunkedArray:
        """The column of the table that a column is, or is made of."""
        own = "category" if name == CLASS else name
        column = self.source.read([own])[own]
        return column if self._listed is None else column.filter(self._listed)


def _join_classes(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.fill_null(join_names(column, ", "), "") if name == CLASS else column


def explode_categories(column: pa.ChunkedArray) -> tuple[EncodedColumn, Numbers]:
    """Every category of a column of lists, and the number of its row; where there is none stands ``""``."""
    names, rows = pc.list_flatten(column), pc.list_parent_indices(column).to_numpy()
    bare = np.flatnonzero(pc.fill_null(pc.list_value_length(column), 0).to_numpy() == 0)
    if len(bare):
        names = pa.chunked_array([*names.chunks, pa.repeat(pa.scalar("", names.type), len(bare))], names.type)
    return encode_column(names), np.concatenate([rows, bare])


def pick_rows(column: pa.ChunkedArray, rows: npt.NDArray[Any]) -> pa.ChunkedArray:
    """Some rows of a column, in the order of ``rows``."""
    # `take` alone would copy the whole of a column that comes in pieces.
    ordered, back = np.unique(rows, return_inverse=True)
    mask = np.zeros(len(column), bool)
    mask[ordered] = True
    return column.filter(pa.array(mask)).take(pa.array(back))


def encode_column(column: pa.ChunkedArray) -> EncodedColumn:
    """A column as numbers."""
    return EncodedColumn(*texts.number_values(column))


def group_rows(keys: Mapping[str, EncodedColumn], aggregates: list[Any], **others: Any) -> pa.Table:
    """One row per combination of the keys' values: the keys, and what is aggregated as `pyarrow` names it.

    Args:
        keys: columns by name.
        aggregates: as for `pyarrow.TableGroupBy.aggregate`.
        **others: further columns, to be aggregated.
    """
    codes = {name: pa.array(key.codes) for name, key in keys.items()}
    found = pa.table(codes | others).group_by(list(keys), use_threads=False).aggregate(aggregates)
    for name, key in keys.items():
        at = found[name].to_numpy()
        found = found.set_column(found.column_names.index(name), name, key.values.take(pa.array(at, mask=at < 0)))
    return found


def count_values(keys: Mapping[str, EncodedColumn]) -> list[dict[str, Any]]:
    """How often each combination of values occurs: columns and ``count``, the most frequent first, then by value."""
    found = group_rows(keys, [([], "count_all")]).rename_columns([*keys, "count"])
    order = [("count", "descending"), *((name, "ascending") for name in keys)]
    rows: list[dict[str, Any]] = found.sort_by(order).to_pylist()
    return rows


def first_rows(keys: pa.Table, most: int, among: Mask | None = None) -> Numbers:
    """Numbers of the first rows by a table's columns; of equal rows the one that stands first is the first.

    Args:
        keys: by which, ascending; without nulls.
        most: numbers wanted.
        among: (rows,) which rows may be chosen; None: all.
    """
    rows = np.arange(keys.num_rows) if among is None else np.flatnonzero(among)
    keys = keys if len(rows) == keys.num_rows else keys.filter(pa.array(among))
    keys = keys.append_column(_ROW, pa.array(rows))
    chosen = pc.select_k_unstable(keys, min(most, len(rows)), [(name, "ascending") for name in keys.column_names])
    found: Numbers = rows[chosen.to_numpy()]
    return found


_ROW = "number of the row"
