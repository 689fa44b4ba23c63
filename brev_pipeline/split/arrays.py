"""Arrays: the few vector operations that the split's modules share."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]


def to_single_array(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece. Each piece of a column would get a dictionary of its own, at a cost that is quadratic."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def number_values(values: Ints, bound: int) -> tuple[Ints, Ints]:
    """Number the distinct values in ascending order.

    Args:
        values: (rows,) in [0, bound).
        bound: upper end of the values.

    Returns:
        (rows,) number of each row's value, and (distinct,) the values, ascending.
    """
    if bound > 8 * len(values) + 1_000_000:
        codes, first = number_by_sorting(values)
        return codes, values[first]
    there = np.zeros(bound, np.bool_)
    there[values] = True
    # Numbers of 4 bytes where they do: the table is read in any order, and half of it stays in the cache.
    place = np.cumsum(there, dtype=np.int32 if bound < 2**31 else np.int64)
    codes = place[values].astype(np.int64, copy=False)
    codes -= 1
    return codes, np.flatnonzero(there)


def number_by_sorting(values: npt.NDArray[Any]) -> tuple[Ints, Ints]:
    """Number the distinct values in ascending order: (rows,) the numbers, and (distinct,) a row of each value.

    By sorting: `numpy.unique` took four times as long on a million different values.
    """
    order = np.argsort(values)
    ordered = values[order]
    new = np.ones(len(values), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    run: Ints = np.cumsum(new, dtype=np.int64)
    run -= 1  # in place, as everything here that is as long as the listing
    codes = np.empty(len(values), np.int64)
    codes[order] = run
    return codes, order[new]


def find_first_rows(codes: Ints, count: int) -> Ints:
    """(count,) the first row of each code 0 … count − 1, or −1 where there is none; a code of −1 is skipped."""
    first = np.full(count, -1, np.int64)
    rows = np.flatnonzero(codes >= 0)[::-1]
    first[codes[rows]] = rows  # the last writer wins, and that is the first position
    return first


def find_minima(
    codes: npt.NDArray[np.integer[Any]], values: npt.NDArray[Any], count: int, start: Any
) -> npt.NDArray[Any]:
    """(count,) the least of ``values`` for each code; ``start`` for codes that do not occur."""
    out = np.full(count, start, values.dtype)
    np.minimum.at(out, codes, values)
    return out


def sum_weights(rows: Ints, columns: Ints, weights: Ints, shape: tuple[int, int]) -> Floats:
    """Sum of ``weights`` per (row, column), as float64 of ``shape``."""
    flat = np.bincount(rows * shape[1] + columns, weights, shape[0] * shape[1])
    return flat.astype(np.float64, copy=False).reshape(shape)
