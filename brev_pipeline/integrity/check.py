"""The stage: who is a copy of whom."""

import pyarrow as pa

from brev_pipeline.engine import Engine
from brev_pipeline.integrity.copies import find_copies
from brev_pipeline.integrity.identity import identify
from brev_pipeline.source_base import Fetcher
from brev_pipeline.tables import SAMPLE_INTEGRITY, conform


def check_integrity(
    listing: pa.Table, *, fetch: Fetcher, known: pa.Table | None = None, engine: Engine | None = None
) -> pa.Table:
    """The listing with every image's identity by its bytes: its rows in its order, schema `tables.SAMPLE_INTEGRITY`.

    No row is lost: an image that cannot be read gets an identity of its own, with content_source ``unreadable``.

    Args:
        listing: schema `tables.RAW_LISTING`.
        fetch: reads images, and their headers if it has ``head_many`` (as `Sources` has).
        known: rows of an earlier call (columns path, etag, size, content_id, content_source, file_stamp). An object
            with the same path, entity tag and size (a local file: and stamp) is neither read nor asked for again;
            unreadable ones are tried anew.
        engine: asks for headers, and reads and hashes what they do not tell, where that is much; None: this process.

    Raises:
        BrevPipelineError: nothing can be read at all, as `Fetcher.fetch_many` raises it.
    """
    identity = identify(listing, fetch, known, engine)
    found = find_copies(identity["content_id"], listing["path"], listing["category"])
    columns = {name: listing[name] for name in listing.column_names}
    columns |= {name: identity[name] for name in identity.column_names}
    return conform(pa.table(columns | found._asdict()), SAMPLE_INTEGRITY, "sample_integrity")
