"""Writing all shards of a version: one independent task each, the record table from what they report."""

import logging
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline import tables
from brev_pipeline.config import ShardSettings
from brev_pipeline.engine import Counted, Engine
from brev_pipeline.errors import ShardError
from brev_pipeline.frames import Augmenter, PixelReader
from brev_pipeline.record_features import describe_features
from brev_pipeline.records.label_encoder import LabelSource
from brev_pipeline.records.reuse import PreviousRecords
from brev_pipeline.records.shard_plan import shard_name
from brev_pipeline.records.shard_writer import (
    FRAMES_COLUMN,
    PIXEL_COLUMNS,
    ShardTask,
    ShardWriter,
    list_finished_shards,
)
from brev_pipeline.store import Folder
from brev_pipeline.table_metadata import note_label_features, note_work
from brev_pipeline.tables import part_names
from brev_pipeline.texts import TEXT

_LOG = logging.getLogger(__name__)
_PROGRESS: Final = ".finished"
# Columns of the record table that are known only when a record is written.
_WRITTEN_COLUMNS: Final = {"offset": np.int64, "length": np.int64, "crc": np.uint32}
Rows: TypeAlias = npt.NDArray[np.int64]


def write_shards(
    plan: pa.Table,
    prepared: pa.Table,
    *,
    pipeline: str,
    settings: ShardSettings,
    augmenter: Augmenter | None,
    pixels: PixelReader,
    folder: Folder,
    engine: Engine,
    fingerprint: str,
    previous: PreviousRecords | None = None,
    labels: LabelSource | None = None,
    label_columns: pa.Table | None = None,
) -> pa.Table:
    """Write every shard of a plan; the same bytes whatever the engine, its workers, or how often it was interrupted.

    A shard that a run before this one finished from the same inputs is kept, once its SHA-256 has been checked.
    What is noted for that lies in a folder ``.finished``, which `remove_progress` removes. Shards of this pipeline in
    ``folder`` that are not in the plan are removed: the folder holds the plan's shards and no others.

    A worker needs memory for one shard's file (``records_per_shard`` records) and some 32 MB of pixels.

    Args:
        plan: what `plan_shards` made.
        prepared: where the prepared pixels of each content lie; schema `tables.PREPARED_IMAGES`.
        pipeline: name of the pipeline; the files' names begin with it.
        settings: see `ShardSettings`.
        augmenter: changes the pixels of rows that are ``augmented``; None: none are.
        pixels: reads prepared pixels.
        folder: where the shards are written.
        engine: what runs the tasks.
        fingerprint: all else that the pixels depend on, as text: image and augmentation settings and the versions
            of the packages that touch pixels. Another fingerprint, and no finished shard is used again.
        previous: records that were written with the same ``fingerprint`` and encoding; those that are wanted again are
            copied.
        labels: reads and encodes the labels of each row; None: the version has none.
        label_columns: (rows of the plan,) what it reads of each row besides the plan and the places of the pixels.

    Returns:
        One row per record, schema `tables.TFRECORD_SHARDS` (and label_id, where the plan has it), sorted by purpose,
        part, shard and position; its metadata says how many of them were made anew (`table_metadata.WORK`) and, where
        there are labels, describes their features (`table_metadata.LABELS`).

    Raises:
        ShardError: the plan does not fit the prepared images, or an image cannot be encoded.
        StoreError: the folder cannot be written.
        EngineError: a task failed for good.
    """
    rows = _locate_pixels(plan, prepared)
    if label_columns:
        for name in label_columns.column_names:
            rows = rows.append_column(name, label_columns[name].combine_chunks())
    starts, names = list_shards(plan, pipeline)
    _remove_stale_shards(folder, pipeline, set(names))
    is_time_series = plan.num_rows > 0 and rows[FRAMES_COLUMN].null_count == 0
    features = labels.encoder.features(is_time_series=is_time_series) if labels else ()
    if previous and not previous.has_features(features):
        previous = None
    old = (previous.folder, previous.compression) if previous else None
    writer = ShardWriter(settings, augmenter, pixels, folder, folder / _PROGRESS, fingerprint, labels, old)
    places = previous.find_matches(plan) if previous else None
    first = dict(zip(names, starts.tolist(), strict=False))
    columns = {name: np.empty(plan.num_rows, dtype) for name, dtype in _WRITTEN_COLUMNS.items()}
    reused = copied = kept = 0
    tasks = Counted(_make_tasks(rows, places, starts, names), lambda task: task.rows.num_rows, plan.num_rows, "records")
    for task, written in engine.map(writer, tasks, label="write shards"):
        for name, values in columns.items():
            of_shard = getattr(written.finished, f"{name}s")
            values[first[task.file] : first[task.file] + len(of_shard)] = of_shard
        reused += written.was_finished
        kept += task.rows.num_rows * written.was_finished
        copied += written.copied
    _LOG.info(
        "%d shards, %d of them finished by an earlier run; %d of %d records copied from the newest version",
        *(len(names), reused, copied, plan.num_rows),
    )
    files = pa.array(names, TEXT).take(pa.array(np.repeat(np.arange(len(names)), np.diff(starts))))
    augmented = pc.and_(plan["augmented"], augmenter is not None)
    known = {name: plan[name] for name in plan.column_names} | {"file": files, "augmented": augmented, **columns}
    schema = tables.with_label_id(tables.TFRECORD_SHARDS, plan)
    table = tables.conform_table(pa.table({name: known[name] for name in schema.names}), schema, "tfrecord_shards")
    return note_work(note_label_features(table, describe_features(features)), plan.num_rows - copied - kept)


