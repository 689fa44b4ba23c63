"""Reading labels: from what lies in a dataset to what is listed of each of its photos.

Files that belong to one photo are found by templates, files about many photos name them; what several sources say of
one photo is put together, and contradictions are refused. Nothing here opens a file: whoever calls hands in what reads
them, and may hand in what was read before, so that a file that has not changed is not read again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from brev_pipeline.config import DatasetSettings
from brev_pipeline.config.labels import (
    AnnotationSource,
    CocoSource,
    LabelSource,
    MaskSource,
    TableSource,
    YoloSource,
    describe_source,
)
from brev_pipeline.errors import LabelError
from brev_pipeline.labels.columns import RESERVED_COLUMNS
from brev_pipeline.labels.findings import LabelFindings
from brev_pipeline.labels.mask import LISTED_TYPE as LISTED_MASK
from brev_pipeline.labels.merging import FIRST_COLUMNS, MergedColumns
from brev_pipeline.labels.objects import LISTED_TYPE as LISTED_OBJECTS
from brev_pipeline.labels.photo_labels import read_photo_labels
from brev_pipeline.labels.reading import EXCLUDED_OBJECTS, PARSED_FILES, LabelFetcher, Reading, SaidColumns
from brev_pipeline.labels.shared_labels import read_coco_labels, read_table_labels
from brev_pipeline.labels.sources.photo_files import PhotoKeys, look_up, match_photo_files
from brev_pipeline.tables import PREPARED_IMAGES, SAMPLE_INTEGRITY, SAMPLE_SPLIT, TFRECORD_SHARDS
from brev_pipeline.texts import NAMES, TEXT

_RESERVED: Final = (
    frozenset(
        name for schema in (SAMPLE_INTEGRITY, PREPARED_IMAGES, SAMPLE_SPLIT, TFRECORD_SHARDS) for name in schema.names
    )
    | {"key", "mask", "objects"}
    | RESERVED_COLUMNS
)


@dataclass(frozen=True)
class LabelTable:
    """The labels of some photos."""

    rows: pa.Table
    """One row per photo, in the photos' order: key, and those that the sources have of mask (`mask.LISTED_TYPE`),
    objects (`objects.LISTED_TYPE`), category (`texts.NAMES`), purpose, item (text), and the columns of numbers
    (float64) and texts. Null: nothing is said of this photo."""
    findings: LabelFindings
    parsed: pa.Table
    """Schema `PARSED_FILES`: of the files that belong to one photo, those that were read and those that were known."""
    excluded: pa.Table
    """Schema `EXCLUDED_OBJECTS`: every object that is left out; the findings have their count."""


def read_labels(
    dataset: DatasetSettings, photos: pa.Table, objects: pa.Table, fetch: LabelFetcher, known: pa.Table | None = None
) -> LabelTable:
    """What the sources of a dataset say of its photos.

    Args:
        dataset: its bucket, as paths are written, and its `labels`.
        photos: key (path within the dataset, each once); item too, where tables name photos by it.
        objects: all that lies in the dataset, photos too: key, size; etag, modified, file_stamp and etag_source where
            they are known.
        fetch: reads label files.
        known: `LabelTable.parsed` of an earlier time: a file with the same etag and size is not read again.

    Raises:
        LabelError: labels cannot be read as configured. The message names the dataset, the source, the file and the
            line or element in it, and says what to do.
    """
    key = photos["key"].combine_chunks().cast(TEXT)
    item = photos["item"].combine_chunks().cast(TEXT) if "item" in photos.column_names else None
    reading = Reading(dataset, PhotoKeys(key, item), _complete_objects(objects), fetch, known)
    merged = MergedColumns(key)
    try:
        _refuse_reserved(dataset.labels)
        for number, source in enumerate(dataset.labels):
            where = describe_source(number, source)
            merged.add(where, _read_source(reading, number, source, where))
        rows = merged.build()
    except LabelError as error:
        raise LabelError(f"dataset {dataset.name!r}: {error}", passing=error.passing) from error
    parsed = pa.concat_tables([PARSED_FILES.empty_table(), *reading.parsed])
    excluded = pa.Table.from_pylist(reading.excluded, EXCLUDED_OBJECTS)
    return LabelTable(rows, reading.findings, parsed, excluded)


def find_label_files(dataset: DatasetSettings, photos: pa.Table, objects: pa.Table) -> pa.Array:
    """Keys of the files that hold the labels of some photos, each once, in the order of ``objects``.

    They are no photos, and whoever gives objects their checksums needs theirs too. Arguments and errors as of
    `read_labels`; nothing is read.
    """
    used = np.zeros(objects.num_rows, np.bool_)
    keys = PhotoKeys(photos["key"].combine_chunks().cast(TEXT))
    of_objects = objects["key"].combine_chunks().cast(TEXT)
    for number, source in enumerate(dataset.labels):
        files: list[str] = []
        if isinstance(source, CocoSource | TableSource):
            files = [source.file]
        else:
            place = match_photo_files(keys, objects, source, describe_source(number, source)).place
            used[place[place >= 0]] = True
            if isinstance(source, YoloSource) and isinstance(source.classes, str):
                files = [source.classes]
        rows = look_up(pa.array(files, TEXT), of_objects)
        used[rows[rows >= 0]] = True
    return of_objects.filter(pa.array(used))


def label_schema(labels: Sequence[LabelSource]) -> pa.Schema:
    """The columns that sources have in `LabelTable.rows`, without the key, in their order there."""
    kinds: dict[str, pa.DataType] = {}
    for source in labels:
        if isinstance(source, MaskSource):
            kinds["mask"] = LISTED_MASK
        elif isinstance(source, TableSource):
            kinds |= {"category": NAMES} if source.category_columns else {}
            kinds |= {name: TEXT for name in ("purpose", "item") if getattr(source, name) is not None}
            kinds |= dict.fromkeys(source.numbers, pa.float64()) | dict.fromkeys(source.texts, TEXT)
        else:
            kinds["objects"] = LISTED_OBJECTS
            kinds |= {"category": NAMES} if isinstance(source, AnnotationSource) and source.category else {}
    first = [name for name in FIRST_COLUMNS if name in kinds]
    return pa.schema([(name, kinds[name]) for name in (*first, *(name for name in kinds if name not in first))])


def _refuse_reserved(labels: Sequence[LabelSource]) -> None:
    kinds: dict[str, str] = {}
    for number, source in enumerate(labels):
        if not isinstance(source, TableSource):
            continue
        for what in ("numbers", "texts"):
            for name in getattr(source, what):
                if name in _RESERVED:
                    raise LabelError(
                        f"{describe_source(number, source)}.{what}: a column {name!r} stands in every listing already: "
                        "rename it in the table"
                    )
                if kinds.setdefault(name, what) != what:
                    raise LabelError(
                        f"{describe_source(number, source)}.{what}: {name!r} is of {kinds[name]} in another source: "
                        "name it in one way"
                    )


def _complete_objects(objects: pa.Table) -> pa.Table:
    """The objects with all columns that a mask's listing has."""
    kinds = {"etag": TEXT, "etag_source": TEXT, "modified": pa.timestamp("us", "UTC"), "file_stamp": TEXT}
    objects = objects.set_column(objects.column_names.index("key"), "key", objects["key"].cast(TEXT))
    for name, kind in kinds.items():
        if name not in objects.column_names:
            objects = objects.append_column(name, pa.nulls(objects.num_rows, kind))
    return objects.combine_chunks()


def _read_source(reading: Reading, number: int, source: LabelSource, where: str) -> SaidColumns:
    """What one source says."""
    if isinstance(source, TableSource):
        return read_table_labels(reading, source, where)
    if isinstance(source, CocoSource):
        return read_coco_labels(reading, source, where)
    return read_photo_labels(reading, number, source, where)
