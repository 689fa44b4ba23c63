"""Which images make a sampling group: equality in the configured columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import SamplingError
from brev_pipeline.texts import TEXT, join_names

_BETWEEN_COLUMNS: Final = " / "
_BETWEEN_NAMES: Final = ", "
# Names hold no control characters, so this tells ["a, b"] from ["a", "b"].
_UNIT: Final = "\x1f"


@dataclass(frozen=True)
class SamplingGroups:
    """A division of a table's rows into groups."""

    names: list[str]
    """Name of each group: its columns' values joined with ``" / "``; groups are sorted by their values."""
    columns: dict[str, list[str]]
    """Of each column, each group's value as text; the names of a list joined with ``", "``."""
    index: npt.NDArray[np.int64]
    """Shape (rows,): group of each row."""

    @property
    def image_counts(self) -> npt.NDArray[np.int64]:
        """Shape (groups,): rows in each group."""
        return np.bincount(self.index, minlength=len(self.names))


def group_images(table: pa.Table, groupby: Sequence[str]) -> SamplingGroups:
    """Divide the rows of a table into groups that agree in all columns of ``groupby``; every row is in one.

    Args:
        table: has the columns of ``groupby``, of text, numbers or lists of text, and ``path``.
        groupby: columns; at least one, each once.

    Raises:
        SamplingError: a column is missing, or a row has no value in it; or two groups would have one name.
    """
    encoded = [_encode_column(table, column) for column in groupby]
    index = np.zeros(table.num_rows, dtype=np.int64)
    for codes, texts in encoded:
        # Compacted at each step, so that many columns cannot overflow 64 bits.
        index = np.unique(index * len(texts) + codes, return_inverse=True)[1].astype(np.int64)
    first = np.unique(index, return_index=True)[1]
    columns = {name: [texts[i] for i in codes[first]] for name, (codes, texts) in zip(groupby, encoded, strict=True)}
    names = [_BETWEEN_COLUMNS.join(values) for values in zip(*columns.values(), strict=True)]
    _require_distinct_names(names)
    return SamplingGroups(names, columns, index)


def _encode_column(table: pa.Table, column: str) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Rank of each row's value among the column's sorted distinct values, and these as text."""
    if column not in table.column_names:
        raise SamplingError(f"sampling.groupby names the column {column!r}; there are {', '.join(table.column_names)}")
    values = _column_texts(table.column(column))
    _require_values(table, column, values)
    coded = values.combine_chunks().dictionary_encode()
    order = pc.sort_indices(coded.dictionary).to_numpy()
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    texts = [text.replace(_UNIT, _BETWEEN_NAMES) for text in coded.dictionary.take(order).to_pylist()]
    return rank[coded.indices.to_numpy()], texts


def _column_texts(values: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = values.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return join_names(values, _UNIT)
    if pa.types.is_floating(kind):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, kind), values)
    return values.cast(TEXT)


def _require_values(table: pa.Table, column: str, values: pa.ChunkedArray) -> None:
    if not values.null_count:
        return
    paths: list[Any] = table.column("path").filter(pc.is_null(values)).slice(0, 3).to_pylist()
    raise SamplingError(
        f"{values.null_count} images have no value in {column!r}, which sampling.groupby names, and would never be "
        f"drawn; the first: {', '.join(map(str, paths))}. Fill the column or group by another"
    )


def _require_distinct_names(names: list[str]) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else ()):
        raise SamplingError(
            f"different groups have the same name {twice[0]!r}, because a value contains {_BETWEEN_COLUMNS!r} or "
            f"{_BETWEEN_NAMES!r}; rename the folders or classes, or set sampling.groupby to other columns"
        )
