"""Shared labels: what the files about many photos say of each: tables and COCO files."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config.labels import CocoSource, TableSource
from brev_pipeline.errors import LabelError
from brev_pipeline.labels.listed import repeat_empty
from brev_pipeline.labels.reading import Reading, SaidColumns, refuse_absent
from brev_pipeline.labels.sources.coco import read_coco
from brev_pipeline.labels.sources.names import describe_lost, match_names
from brev_pipeline.labels.sources.photo_files import Bools
from brev_pipeline.labels.sources.table import read_label_rows, take_categories, take_numbers, take_texts
from brev_pipeline.texts import TEXT

_EXAMPLES = 5


def read_coco_labels(reading: Reading, source: CocoSource, where: str) -> SaidColumns:
    """What a COCO file says."""
    asked = _asked(reading, source, where)
    data = reading.fetch_one(source.file, where)
    try:
        labels = read_coco(data, source, reading.photos, reading.prefix, reading.findings, where)
    except LabelError as error:
        raise LabelError(f"{where}: {error}") from error
    for photo, what in labels.excluded:
        reading.exclude(photo, where, what)
    absent = labels.absent & asked
    _tell_absent(reading, absent, asked, source.absent, where)
    objects = pc.if_else(pa.array(asked), labels.objects, pa.scalar(None, labels.objects.type))
    if source.absent == "empty":
        objects = pc.if_else(pa.array(absent), repeat_empty(len(absent)), objects)
    return SaidColumns({"objects": objects}, absent)


def read_table_labels(reading: Reading, source: TableSource, where: str) -> SaidColumns:
    """What a table says."""
    asked, photos = _asked(reading, source, where), reading.photos
    data = reading.fetch_one(source.file, where)
    try:
        rows = read_label_rows(data, source)
        names = rows.columns[source.key].cast(TEXT)
        matches = match_names(names, photos, source.match, source.file, reading.prefix, rows.place)
        if not (matches.row >= 0).any():
            raise LabelError(f"{source.file}: {describe_lost(names, photos, source.match)}")
        columns = {name: take_numbers(rows, name, source.file) for name in source.numbers}
        columns |= {name: take_texts(rows, name) for name in source.texts}
        columns |= {name: take_texts(rows, column) for name in ("purpose", "item") if (column := getattr(source, name))}
        if source.category_columns:
            columns["category"] = take_categories(rows, source.category_columns)
    except LabelError as error:
        raise LabelError(f"{where}: {error}") from error
    lost = [f"{rows.place(int(row))}: {names[int(row)].as_py()}" for row in matches.lost[:_EXAMPLES]]
    reading.findings.add(where, "no_photo", len(matches.lost), lost)
    reading.findings.add(where, "unused_column", len(rows.unused), rows.unused)
    absent = (matches.row < 0) & asked
    _tell_absent(reading, absent, asked, source.absent, where)
    of_photo = pa.array(matches.row, mask=(matches.row < 0) | ~asked)
    return SaidColumns({name: column.take(of_photo) for name, column in columns.items()}, absent)


def _asked(reading: Reading, source: CocoSource | TableSource, where: str) -> Bools:
    """(photos,) whether the source is about each."""
    if source.photos is None:
        return np.ones(len(reading.photos.key), np.bool_)
    asked = reading.photos.search_groups(source.photos, [])[0]
    if not asked.any():
        raise LabelError(f"{where}.photos: {source.photos!r} is found in none of the {len(asked)} photos' paths")
    return asked


def _tell_absent(reading: Reading, absent: Bools, asked: Bools, rule: str, where: str) -> None:
    def examples(mask: Bools) -> list[str]:
        return [reading.photos.key[row].as_py() for row in np.flatnonzero(mask)[:_EXAMPLES].tolist()]

    refuse_absent(absent, rule, where, lambda: examples(absent))
    reading.findings.add(where, "not_asked", int((~asked).sum()), examples(~asked))
    reading.findings.add(where, "no_label", int(absent.sum()), examples(absent))
