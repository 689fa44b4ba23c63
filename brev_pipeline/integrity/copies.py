"""Copies: which images have the same bytes, and whether they agree on the class.

Nearly all contents are there once, and for them nothing need be found out but that. So each content is first mixed
into 64 bits; only rows whose 64 bits occur twice (the copies, and by chance perhaps one pair in a million million) go
through the exact comparison. That is four times faster than giving every content a number, in a fifth of the memory.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.texts import contents, joined_names

_DIGITS: Final = 32
# Odd 64-bit constants with well-spread bits; any such would do.
_MIX: Final = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5)
# First look-up by the upper bits alone: a table of this many bits fits into the processor's cache.
_BITS: Final = 24

Words = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]


class Copies(NamedTuple):
    """What is known of each row's content; arrays of shape (n,)."""

    duplicate_of: pa.Array
    """Path of the first image (by path) with the same bytes; null for that first one itself."""
    copies: pa.Array
    """Images with these bytes, itself included, int32."""
    label_conflict: pa.Array
    """Whether the same bytes stand under another set of categories too."""


def find_copies(content_id: pa.ChunkedArray, path: pa.ChunkedArray, category: pa.ChunkedArray) -> Copies:
    """Compare every content with every other. The order of rows does not matter.

    Args:
        content_id: MD5s in hex, or other texts, without nulls.
        path: unique.
        category: lists of class names; their order within a list does not matter.
    """
    count = len(content_id)
    rows = _may_have_copies(content_id)
    ids = content_id.take(pa.array(rows)).combine_chunks().dictionary_encode().indices.to_numpy()
    sizes = np.bincount(ids)
    rows, ids = rows[sizes[ids] > 1], ids[sizes[ids] > 1]
    paths = path.take(pa.array(rows)).combine_chunks()
    first = _first_by(pc.rank(paths, tiebreaker="first").to_numpy(), ids, len(sizes))
    later = first[ids] != np.arange(len(rows))
    copies = np.ones(count, np.int32)
    copies[rows] = sizes[ids]
    conflict = np.zeros(count, np.bool_)
    conflict[rows] = _disagree(_category_numbers(category.take(pa.array(rows))), ids, first)
    duplicate_of = _scattered(count, rows[later], paths.take(pa.array(first[ids[later]])))
    return Copies(duplicate_of, pa.array(copies), pa.array(conflict))


def _may_have_copies(content_id: pa.ChunkedArray) -> Rows:
    """Rows whose content may occur twice: all that do, and hardly any other. Ascending."""
    regular = pc.equal(pc.binary_length(content_id), _DIGITS)
    odd = np.flatnonzero(~regular.to_numpy())
    mixed = np.concatenate([np.empty(0, np.uint64), *(_mixed(chunk) for chunk in content_id.filter(regular).chunks)])
    ordered = np.sort(mixed)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    del ordered
    rows = _members(mixed, np.unique(repeated))
    if not len(odd):
        return rows
    return np.sort(np.concatenate([np.flatnonzero(regular.to_numpy())[rows], odd]))


def _mixed(texts: pa.Array) -> Words:
    """64 bits of each text of `_DIGITS` bytes: equal texts, equal bits. Shape (n,)."""
    words = contents(texts).view(np.uint64).reshape(-1, 4)
    mixed = np.zeros(len(texts), np.uint64)
    for column, factor in enumerate(_MIX):
        mixed ^= mixed >> np.uint64(29)
        mixed += words[:, column] * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(32))


def _members(mixed: Words, repeated: Words) -> Rows:
    """Rows of ``mixed`` that hold one of ``repeated``."""
    shift = np.uint64(64 - _BITS)
    marked = np.zeros(1 << _BITS, np.bool_)
    marked[(repeated >> shift).astype(np.int64)] = True
    rows: Rows = np.flatnonzero(marked[(mixed >> shift).astype(np.int64)])
    found: Rows = rows[np.isin(mixed[rows], repeated)]
    return found


def _first_by(rank: npt.NDArray[np.uint64], ids: npt.NDArray[np.int32], count: int) -> Rows:
    """For each id the place of its lowest rank. Shape (count,); ids that do not occur: 0."""
    order = np.argsort(rank)[::-1]
    first = np.zeros(count, np.int64)
    # Of several values assigned to one place the last one stays: the lowest rank.
    first[ids[order]] = order
    return first


def _category_numbers(category: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """A number per set of class names. Shape (n,)."""
    encoded = joined_names(category, "\0").combine_chunks().dictionary_encode()
    sets = [frozenset(joined.split("\0")) for joined in encoded.dictionary.to_pylist()]
    numbers = {one: number for number, one in enumerate(dict.fromkeys(sets))}
    of_sets: Rows = np.array([numbers[one] for one in sets], np.int64)
    of_rows: Rows = of_sets[encoded.indices.to_numpy()]
    return of_rows


def _disagree(categories: npt.NDArray[np.int64], ids: npt.NDArray[np.int32], first: Rows) -> npt.NDArray[np.bool_]:
    """Whether the categories of each row's content differ anywhere. Shape (n,)."""
    conflicting = np.zeros(len(first), np.bool_)
    if len(ids):
        conflicting[ids[categories != categories[first[ids]]]] = True
    return conflicting[ids]


def _scattered(count: int, rows: Rows, values: pa.Array) -> pa.Array:
    """``values`` at ``rows`` (ascending) of an array that is null elsewhere."""
    mask = np.zeros(count, np.bool_)
    mask[rows] = True
    return pc.replace_with_mask(pa.nulls(count, values.type), pa.array(mask), values)
