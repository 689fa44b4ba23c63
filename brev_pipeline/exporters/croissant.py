"""``croissant.json``: the version in MLCommons Croissant 1.0.

Every file stands in it with its SHA-256, and the rows of ``records.parquet`` can be iterated; the records
themselves cannot, because Croissant knows no TFRecord. Licence and date of publication are there only where
``card`` of the configuration states them.
"""

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
from brev_pipeline.tables import TFRECORD_SHARDS

CONFORMS_TO: Final = "http://mlcommons.org/croissant/1.0"

_OWN: Final = [
    "citeAs",
    "column",
    "dataBiases",
    "dataCollection",
    "extract",
    "field",
    "fileObject",
    "fileProperty",
    "fileSet",
    "format",
    "includes",
    "isLiveDataset",
    "jsonPath",
    "key",
    "md5",
    "parentField",
    "path",
    "personalSensitiveInformation",
    "recordSet",
    "references",
    "regex",
    "repeated",
    "replace",
    "samplingRate",
    "separator",
    "source",
    "subField",
    "transform",
]

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
    **{key: f"cr:{key}" for key in _OWN},
}


_FORMATS: Final = {".parquet": "application/x-parquet", ".json": "application/json", ".html": "text/html"}
_SHARD_FORMAT: Final = "application/x-tfrecord"
_SPLITS: Final = {"train": "cr:TrainingSplit", "devel": "cr:ValidationSplit", "test": "cr:TestSplit"}
_REFERENCES: Final = {"purpose": "purposes/name", "label": "classes/label"}


def build_croissant(facts: VersionFacts, config: PipelineConfig) -> dict[str, Any]:
    """Content of ``croissant.json``."""
    card = config.card
    stated = {"license": card.license, "datePublished": card.published and card.published.isoformat()}
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": facts.name,
        "description": describe_version(facts),
        "version": record_version(facts),
        "citeAs": cite_version(facts, config),
        **{name: value for name, value in stated.items() if value},
        "distribution": [*_files(facts), *(_shards(facts, purpose) for purpose in facts.purposes if purpose.shards)],
        "recordSet": [_purposes(facts), *([_classes(facts)] if facts.classes else []), _records(facts)],
    }


def _files(facts: VersionFacts) -> list[dict[str, Any]]:
    return [
        {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "contentUrl": name,
            "contentSize": f"{known['bytes']} B",
            "encodingFormat": _format(name),
            "sha256": known["sha256"],
        }
        for name, known in sorted(facts.files.items())
    ]


def _format(name: str) -> str:
    if ".tfrecord-" in name:
        return _SHARD_FORMAT
    return next((kind for ending, kind in _FORMATS.items() if name.endswith(ending)), "application/octet-stream")


def _shards(facts: VersionFacts, purpose: PurposeFacts) -> dict[str, Any]:
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


def _purposes(facts: VersionFacts) -> dict[str, Any]:
    rows = [{"purposes/name": p.name, "purposes/url": _SPLITS.get(p.name, "cr:Split")} for p in facts.purposes]
    return {
        "@type": "cr:RecordSet",
        "@id": "purposes",
        "name": "purposes",
        "description": "The sides of the split.",
        "dataType": "cr:Split",
        "key": {"@id": "purposes/name"},
        "field": [
            _field("purposes/name", "sc:Text", "name of the purpose; devel is what others call validation"),
            _field("purposes/url", "sc:URL", "what Croissant calls it"),
        ],
        "data": rows,
    }


def _classes(facts: VersionFacts) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "classes",
        "name": "classes",
        "description": "The class names.",
        "dataType": "sc:Enumeration",
        "key": {"@id": "classes/label"},
        "field": [
            _field("classes/label", "sc:Integer", "the label"),
            _field("classes/name", ["sc:Text", "sc:name"], "the class name"),
        ],
        "data": [{"classes/label": label, "classes/name": name} for label, name in enumerate(facts.classes)],
    }


def _records(facts: VersionFacts) -> dict[str, Any]:
    columns = [column for column in TFRECORD_SHARDS if facts.classes or column.name != "label"]
    return {
        "@type": "cr:RecordSet",
        "@id": "records",
        "name": "records",
        "description": "One row per record of the shards, in their order, with the place where its bytes lie.",
        "key": [{"@id": "records/file"}, {"@id": "records/position"}],
        "field": [_column(column) for column in columns],
    }


def _column(column: pa.Field) -> dict[str, Any]:
    source = {"fileObject": {"@id": RECORD_TABLE}, "extract": {"column": column.name}}
    meaning = (column.metadata or {}).get(b"description", _MEANINGS.get(column.name, "").encode()).decode()
    field = _field(f"records/{column.name}", _data_type(column.type), meaning) | {"source": source}
    if other := _REFERENCES.get(column.name):
        field["references"] = {"field": {"@id": other}}
    return field


# Of the columns whose schema says nothing.
_MEANINGS: Final = {
    "purpose": "train, devel, test, …",
    "path": "where the image was read: bucket as configured, '/', key",
    "content_id": "MD5 of the image file's bytes, 32 hex digits",
    "item": "key of the physical item",
    "augmented": "whether the pixels were augmented by the seed",
}


def _data_type(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    return "sc:Integer" if pa.types.is_integer(kind) else "sc:Text"


def _field(name: str, kind: str | list[str], meaning: str) -> dict[str, Any]:
    return {"@type": "cr:Field", "@id": name, "name": name, "dataType": kind, "description": meaning}
