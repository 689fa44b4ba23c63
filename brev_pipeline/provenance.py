"""Provenance: what made a table, carried by the table itself, and compared by whoever loads it.

A stage's table carries, in its schema's metadata, one record for itself and one for each stage before it, down to the
listing: the settings that its rows were made by, the versions of the code, and the identity of the table. A hash would
say that something differs; the settings themselves say what. Whoever loads a table compares all of these records with
the present configuration and code, and with the other tables that are loaded, so that nothing can be made, judged or
published of tables that do not belong together. Nothing of this goes into a version's files.
"""

import functools
import hashlib
import io
import json
import operator
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from brev_pipeline.config import PipelineConfig
from brev_pipeline.config.differences import list_differences
from brev_pipeline.config.image import NO_INGREDIENTS
from brev_pipeline.errors import StoreError
from brev_pipeline.stages import SPECS, VERSION, inputs_of, installed_version, package_versions

if TYPE_CHECKING:
    import pyarrow as pa

PROVENANCE: Final = b"brev_pipeline.provenance"
"""Schema metadata of a stage's table: its `Lineage` as JSON."""

_PACKAGE: Final = "brev-pipeline"


class StaleTableError(StoreError):
    """A table was not made by the present configuration, code or tables; the message says what differs."""


@dataclass(frozen=True)
class StageRecord:
    """How one stage's table was made."""

    id: str
    """Identity of the table: `table_id`."""
    settings: Mapping[str, Any]
    """Key of the configuration (as `StageSpec.settings` names it) → its value, JSON-safe."""
    code: Mapping[str, str]
    """What `code_of` said: the stage's number, this package's version, versions of the packages that it rests on."""
    files: Mapping[str, str | None] = field(default_factory=dict)
    """Key of the configuration that names a file → SHA-256 of that file's bytes; None where none is named."""


Lineage = dict[str, StageRecord]
"""Stage → its record: of the table itself and of every stage before it."""


def settings_of(config: PipelineConfig, stage: str) -> dict[str, Any]:
    """The settings that a stage's rows are made by: key → value, JSON-safe."""
    contents = config.content_settings()
    # JSON knows no order of keys, and purposes are filled in theirs.
    contents["split"]["purposes"] = [f"{name}: {share:g}" for name, share in contents["split"]["purposes"].items()]
    return {key: functools.reduce(operator.getitem, key.split("."), contents) for key in SPECS[stage].settings}


def code_of(stage: str) -> dict[str, str]:
    """The versions of code that a stage's rows are made by."""
    spec = SPECS[stage]
    return {"code": spec.code, **{name: installed_version(name) for name in (_PACKAGE, *spec.packages)}}


def files_of(config: PipelineConfig, stage: str) -> dict[str, str | None]:
    """SHA-256 of the files that a stage reads besides its tables.

    Raises:
        StoreError: one cannot be read.
    """
    wanted = SPECS[stage].files
    digests: dict[str, str | None] = {}
    for key, name in config.split.input_files.items():
        if key.startswith(wanted):
            path = None if name is None else config.resolve_location(name)
            try:
                digests[key] = None if path is None else _hash_file(path, *_read_stamp(path))
            except OSError as error:
                raise StoreError(f"{key}: {path} cannot be read: {error.strerror}") from error
    return digests


def _read_stamp(path: str) -> tuple[int, ...]:
    facts = os.stat(path)
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


@functools.lru_cache(maxsize=32)
def _hash_file(path: str, *_stamp: int) -> str:
    # Each loader of a table asks, and the file may be large: it is read again only where its stamp is another.
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_version(config: PipelineConfig, stage: str) -> str:
    """What Dagster's UI compares to tell that an asset is stale: other settings or other code give another text.

    The published version holds the whole configuration, so for that all of it counts.
    """
    # The order of purposes, which JSON does not keep, stands in the settings of the split.
    settings = [config.content_settings(), config.split.names] if stage == VERSION else settings_of(config, stage)
    data = json.dumps([settings, code_of(stage)], sort_keys=True).encode()
    return f"{SPECS[stage].code}-{hashlib.sha256(data).hexdigest()[:12]}"


def table_id(stage: str, table: "pa.Table") -> str:
    """Identity of a stage's table, 32 hex digits: its content without the columns that tell of the run.

    Of the schema's metadata what names the images that the listing left out counts, since a version tells of them; and
    the class names, since the same rows under other numbers are other records.
    """
    from brev_pipeline.split.label_map import CLASSES_KEY
    from brev_pipeline.table_metadata import FILTERED

    kept = [name for name in table.column_names if name not in SPECS[stage].run_columns]
    metadata = table.schema.metadata or {}
    return hash_table(table.select(kept), metadata.get(FILTERED, b"") + metadata.get(CLASSES_KEY, b""))


def hash_table(table: "pa.Table", besides: bytes = b"") -> str:
    """32 hex digits: BLAKE2b of a table's rows and columns, however they lie in memory, and of further bytes."""
    import pyarrow as pa

    from brev_pipeline.store.parquet import row_groups

    plain = table.replace_schema_metadata(None)
    hasher = _Hasher()
    with pa.ipc.new_stream(pa.PythonFile(hasher, "w"), plain.schema) as stream:
        # Groups of the same rows, however the table's chunks lie.
        for group in row_groups(plain):
            stream.write_table(group)
    hasher.digest.update(besides)
    return hasher.digest.hexdigest()


class _Hasher(io.RawIOBase):
    """A file that keeps nothing of what is written but the hash."""

    def __init__(self) -> None:
        # Faster than SHA-256, and nothing outside of this package compares it.
        self.digest = hashlib.blake2b(digest_size=16)
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        self._written += len(data)
        return len(data)

    def tell(self) -> int:
        return self._written


