"""What the newest published version remembers, for the stages and suites that compare with it."""

from brev_pipeline.expectations.frames import Published
from brev_pipeline.production import published_ledger
from brev_pipeline.store import PipelineStore


def published_tables(store: PipelineStore) -> Published:
    """Listing and split of the newest published version, or nothing."""
    newest = store.newest()
    return Published(newest[1].table("listing"), published_ledger(store)) if newest else Published()
