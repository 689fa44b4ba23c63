"""The last two stages put together: from split and weights to shards, from shards and tables to a release.

Both need the results of several rooms; this is the only place outside the orchestration that knows more than one.
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import PipelineConfig
from brev_pipeline.engine import Engine
from brev_pipeline.store import PipelineStore
from brev_pipeline.store.publish import Release, publish_version

STAGING = b"brev_pipeline.staging"
"""Schema metadata of the record table: name of the staging folder that holds its shards."""


def class_names(split: pa.Table) -> list[str]:
    """The version's classes: every category that occurs, sorted; a label is an index into this list."""
    return sorted(set(pc.unique(pc.list_flatten(split["category"])).to_pylist()))
