"""Encoding: the distinct values of a column, numbered in sorted order, and the vector operations on such numbers.

Short texts are packed into 64-bit numbers, which sort and compare ten times as fast.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.texts import TEXT, join_names, join_texts, normalize_unicode, text_bytes, text_offsets

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]


def to_single_array(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece."""
    # Of a column in pieces each would get a dictionary of its own, at a cost that is quadratic.
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def number_values(values: Ints, bound: int) -> tuple[Ints, Ints]:
    """Number the distinct values in ascending order.

    Returns:
        (rows,) number of each row's value in [0, bound), and (distinct,) the values, ascending.
    """
    # Where few of many possible values occur, a table of them all does not pay.
    if bound > 8 * len(values) + 1_000_000:
        codes, first = number_by_sorting(values)
        return codes, values[first]
    occurs = np.zeros(bound, np.bool_)
    occurs[values] = True
    # Numbers of 4 bytes where they do: the table is read in any order, and half of it stays in the cache.
    rank = np.cumsum(occurs, dtype=np.int32 if bound < 2**31 else np.int64)
    codes = rank[values].astype(np.int64, copy=False)
    codes -= 1
    return codes, np.flatnonzero(occurs)


def number_by_sorting(values: npt.NDArray[Any]) -> tuple[Ints, Ints]:
    """Number the distinct values in ascending order: (rows,) the numbers, and (distinct,) a row of each value."""
    # `numpy.unique` took four times as long on a million different values.
    order = np.argsort(values)
    ordered = values[order]
    new = np.ones(len(values), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    run: Ints = np.cumsum(new, dtype=np.int64)
    run -= 1  # in place, as everything here that is as long as the listing
    codes = np.empty(len(values), np.int64)
    codes[order] = run
    return codes, order[new]


def invert_order(order: Ints) -> Ints:
    """(n,) at which place each of 0 … n − 1 stands in an order of them; by writing, where argsort would sort again."""
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return place


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


WORD_BYTES = 8  # bytes of a word


def pack_texts(texts: pa.Array) -> Words | None:
    """Write each text into one word, first byte highest, so that words sort as the texts do by code point.

    Returns:
        (rows,) words; None where that cannot be done: not text, nulls, a text of more than 8 bytes, a zero byte.
    """
    if texts.null_count or not len(texts) or not (is_text(texts.type)):
        return None
    edges, data = text_offsets(texts), text_bytes(texts)
    lengths = np.diff(edges)
    # A zero byte could not be told from the end of a shorter text.
    if lengths.max() > WORD_BYTES or not len(data) or data.min() == 0:
        return None
    padded = np.concatenate([data, np.zeros(WORD_BYTES, np.uint8)])
    # (bytes,) the eight bytes from each position on
    windows = np.ndarray((len(data) + 1,), ">u8", padded, strides=(1,))
    words = windows[edges[:-1] - edges[0]].astype(np.uint64)
    unused = (8 * (WORD_BYTES - lengths)).astype(np.uint64)
    # Shifts by 64 are undefined: an empty text is set by hand.
    return np.where(lengths > 0, words >> np.minimum(unused, 63) << np.minimum(unused, 63), np.uint64(0))


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is text with offsets into one buffer."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


_SAMPLE = 4096  # rows that tell whether a column has few different values
_UNIT = "\x1f"  # between the names of a category while it is encoded


@dataclass(frozen=True)
class Key:
    """A key over the rows of a table.

    Attributes:
        codes: (rows,) number of the row's value, 0 … distinct − 1; −1 where it has none.
        labels: (distinct,) text that names the value: equal texts, equal values.
        spelled: (distinct,) the value as the reference spells it for hashing, parts joined with ``_``.
    """

    codes: Ints
    labels: pa.LargeStringArray
    spelled: pa.LargeStringArray

    def row_labels(self) -> pa.LargeStringArray:
        """(rows,) the label of every row."""
        return self.labels.take(pa.array(self.codes))

    def __len__(self) -> int:
        return len(self.labels)


def encode_column(column: pa.ChunkedArray) -> Key:
    """Number the distinct values of a column in ascending order."""
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return _encode_lists(column)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    codes, values = _encode_scalars(column)
    texts = values.cast(TEXT) if is_text(values.type) else pa.array(map(str, values.to_pylist()), TEXT)
    return Key(codes, texts, texts)


def merge_normal_forms(key: Key) -> Key:
    """The key with texts that are one in normal form C as one value, which keeps the first one's label and place."""
    forms = normalize_unicode(key.labels)
    if forms is key.labels:
        return key
    coded = forms.dictionary_encode()  # numbers values as they come, and labels are sorted
    number = coded.indices.to_numpy()
    if len(coded.dictionary) == len(key):
        return key
    first = pa.array(find_first_rows(number.astype(np.int64), len(coded.dictionary)))
    codes = np.append(number, -1)[key.codes].astype(np.int64)
    return Key(codes, key.labels.take(first), key.spelled.take(first))


def join_escaped(parts: Sequence[pa.Array], separator: str) -> pa.Array:
    r"""Join texts so that different parts give different results: ``\`` and ``/`` within a part are escaped."""
    escaped = [pc.replace_substring(pc.replace_substring(part, "\\", "\\\\"), "/", "\\/") for part in parts]
    return join_texts(*escaped, by=separator)


def _encode_scalars(column: pa.ChunkedArray) -> tuple[Ints, pa.Array]:
    # Of many different values, sorting is faster than a dictionary; the result is the same.
    diverse = len(pc.unique(column.slice(0, _SAMPLE))) > _SAMPLE // 16
    if diverse and (packed := _pack_column(column)) is not None:
        codes, first = number_by_sorting(packed)
        return codes, to_single_array(column).take(pa.array(first))
    encoded = to_single_array(column).dictionary_encode()
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    place = np.append(invert_order(order), -1)  # where a null's code, −1, points
    return place[encoded.indices.fill_null(-1).to_numpy()], encoded.dictionary.take(pa.array(order))


def _pack_column(column: pa.ChunkedArray) -> Words | None:
    packed: list[Words] = []
    for chunk in column.chunks:  # one by one: a piece of a column fits into the processor's cache
        if len(chunk):
            words = pack_texts(chunk)
            if words is None:
                return None
            packed.append(words)
    return np.concatenate(packed)


def _encode_lists(column: pa.ChunkedArray) -> Key:
    joined = join_names(column, _UNIT)
    codes, values = _encode_scalars(joined)
    parts = [tuple(value.split(_UNIT)) for value in values.to_pylist()]
    labels = [", ".join(name.replace("\\", "\\\\").replace(",", "\\,") for name in names) for names in parts]
    return Key(codes, pa.array(labels, TEXT), pa.array(map(str, parts), TEXT))
