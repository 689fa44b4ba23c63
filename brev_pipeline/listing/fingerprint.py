"""Fingerprint: one short text for everything that is listed, so that two listings are compared at a glance.

It is pinned by a test: a change of it makes every listing look new.
"""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.texts import TEXT, contents


def listing_fingerprint(listing: pa.Table) -> str:
    """32 hex digits that differ if a path or an entity tag differs; the order of rows and chunks does not matter.

    Args:
        listing: columns path and etag, paths unique.
    """
    columns = listing.select(["path", "etag"])
    if not pc.all(pc.less_equal(columns["path"][:-1], columns["path"][1:]), min_count=0).as_py():
        columns = columns.take(pc.sort_indices(columns["path"]))
    digest = hashlib.blake2b(digest_size=16)
    for column in columns.columns:
        digest.update(_digest(column))
    return digest.hexdigest()


def _digest(texts: pa.ChunkedArray) -> bytes:
    """Hash of the texts' lengths (-1: null) and of their bytes: together no two columns have the same."""
    lengths, letters = hashlib.blake2b(), hashlib.blake2b()
    for chunk in texts.cast(TEXT).chunks:
        length = pc.fill_null(pc.binary_length(chunk), -1).to_numpy(zero_copy_only=False)
        lengths.update(np.ascontiguousarray(length, "<i4").data)
        letters.update(contents(pc.fill_null(chunk, "")).data)
    return lengths.digest() + letters.digest()