def shard_files(folder: Folder) -> pa.Table:
    """The finished shards of a folder, by file name: file, records, bytes, sha256; until `remove_progress`."""
    finished = list_finished_shards(folder / _PROGRESS)
    return pa.table(
        {
            "file": pa.array([shard.file for shard in finished], TEXT),
            "records": pa.array([len(shard.offsets) for shard in finished], pa.int64()),
            "bytes": pa.array([shard.bytes for shard in finished], pa.int64()),
            "sha256": pa.array([shard.sha256 for shard in finished], TEXT),
        }
    )


def remove_progress(folder: Folder) -> None:
    """Remove what was noted of finished shards: a version holds shards only."""
    folder.remove(_PROGRESS)


def _locate_pixels(plan: pa.Table, prepared: pa.Table) -> pa.Table:
    """The plan with the columns that say where the pixels lie."""
    rows = pc.index_in(plan["content_id"], prepared["content_id"].combine_chunks())
    if rows.null_count:
        path = plan["path"].filter(pc.is_null(rows))[0].as_py()
        raise ShardError(f"{rows.null_count} records have no prepared image, the first of {path}; make the plan anew")
    places = prepared.select([*PIXEL_COLUMNS, FRAMES_COLUMN]).take(rows)
    if nulls := [name for name in PIXEL_COLUMNS if places[name].null_count]:
        raise ShardError(f"records have prepared images without {', '.join(nulls)}; make the plan anew")
    for name in places.column_names:
        plan = plan.append_column(name, places[name])
    return plan.combine_chunks()


def list_shards(plan: pa.Table, pipeline: str) -> tuple[Rows, list[str]]:
    """First row of each shard, with the end of the table after them, and the shards' names."""
    position = plan["position"].to_numpy()
    # The plan is sorted: each shard begins where a position is 0.
    starts = np.append(np.flatnonzero(position == 0), len(position))
    first = pa.array(starts[:-1])
    parts, shards = part_names(plan).take(first).to_pylist(), plan["shard"].take(first).to_pylist()
    counts = Counter(parts)
    return starts, [shard_name(pipeline, *key, counts[key[0]]) for key in zip(parts, shards, strict=True)]


def _make_tasks(rows: pa.Table, places: pa.Table | None, starts: Rows, names: list[str]) -> Iterator[ShardTask]:
    for name, start, stop in zip(names, starts[:-1], starts[1:], strict=True):
        # take copies: a slice would be pickled with the whole table behind it.
        of_shard = pa.array(np.arange(start, stop))
        yield ShardTask(name, rows.take(of_shard), places.take(of_shard) if places else None)


def _remove_stale_shards(folder: Folder, pipeline: str, names: set[str]) -> None:
    ours = re.compile(re.escape(pipeline) + r"-[^/]+\.tfrecord-\d{5,}-of-\d{5,}")
    for place, suffix in ((folder, ""), (folder / _PROGRESS, ".json")):
        for name in place.list_names():
            shard = name.removesuffix(suffix)
            if ours.fullmatch(shard) and shard not in names:
                place.remove(name)
