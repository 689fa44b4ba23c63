"""YOLO: a text for each photo, a line for each object: number of the class, then fractions of the photo's sides."""

from collections.abc import Sequence
from typing import Any, Final

import yaml

from brev_pipeline.errors import LabelError
from brev_pipeline.labels.listed import BOX, ListedObject
from brev_pipeline.labels.sources.shapes import ParsedLabels, polygon
from brev_pipeline.labels.sources.text import decode_any_text, decode_text, parse_number, split_lines

_ROUNDING: Final = 2e-6
"""Of fractions with six digits, as these files have them, two of which make a corner."""


def parse_yolo(data: bytes, classes: Sequence[str], name: str) -> ParsedLabels:
    """Read a label file; an empty one is a photo with nothing on it.

    Args:
        data: the file's bytes: lines of class, centre x, centre y, width, height; or of class and the corners of a
            polygon. All but the class are fractions of the photo's sides.
        classes: names of the classes 0, 1, ….
        name: of the file, for messages.

    Raises:
        LabelError: a line has neither form, or a class has no name.
    """
    parsed = ParsedLabels()
    for number, fields in split_lines(decode_any_text(data, name), "whitespace", name):
        place = f"{name}, line {number}"
        label = _name_class(fields[0], classes, place)
        numbers = [parse_number(field, place) for field in fields[1:]]
        if len(numbers) == 4:
            x, y, width, height = numbers
            box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            shape = ListedObject(label, BOX, box, relative=True)
        elif len(numbers) >= 6 and len(numbers) % 2 == 0:
            shape = polygon(label, numbers, relative=True)
        else:
            raise LabelError(
                f"{place}: has {len(fields)} fields; a box has 5 (class, centre, width and height), a polygon a class "
                "and three or more corners"
            )
        parsed.add(shape, place)
        if min(shape.points) < -_ROUNDING or max(shape.points) > 1 + _ROUNDING:
            parsed.remarks.append(("beyond_photo", f"{place}: {label}"))
    return parsed


def parse_class_names(data: bytes, name: str) -> list[str]:
    """The names in a file: one a line, or YOLO's YAML with ``names``, a list or numbers with names.

    Raises:
        LabelError: it is empty, or no such file.
    """
    text = decode_text(data, name)
    if not name.lower().endswith((".yaml", ".yml")):
        return [line.strip() for line in text.strip().split("\n")]
    try:
        content: Any = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise LabelError(f"{name}: is no YAML: {' '.join(str(error).split())}") from error
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict) and sorted(names, key=repr) == sorted(range(len(names)), key=repr):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise LabelError(f"{name}: has no names: a list of the classes' names, or each number from 0 on with its name")
    return [str(one) for one in names]


def _name_class(field: str, classes: Sequence[str], place: str) -> str:
    if not (field.isascii() and field.isdigit()):
        raise LabelError(f"{place}: begins with {field!r}; a line begins with the number of the class")
    if len(field) > 9 or int(field) >= len(classes):
        raise LabelError(
            f"{place}: class {field} has no name: labels.classes names {len(classes)}, from 0 to {len(classes) - 1}"
        )
    return classes[int(field)]
