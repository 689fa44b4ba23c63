"""What the suites compare a run with: the newest published version, and the file of known assignments."""

from brev_pipeline.config import PipelineConfig
from brev_pipeline.expectations.frames import Published
from brev_pipeline.production import known_assignments, published_ledger
from brev_pipeline.store import PipelineStore


def published_tables(config: PipelineConfig) -> Published:
    """Listing and ledger of the newest published version, where there is one; known assignments, where configured."""
    store = PipelineStore.of(config)
    newest = store.newest()
    known = known_assignments(config)
    if newest is None:
        return Published(known=known)
    return Published(newest[1].table("listing", ["path"]), published_ledger(store, config), known)
