"""Encode: the distinct values of a column, numbered in sorted order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.split.arrays import Ints, Words, find_first_rows, number_by_sorting, to_single_array
from brev_pipeline.split.words import is_text, pack_texts
from brev_pipeline.texts import TEXT, join_names, join_texts, normalize_unicode

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
    coded = forms.dictionary_encode()
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
    packed = _pack_column(column) if _looks_diverse(column) else None
    if packed is not None:
        codes, first = number_by_sorting(packed)
        return codes, to_single_array(column).take(pa.array(first))
    encoded = to_single_array(column).dictionary_encode()
    values = encoded.dictionary
    order = pc.sort_indices(values).to_numpy()
    place = np.empty(len(order) + 1, np.int64)
    place[order] = np.arange(len(order))
    place[-1] = -1  # where a null's code, −1, points
    return place[encoded.indices.fill_null(-1).to_numpy()], values.take(pa.array(order))


def _looks_diverse(column: pa.ChunkedArray) -> bool:
    """Whether sorting will be faster than a dictionary: the result is the same."""
    return len(pc.unique(column.slice(0, _SAMPLE))) > _SAMPLE // 16


def _pack_column(column: pa.ChunkedArray) -> Words | None:
    found: list[Words] = []
    for chunk in column.chunks:  # one by one: a piece of a column fits into the processor's cache
        if len(chunk):
            words = pack_texts(chunk)
            if words is None:
                return None
            found.append(words)
    return np.concatenate(found)


def _encode_lists(column: pa.ChunkedArray) -> Key:
    joined = join_names(column, _UNIT)
    codes, values = _encode_scalars(joined)
    parts = [tuple(value.split(_UNIT)) for value in values.to_pylist()]
    labels = [", ".join(name.replace("\\", "\\\\").replace(",", "\\,") for name in names) for names in parts]
    return Key(codes, pa.array(labels, TEXT), pa.array(map(str, parts), TEXT))
