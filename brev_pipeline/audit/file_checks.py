"""Files: every file of a version against the manifest, and every record against the record table; one task per file."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.audit.version_claims import DERIVATION_ERRORS
from brev_pipeline.engine import Engine, LostTask
from brev_pipeline.errors import BrevPipelineError
from brev_pipeline.record_features import LABEL_FEATURES, RecordFeature, parse_features
from brev_pipeline.split.label_map import number_classes
from brev_pipeline.store import Folder, Version
from brev_pipeline.store.versions import MANIFEST, REPORT, file_facts
from brev_pipeline.texts import TEXT

COMPARED: Final = ("content_id", "label", "seed", "path", "epoch", "item")
"""Fields that a record and its row of the record table both have."""
DERIVED: Final = {"multi_hot": "label/multi_hot", "encoding": "image/format"}
"""Columns that `add_features` adds → the field of a record that must be so, and absent where the column is null."""
_SHOWN: Final = 5  # problems of a file's records


@dataclass(frozen=True)
class PlainFolder(Folder):
    """A folder of which only regular files are read that lie in it: no link is followed, wherever it leads."""

    open_flags: ClassVar[int] = Folder.open_flags | os.O_NOFOLLOW

    def walk(self) -> Iterator[str]:
        """As the folder's own, and links to folders as well, which that passes over."""
        yield from super().walk()
        if not self.is_local:
            return
        for folder, folders, _ in os.walk(self.url):
            for name in sorted(folders):
                path = os.path.join(folder, name)
                if os.path.islink(path):
                    yield os.path.relpath(path, self.url).replace(os.sep, "/")


def open_plainly(version: Version) -> Version:
    """The version, read as a `PlainFolder`."""
    return Version(PlainFolder(version.folder.url, version.folder.options), version.id)


@dataclass(frozen=True)
class FileTask:
    """A file to be read."""

    name: str
    facts: Mapping[str, Any]
    """What the manifest says of it: bytes and sha256."""
    rows: pa.Table | None = field(repr=False)  # errors name tasks
    """Its rows of the record table, if it is a shard."""


@dataclass(frozen=True)
class _InMemoryFolder(Folder):
    """A folder of one file, which was read already."""

    data: bytes = field(default=b"", repr=False)

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:  # noqa: ARG002 (the folder's)
        """The file, whatever its name."""
        return self.data if length is None else self.data[offset : offset + length]


@dataclass(frozen=True)
class FileCheck:
    """Reads one file of a version and says what is wrong with it; sent to each worker once."""

    folder: Folder
    compression: str
    """Of its shards."""
    labels: tuple[RecordFeature, ...] = ()
    """The features of the version's labels, which each of its records has."""

    def __call__(self, task: FileTask) -> list[str]:
        """One line per problem: bytes that are not those of the manifest, and records that are not their rows'."""
        try:
            data = self.folder.read(task.name)
        except BrevPipelineError as error:
            return [f"{task.name}: {error}"]
        problems = []
        if (facts := file_facts(data)) != task.facts:
            problems.append(f"{task.name}: altered: the manifest says {dict(task.facts)}, the file is {facts}")
        if task.rows is not None:
            found = list(self._check_records(task.name, task.rows, data))
            problems += found[:_SHOWN]
            if len(found) > _SHOWN:
                problems.append(f"{task.name}: and {len(found) - _SHOWN} more problems of this kind")
        return problems

    def _check_records(self, name: str, rows: pa.Table, data: bytes) -> Iterator[str]:
        from brev_pipeline.records import iterate_records

        # Column → field. Fields that only one of the two has are compared too, where the row tells of them.
        pairs = {column: column for column in COMPARED}
        pairs |= {column: key for column, key in DERIVED.items() if column in rows.column_names}
        held = _InMemoryFolder(self.folder.url, self.folder.options, data)
        try:
            for row, record in iterate_records(held, rows, self.compression, self.labels):
                if lost := [feature.name for feature in self.labels if feature.name not in record]:
                    yield f"{name}, record {row['position']}: it has no {', '.join(lost)} ({row['path']})"
                for column, key in pairs.items():
                    if record.get(key) != row[column]:
                        yield (
                            f"{name}, record {row['position']}: {key} is {record.get(key)!r}, recorded {row[column]!r} "
                            f"({row['path']})"
                        )
        except DERIVATION_ERRORS as error:
            yield f"{name}: its records cannot be compared: {error}"


