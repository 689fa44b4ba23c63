"""Data and code versions: by them Dagster's UI tells what is stale, and why.

A table's data version is the hash of its content without the columns that tell of the run instead (when a file was
touched, where pixels lie), so materializing an asset over unchanged inputs leaves what comes after it fresh. A
stage's code version changes with the settings that the stage reads: edit `split.seed`, and sample_split shows as
stale, not the pixels.
"""

import hashlib
import json
from typing import TYPE_CHECKING, Final

from brev_pipeline.config import PipelineConfig
from brev_pipeline.orchestration.names import VERSION
from brev_pipeline.store.parquet import row_groups

if TYPE_CHECKING:
    import pyarrow as pa

CODE_VERSION = "1"
"""Data made by another code version shows as stale in Dagster's UI; raise it when a stage's result changes."""

_SETTINGS: Final = {
    "raw_listing": ("datasets", "listing"),
    "sample_integrity": (),
    "prepared_images": ("image",),
    "sample_split": ("split", "integrity"),
    "sampling_weights": ("sampling",),
    "tfrecord_shards": ("sampling", "shards", "augmentation", "image"),
    VERSION: (),
}
"""Stage → sections of the configuration that its result depends on, besides its inputs; the version: on all."""

_OF_THE_RUN: Final = {
    "raw_listing": {"modified", "file_stamp"},
    "sample_integrity": {"modified", "file_stamp"},
    "prepared_images": {"file", "offset", "length"},
    "sample_split": {"assigned_by"},
}
"""Stage → columns that differ between runs over the same images: times, places of work, who was assigned how."""


def code_version(config: PipelineConfig, stage: str) -> str:
    """Changes with `CODE_VERSION` and with the settings of a stage."""
    contents = config.contents()
    settings = {name: contents[name] for name in _SETTINGS[stage]} if stage != VERSION else contents
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
    return f"{CODE_VERSION}-{digest}" if settings else CODE_VERSION


def data_version(stage: str, table: "pa.Table") -> str:
    """32 hex digits: the hash of a stage's table, without its schema's metadata and the columns of the run."""
    import pyarrow as pa

    kept = [name for name in table.column_names if name not in _OF_THE_RUN.get(stage, ())]
    plain = table.select(kept).replace_schema_metadata(None)
    hasher = _Hasher()
    with pa.ipc.new_stream(pa.PythonFile(hasher, "w"), plain.schema) as stream:
        for group in row_groups(plain):
            stream.write_table(group)
    return hasher.digest.hexdigest()


class _Hasher:
    """A file that keeps nothing of what is written but the hash."""

    closed = False

    def __init__(self) -> None:
        self.digest = hashlib.blake2b(digest_size=16)
        self._written = 0

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self._written += len(data)
        return len(data)

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass
