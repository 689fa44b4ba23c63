"""``croissant.json``: the version in MLCommons Croissant 1.0.

Every file stands in it with its SHA-256, and the rows of ``records.parquet`` can be iterated; the records
themselves cannot, because Croissant knows no TFRecord. Licence and date of publication are there only where
``card`` of the configuration states them.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pyarrow as pa

from brev_pipeline.config import PipelineConfig
from brev_pipeline.exporters.version_facts import (
    RECORD_TABLE,
    PurposeFacts,
    VersionFacts,
    cite_version,
    describe_version,
    record_version,
)
from brev_pipeline.tables import LABEL_ID, TFRECORD_SHARDS

CONFORMS_TO: Final = "http://mlcommons.org/croissant/1.0"

# What the context of Croissant 1.0 calls by its own vocabulary.
_TERMS: Final = (
    *("citeAs", "column", "dataBiases", "dataCollection", "extract", "field", "fileObject", "fileProperty", "fileSet"),
    *("format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path"),
    *("personalSensitiveInformation", "recordSet", "references", "regex", "repeated", "replace", "samplingRate"),
    *("separator", "source", "subField", "transform"),
)
CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS},
}


_FORMATS: Final = {".parquet": "application/x-parquet", ".json": "application/json", ".html": "text/html"}
_SHARD_FORMAT: Final = "application/x-tfrecord"
_SPLITS: Final = {"train": "cr:TrainingSplit", "devel": "cr:ValidationSplit", "test": "cr:TestSplit"}
_REFERENCES: Final = {"purpose": "purposes/name", "label": "classes/label"}
# Of the columns whose schema says nothing.
_MEANINGS: Final = {
    "purpose": "train, devel, test, …",
    "path": "where the image was read: bucket as configured, '/', key",
    "content_id": "MD5 of the image file's bytes, 32 hex digits",
    "item": "key of the physical item",
    "augmented": "whether the pixels were augmented by the seed",
}


def build_croissant(facts: VersionFacts, config: PipelineConfig) -> dict[str, Any]:
    """Content of ``croissant.json``."""
    card = config.card
    stated = {"license": card.license, "datePublished": card.published and card.published.isoformat()}
    shards = [_describe_shards(facts, purpose) for purpose in facts.purposes if purpose.shards]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": facts.name,
        "description": describe_version(facts),
        "version": record_version(facts),
        "citeAs": cite_version(facts, config),
        **{name: value for name, value in stated.items() if value},
        "distribution": [*(_describe_file(name, facts.files[name]) for name in sorted(facts.files)), *shards],
        "recordSet": list(_list_record_sets(facts)),
    }


def _describe_file(name: str, known: Mapping[str, Any]) -> dict[str, Any]:
    by_ending = (kind for ending, kind in _FORMATS.items() if name.endswith(ending))
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{known['bytes']} B",
        "encodingFormat": _SHARD_FORMAT if ".tfrecord-" in name else next(by_ending, "application/octet-stream"),
        "sha256": known["sha256"],
    }


def _describe_shards(facts: VersionFacts, purpose: PurposeFacts) -> dict[str, Any]:
    packed = "; each file is compressed with gzip" if facts.shard_settings.compression == "gzip" else ""
    return {
        "@type": "cr:FileSet",
        "@id": f"{purpose.name}-shards",
        "name": f"{purpose.name}-shards",
        "description": (
            f"{purpose.record_count} tf.train.Example records of {purpose.name}, read in name order{packed}."
        ),
        "encodingFormat": _SHARD_FORMAT,
        "includes": f"{facts.name}-{purpose.name}.tfrecord-*",
    }


def _list_record_sets(facts: VersionFacts) -> Iterator[dict[str, Any]]:
    purposes = [{"purposes/name": p.name, "purposes/url": _SPLITS.get(p.name, "cr:Split")} for p in facts.purposes]
    yield {
        **_name_record_set("purposes", "The sides of the split."),
        "dataType": "cr:Split",
        "key": {"@id": "purposes/name"},
        "field": [
            _field("purposes/name", "sc:Text", "name of the purpose; devel is what others call validation"),
            _field("purposes/url", "sc:URL", "what Croissant calls it"),
        ],
        "data": purposes,
    }
    if facts.classes:
        yield _enumerate_classes("classes", "The class names.", facts.classes)
    for feature in facts.layout.labels:
        if feature.classes:
            said = f"The class names of {feature.name} in the records of the shards."
            yield _enumerate_classes(f"{feature.name.replace('/', '_')}_classes", said, feature.classes)
    columns = [*TFRECORD_SHARDS, *([LABEL_ID] if facts.has_label_ids else [])]
    yield {
        **_name_record_set(
            "records", "One row per record of the shards, in their order, with the place where its bytes lie."
        ),
        "key": [{"@id": "records/file"}, {"@id": "records/position"}],
        "field": [_column(column) for column in columns if facts.classes or column.name != "label"],
    }


def _enumerate_classes(name: str, description: str, classes: tuple[str, ...]) -> dict[str, Any]:
    return {
        **_name_record_set(name, description),
        "dataType": "sc:Enumeration",
        "key": {"@id": f"{name}/label"},
        "field": [
            _field(f"{name}/label", "sc:Integer", "the label"),
            _field(f"{name}/name", ["sc:Text", "sc:name"], "the class name"),
        ],
        "data": [{f"{name}/label": label, f"{name}/name": of} for label, of in enumerate(classes)],
    }


def _name_record_set(name: str, description: str) -> dict[str, Any]:
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "description": description}


def _column(column: pa.Field) -> dict[str, Any]:
    meaning = (column.metadata or {}).get(b"description", _MEANINGS.get(column.name, "").encode()).decode()
    kind = "sc:Integer" if pa.types.is_integer(column.type) else "sc:Text"
    field = _field(f"records/{column.name}", "sc:Boolean" if pa.types.is_boolean(column.type) else kind, meaning)
    field["source"] = {"fileObject": {"@id": RECORD_TABLE}, "extract": {"column": column.name}}
    if other := _REFERENCES.get(column.name):
        field["references"] = {"field": {"@id": other}}
    return field


def _field(name: str, kind: str | list[str], meaning: str) -> dict[str, Any]:
    return {"@type": "cr:Field", "@id": name, "name": name, "dataType": kind, "description": meaning}
