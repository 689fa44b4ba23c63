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
from brev_pipeline.split.label_map import number_classes
from brev_pipeline.store import Folder, Version
from brev_pipeline.store.versions import MANIFEST, REPORT, file_facts
from brev_pipeline.texts import TEXT

COMPARED: Final = ("content_id", "label", "seed", "path", "epoch", "item")
"""Fields that a record and its row of the record table both have."""
DERIVED: Final = {"multi_hot": "label/multi_hot", "encoding": "image/format"}
"""Columns that `add_features` adds → the field of a record that must be so, and absent where the column is null."""
_SHOWN: Final = 5


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
    rows: pa.Table | None = field(default=None, repr=False)
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
    """Reads one file and says what is wrong with it; sent to each worker once.

    Args:
        folder: the version's.
        compression: of its shards.
    """

    folder: Folder
    compression: str

    def __call__(self, task: FileTask) -> list[str]:
        """One line per problem: bytes that are not those of the manifest, and records that are not their rows'."""
        try:
            data = self.folder.read(task.name)
        except BrevPipelineError as error:
            return [f"{task.name}: {error}"]
        problems = []
        if (facts := file_facts(data)) != task.facts:
            problems.append(f"{task.name}: altered: the manifest says {dict(task.facts)}, the file is {facts}")
        if task.rows is None:
            return problems
        held = _InMemoryFolder(self.folder.url, self.folder.options, data)
        return [*problems, *self._check_records(task.name, task.rows, held)]

    def _check_records(self, name: str, rows: pa.Table, held: Folder) -> list[str]:
        from brev_pipeline.records import iterate_records

        problems = []
        try:
            # Column → field. Fields that only one of the two has are compared too, where the row tells of them.
            pairs = {name: name for name in COMPARED}
            pairs |= {column: name for column, name in DERIVED.items() if column in rows.column_names}
            for row, record in iterate_records(held, rows, self.compression):
                problems += [
                    f"{name}, record {row['position']}: {key} is {record.get(key)!r}, recorded {row[column]!r} "
                    f"({row['path']})"
                    for column, key in pairs.items()
                    if record.get(key) != row[column]
                ]
        except (BrevPipelineError, *DERIVATION_ERRORS) as error:
            problems.append(f"{name}: its records cannot be compared: {error}")
        return shorten_problems(problems, name)


def find_file_problems(
    version: Version,
    manifest: Mapping[str, Any],
    records: pa.Table | None,
    engine: Engine,
    report: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, list[str]]:
    """What is wrong with each file: missing, not in the manifest, altered, or with records that are not as recorded.

    Args:
        version: the version.
        manifest: its manifest.
        records: its record table; None where that cannot be relied on: then shards are only hashed.
        engine: reads one file per task.
        report: what the publication says of the files of the report folder; None: nobody says, and whatever lies
            there is not looked at.

    Returns:
        File name → one line per problem; files without problems are left out.

    Raises:
        StoreError: the store cannot be listed.
    """
    told = {f"{REPORT}/{name}": facts for name, facts in (report or {}).items()}
    listed: Mapping[str, Mapping[str, Any]] = {**manifest["files"], **told}
    there = set(version.folder.walk()) - {MANIFEST}
    if report is None:
        there = {name for name in there if not name.startswith(f"{REPORT}/")}
    problems = {name: [f"{name}: missing"] for name in sorted(set(listed) - there)}
    problems |= {name: [f"{name}: not in the manifest"] for name in sorted(there - set(listed))}
    check = FileCheck(version.folder, manifest["configuration"]["shards"]["compression"])
    tasks = _list_tasks({name: facts for name, facts in sorted(listed.items()) if name in there}, records)
    for task, found in engine.map(check, tasks, label="verify files", lost="yield"):
        lines = [f"{task.name}: cannot be read: {found.reason}"] if isinstance(found, LostTask) else found
        if lines:
            problems[task.name] = lines
    return dict(sorted(problems.items()))


def add_features(records: pa.Table, split: pa.Table | None, manifest: Mapping[str, Any]) -> pa.Table:
    """The record table with what else each record must hold, by the assignments and the configuration.

    Args:
        records: of a version.
        split: its assignments; None: they cannot be relied on, and classes of images with several are not compared.
        manifest: of the version.

    Returns:
        The table with ``encoding``, and ``multi_hot`` (list of int8; null where no drawn image has several classes).
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


def shorten_problems(problems: list[str], where: str) -> list[str]:
    """The first few, and how many more there are."""
    more = len(problems) - _SHOWN
    return problems if more <= 0 else [*problems[:_SHOWN], f"{where}: and {more} more problems of this kind"]


def _list_tasks(files: Mapping[str, Mapping[str, Any]], records: pa.Table | None) -> Iterator[FileTask]:
    rows = {} if records is None else _rows_by_file(records)
    # The largest first, so that no worker begins with one when all others are done.
    for name in sorted(files, key=lambda name: -int(files[name]["bytes"])):
        own = rows.get(name)
        # take copies: a slice would be pickled with the whole table behind it.
        yield FileTask(name, files[name], None if own is None or records is None else records.take(own))


def _rows_by_file(records: pa.Table) -> dict[str, pa.Array]:
    coded = records["file"].combine_chunks().dictionary_encode()
    codes = coded.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(codes, minlength=len(coded.dictionary)))[:-1])
    return {name: pa.array(part) for name, part in zip(coded.dictionary.to_pylist(), parts, strict=True)}


def find_unlisted_shards(manifest: Mapping[str, Any], records: pa.Table) -> Iterator[str]:
    """Shards that the manifest lists and the record table does not, and the other way round."""
    shards = {name for name in manifest["files"] if ".tfrecord-" in name}
    recorded = set(pc.unique(records["file"]).to_pylist())
    for name in sorted(shards - recorded):
        yield f"{name}: no record of it stands in records.parquet"
    for name in sorted(recorded - set(manifest["files"])):
        yield f"records.parquet: has records in {name}, which the manifest does not list"
