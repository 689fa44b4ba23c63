"""The files by which ``tfds.builder_from_directory`` opens a version (written for tfds 4.9).

tfds reads both JSON files as protocol buffers and refuses any field that it does not know: what else there is to
say stands in ``metadata.json``. The data set's version is the record schema's, because tfds wants x.y.z and takes a
change of it as a change of what a record holds.
"""

import re
from typing import Any, Final

from brev_pipeline.config import PipelineConfig
from brev_pipeline.exporters.facts import Facts, Purpose
from brev_pipeline.exporters.texts import citation, description
from brev_pipeline.records.schema import RECORD_VERSION, tfds_features

_NAME: Final = re.compile(r"[a-zA-Z]\w*", re.ASCII)
_RESERVED: Final = "all"
"""``split="all"`` means every split together."""


def obstacle(facts: Facts) -> str | None:
    """Why tfds cannot open the version; None: it can."""
    if facts.shape is None:
        return "the version has no records"
    if facts.settings.compression != "none":
        return "tfds opens no compressed shards: shards.compression would have to be none"
    if not _NAME.fullmatch(facts.name):
        return f"tfds takes letters, digits and _ in a name, and this one is {facts.name!r}"
    if any(purpose.name.lower() == _RESERVED for purpose in facts.purposes):
        return f"tfds keeps the name {_RESERVED!r} for all purposes together"
    return None


def dataset_info(facts: Facts, config: PipelineConfig) -> dict[str, Any]:
    """Content of ``dataset_info.json``. A purpose without records is left out: tfds knows no empty split."""
    info: dict[str, Any] = {
        "name": facts.name,
        "version": RECORD_VERSION,
        "description": description(facts),
        "citation": citation(facts, config),
        "fileFormat": "tfrecord",
        "splits": [_split(purpose) for purpose in facts.purposes if purpose.shards],
    }
    if pixels := _pixels(facts):
        pair = [{"featureKey": pixels}, {"featureKey": "label"}]
        info["supervisedKeys"] = {"tuple": {"items": pair}}
    if config.card.license:
        info["redistributionInfo"] = {"license": config.card.license}
    return info


def features(facts: Facts) -> dict[str, Any]:
    """Content of ``features.json``."""
    assert facts.shape is not None
    return tfds_features(
        facts.settings, facts.shape.stored, classes=len(facts.classes), several=facts.several, series=facts.series
    )


def label_names(facts: Facts) -> bytes | None:
    """Content of ``label.labels.txt``; None where tfds, which strips each line, would read other names."""
    text = "".join(f"{name}\n" for name in facts.classes)
    if [name.strip() for name in text.split("\n") if name.strip()] != list(facts.classes):
        return None
    return text.encode()


def unread(facts: Facts) -> list[str]:
    """Features that tfds does not show: raw pixels of images that differ in size."""
    return [] if _pixels(facts) else ["image/raw"]


def _pixels(facts: Facts) -> str | None:
    """The feature that tfds decodes to pixels."""
    if facts.settings.encoding != "raw":
        return "image/encoded"
    return "image/raw" if facts.shape and None not in facts.shape.stored else None


def _split(purpose: Purpose) -> dict[str, Any]:
    # Protocol buffers write 64-bit numbers as text.
    return {
        "name": purpose.name,
        "shardLengths": [str(shard.records) for shard in purpose.shards],
        "numBytes": str(sum(shard.bytes for shard in purpose.shards)),
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
    }
