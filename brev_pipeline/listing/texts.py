"""Texts: the bytes behind an Arrow string array. What is asked of all keys at once is asked of one run of bytes."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def offsets(texts: pa.Array) -> npt.NDArray[np.int32]:
    """Where each text begins in the array's buffer, and where the last one ends. Shape (n + 1,)."""
    return np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]


def contents(texts: pa.Array) -> npt.NDArray[np.uint8]:
    """The texts' bytes, one after the other, without anything between. Shape (bytes,)."""
    buffer = texts.buffers()[2]
    if buffer is None or not len(texts):
        return np.empty(0, np.uint8)
    ends = offsets(texts)
    return np.frombuffer(buffer, np.uint8)[ends[0] : ends[-1]]
