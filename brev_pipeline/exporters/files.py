"""`export_files`: what the tables and the configuration say of a version, gathered once, as all files for others."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import PipelineConfig
from brev_pipeline.errors import ShardError
from brev_pipeline.exporters.croissant import build_croissant
from brev_pipeline.exporters.tfds import (
    build_dataset_info,
    build_features,
    build_metadata,
    encode_label_names,
    find_tfds_obstacle,
)
from brev_pipeline.exporters.version_facts import RECORD_TABLE, PurposeFacts, ShardFacts, VersionFacts
from brev_pipeline.record_features import RecordFeature
from brev_pipeline.records.schema import RecordLayout, find_image_shape
from brev_pipeline.store.versions import to_json
from brev_pipeline.tables import AUGMENTED, LABEL_ID, NO_LABEL, part_names


def export_files(
    config: PipelineConfig,
    *,
    classes: Sequence[str],
    split: pa.Table,
    images: pa.Table,
    records: pa.Table,
    files: Mapping[str, Mapping[str, Any]],
    label_features: Sequence[RecordFeature] = (),
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
        label_features: of the version's labels, as its manifest describes them.

    Returns:
        File name → bytes: metadata.json, croissant.json and, where tfds can open the shards, dataset_info.json,
        features.json and label.labels.txt (this one only if tfds reads these class names back as they are); one such
        file for each label that has class names.

    Raises:
        ShardError: ``files`` lacks a shard or the record table, a label is not among ``classes``, or images of
            different numbers of channels or frames stand beside each other.
    """
    if missing := sorted({*pc.unique(records["file"]).to_pylist(), RECORD_TABLE} - set(files)):
        raise ShardError(f"{len(missing)} files that records stand in are not listed, the first {missing[0]}")
    drawn = split.filter(pc.is_in(split["path"], value_set=pc.unique(records["path"])))
    shape = find_image_shape(images, records["content_id"]) if records.num_rows else None
    facts = VersionFacts(
        name=config.name,
        shard_settings=config.shards,
        classes=tuple(classes),
        layout=RecordLayout(
            config.shards.encoding,
            several=(pc.max(pc.list_value_length(drawn["category"])).as_py() or 0) > 1,
            series=shape is not None and shape.frames is not None,
            labels=tuple(label_features),
        ),
        shape=shape,
        purposes=_gather_purposes(config, len(classes), records.append_column("part", part_names(records)), files),
        files=files,
        has_label_ids=LABEL_ID.name in records.column_names,
    )
    contents = {
        "metadata.json": to_json(build_metadata(facts, config)),
        "croissant.json": to_json(build_croissant(facts, config)),
    }
    if find_tfds_obstacle(facts) is None:
        contents["dataset_info.json"] = to_json(build_dataset_info(facts, config))
        contents["features.json"] = to_json(build_features(facts))
        contents |= encode_label_names(facts)
    return contents


def _gather_purposes(
    config: PipelineConfig, class_count: int, records: pa.Table, files: Mapping[str, Mapping[str, Any]]
) -> tuple[PurposeFacts, ...]:
    """The purposes in the configuration's order, behind each fold the part with its draws; then what else is there."""
    drawn = {*config.split.fold_names} & {*config.sampling.purposes}
    shards: dict[str, list[ShardFacts]] = {}
    for name in config.split.names:
        shards |= {name: [], name + AUGMENTED: []} if name in drawn else {name: []}
    counted = records.group_by(["part", "shard", "file", "epoch"]).aggregate([([], "count_all")])
    for row in counted.sort_by([("part", "ascending"), ("shard", "ascending")]).to_pylist():
        shard = ShardFacts(row["file"], row["count_all"], row["epoch"], files[row["file"]]["bytes"])
        shards.setdefault(row["part"], []).append(shard)
    labels = {name: [0] * class_count for name in shards}
    for row in records.group_by(["part", "label"]).aggregate([([], "count_all")]).to_pylist():
        if row["label"] == NO_LABEL:
            continue
        if not 0 <= row["label"] < class_count:
            raise ShardError(f"a record has the label {row['label']}, and there are {class_count} class names")
        labels[row["part"]][row["label"]] = row["count_all"]
    sums = records.group_by("part").aggregate([("augmented", "sum")]).to_pylist()
    augmented = {row["part"]: row["augmented_sum"] for row in sums}
    return tuple(
        PurposeFacts(name, tuple(own), tuple(labels[name]), augmented.get(name, 0)) for name, own in shards.items()
    )
