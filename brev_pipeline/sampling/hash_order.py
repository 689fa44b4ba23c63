"""Hash order: keyed hashes of a whole column, and the circle in which a group hands out its images, in their order.

`hash_column` is `seeds64` without a Python list of all texts: they become bytes, and get their ordinal, in Arrow;
Python sees some thousands of them at a time. At 10⁸ rows lists would take 20 GB, and they take twice as long.
"""

import hashlib
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.seeds import hash_state
from brev_pipeline.texts import TEXT

_AT_ONCE: Final = 1 << 14
_SEPARATOR: Final = b"\xff"


def hash_column(
    seed: int, prefix: tuple[str | int, ...], column: pa.ChunkedArray, ordinals: npt.NDArray[np.int32] | None = None
) -> npt.NDArray[np.uint64]:
    """`seeds64(seed, prefix, column, ordinals)`, number for number.

    Args:
        seed: the key, 0 ≤ seed < 2**63.
        prefix: what stands before each text.
        column: texts, no nulls.
        ordinals: shape (rows,), what stands behind each text; None: nothing does.

    Returns:
        Shape (rows,).
    """
    state = hash_state(seed, prefix)
    found = np.empty(len(column), np.uint64)
    for start in range(0, len(column), _AT_ONCE):
        texts = column.slice(start, _AT_ONCE).cast(pa.binary()).combine_chunks()
        if ordinals is not None:
            tails = pa.array(ordinals[start : start + _AT_ONCE]).cast(TEXT).cast(pa.binary())
            texts = pc.binary_join_element_wise(texts, tails, pa.scalar(_SEPARATOR))
        found[start : start + len(texts)] = np.frombuffer(_digest_messages(state, texts.to_pylist()), ">u8")
    return found


def _digest_messages(start: "hashlib.blake2b", messages: list[bytes]) -> bytes:
    copy, digests = start.copy, []
    for message in messages:
        state = copy()
        state.update(message)
        digests.append(state.digest())
    return b"".join(digests)


def sort_by_hash(rows: pa.Table, seed: int) -> pa.Table:
    """Sort images by keyed hash of their content; images with the same bytes lie side by side, sorted by path.

    The result does not depend on the order of the rows, and adding an image moves no other two against each other.

    Args:
        rows: has the columns content_id and path.
        seed: the configured seed of the sampling.
    """
    keys = hash_column(seed, ("order",), rows["content_id"])
    order = np.argsort(keys, kind="stable")
    ranked = keys[order]
    equal = np.flatnonzero(ranked[1:] == ranked[:-1])
    tied = np.union1d(equal, equal + 1)
    if len(tied):
        # Text is compared only here: sorting a million paths costs as much as all else.
        names = rows.select(["content_id", "path"]).take(pa.array(order[tied]))
        names = names.append_column("key", pa.array(ranked[tied])).append_column("row", pa.array(order[tied]))
        order[tied] = names.sort_by([(name, "ascending") for name in ("key", "content_id", "path")])["row"].to_numpy()
    return rows.take(pa.array(order))
