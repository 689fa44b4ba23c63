"""Names that Dagster and the store share: stages, asset keys, resource keys."""

from typing import Final

import dagster as dg

STAGES: Final = (
    "raw_listing",
    "sample_integrity",
    "prepared_images",
    "sample_split",
    "sampling_weights",
    "tfrecord_shards",
)
"""The stages that make a table, in the order of the flow."""

VERSION: Final = "dataset_version"
"""The asset that stands for the published version."""


def asset_key(pipeline: str, stage: str) -> dg.AssetKey:
    """Key of a stage's asset: the pipeline's name is its prefix."""
    return dg.AssetKey([pipeline, stage])
