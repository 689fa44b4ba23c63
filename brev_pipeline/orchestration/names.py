"""Names that Dagster and the store share: asset keys."""

import dagster as dg


def asset_key(pipeline: str, stage: str) -> dg.AssetKey:
    """Key of a stage's asset: the pipeline's name is its prefix."""
    return dg.AssetKey([pipeline, stage])
