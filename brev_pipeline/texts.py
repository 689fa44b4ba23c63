"""Texts: how text stands in Arrow tables here, and the bytes behind it.

Arrow's plain ``string`` counts its bytes with 32 bits. An array of it ends at 2 GiB, which 40 million paths fill; then
`take`, `unique` or a sort fail. So text is ``large_string`` wherever a column may be as long as a listing. Arrow's
functions that join texts take only one of the two types, so those stand here too.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

# Multipliers of SplitMix64's last step (Steele, Lea and Flood 2014): they only have to spread.
_MIX: Final = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_WORD: Final = 8  # bytes
_AT_ONCE: Final = 8192  # rows
TEXT: Final = pa.large_string()
NAMES: Final = pa.list_(TEXT)
"""Of a column with several names per row."""
Match = re.Match[Any] | None


def join_texts(*parts: Any, by: str) -> Any:
    """Texts of several columns (or single texts) with ``by`` between them, row by row; null where one of them is."""
    wide = [pa.scalar(part, TEXT) if isinstance(part, str) else part.cast(TEXT) for part in parts]
    return pc.binary_join_element_wise(*wide, pa.scalar(by, TEXT))


def join_names(names: Any, by: str) -> Any:
    """The names of each row of a column of `NAMES` as one text, with ``by`` between them."""
    return pc.binary_join(names.cast(NAMES), pa.scalar(by, TEXT))


def normalize_unicode(texts: Any) -> Any:
    """Texts in Unicode's normal form C, by which names are compared: ``é`` is one name, however it was typed or stored.

    Args:
        texts: array or chunked array of text. Stored paths stay as they are: this serves for comparing.
    """
    chunks = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    if all(not len(chunk) or (data := text_bytes(chunk)).size == 0 or data.max() < 0x80 for chunk in chunks):
        return texts
    return pc.utf8_normalize(texts, form="NFC")


def number_values(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], pa.Array]:
    """(rows,) a number for each different value, −1 for null; and (distinct,) the values."""
    coded = column.dictionary_encode()  # with one dictionary for all chunks
    codes = [chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False) for chunk in coded.chunks]
    values = coded.chunk(0).dictionary if codes else pa.array([], column.type)
    return np.concatenate([np.zeros(0, np.int32), *codes], dtype=np.int32), values


def widen_texts(table: pa.Table) -> pa.Table:
    """The table with all its texts as `TEXT`, and its lists of texts as `NAMES`; nothing is copied but offsets."""
    plain = (pa.string(), pa.list_(pa.string()))
    fields = [
        field.with_type(NAMES if pa.types.is_list(field.type) else TEXT) if field.type in plain else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields, table.schema.metadata))


def text_offsets(texts: pa.Array) -> npt.NDArray[np.int64]:
    """Where each text begins in the array's buffer, and where the last one ends. Shape (n + 1,)."""
    if not len(texts):
        return np.zeros(1, np.int64)
    wide = pa.types.is_large_string(texts.type) or pa.types.is_large_binary(texts.type)
    kind = np.int64 if wide else np.int32
    # Only these rows of the buffer: a slice may stand in a long one.
    offsets = np.frombuffer(texts.buffers()[1], kind, len(texts) + 1, texts.offset * np.dtype(kind).itemsize)
    return offsets.astype(np.int64, copy=False)


def text_bytes(texts: pa.Array) -> npt.NDArray[np.uint8]:
    """The texts' bytes, one after the other, without anything between. Shape (bytes,)."""
    buffer = texts.buffers()[2]
    if buffer is None or not len(texts):
        return np.empty(0, np.uint8)
    edges = text_offsets(texts)
    return np.frombuffer(buffer, np.uint8)[edges[0] : edges[-1]]


def row_digests(*columns: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """64 bits for each row of some columns of text, the same on every machine: the texts in their order count.

    No defence against who makes texts on purpose that share one. Among 10⁷ rows of other texts two do with a chance of
    3 in a million.

    Args:
        columns: (rows,) each; null counts as the empty text.

    Returns:
        (rows,) uint64.
    """
    digests = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        start = 0
        for texts in _batches(column):
            rows = slice(start, start + len(texts))
            digests[rows] = _mix_texts(pc.fill_null(texts, "") if texts.null_count else texts, digests[rows])
            start = rows.stop
    return digests


def _mix_texts(texts: pa.Array, seeds: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """(rows,) each text mixed into its seed, 8 bytes at a time."""
    edges, data = text_offsets(texts), text_bytes(texts)
    padded = np.concatenate([data, np.zeros(_WORD, np.uint8)])
    # Every 8 bytes of the texts as a number, wherever they begin.
    words = np.ndarray((len(data) + 1,), "<u8", padded, strides=(1,))
    begins, left = edges[:-1] - edges[0], np.diff(edges)
    digests = mix_bits(seeds + left.astype(np.uint64))
    rows = np.flatnonzero(left > 0)
    while len(rows):
        short = np.maximum(_WORD - left[rows], 0).astype(np.uint64) << np.uint64(3)
        word = words[begins[rows]] << short >> short  # without the bytes of the next text
        digests[rows] = mix_bits(digests[rows] ^ word)
        begins[rows] += _WORD
        left[rows] -= _WORD
        rows = rows[left[rows] > 0]
    return digests


def mix_bits(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Other numbers for numbers, each for one, without any pattern to the eye: SplitMix64's last step."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * _MIX[0]
    numbers = (numbers ^ (numbers >> np.uint64(27))) * _MIX[1]
    return numbers ^ (numbers >> np.uint64(31))


def search_each(texts: pa.ChunkedArray, pattern: re.Pattern[str], key: Callable[[Any], Any]) -> pa.ChunkedArray:
    """Search a pattern in every text.

    Args:
        texts: without nulls.
        pattern: the regular expression.
        key: takes what is wanted out of a match: text or bytes as the match has them, or None. It is given None where
            there is no match, unless it raises `TypeError` for that.

    Returns:
        (texts,) text; null where the pattern is not found, or ``key`` gives None.
    """
    raw: re.Pattern[bytes] | None = None
    if pattern.pattern.isascii():
        # Only text knows some patterns: for example \u0041, \N{…}, (?u).
        with suppress(re.error, ValueError):
            raw = re.compile(pattern.pattern.encode())
    return pa.chunked_array([_search_batch(batch, pattern, raw, key) for batch in _batches(texts)], TEXT)


def _search_batch(
    batch: pa.Array, pattern: re.Pattern[str], raw: re.Pattern[bytes] | None, key: Callable[[Any], Any]
) -> pa.Array:
    letters = text_bytes(batch)
    # Of printable ASCII the bytes match as the text does, in less time.
    if raw is not None and len(letters) and letters.min() >= 0x20 and letters.max() < 0x7F:
        kind, search = pa.binary(), raw.search
    else:
        kind, search = TEXT, pattern.search  # type: ignore[assignment]
    values = batch.cast(kind).to_pylist()
    try:
        keys = list(map(key, map(search, values)))
    except TypeError:  # None, where there is no match, has no groups
        keys = [None if match is None else key(match) for match in map(search, values)]
    return pa.array(keys, kind).cast(TEXT)


def _batches(texts: pa.ChunkedArray) -> Iterator[pa.Array]:
    """Parts of a column whose arrays, or objects in Python, stay in the processor's cache."""
    for batch in pa.table([texts], ["text"]).to_batches(_AT_ONCE):
        yield batch["text"]
