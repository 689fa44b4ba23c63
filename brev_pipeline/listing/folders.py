"""Folders: which folder holds each key, found for runs of keys at once instead of key by key.

Keys in the order of their bytes come in runs of one folder. A run needs no look at each of its keys: if the last
slash stands at the same place in all of them, and the first and the last key begin with the same folder, so do all
keys between, because they are sorted.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from brev_pipeline.texts import contents, ends

_SLASH = ord("/")


class Run(NamedTuple):
    """Neighbouring keys of one folder."""

    folder: str
    """With a slash at its end; empty for keys that lie in no folder."""
    keys: int


def runs(keys: pa.Array) -> list[Run]:
    """The runs of ``keys``, in order; their counts sum to the number of keys.

    Args:
        keys: strings without nulls, sorted by their UTF-8 bytes.
    """
    depths = folder_lengths(keys)
    edges = np.flatnonzero(np.diff(depths)) + 1
    starts = [0, *edges.tolist()] if len(keys) else []
    stops = [*edges.tolist(), len(keys)]
    pieces = (
        piece for start, stop in zip(starts, stops, strict=False) for piece in _same_depth(keys, depths, start, stop)
    )
    return _merged(pieces)


def folder_lengths(keys: pa.Array) -> npt.NDArray[np.int64]:
    """Bytes of each key up to and with its last slash; 0 where it has none. Shape (n,)."""
    if not len(keys):
        return np.empty(0, np.int64)
    stops = ends(keys) - ends(keys)[0]
    slashes = np.flatnonzero(contents(keys) == _SLASH)
    # The last slash before each end; one before everything stands for "none".
    last = np.concatenate([[-1], slashes])[np.searchsorted(slashes, stops[1:])]
    lengths: npt.NDArray[np.int64] = np.maximum(last + 1 - stops[:-1], 0)
    return lengths


def _same_depth(keys: pa.Array, depths: npt.NDArray[np.int64], start: int, stop: int) -> Iterator[Run]:
    """The runs of neighbouring keys whose folders are equally long: halved until both ends agree."""
    depth = int(depths[start])
    folder = _folder(keys, start, depth)
    if folder == _folder(keys, stop - 1, depth):
        yield Run(folder.decode(), stop - start)
        return
    middle = (start + stop) // 2
    yield from _same_depth(keys, depths, start, middle)
    yield from _same_depth(keys, depths, middle, stop)


def _folder(keys: pa.Array, row: int, depth: int) -> bytes:
    return bytes(keys[row].as_buffer()[:depth])


def _merged(pieces: Iterator[Run]) -> list[Run]:
    merged: list[Run] = []
    for piece in pieces:
        if merged and merged[-1].folder == piece.folder:
            merged[-1] = Run(piece.folder, merged[-1].keys + piece.keys)
        else:
            merged.append(piece)
    return merged
