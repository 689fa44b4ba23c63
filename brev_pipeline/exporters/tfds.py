"""The files for TensorFlow: those by which ``tfds.builder_from_directory`` opens a version, and ``metadata.json``.

tfds (written for 4.9) reads ``dataset_info.json`` and ``features.json`` as protocol buffers and refuses any field that
it does not know. What else is worth knowing for reading the records without this package's code stands in
``metadata.json``, which tfds shows as ``builder.info.metadata``. The data set's version is the record schema's, because
tfds wants x.y.z and takes a change of it as a change of what a record holds.
"""

import re
from typing import Any, Final

from brev_pipeline.config import PipelineConfig
from brev_pipeline.exporters.version_facts import (
    PurposeFacts,
    VersionFacts,
    cite_version,
    describe_version,
    record_version,
)
from brev_pipeline.record_features import RecordFeature
from brev_pipeline.records.encodings import ENCODINGS
from brev_pipeline.records.schema import tfds_features

_NAME: Final = re.compile(r"[a-zA-Z]\w*", re.ASCII)
_RESERVED: Final = "all"  # ``split="all"`` means every split together
_SEEDS: Final = (
    "Each record's seed is the first 8 bytes, big-endian, of BLAKE2b (digest size 8, key: sampling.seed as 8 bytes, "
    "big-endian) of epoch, content_id and ordinal as UTF-8 text joined by the byte 0xff; ordinal counts the "
    "earlier draws of the content in the epoch. Stored as the int64 of the same 64 bits."
)
_DRAWS: Final = (
    "Sampled purposes are drawn by weights.parquet, in each epoch anew, and augmented by the record's seed; all other "
    "purposes hold each of their images once, as it is. Shards are numbered through the epochs of a purpose; within "
    "an epoch the records are mixed by a hash of their seeds."
)
_FOLDS: Final = (
    " Folds are both: fold0 holds its images once, as they are, with negative ordinals (−1; further images of the same "
    "bytes −2, …), fold0_augmented draws of them. For each round of a cross-validation leave one fold out: train with "
    "the others' draws, measure with its images as they are."
)
_PIXELS: Final = (
    "uint8, row by row, channels innermost, RGB or grey; a time series has its frames one below the other: reshape "
    "(image/frames × image/height, image/width, image/channels) to have them apart."
)
_ORDER: Final = (
    "slices such as train[:100] count in the record table's order; examples come in that order if they are read with "
    "tfds.ReadConfig(interleave_cycle_length=1)"
)
_LISTS: Final = {"bytes": "bytes_list", "text": "bytes_list", "float32": "float_list"}
_JPEG: Final = (
    "tfds decodes JPEG with TensorFlow's fast inverse DCT, some grey levels off: for the same pixels as everywhere "
    "else skip its decoding (tfds.decode.SkipDecoding) and use tf.io.decode_jpeg(…, dct_method='INTEGER_ACCURATE')"
)


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
        "version": facts.layout.version,
        "description": describe_version(facts),
        "citation": cite_version(facts, config),
        "fileFormat": "tfrecord",
        "splits": [_describe_split(purpose) for purpose in facts.purposes if purpose.shards],
    }
    if _shows_pixels(facts):
        pair = [{"featureKey": _pixel_feature(facts)}, {"featureKey": "label"}]
        info["supervisedKeys"] = {"tuple": {"items": pair}}
    if config.card.license:
        info["redistributionInfo"] = {"license": config.card.license}
    return info


def build_features(facts: VersionFacts) -> dict[str, Any]:
    """Content of ``features.json``."""
    assert facts.shape is not None
    return tfds_features(facts.layout, facts.shape.stored_shape, classes=len(facts.classes))


def encode_label_names(facts: VersionFacts) -> dict[str, bytes]:
    """The files that name classes, as tfds looks for them: ``label.labels.txt``, and one for each label that has names.

    There is none for names that tfds, which strips each line, would read otherwise.
    """
    encoded = {feature: _encode_names(names) for feature, names in _list_named(facts).items()}
    return {f"{feature}.labels.txt": text for feature, text in encoded.items() if text is not None}


