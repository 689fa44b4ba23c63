"""Pairs: which image that is gone from a listing is which one that has come, where paths tell nothing."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.texts import joined_names, numbered

Rows = npt.NDArray[np.int64]


def pair_renamed(lost: pa.Table, came: pa.Table, content: tuple[pa.ChunkedArray, pa.ChunkedArray]) -> Rows:
    """Pair images by content: first those of the same classes, then the rest; of several in the order of their paths.

    Args:
        lost: columns path and category of the images that are gone.
        came: the same of those that have come.
        content: of both, (rows,) what images have in common whose bytes are the same; null where that is not known.

    Returns:
        (rows that came,) the lost row that is the same image, each once, or −1.
    """
    partner = np.full(len(came), -1, np.int64)
    contents = _numbers(*content)
    classes = _numbers(*(joined_names(rows["category"], ", ") for rows in (lost, came)))
    count = max((numbers.max(initial=0) for numbers in classes), default=0) + 1
    left, right = (
        by_path[numbers[by_path] >= 0]
        for by_path, numbers in zip((_by_path(lost), _by_path(came)), contents, strict=True)
    )
    of_class = [numbers * count + own for numbers, own in zip(contents, classes, strict=True)]
    for one, other in (of_class, contents):
        first, second = _nth_with_nth(one[left], other[right])
        partner[right[second]] = left[first]
        left, right = np.delete(left, first), np.delete(right, second)
    return partner


def _by_path(rows: pa.Table) -> Rows:
    """(rows,) the rows in the order of their paths."""
    paths = rows["path"]
    if pc.all(pc.less(paths[:-1], paths[1:]), min_count=0).as_py():
        return np.arange(len(paths))
    return np.asarray(pc.sort_indices(paths).to_numpy(), np.int64)


def _numbers(*columns: pa.ChunkedArray) -> list[Rows]:
    """Of each column (rows,) a number for each different text, the same in all; −1 for null."""
    numbers, _ = numbered(pa.chunked_array([chunk for column in columns for chunk in column.chunks], columns[0].type))
    return np.split(numbers.astype(np.int64), np.cumsum([len(column) for column in columns])[:-1])


def _nth_with_nth(one: Rows, other: Rows) -> tuple[Rows, Rows]:
    """Places in two arrays of numbers: of the n-th time that one holds a number, with the n-th time in the other."""
    times = _times(one), _times(other)
    most = max(found.max(initial=0) for found in times) + 1
    _, first, second = np.intersect1d(
        one * most + times[0], other * most + times[1], assume_unique=True, return_indices=True
    )
    return first, second


def _times(numbers: Rows) -> Rows:
    """(rows,) how often the same number stands before."""
    order = np.argsort(numbers, kind="stable")
    new = np.ones(len(numbers), np.bool_)
    np.not_equal(numbers[order][1:], numbers[order][:-1], out=new[1:])
    at = np.arange(len(numbers))
    times = np.empty(len(numbers), np.int64)
    times[order] = at - np.maximum.accumulate(np.where(new, at, 0))
    return times
