"""Guards: what a run looks at before it touches a store that may be somebody else's."""

from brev_pipeline.config import PipelineConfig
from brev_pipeline.errors import ConfigError
from brev_pipeline.store import PipelineStore


def refuse_a_strangers_store(config: PipelineConfig, store: PipelineStore) -> None:
    """Refuse a store whose newest version was made of other datasets altogether.

    Two configurations of one name, in two folders or code locations, would publish into one log by turns, and each
    would keep the other's assignments. Datasets may come and go as long as one of them stays.

    Raises:
        ConfigError: no dataset's id is among those of the newest version; the message names both.
    """
    newest = store.newest()
    if newest is None:
        return
    theirs = [dataset["id"] for dataset in newest[1].manifest()["configuration"]["datasets"]]
    ours = [dataset.id for dataset in config.datasets]
    if not set(ours) & set(theirs):
        raise ConfigError(
            f"{store.folder.url} belongs to another pipeline named {config.name}: its newest version was made of the "
            f"dataset(s) {', '.join(theirs)}, this configuration lists {', '.join(ours)}; give this pipeline "
            "another name, or another store"
        )
