"""The files by which ``tfds.builder_from_directory`` opens a version (written for tfds 4.9).

tfds reads both JSON files as protocol buffers and refuses any field that it does not know: what else there is to
say stands in ``metadata.json``. The data set's version is the record schema's, because tfds wants x.y.z and takes a
change of it as a change of what a record holds.
"""

import re
from typing import Any, Final

from brev_pipeline.config import PipelineConfig
from brev_pipeline.exporters.version_facts import PurposeFacts, VersionFacts, cite_version, describe_version
from brev_pipeline.records.schema import RECORD_VERSION, tfds_features

_NAME: Final = re.compile(r"[a-zA-Z]\w*", re.ASCII)
_RESERVED: Final = "all"  # ``split="all"`` means every split together


def find_tfds_obstacle(facts: VersionFacts) -> str | None:
    """Why tfds cannot open the version; None: it can."""
    if facts.shape is None:
        return "the version has no records"
    if facts.shard_settings.compression != "none":
        return "tfds opens no compressed shards: shards.compression would have to be none"
    if not _NAME.fullmatch(facts.name):
        return f"tfds takes letters, digits and _ in a name, and this one is {facts.name!r}"
    if any(purpose.name.lower() == _RESERVED for purpose in facts.purposes):
        return f"tfds keeps the name {_RESERVED!r} for all purposes together"
    return None


def build_dataset_info(facts: VersionFacts, config: PipelineConfig) -> dict[str, Any]:
    """Content of ``dataset_info.json``. A purpose without records is left out: tfds knows no empty split."""
    info: dict[str, Any] = {
        "name": facts.name,
        "version": RECORD_VERSION,
        "description": describe_version(facts),
        "citation": cite_version(facts, config),
        "fileFormat": "tfrecord",
        "splits": [_describe_split(purpose) for purpose in facts.purposes if purpose.shards],
    }
    if pixels := _pixel_feature(facts):
        pair = [{"featureKey": pixels}, {"featureKey": "label"}]
        info["supervisedKeys"] = {"tuple": {"items": pair}}
    if config.card.license:
        info["redistributionInfo"] = {"license": config.card.license}
    return info


def build_features(facts: VersionFacts) -> dict[str, Any]:
    """Content of ``features.json``."""
    assert facts.shape is not None
    return tfds_features(
        facts.shard_settings,
        facts.shape.stored_shape,
        classes=len(facts.classes),
        several=facts.is_multi_label,
        series=facts.is_time_series,
    )


def encode_label_names(facts: VersionFacts) -> bytes | None:
    """Content of ``label.labels.txt``; None where tfds, which strips each line, would read other names."""
    text = "".join(f"{name}\n" for name in facts.classes)
    if [name.strip() for name in text.split("\n") if name.strip()] != list(facts.classes):
        return None
    return text.encode()


def find_hidden_features(facts: VersionFacts) -> list[str]:
    """Features that tfds does not show: raw pixels of images that differ in size."""
    return [] if _pixel_feature(facts) else ["image/raw"]


def _pixel_feature(facts: VersionFacts) -> str | None:
    """The feature that tfds decodes to pixels."""
    if facts.shard_settings.encoding != "raw":
        return "image/encoded"
    return "image/raw" if facts.shape and None not in facts.shape.stored_shape else None


def _describe_split(purpose: PurposeFacts) -> dict[str, Any]:
    # Protocol buffers write 64-bit numbers as text.
    return {
        "name": purpose.name,
        "shardLengths": [str(shard.records) for shard in purpose.shards],
        "numBytes": str(sum(shard.bytes for shard in purpose.shards)),
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
    }
