"""Shards: the TFRecord files that training reads, the same bytes on every run.

A *record* is a ``tf.train.Example`` with one image and what is known of it (`RECORD_FEATURES`); a *shard* is a
file of records; the *plan* says which draw stands where, before any pixel is touched (`plan_shards`). Shards are
written one task each, without TensorFlow (`write_shards`), and read back one record at a time (`read_record`) or
all in order (`records`), every checksum checked.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from brev_pipeline.records.example import decode_example, encode_example
from brev_pipeline.records.record_reader import decode_record_pixels, iterate_records, read_record
from brev_pipeline.records.schema import (
    RECORD_FEATURES,
    RECORD_VERSION,
    RecordFeature,
    feature_spec,
    record_features,
    tfds_features,
)
from brev_pipeline.records.shard_plan import SHARD_PLAN, plan_shards, shard_name

if TYPE_CHECKING:
    from brev_pipeline.records.reuse import PreviousRecords
    from brev_pipeline.records.shard_writer import RecordBuilder
    from brev_pipeline.records.write import remove_progress, shard_files, write_shards

__all__ = [
    "RECORD_FEATURES",
    "RECORD_VERSION",
    "SHARD_PLAN",
    "PreviousRecords",
    "RecordBuilder",
    "RecordFeature",
    "decode_example",
    "decode_record_pixels",
    "encode_example",
    "feature_spec",
    "iterate_records",
    "plan_shards",
    "read_record",
    "record_features",
    "remove_progress",
    "shard_files",
    "shard_name",
    "tfds_features",
    "write_shards",
]


# The writer is imported when it is first used: who reads records needs nothing of it.
_LAZY = {
    "PreviousRecords": "reuse",
    "RecordBuilder": "shard_writer",
    "remove_progress": "write",
    "shard_files": "write",
    "write_shards": "write",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
