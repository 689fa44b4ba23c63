"""Structure: which of a sample's columns are given out, and nested how."""

from collections.abc import Iterator, Mapping
from typing import Any

from brev_pipeline.errors import SamplingError

Structure = Any
"""A column's name; a tuple, list or dict of structures; in a dict None stands for the column of the key's name."""


def names_in(structure: Structure) -> Iterator[str]:
    """The columns that a structure names, in order.

    Raises:
        SamplingError: it holds something other than names, tuples, lists and dicts.
    """
    if isinstance(structure, str):
        yield structure
    elif isinstance(structure, Mapping):
        for key, value in structure.items():
            yield from names_in(key if value is None else value)
    elif isinstance(structure, tuple | list):
        for value in structure:
            yield from names_in(value)
    else:
        raise SamplingError(
            f"structure is made of column names, tuples and dicts, for example ('img', 'onehot'); got {structure!r}"
        )


def arrange(columns: Mapping[str, Any], structure: Structure) -> Any:
    """The columns in the structure; a structure of None: all of them, as a dict. Lists become tuples.

    Raises:
        SamplingError: there is no such column.
    """
    if structure is None:
        return dict(columns)
    if isinstance(structure, str):
        return columns[structure]
    if isinstance(structure, Mapping):
        return {key: arrange(columns, key if value is None else value) for key, value in structure.items()}
    return tuple(arrange(columns, value) for value in structure)


def demand_columns(columns: Mapping[str, Any], structure: Structure) -> None:
    """Raise `SamplingError` if the structure names a column that is not there."""
    if structure is not None and (missing := [name for name in names_in(structure) if name not in columns]):
        raise SamplingError(
            f"structure names {', '.join(map(repr, missing))}, which samples do not have: {', '.join(columns)}"
        )
