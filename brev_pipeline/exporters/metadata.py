"""``metadata.json``: all that is worth knowing for reading the records without this package's code.

tfds shows it as ``builder.info.metadata``.
"""

from typing import Any, Final

from brev_pipeline.config import PipelineConfig
from brev_pipeline.exporters.tfds import encode_label_names, find_hidden_features, find_tfds_obstacle
from brev_pipeline.exporters.version_facts import PurposeFacts, VersionFacts, record_version
from brev_pipeline.records.schema import RECORD_VERSION, RecordFeature, record_features

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
_JPEG: Final = (
    "tfds decodes JPEG with TensorFlow's fast inverse DCT, some grey levels off: for the same pixels as everywhere "
    "else skip its decoding (tfds.decode.SkipDecoding) and use tf.io.decode_jpeg(…, dct_method='INTEGER_ACCURATE')"
)


def build_metadata(facts: VersionFacts, config: PipelineConfig) -> dict[str, Any]:
    """Content of ``metadata.json``."""
    settings = facts.shard_settings.model_dump(mode="json")
    kept = record_features(settings["encoding"], several=facts.is_multi_label, series=facts.is_time_series)
    return {
        "format": 1,
        "pipeline": facts.name,
        "version": record_version(facts),
        "record_schema": {
            "version": RECORD_VERSION,
            "features": [_feature(feature, len(facts.classes)) for feature in kept],
        },
        "classes": list(facts.classes),
        "purposes": {purpose.name: _purpose(purpose, facts.classes) for purpose in facts.purposes},
        "image": {**(facts.shape._asdict() if facts.shape else {}), "layout": _PIXELS},
        "shards": settings,
        "seeds": {"sampling.seed": config.sampling.seed, "made": _SEEDS},
        "draws": _DRAWS + (_FOLDS if config.split.folds else ""),
        "tfds": _tfds(facts),
    }


def _feature(feature: RecordFeature, classes: int) -> dict[str, Any]:
    stored = "bytes_list" if feature.kind in ("bytes", "text") else "int64_list"
    return {
        "name": feature.name,
        "stored": stored,
        "values": classes if feature.tfds == "classes" else 1,
        "meaning": feature.kind,
        "description": feature.description,
    }


def _purpose(purpose: PurposeFacts, classes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "records": purpose.record_count,
        "augmented": purpose.augmented,
        "records_of_each_class": dict(zip(classes, purpose.classes, strict=True)),
        "records_of_each_epoch": list(purpose.epoch_records),
        "shards": len(purpose.shards),
    }


def _tfds(facts: VersionFacts) -> dict[str, Any]:
    if (reason := find_tfds_obstacle(facts)) is not None:
        return {"opens": False, "because": reason}
    notes = [_ORDER]
    if facts.shard_settings.encoding == "jpeg":
        notes.append(_JPEG)
    if hidden := find_hidden_features(facts):
        notes.append(f"{', '.join(hidden)} is not shown: raw pixels need one size, and these images differ in size")
    if encode_label_names(facts) is None:
        notes.append("there is no label.labels.txt: tfds strips names and takes one per line; see classes")
    if empty := [purpose.name for purpose in facts.purposes if not purpose.shards]:
        notes.append(f"no split {', '.join(empty)}: there are no records of it")
    return {"opens": True, "notes": notes}
