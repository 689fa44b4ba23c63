"""State: a cheap answer to "has anything changed?", for whoever watches the datasets.

Nothing is read but the listing itself: of a local file, size and stamp (see `walk.FILES`) stand for its bytes. So a
file that was merely touched, renamed or given other rights looks changed; the run that follows publishes nothing new.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config.models import DatasetSettings, ListingSettings
from brev_pipeline.listing.datasets import by_path, list_dataset
from brev_pipeline.listing.fingerprint import listing_fingerprint
from brev_pipeline.listing.refusals import refuse_overlaps
from brev_pipeline.storage import Sources
from brev_pipeline.texts import TEXT, joined


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
    listing = by_path(pa.concat_tables(tables))
    stood_for = pc.coalesce(listing["etag"], joined(listing["size"].cast(TEXT), listing["file_stamp"], by="-"))
    stamped = pa.table({"path": listing["path"], "etag": stood_for})
    return ListingState(listing_fingerprint(stamped), listing.num_rows, listing)
