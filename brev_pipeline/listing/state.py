"""State: a cheap answer to "has anything changed?", for whoever watches the datasets, and the fingerprint of a listing.

Nothing is read but the listing itself: of a local file, size and stamp (see `folder_walk.FILES`) stand for its bytes.
So a file that was merely touched, renamed or given other rights looks changed; the run that follows publishes nothing
new. The fingerprint is pinned by a test: a change of it makes every listing look new.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import DatasetSettings, ListingSettings
from brev_pipeline.listing.datasets import list_dataset, refuse_overlaps, sort_by_path
from brev_pipeline.storage import Sources
from brev_pipeline.texts import TEXT, join_texts, text_bytes


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
        digest.update(_hash_texts(column))
    return digest.hexdigest()


def _hash_texts(texts: pa.ChunkedArray) -> bytes:
    """Hash of the texts' lengths (-1: null) and of their bytes: together no two columns have the same."""
    lengths, letters = hashlib.blake2b(), hashlib.blake2b()
    for chunk in texts.cast(TEXT).chunks:
        length = pc.fill_null(pc.binary_length(chunk), -1).to_numpy(zero_copy_only=False)
        lengths.update(np.ascontiguousarray(length, "<i4").data)
        letters.update(text_bytes(pc.fill_null(chunk, "")).data)
    return lengths.digest() + letters.digest()


@dataclass(frozen=True)
class ListingState:
    """What is there now."""

    fingerprint: str
    """32 hex digits; others if an image appeared, vanished or changed."""
    images: int
    """Images listed."""
    listing: pa.Table
    """Schema `tables.RAW_LISTING`; local files have no etag."""


def listing_state(datasets: Sequence[DatasetSettings], settings: ListingSettings, sources: Sources) -> ListingState:
    """List the datasets without reading a file. Arguments and errors as of `list_datasets`."""
    refuse_overlaps(datasets, sources)
    tables = [list_dataset(dataset, settings, sources, hashed=False) for dataset in datasets]
    listing = sort_by_path(pa.concat_tables(tables))
    stood_for = pc.coalesce(listing["etag"], join_texts(listing["size"].cast(TEXT), listing["file_stamp"], by="-"))
    stamped = pa.table({"path": listing["path"], "etag": stood_for})
    return ListingState(listing_fingerprint(stamped), listing.num_rows, listing)