def _list_named(facts: VersionFacts) -> dict[str, tuple[str, ...]]:
    """Feature, as tfds writes it into a file's name → its class names."""

    def name_of(feature: RecordFeature) -> str:
        name = feature.name if feature.sequence is None else feature.name.removeprefix(f"{feature.sequence}/")
        return "-".join(part.replace("/", ".") for part in (feature.sequence, name) if part is not None)

    own = {"label": facts.classes} if facts.classes else {}
    return own | {name_of(feature): feature.classes for feature in facts.layout.labels if feature.classes}


def _encode_names(names: tuple[str, ...]) -> bytes | None:
    text = "".join(f"{name}\n" for name in names)
    if [name.strip() for name in text.split("\n") if name.strip()] != list(names):
        return None
    return text.encode()


def build_metadata(facts: VersionFacts, config: PipelineConfig) -> dict[str, Any]:
    """Content of ``metadata.json``."""
    settings = facts.shard_settings.model_dump(mode="json")
    return {
        "format": 1,
        "pipeline": facts.name,
        "version": record_version(facts),
        "record_schema": {
            "version": facts.layout.version,
            "features": [_describe_feature(feature, len(facts.classes)) for feature in facts.layout.features],
        },
        "classes": list(facts.classes),
        "purposes": {purpose.name: _describe_purpose(purpose, facts.classes) for purpose in facts.purposes},
        "image": {**(facts.shape._asdict() if facts.shape else {}), "layout": _PIXELS},
        "shards": settings,
        "seeds": {"sampling.seed": config.sampling.seed, "made": _SEEDS},
        "draws": _DRAWS + (_FOLDS if config.split.folds else ""),
        "tfds": _describe_opening(facts),
    }


def _pixel_feature(facts: VersionFacts) -> str:
    return f"image/{ENCODINGS[facts.shard_settings.encoding].stored_as}"


def _shows_pixels(facts: VersionFacts) -> bool:
    """Whether tfds decodes the pixels: raw ones need one size."""
    is_known = facts.shape is not None and None not in facts.shape.stored_shape
    return is_known or _pixel_feature(facts) != "image/raw"


def _describe_split(purpose: PurposeFacts) -> dict[str, Any]:
    # Protocol buffers write 64-bit numbers as text.
    return {
        "name": purpose.name,
        "shardLengths": [str(shard.records) for shard in purpose.shards],
        "numBytes": str(sum(shard.bytes for shard in purpose.shards)),
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
    }


def _describe_feature(feature: RecordFeature, classes: int) -> dict[str, Any]:
    told = {
        "name": feature.name,
        "stored": _LISTS.get(feature.kind, "int64_list"),
        "values": classes if feature.tfds == "classes" else feature.width,
        "meaning": feature.kind,
        "description": feature.description,
    }
    sequence = {"sequence": feature.sequence} if feature.sequence else {}
    return {**told, **sequence, **({"classes": list(feature.classes)} if feature.classes else {})}


def _describe_purpose(purpose: PurposeFacts, classes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "records": purpose.record_count,
        "augmented": purpose.augmented,
        "records_of_each_class": dict(zip(classes, purpose.classes, strict=True)),
        "records_of_each_epoch": list(purpose.epoch_records),
        "shards": len(purpose.shards),
    }


def _describe_opening(facts: VersionFacts) -> dict[str, Any]:
    if (reason := find_tfds_obstacle(facts)) is not None:
        return {"opens": False, "because": reason}
    notes = [_ORDER]
    if facts.shard_settings.encoding == "jpeg":
        notes.append(_JPEG)
    if not _shows_pixels(facts):
        notes.append(f"{_pixel_feature(facts)} is not shown: raw pixels need one size, and these images differ in size")
    if not facts.classes:
        notes.append("the images have no class: each label is -1")
    for name, classes in _list_named(facts).items():
        if _encode_names(classes) is None:
            where = "classes" if name == "label" else "the features"
            notes.append(f"there is no {name}.labels.txt: tfds strips names and takes one per line; see {where}")
    if empty := [purpose.name for purpose in facts.purposes if not purpose.shards]:
        notes.append(f"no split {', '.join(empty)}: there are no records of it")
    return {"opens": True, "notes": notes}
