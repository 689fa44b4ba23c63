"""What the suites compare a run with: the newest published version, and the file of known assignments."""

from brev_pipeline.config import PipelineConfig
from brev_pipeline.expectations.frames import Published
from brev_pipeline.integrity.findings import COMPARED, COMPARED_CONTENTS
from brev_pipeline.release.production import given_files, known_assignments, published_history
from brev_pipeline.store import PipelineStore


def published_tables(config: PipelineConfig, stage: str) -> Published:
    """What a stage's suite compares with: the listing and ledger of the newest published version, known assignments.

    Args:
        config: the pipeline's configuration.
        stage: whose suite it is: only what its frames read is read of the store.
    """
    compared = {"raw_listing": COMPARED, "sample_integrity": COMPARED_CONTENTS}.get(stage)
    if compared:
        newest = PipelineStore.of(config).newest()
        return Published(listing=newest[1].table("listing", compared) if newest else None)
    if stage == "sample_split":
        history = published_history(PipelineStore.of(config), config)
        return Published(
            assignments=history.ledger,
            known=known_assignments(config),
            given=given_files(config),
            classes=history.classes,
        )
    return Published()
