"""Columns: a frame's as plain values, samples stacked to a batch of arrays, the structure they are given out in."""

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from brev_pipeline.errors import SamplingError
from brev_pipeline.texts import TEXT

if TYPE_CHECKING:
    import pandas as pd


def stack_samples(samples: Sequence[dict[str, Any]]) -> dict[str, npt.NDArray[Any]]:
    """Each column with one axis more in front; text as text, tuples as an array of tuples.

    Raises:
        SamplingError: arrays of a column differ in shape, or a sample lacks a column.
    """
    return {name: stack_column(name, samples) for name in samples[0]}


def stack_column(name: str, samples: Sequence[dict[str, Any]]) -> npt.NDArray[Any]:
    """One column of `stack_samples`."""
    values = [take_value(name, sample) for sample in samples]
    if any(value is None or isinstance(value, tuple) for value in values):
        out = np.empty(len(values), dtype=object)
        out[:] = values
        return out
    arrays = [np.asarray(value) for value in values]
    for sample, array in zip(samples, arrays, strict=True):
        demand_shape(name, sample, array.shape, arrays[0].shape)
    return np.stack(arrays)


def take_value(name: str, sample: dict[str, Any]) -> Any:
    """A sample's value of a column; raises `SamplingError` if it has none."""
    if name not in sample:
        raise SamplingError(
            f"some samples have no {name!r}: a callable of map adds it to others only: let it add it to all"
        )
    return sample[name]


def demand_shape(name: str, sample: dict[str, Any], shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """Raise `SamplingError`, with the sample's path, if its array has another shape than the first sample's."""
    if shape != wanted:
        raise SamplingError(
            f"{name!r} of {sample.get('path', 'a sample')} has the shape {list(shape)}, that of another sample "
            f"{list(wanted)}: give the ImagePipeline a target_size, or take NumPy samples with batch=False"
        )


Columns = dict[str, npt.NDArray[Any]]


def extract_columns(samples: "pd.DataFrame") -> Columns:
    """Each column as an array of the rows' values.

    Numbers and truth values stay what they are; lists become tuples; paths become text; a missing text is None, a
    missing list is empty.
    """
    return {str(name): _column_values(samples[name]) for name in samples.columns}


def _column_values(column: "pd.Series[Any]") -> npt.NDArray[Any]:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        return column.to_numpy()
    if getattr(column.dtype, "kind", "O") in "biuf":  # pandas' own kinds, which can miss values
        return column.to_numpy(dtype=float, na_value=np.nan) if column.hasnans else np.array(column.tolist())
    values = np.empty(len(column), dtype=object)
    for row, (value, missing) in enumerate(zip(column, column.isna(), strict=True)):
        plain = tuple(value) if isinstance(value, list | np.ndarray) else value
        values[row] = None if missing is True else fspath(plain) if isinstance(plain, PathLike) else plain
    if any(isinstance(value, tuple) for value in values):
        values[:] = [() if value is None else value for value in values]
    return values


def to_arrow(column: "pd.Series[Any]") -> pa.ChunkedArray:
    """A column as Arrow: text, numbers and lists of them as they are; anything else as the text that it prints as."""
    if str(column.dtype) == "category":
        column = column.astype(object)  # its values are meant, of whatever kind, and not their numbers
    try:
        array = pa.Array.from_pandas(column)
        kind = array.type.value_type if pa.types.is_list(array.type) else array.type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        kind = None
    if kind is None or pa.types.is_nested(kind):
        there = column.notna()
        array = pa.array([str(value) if ok else None for value, ok in zip(column, there, strict=True)], TEXT)
    elif pa.types.is_null(array.type):
        array = array.cast(TEXT)
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


Structure = Any
"""A column's name; a tuple, list or dict of structures; in a dict None stands for the column of the key's name."""


def iterate_names(structure: Structure) -> Iterator[str]:
    """The columns that a structure names, in order.

    Raises:
        SamplingError: it holds something other than names, tuples, lists and dicts.
    """
    if isinstance(structure, str):
        yield structure
    elif isinstance(structure, Mapping):
        for key, value in structure.items():
            yield from iterate_names(key if value is None else value)
    elif isinstance(structure, tuple | list):
        for value in structure:
            yield from iterate_names(value)
    else:
        raise SamplingError(
            f"structure is made of column names, tuples and dicts, for example ('img', 'onehot'); got {structure!r}"
        )


def arrange_columns(columns: Mapping[str, Any], structure: Structure) -> Any:
    """The columns in the structure; a structure of None: all of them, as a dict. Lists become tuples.

    Raises:
        SamplingError: there is no such column.
    """
    if structure is None:
        return dict(columns)
    if isinstance(structure, str):
        return columns[structure]
    if isinstance(structure, Mapping):
        return {key: arrange_columns(columns, key if value is None else value) for key, value in structure.items()}
    return tuple(arrange_columns(columns, value) for value in structure)


def demand_columns(columns: Mapping[str, Any], structure: Structure) -> None:
    """Raise `SamplingError` if the structure names a column that is not there."""
    if structure is not None and (missing := [name for name in iterate_names(structure) if name not in columns]):
        raise SamplingError(
            f"structure names {', '.join(map(repr, missing))}, which samples do not have: {', '.join(columns)}"
        )
