"""Photo labels: what the files that belong to one photo each say, and which of them need not be read again."""

import hashlib
import json
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config.labels import (
    AnnotationSource,
    BoxesSource,
    MaskSource,
    PhotoFileSource,
    VocSource,
    YoloSource,
)
from brev_pipeline.errors import BrevPipelineError, LabelError
from brev_pipeline.labels.listed import build_categories, build_objects, repeat_empty
from brev_pipeline.labels.mask import LISTED_TYPE as LISTED_MASK
from brev_pipeline.labels.reading import PARSED_FILES, Reading, SaidColumns, refuse_absent
from brev_pipeline.labels.sources.annotations import parse_annotations
from brev_pipeline.labels.sources.boxes import parse_boxes
from brev_pipeline.labels.sources.photo_files import (
    Bools,
    FileMatches,
    Ints,
    add_match_findings,
    find_orphans,
    look_up,
    match_photo_files,
)
from brev_pipeline.labels.sources.shapes import ParsedLabels
from brev_pipeline.labels.sources.voc import parse_voc
from brev_pipeline.labels.sources.yolo import parse_class_names, parse_yolo
from brev_pipeline.texts import TEXT, join_texts

READER_VERSION: Final = "1"
"""Raised whenever the same bytes and settings give other labels."""
_BAD_SHOWN: Final = 5  # label files with something wrong
_AT_ONCE: Final = 16384  # label files whose content stands as Python's objects
_FILE_COLUMNS: Final = {"key": TEXT, "etag": TEXT, "size": pa.int64()}
ObjectFileSource = VocSource | YoloSource | BoxesSource | AnnotationSource
Parser = Callable[[bytes, str], ParsedLabels]
"""Of a file's bytes and its name."""


def read_photo_labels(reading: Reading, number: int, source: PhotoFileSource, where: str) -> SaidColumns:
    """What a source with a file for each photo says; ``number`` is its place in `labels`."""
    matches = _match_files(reading, source, where)
    if isinstance(source, MaskSource):
        return SaidColumns({"mask": _list_masks(reading, number, source, matches)}, matches.absent)
    return SaidColumns(_read_photo_files(reading, source, matches, where), matches.absent)


def _match_files(reading: Reading, source: PhotoFileSource, where: str) -> FileMatches:
    photos, objects = reading.photos, reading.objects
    matches = match_photo_files(photos, objects, source, where)
    if not matches.asked.any():
        raise LabelError(f"{where}.photos: {source.photos!r} is found in none of the {len(photos.key)} photos' paths")
    found = matches.place[matches.place >= 0]
    used = np.bincount(found, minlength=objects.num_rows) > 0
    older = pc.is_in(reading.keys, value_set=pa.array(matches.older, TEXT)).to_numpy(zero_copy_only=False)
    orphans = find_orphans(objects, source, used | older, photos)
    if not len(found):
        beside = f"; files that end alike are {', '.join(orphans[:3])}" if orphans else ""
        some = "; ".join(matches.examples(photos, matches.absent)[:3])
        raise LabelError(f"{where}.path: none of the {len(photos.key)} photos has its label file: {some}{beside}")
    _refuse_photos(reading, used, where)
    refuse_absent(matches.absent, source.absent, where, lambda: matches.examples(photos, matches.absent))
    add_match_findings(reading.findings, where, photos, matches, objects)
    reading.findings.add(where, "no_photo", len(orphans), orphans)
    return matches


def _refuse_photos(reading: Reading, used: Bools, where: str) -> None:
    labels = reading.keys.filter(pa.array(used))
    both = labels.filter(pc.is_in(labels, value_set=reading.photos.key))
    if len(both):
        raise LabelError(
            f"{where}: {len(both)} label files are listed as photos too, the first {both[0].as_py()}: let "
            "listing.sample_filter match photos only"
        )


def _list_masks(reading: Reading, number: int, source: MaskSource, matches: FileMatches) -> pa.Array:
    """(photos,) of `mask.LISTED_TYPE`."""
    rows = pa.array(np.where(matches.place < 0, 0, matches.place))
    found = reading.objects.select(["key", "etag", "etag_source", "size", "modified", "file_stamp"]).take(rows)
    found = found.combine_chunks()
    columns = {name: found[name].combine_chunks() for name in found.column_names}
    there = pa.array(matches.place >= 0)
    columns["path"] = pc.if_else(there, join_texts(reading.prefix, columns.pop("key"), by=""), "")
    given = "s3" if reading.dataset.bucket.startswith("s3://") else "md5"
    source_of_etag = pc.coalesce(columns["etag_source"], pa.scalar(given, TEXT))
    columns["etag_source"] = pc.if_else(pc.is_valid(columns["etag"]), source_of_etag, "none")
    columns["source"] = pa.repeat(pa.scalar(number, pa.int32()), len(there))
    for name in ("etag", "etag_source", "size", "modified", "file_stamp"):
        columns[name] = pc.if_else(there, columns[name], pa.scalar(None, columns[name].type))
    said = matches.place >= 0 if source.absent != "empty" else matches.asked
    return pa.StructArray.from_arrays(
        [columns[part.name].cast(part.type) for part in LISTED_MASK], fields=list(LISTED_MASK), mask=pa.array(~said)
    )


