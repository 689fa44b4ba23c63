"""The last step of a run alone, from tables that a run left: so short that it can be killed at each operation."""

from pathlib import Path

from brev_pipeline.config import load_config
from brev_pipeline.orchestration.asset_checks import CheckResultStore
from brev_pipeline.release.release_version import release_version
from brev_pipeline.store import PipelineStore, StoredTable
from brev_pipeline_tests.pipelines import STAGES, table_name


def publish(configuration: str, place: str, run_id: str) -> None:
    """Publish what the run left, as the asset ``dataset_version`` does."""
    config = load_config(Path(configuration))
    store = PipelineStore.from_config(config.model_copy(update={"store": place}).with_base(config.base_folder))
    tables = {stage: StoredTable(store.tables, table_name(store, run_id, stage)) for stage in STAGES}
    verdicts = CheckResultStore(store.tables)
    checks = {stage: list(verdicts.read_newest(table.name).values()) for stage, table in tables.items()}
    release_version(config, store, tables, checks=checks, run_id=run_id)
