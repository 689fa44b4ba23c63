"""Repeated ids: which rows have an id (of bytes, of pixels) that another row has too.

Nearly all ids are there once, and for them nothing need be found out but that. So each id is first mixed into 64 bits;
only rows whose 64 bits occur twice (the copies, and by chance perhaps one pair in a million million) are compared as
texts. That is four times faster than giving every id a number, in a fifth of the memory.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.texts import text_bytes

Words = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]

_DIGITS: Final = 32  # of an MD5, and of the pixels' identities; other texts are compared as they are
# Odd 64-bit constants with well-spread bits; any such would do.
_FACTORS: Final = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5)
# First look-up by the upper bits alone: a table of this many bits fits into the processor's cache.
_BITS: Final = 24


def number_repeated_ids(ids: pa.ChunkedArray) -> Rows:
    """Number the ids that occur more than once.

    Args:
        ids: (rows,) text. Nulls and empty texts are no ids: they are never copies of each other.

    Returns:
        (rows,) a number, from 0 without gaps, that two rows share exactly if they share an id; −1 where no other row
        has the row's id.
    """
    numbers = np.full(len(ids), -1, np.int64)
    rows = _find_candidates(ids)
    codes = ids.take(pa.array(rows)).combine_chunks().dictionary_encode().indices.to_numpy()
    repeated = np.bincount(codes) > 1
    kept = repeated[codes]
    numbers[rows[kept]] = (np.cumsum(repeated) - 1)[codes[kept]]
    return numbers


def _find_candidates(ids: pa.ChunkedArray) -> Rows:
    """Rows whose id may occur twice: all that do, and hardly any other. Ascending."""
    lengths = pc.fill_null(pc.binary_length(ids), 0).to_numpy()
    regular = lengths == _DIGITS
    whole = regular.all()
    chunks = ids.chunks if whole else ids.filter(pa.array(regular)).chunks
    mixed = np.concatenate([np.empty(0, np.uint64), *map(_mix_bits, chunks)])
    ordered = np.sort(mixed)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    del ordered
    rows = _find_members(mixed, repeated)
    if whole:
        return rows
    irregular = np.flatnonzero((lengths > 0) & ~regular)
    return np.sort(np.concatenate([np.flatnonzero(regular)[rows], irregular]))


def _mix_bits(texts: pa.Array) -> Words:
    """(rows,) 64 bits of each text of `_DIGITS` bytes: equal texts, equal bits."""
    words = text_bytes(texts).view(np.uint64).reshape(-1, _DIGITS // 8)
    mixed = np.zeros(len(texts), np.uint64)
    for column, factor in enumerate(_FACTORS):
        mixed ^= mixed >> np.uint64(29)
        mixed += words[:, column] * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(32))


def _find_members(mixed: Words, repeated: Words) -> Rows:
    """Rows of ``mixed`` that hold one of ``repeated``."""
    if not len(repeated):
        return np.zeros(0, np.int64)
    shift = np.uint64(64 - _BITS)
    marked = np.zeros(1 << _BITS, np.bool_)
    marked[(repeated >> shift).astype(np.int64)] = True
    rows: Rows = np.flatnonzero(marked[(mixed >> shift).astype(np.int64)])
    found: Rows = rows[np.isin(mixed[rows], repeated)]
    return found