def _read_photo_files(
    reading: Reading, source: ObjectFileSource, matches: FileMatches, where: str
) -> dict[str, pa.Array]:
    parse, meaning = _make_parser(reading, source, where)
    places, owners = np.unique(np.where(matches.place < 0, len(reading.keys), matches.place), return_index=True)
    places = places[places < len(reading.keys)]
    files = reading.objects.take(pa.array(places))
    parsed = _parse_files(reading, files, parse, _fingerprint(meaning), where)
    reading.parsed.append(parsed)
    lengths = pc.list_value_length(parsed["remarks"]).to_numpy()
    for file in np.flatnonzero(lengths).tolist():
        for remark in parsed["remarks"][file].as_py():
            reading.findings.add(where, remark["kind"], 1, [remark["what"]])
            if remark["kind"] == "excluded_object":
                reading.exclude(int(owners[file]), where, remark["what"])
    of_photo = np.searchsorted(places, matches.place)
    rows = pa.array(of_photo, mask=matches.place < 0)
    objects = parsed["objects"].combine_chunks().take(rows)
    if source.absent == "empty":
        objects = pc.if_else(pa.array(matches.absent), repeat_empty(len(rows)), objects)
    columns = {"objects": objects}
    if isinstance(source, AnnotationSource) and source.category:
        columns["category"] = parsed["category"].combine_chunks().take(rows)
    return columns


def _make_parser(reading: Reading, source: ObjectFileSource, where: str) -> tuple[Parser, Any]:
    """What parses a file by its bytes and name, and what it depends on, JSON-safe."""
    meaning = source.model_dump(mode="json", exclude={"path", "photos", "absent"})
    if isinstance(source, VocSource):
        return lambda data, name: parse_voc(data, source, name), meaning
    if isinstance(source, BoxesSource):
        return lambda data, name: parse_boxes(data, source, name), meaning
    if isinstance(source, AnnotationSource):
        return lambda data, name: parse_annotations(data, source, name), meaning
    classes = source.classes
    if isinstance(classes, str):
        classes = parse_class_names(reading.fetch_one(classes, f"{where}.classes"), classes)
    names = classes
    return lambda data, name: parse_yolo(data, names, name), {**meaning, "classes": names}


def _fingerprint(meaning: Any) -> str:
    text = json.dumps([READER_VERSION, meaning], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _parse_files(reading: Reading, files: pa.Table, parse: Parser, source: str, where: str) -> pa.Table:
    """(files,) rows of `PARSED_FILES`, in the files' order; those that are known are not read.

    Raises `LabelError` naming the first files with something wrong, and how many there are.
    """
    known, of_known = _find_known(reading.known, files, source)
    unread = np.flatnonzero(of_known < 0)
    problems: list[LabelError] = []
    fresh = []
    for start in range(0, len(unread), _AT_ONCE):
        some = files.take(pa.array(unread[start : start + _AT_ONCE]))
        fresh += _parse_some(reading, some, parse, source, problems)
    if problems:
        said = "; ".join(str(error) for error in problems[:_BAD_SHOWN])
        more = f"; and {len(problems) - _BAD_SHOWN} more files" if len(problems) > _BAD_SHOWN else ""
        raise LabelError(f"{where}: {said}{more}", passing=all(error.may_pass for error in problems)) from problems[0]
    together = pa.concat_tables([known, *fresh])
    order = of_known.copy()
    order[unread] = known.num_rows + np.arange(len(unread))
    return together.take(pa.array(order)).combine_chunks()


def _parse_some(
    reading: Reading, files: pa.Table, parse: Parser, source: str, problems: list[LabelError]
) -> list[pa.Table]:
    """The rows of some files that are read; none once there is a problem, and each is added to ``problems``."""
    results: dict[str, ParsedLabels] = {}
    for key, data in reading.fetch(files):
        try:
            if isinstance(data, BrevPipelineError):
                raise LabelError(f"{key} cannot be read: {data}", passing=data.may_pass) from data
            results[key] = parse(data, key)
        except LabelError as error:
            problems.append(error)
    if problems:
        return []
    read = [results[key] for key in files["key"].to_pylist()]
    remarks = [[{"kind": kind, "what": what} for kind, what in one.remarks] for one in read]
    columns = [
        pa.repeat(pa.scalar(source, TEXT), len(read)),
        *(files[name].combine_chunks().cast(kind) for name, kind in _FILE_COLUMNS.items()),
        build_objects([one.objects for one in read]),
        build_categories([one.category for one in read]),
        pa.array(remarks, PARSED_FILES.field("remarks").type),
    ]
    return [pa.Table.from_arrays(columns, schema=PARSED_FILES)]


def _find_known(known: pa.Table | None, files: pa.Table, source: str) -> tuple[pa.Table, Ints]:
    """The known rows of a source, and (files,) which of them each file is; −1: none."""
    nothing = PARSED_FILES.empty_table(), np.full(files.num_rows, -1, np.int64)
    if known is None or not known.num_rows:
        return nothing
    known = known.select(PARSED_FILES.names).filter(pc.equal(known["source"], source))
    known = known.filter(pc.is_valid(known["etag"])).cast(PARSED_FILES).combine_chunks()
    if not known.num_rows:
        return nothing
    marks = [
        join_texts(table[name], table["etag"], table["size"], by="\0").combine_chunks()
        for table, name in ((known, "file"), (files, "key"))
    ]
    return known, look_up(marks[1], marks[0])