def find_file_problems(
    version: Version,
    manifest: Mapping[str, Any],
    records: pa.Table | None,
    engine: Engine,
    report: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, list[str]]:
    """What is wrong with each file: missing, not in the manifest, altered, or with records that are not as recorded.

    Args:
        version: whose files they are.
        manifest: of the version.
        records: of the version; None where they cannot be relied on: then shards are only hashed.
        engine: reads one file per task.
        report: what the publication says of the files of the report folder; None: nobody says, and whatever lies
            there is not looked at.

    Returns:
        File name → one line per problem; files without problems are left out.

    Raises:
        StoreError: the store cannot be listed.
    """
    of_report = {f"{REPORT}/{name}": facts for name, facts in (report or {}).items()}
    listed: Mapping[str, Mapping[str, Any]] = {**manifest["files"], **of_report}
    present = set(version.folder.walk()) - {MANIFEST}
    if report is None:
        present = {name for name in present if not name.startswith(f"{REPORT}/")}
    problems = {name: [f"{name}: missing"] for name in set(listed) - present}
    problems |= {name: [f"{name}: not in the manifest"] for name in present - set(listed)}
    labels = parse_features(manifest.get(LABEL_FEATURES, ()))
    check = FileCheck(version.folder, manifest["configuration"]["shards"]["compression"], labels)
    tasks = _list_tasks({name: facts for name, facts in sorted(listed.items()) if name in present}, records)
    for task, outcome in engine.map(check, tasks, label="verify files", lost="yield"):
        lines = [f"{task.name}: cannot be read: {outcome.reason}"] if isinstance(outcome, LostTask) else outcome
        if lines:
            problems[task.name] = lines
    return dict(sorted(problems.items()))


def _list_tasks(files: Mapping[str, Mapping[str, Any]], records: pa.Table | None) -> Iterator[FileTask]:
    rows: dict[str, pa.Array] = {}
    if records is not None:
        # One sort for all files, where a filter for each would go through the whole table.
        encoded = records["file"].combine_chunks().dictionary_encode()
        codes = encoded.indices.to_numpy()
        counts = np.bincount(codes, minlength=len(encoded.dictionary))
        parts = np.split(np.argsort(codes, kind="stable"), np.cumsum(counts)[:-1])
        # An empty table has one part, and no file.
        rows = dict(zip(encoded.dictionary.to_pylist(), map(pa.array, parts), strict=False))
    # The largest first, so that no worker begins with one when all others are done.
    for name in sorted(files, key=lambda name: -int(files[name]["bytes"])):
        # take copies: a slice would be pickled with the whole table behind it.
        of_file = records.take(rows[name]) if records is not None and name in rows else None
        yield FileTask(name, files[name], of_file)


def add_features(records: pa.Table, split: pa.Table | None, manifest: Mapping[str, Any]) -> pa.Table:
    """The record table with ``encoding`` and ``multi_hot``: what else each record must hold.

    ``multi_hot`` is a list of int8, null where no drawn image has several classes. Without assignments (None: they
    cannot be relied on) there is no such column, and these classes are not compared.
    """
    encoding = pa.scalar(manifest["configuration"]["shards"]["encoding"], TEXT)
    records = records.append_column("encoding", pa.repeat(encoding, len(records)))
    if split is None:
        return records
    split = split.filter(split["listed"])
    at = pc.index_in(records["path"], value_set=split["path"].combine_chunks())
    names = pa.chunked_array([split["category"].take(at).combine_chunks()])
    lengths = pc.fill_null(pc.list_value_length(names), 0).to_numpy()
    kind = pa.list_(pa.int8())
    if lengths.max(initial=0) <= 1:
        return records.append_column("multi_hot", pa.nulls(len(records), kind))
    classes = manifest["classes"]
    codes = pc.fill_null(number_classes(pc.list_flatten(names), classes), 0).to_numpy()
    hot = np.zeros((len(records), len(classes)), np.int8)
    hot[np.repeat(np.arange(len(records)), lengths), codes] = 1
    rows = pa.FixedSizeListArray.from_arrays(pa.array(hot.ravel()), len(classes)).cast(kind)
    return records.append_column("multi_hot", rows)


def find_unlisted_shards(manifest: Mapping[str, Any], records: pa.Table) -> Iterator[str]:
    """Shards that the manifest lists and the record table does not, and the other way round."""
    shards = {name for name in manifest["files"] if ".tfrecord-" in name}
    recorded = set(pc.unique(records["file"]).to_pylist())
    for name in sorted(shards - recorded):
        yield f"{name}: no record of it stands in records.parquet"
    for name in sorted(recorded - set(manifest["files"])):
        yield f"records.parquet: has records in {name}, which the manifest does not list"
