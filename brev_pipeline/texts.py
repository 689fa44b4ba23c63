"""Texts: how text stands in Arrow tables here, and the bytes behind it.

Arrow's plain ``string`` counts its bytes with 32 bits. An array of it ends at 2 GiB, which 40 million paths fill; then
`take`, `unique` or a sort fail. So text is ``large_string`` wherever a column may be as long as a listing. Arrow's
functions that join texts take only one of the two types, so those stand here too.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

TEXT: Final = pa.large_string()
NAMES: Final = pa.list_(TEXT)
"""Of a column with several names per row."""


def joined(*parts: Any, by: str) -> Any:
    """Texts of several columns (or single texts) with ``by`` between them, row by row; null where one of them is."""
    return pc.binary_join_element_wise(*map(_wide, parts), pa.scalar(by, TEXT))


def joined_names(names: Any, by: str) -> Any:
    """The names of each row of a column of `NAMES` as one text, with ``by`` between them."""
    return pc.binary_join(names.cast(NAMES), pa.scalar(by, TEXT))


def numbered(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], pa.Array]:
    """(rows,) a number for each different value, −1 for null; and (distinct,) the values."""
    coded = column.dictionary_encode()  # with one dictionary for all chunks
    codes = [chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False) for chunk in coded.chunks]
    values = coded.chunk(0).dictionary if codes else pa.array([], column.type)
    return np.concatenate([np.zeros(0, np.int32), *codes], dtype=np.int32), values


def widened(table: pa.Table) -> pa.Table:
    """The table with all its texts as `TEXT`, and its lists of texts as `NAMES`; nothing is copied but offsets."""
    plain = (pa.string(), pa.list_(pa.string()))
    fields = [
        field.with_type(NAMES if pa.types.is_list(field.type) else TEXT) if field.type in plain else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields, table.schema.metadata))


def ends(texts: pa.Array) -> npt.NDArray[np.int64]:
    """Where each text begins in the array's buffer, and where the last one ends. Shape (n + 1,)."""
    if not len(texts):
        return np.zeros(1, np.int64)
    wide = pa.types.is_large_string(texts.type) or pa.types.is_large_binary(texts.type)
    kind = np.int64 if wide else np.int32
    # Only these rows of the buffer: a slice may stand in a long one.
    found = np.frombuffer(texts.buffers()[1], kind, len(texts) + 1, texts.offset * np.dtype(kind).itemsize)
    return found.astype(np.int64, copy=False)


def contents(texts: pa.Array) -> npt.NDArray[np.uint8]:
    """The texts' bytes, one after the other, without anything between. Shape (bytes,)."""
    buffer = texts.buffers()[2]
    if buffer is None or not len(texts):
        return np.empty(0, np.uint8)
    edges = ends(texts)
    return np.frombuffer(buffer, np.uint8)[edges[0] : edges[-1]]


def _wide(part: Any) -> Any:
    return pa.scalar(part, TEXT) if isinstance(part, str) else part.cast(TEXT)
