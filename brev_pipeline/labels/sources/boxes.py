"""Boxes in any delimited text: a line for each, its columns as configured."""

from brev_pipeline.config.labels import BoxesSource
from brev_pipeline.errors import LabelError
from brev_pipeline.labels.listed import BOX, ListedObject
from brev_pipeline.labels.sources.shapes import ParsedLabels
from brev_pipeline.labels.sources.text import decode_any_text, find_separator, parse_number, split_lines


def parse_boxes(data: bytes, settings: BoxesSource, name: str) -> ParsedLabels:
    """Read a file of boxes; an empty one is a photo with nothing on it.

    Raises:
        LabelError: a line has another number of fields than `columns`, or something else than numbers; or its label is
            none of `classes`.
    """
    text = decode_any_text(data, name)
    parsed = ParsedLabels()
    if not text.strip():
        return parsed
    separator, text = find_separator(text, settings.separator, name)
    lines = split_lines(text, separator, name)
    if settings.header:
        next(lines, None)
    label_column = settings.columns.index("label") if "label" in settings.columns else None
    for number, fields in lines:
        place = f"{name}, line {number}"
        if len(fields) != len(settings.columns):
            raise LabelError(
                f"{place}: has {len(fields)} fields, and labels.columns names {len(settings.columns)} "
                f"({', '.join(settings.columns)})"
            )
        left, top, right, bottom = (parse_number(fields[column], place) for column in settings.box_columns)
        if settings.by_size:
            right, bottom = left + right, top + bottom
        label = settings.class_name if label_column is None else fields[label_column]
        if not label:
            raise LabelError(f"{place}: its label is empty")
        if label_column is not None and settings.classes and label not in settings.classes:
            raise LabelError(
                f"{place}: the label {label!r} is none of labels.classes ({', '.join(settings.classes)}): name its "
                "class there, or null to leave such objects out"
            )
        mapping = settings.classes if label_column is not None else None
        parsed.add(ListedObject(label, BOX, (left, top, right, bottom), settings.relative), place, mapping)
    return parsed
