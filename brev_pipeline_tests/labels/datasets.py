"""Datasets of a few files in memory or in a folder, and their labels as plain Python."""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import md5
from pathlib import Path
from typing import Any

import pyarrow as pa

from brev_pipeline.config import DatasetSettings
from brev_pipeline.errors import BrevPipelineError, SourceError
from brev_pipeline.labels.read import LabelTable, read_labels
from brev_pipeline.texts import TEXT

Files = Mapping[str, bytes]


def configure(*labels: dict[str, Any], bucket: str = "photos") -> DatasetSettings:
    return DatasetSettings.model_validate({"name": "set", "id": "set", "bucket": bucket, "labels": list(labels)})


def list_objects(files: Files) -> pa.Table:
    keys = sorted(files)
    return pa.table(
        {
            "key": pa.array(keys, TEXT),
            "etag": pa.array([md5(files[key]).hexdigest() for key in keys], TEXT),
            "size": pa.array([len(files[key]) for key in keys], pa.int64()),
        }
    )


class Fetcher:
    """Reads from memory, and remembers what it was asked for."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.asked: list[str] = []

    def __call__(self, files: pa.Table) -> Iterator[tuple[str, bytes | BrevPipelineError]]:
        for key in reversed(files["key"].to_pylist()):  # in any order
            self.asked.append(key)
            yield key, self.files.get(key, SourceError("missing", f"{key} is gone"))


def is_photo(key: str) -> bool:
    return key.endswith(".jpg")


def read(files: Files, *labels: dict[str, Any], photos: Iterable[str] | None = None, **more: Any) -> LabelTable:
    """What the sources say of the files' photos: those that end in .jpg, or the given ones."""
    keys = sorted(filter(is_photo, files)) if photos is None else list(photos)
    table = pa.table({"key": pa.array(keys, TEXT)})
    return read_labels(configure(*labels), table, list_objects(files), more.pop("fetch", Fetcher(files)), **more)


def objects_of(labels: LabelTable) -> dict[str, list[tuple[str, tuple[float, ...]]] | None]:
    """Photo → label and points of each object, or None."""
    return {
        row["key"]: None if row["objects"] is None else [(one["label"], tuple(one["points"])) for one in row["objects"]]
        for row in labels.rows.to_pylist()
    }


def column_of(labels: LabelTable, name: str) -> dict[str, Any]:
    return {row["key"]: row[name] for row in labels.rows.to_pylist()}


def counts_of(labels: LabelTable) -> dict[str, int]:
    """Kind of finding → count, of all sources."""
    return {found.kind: labels.findings.count_of(found.kind) for found in labels.findings.rows}


def read_folder(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
