"""Copies: which rows have an id (of bytes, of pixels) that another row has too.

Ids are nearly always distinct, so the question is answered for all rows at once on 64-bit digests of the ids, in a
quarter of the time that a table of the texts takes, and only rows whose digests meet are compared as texts.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.split.arrays import Ints, Words, find_first_rows, number_by_sorting, to_single_array
from brev_pipeline.texts import text_bytes, text_offsets

# Odd multipliers from the fractional digits of the golden ratio and of π (SplitMix64, FNV's successors): they only
# have to spread. Nothing depends on them but speed, since equal digests are compared as texts.
_MIX = np.uint64(0x9E3779B97F4A7C15)
_TURN = np.uint64(29)


def repeated(ids: pa.ChunkedArray) -> Ints:
    """Number the ids that occur more than once.

    Args:
        ids: (rows,) text. Nulls and empty texts are no ids: they are never copies of each other.

    Returns:
        (rows,) a number that two rows share exactly if they share an id; −1 where no other row has the row's id.
    """
    out = np.full(len(ids), -1, np.int64)
    rows = _valid(ids)
    valid = ids if len(rows) == len(ids) else ids.take(pa.array(rows))
    digests = _digests(valid)
    found = None if digests is None else _by_digest(valid, digests)
    meeting, codes = _by_text(valid) if found is None else found
    out[rows[meeting]] = codes
    return out


def _valid(ids: pa.ChunkedArray) -> Ints:
    there = pc.fill_null(pc.greater(pc.binary_length(ids), 0), False)
    return np.flatnonzero(there.to_numpy())


def _digests(ids: pa.ChunkedArray) -> Words | None:
    """(rows,) 64-bit digest of each id if all are of one length that is a multiple of 8 bytes, such as hex digits."""
    found = [_digest(chunk) for chunk in ids.chunks if len(chunk)]
    whole = [digest for digest in found if digest is not None]
    return np.concatenate(whole) if whole and len(whole) == len(found) else None


def _digest(chunk: pa.Array) -> Words | None:
    edges = text_offsets(chunk)
    length = int(edges[1] - edges[0])
    if length == 0 or length % 8 or bool((np.diff(edges) != length).any()):
        return None
    words = text_bytes(chunk).view(np.uint64).reshape(-1, length // 8)
    digest = words[:, 0] * _MIX
    for column in range(1, words.shape[1]):
        digest ^= digest >> _TURN
        digest += words[:, column]
        digest *= _MIX
    return digest


def _by_digest(ids: pa.ChunkedArray, digests: Words) -> tuple[Ints, Ints] | None:
    """Rows that share an id, and its number; None if two different ids have one digest, which is one chance in 10⁷."""
    ordered = np.sort(digests)  # costs half of argsort, and mostly settles it
    if not (ordered[1:] == ordered[:-1]).any():
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    codes, _ = number_by_sorting(digests)
    rows = np.flatnonzero((np.bincount(codes) > 1)[codes])  # ascending, so that texts are read in order
    codes = codes[rows]
    first = rows[find_first_rows(codes, int(codes.max()) + 1)]
    same = pc.equal(ids.take(pa.array(rows)), ids.take(pa.array(first[codes])))
    return (rows, codes) if pc.all(same).as_py() else None


def _by_text(ids: pa.ChunkedArray) -> tuple[Ints, Ints]:
    codes = np.asarray(to_single_array(ids).dictionary_encode().indices.to_numpy(), np.int64)
    rows = np.flatnonzero((np.bincount(codes) > 1)[codes]) if len(codes) else codes
    return rows, codes[rows]
