"""What the suites compare a run with: the newest published version, and the file of known assignments."""

from brev_pipeline.config import PipelineConfig
from brev_pipeline.expectations.frames import Published
from brev_pipeline.production import given_files, known_assignments, published_ledger
from brev_pipeline.store import PipelineStore


def published_tables(config: PipelineConfig, stage: str) -> Published:
    """What a stage's suite compares with: the listing and ledger of the newest published version, known assignments.

    Args:
        config: the pipeline's configuration.
        stage: whose suite it is: only what its frames read is read of the store.
    """
    if stage == "raw_listing":
        newest = PipelineStore.of(config).newest()
        return Published(listing=newest[1].table("listing", ["path"]) if newest else None)
    if stage == "sample_split":
        return Published(
            assignments=published_ledger(PipelineStore.of(config), config),
            known=known_assignments(config),
            given=given_files(config),
        )
    return Published()
