"""A frame's columns as plain values: what the callables of `map` are given."""

from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

Columns = dict[str, npt.NDArray[Any]]


def columns_of(samples: "pd.DataFrame") -> Columns:
    """Each column as an array of the rows' values.

    Numbers and truth values stay what they are; lists become tuples; paths become text; a missing text is None, a
    missing list is empty.
    """
    return {str(name): _values(samples[name]) for name in samples.columns}


def _values(column: "pd.Series[Any]") -> npt.NDArray[Any]:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        return column.to_numpy()
    if getattr(column.dtype, "kind", "O") in "biuf":  # pandas' own kinds, which can miss values
        return column.to_numpy(dtype=float, na_value=np.nan) if column.hasnans else np.array(column.tolist())
    values = np.empty(len(column), dtype=object)
    for place, (value, missing) in enumerate(zip(column, column.isna(), strict=True)):
        values[place] = None if missing is True else _plain(value)
    if any(isinstance(value, tuple) for value in values):
        values[:] = [() if value is None else value for value in values]
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, list | np.ndarray):
        return tuple(value)
    return fspath(value) if isinstance(value, PathLike) else value
