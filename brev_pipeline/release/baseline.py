"""What a run is compared with: the newest published version, the files of known and given assignments."""

from brev_pipeline.config import PipelineConfig
from brev_pipeline.errors import ConfigError
from brev_pipeline.expectations.frames import Baseline
from brev_pipeline.integrity.findings import COMPARED, COMPARED_CONTENTS
from brev_pipeline.release.assignments import load_given_files, load_known_assignments, read_history
from brev_pipeline.store import PipelineStore


def read_baseline(config: PipelineConfig, stage: str) -> Baseline:
    """What a stage's suite compares with: the listing and ledger of the newest published version, known assignments.

    Args:
        config: the pipeline's configuration.
        stage: whose suite it is: only what its frames read is read of the store.
    """
    compared = {"raw_listing": COMPARED, "sample_integrity": COMPARED_CONTENTS}.get(stage)
    if compared:
        newest = PipelineStore.from_config(config).newest_version()
        return Baseline(listing=newest[1].read_table("listing", compared) if newest else None)
    if stage == "sample_split":
        history = read_history(PipelineStore.from_config(config), config)
        return Baseline(
            assignments=history.ledger,
            known=load_known_assignments(config),
            given=load_given_files(config),
            classes=history.classes,
        )
    return Baseline()


def refuse_foreign_store(config: PipelineConfig, store: PipelineStore) -> None:
    """Refuse a store whose newest version was made of other datasets altogether.

    Two configurations of one name, in two folders or code locations, would publish into one log by turns, and each
    would keep the other's assignments. Datasets may come and go as long as one of them stays.

    Raises:
        ConfigError: no dataset's id is among those of the newest version; the message names both.
    """
    newest = store.newest_version()
    if newest is None:
        return
    theirs = [dataset["id"] for dataset in newest[1].read_manifest()["configuration"]["datasets"]]
    ours = [dataset.id for dataset in config.datasets]
    if not set(ours) & set(theirs):
        raise ConfigError(
            f"{store.folder.url} belongs to another pipeline named {config.name}: its newest version was made of the "
            f"dataset(s) {', '.join(theirs)}, this configuration lists {', '.join(ours)}; give this pipeline "
            "another name, or another store"
        )