def attach_provenance(
    table: "pa.Table", stage: str, config: PipelineConfig, inputs: Mapping[str, Lineage]
) -> "pa.Table":
    """The table with its lineage in the schema's metadata.

    Args:
        table: what the stage made.
        stage: its name.
        config: by which it was made.
        inputs: stage → lineage of the tables that were read, which agree with each other (`check_current`).
    """
    from brev_pipeline.table_metadata import add_notes, read_files

    lineage: Lineage = {}
    for before in inputs.values():
        lineage |= before
    # Of the files as the stage read them: they may have been changed since.
    files = read_files(table) if SPECS[stage].files else {}
    own = StageRecord(table_id(stage, table), settings_of(config, stage), code_of(stage), files)
    records = {name: asdict(record) for name, record in {**lineage, stage: own}.items()}
    data = json.dumps(records, sort_keys=True, ensure_ascii=False).encode()
    return add_notes(table, {PROVENANCE: data})


def read_lineage(metadata: Mapping[bytes, bytes] | None, stage: str, name: str) -> Lineage:
    """The lineage that a table's schema carries.

    Args:
        metadata: of the table's schema.
        stage: whose table it is.
        name: of the table, for messages.

    Raises:
        StaleTableError: it carries none, as tables of older releases do, or not that of this stage.
    """
    try:
        records = json.loads((metadata or {})[PROVENANCE])
        lineage = {key: StageRecord(**record) for key, record in records.items()}
        lineage[stage]  # raises where it does not tell of the table's own stage
    except (AttributeError, KeyError, ValueError, TypeError) as error:
        raise StaleTableError(
            f"{stage} ({name}) does not say what it was made of, as tables of an older release do not: "
            f"materialize {stage} and everything after it, or launch the whole job"
        ) from error
    return lineage


def check_current(config: PipelineConfig, lineages: Mapping[str, Lineage]) -> None:
    """Demand that tables were made by the present configuration and code, and of each other.

    Args:
        config: the present configuration.
        lineages: stage → lineage of its table, of all tables that are used together.

    Raises:
        StaleTableError: one was not; the message names the stages, each key with its old and new value, and what to
            materialize.
    """
    outdated: dict[str, list[str]] = {}
    for stage in SPECS:
        records = [lineage[stage] for lineage in lineages.values() if stage in lineage]
        now = records and (settings_of(config, stage), code_of(stage), files_of(config, stage))
        if lines := [line for record in records for line in _list_outdated(record, *now)]:
            outdated[stage] = list(dict.fromkeys(lines))
    outdated = outdated or _find_strangers(lineages)
    if outdated:
        listed = "\n".join(f"  {stage}: {line}" for stage, lines in outdated.items() for line in lines)
        raise StaleTableError(
            f"{', '.join(lineages)} cannot be used: not made by the present configuration and data:\n{listed}\n"
            f"Materialize {next(iter(outdated))} and everything after it, or launch the whole job of {config.name}. "
            '(Re-execution from failure takes up the old tables; see the documentation, "When a check is red".)'
        )


def _list_outdated(
    record: StageRecord, settings: Mapping[str, Any], code: Mapping[str, str], files: Mapping[str, str | None]
) -> list[str]:
    """What a record says otherwise than the present settings, code and files: one line per key, old → new."""
    return [
        *list_differences(_nested(record.settings), _nested(settings)),
        *(f"version of {line}" for line in list_differences(dict(record.code), dict(code))),
        *(f"content of {line}" for line in list_differences(dict(record.files), dict(files))),
    ]


def _find_strangers(lineages: Mapping[str, Lineage]) -> dict[str, list[str]]:
    """Tables that did not come of one and the same earlier table: the stage that reads it first → what was found."""
    for stage in SPECS:
        ids = {name: lineage[stage].id for name, lineage in lineages.items() if stage in lineage}
        if len(set(ids.values())) > 1:
            stands = ids.get(stage)
            others = [name for name in ids if ids[name] != stands] if stands else list(ids)
            said = f"{', '.join(others)} came of another {stage} than {'stands now' if stands else 'each other'}"
            # What reads it first has to be made anew, with everything after it.
            return {next(name for name in SPECS if stage in inputs_of(name)): [said]}
    return {}


def _nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by their full keys as nested mappings, so that differences are told key by key."""
    nested: dict[str, Any] = {}
    for key, value in settings.items():
        *sections, last = key.split(".")
        place = nested
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    return nested


def record_recipe(config: PipelineConfig) -> str:
    """What a record's bytes depend on besides its row of the plan, as a hash: pixels, encoding, the record's schema."""
    from brev_pipeline.records import RECORD_VERSION

    shards = config.shards.model_dump(mode="json", include={"encoding", "jpeg_quality"})
    parts = [RECORD_VERSION, pixel_fingerprint(config), shards]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def pixel_fingerprint(config: PipelineConfig) -> str:
    """What a record's pixels depend on besides its row of the plan: settings, code, and packages that touch pixels."""
    settings: dict[str, Any] = {
        "image": config.image.model_dump(mode="json", exclude=set(NO_INGREDIENTS)),
        "augmentation": config.augmentation.model_dump(mode="json"),
    }
    if config.has_labels:
        from brev_pipeline.labels.photo_masks import describe_mask_meanings

        settings["labels"] = describe_mask_meanings(config.datasets)
    code = {stage: code_of(stage) for stage in ("prepared_images", "tfrecord_shards")}
    return json.dumps([settings, code, package_versions()], sort_keys=True)
