"""`export_files`: all files for other readers at once."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from brev_pipeline.config import PipelineConfig
from brev_pipeline.exporters.croissant import build_croissant
from brev_pipeline.exporters.metadata import build_metadata
from brev_pipeline.exporters.tfds import build_dataset_info, build_features, encode_label_names, find_tfds_obstacle
from brev_pipeline.exporters.version_facts import gather_facts
from brev_pipeline.store.versions import to_json


def export_files(
    config: PipelineConfig,
    *,
    classes: Sequence[str],
    split: pa.Table,
    images: pa.Table,
    records: pa.Table,
    files: Mapping[str, Mapping[str, Any]],
) -> dict[str, bytes]:
    """The files of a version that are for tfds, plain TensorFlow and Croissant.

    Pure: the same arguments give the same bytes, in whatever order the tables' rows stand. Of the configuration only
    what `PipelineConfig.contents` has is used: no place, no clock, no person.

    What tfds cannot open (gzip shards; a version without records) gets no files for tfds; ``metadata.json`` says why.

    Args:
        config: of the pipeline.
        classes: class names; a label is an index into them.
        split: path and category (list of text) of the images.
        images: content_id and the ``prepared_…`` columns of the images (`tables.PREPARED_IMAGES`).
        records: the record table, schema `tables.TFRECORD_SHARDS`.
        files: name → ``bytes`` and ``sha256`` of the version's files: all shards, ``records.parquet``, and others.

    Returns:
        File name → bytes: metadata.json, croissant.json and, where tfds can open the shards, dataset_info.json,
        features.json and label.labels.txt (this one only if tfds reads these class names back as they are).

    Raises:
        ShardError: ``files`` lacks a shard or the record table, a label is not among ``classes``, or images of
            different numbers of channels or frames stand beside each other.
    """
    facts = gather_facts(config, classes=classes, split=split, images=images, records=records, files=files)
    made = {
        "metadata.json": to_json(build_metadata(facts, config)),
        "croissant.json": to_json(build_croissant(facts, config)),
    }
    if find_tfds_obstacle(facts) is None:
        made["dataset_info.json"] = to_json(build_dataset_info(facts, config))
        made["features.json"] = to_json(build_features(facts))
        if (names := encode_label_names(facts)) is not None:
            made["label.labels.txt"] = names
    return made
