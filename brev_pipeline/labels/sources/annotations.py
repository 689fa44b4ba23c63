"""The annotation JSON of brevettiai, as its package reads it.

Coordinates are those of its annotation tool, from the upper left corner of the upper left pixel: corners, as here. Of
its types, a polygon is taken as it is, and a rectangle as the box around its points. A point and a line have no area,
a hole is a part of another polygon, and an annotation of type class is about the photo: they are told, not taken; the
last is taken as the photo's class where the configuration says so.
"""

import json
from typing import Any, Final

from brev_pipeline.config.labels import AnnotationSource
from brev_pipeline.errors import LabelError
from brev_pipeline.labels.listed import BOX, ListedObject
from brev_pipeline.labels.sources.shapes import ParsedLabels, map_label, polygon
from brev_pipeline.labels.sources.text import decode_text

_WITHOUT_AREA: Final = ("point", "line")


def parse_json(data: bytes, name: str) -> Any:
    """What a JSON file holds. Raises `LabelError` naming line and column where it is none, or is cut short."""
    text = decode_text(data, name)
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        cut = error.pos >= len(text.rstrip()) - 1
        what = f"{error.msg}; the file seems to be cut short" if cut else error.msg
        raise LabelError(f"{name}, line {error.lineno}, column {error.colno}: not JSON: {what}") from error
    except ValueError as error:
        raise LabelError(f"{name}: {error}") from error
    except RecursionError as error:
        raise LabelError(f"{name}: its lists are nested too deeply to be labels") from error


def parse_annotations(data: bytes, settings: AnnotationSource, name: str) -> ParsedLabels:
    """Read an annotation file.

    Raises:
        LabelError: it is not JSON, an annotation has no label, or points that are none.
    """
    content = parse_json(data, name)
    if not isinstance(content, dict):
        raise LabelError(f"{name}: holds a {type(content).__name__}; an annotation file holds image and annotations")
    annotations = content.get("annotations") or []
    if not isinstance(annotations, list):
        raise LabelError(f"{name}: its annotations are no list")
    parsed = ParsedLabels()
    size = _read_size(content.get("image"))
    classes: list[str] = []
    for number, annotation in enumerate(annotations, 1):
        place = f"{name}, annotation {number}"
        if not isinstance(annotation, dict):
            raise LabelError(f"{place}: is no annotation, but {json.dumps(annotation)[:60]}")
        kind, label = annotation.get("type"), annotation.get("label")
        if not isinstance(label, str) or not label.strip():
            raise LabelError(f"{place}: has no label: name its class, or remove it")
        if kind == "class" and settings.category:
            if (found := map_label(label, settings.mapping)) is not None:
                classes.append(found)
            continue
        if kind not in ("polygon", "rectangle") or annotation.get("is_hole") or annotation.get("isHole"):
            parsed.remarks.append(("not_taken", f"{place}: {label}: {_describe_kind(kind)}"))
            continue
        shape = _build_shape(kind, label, _read_points(annotation.get("points"), place))
        if shape is None:
            parsed.remarks.append(("excluded_object", f"{place}: {label}: the {kind} has fewer corners than an area"))
            continue
        parsed.add(shape, place, settings.mapping)
        x, y = shape.points[::2], shape.points[1::2]
        if size and (min(*x, *y) < 0 or max(x) > size[0] or max(y) > size[1]):
            parsed.remarks.append(("beyond_photo", f"{place}: {label}"))
    if settings.category:
        parsed.category = list(dict.fromkeys(classes)) or None
    return parsed


def _build_shape(kind: str, label: str, points: list[float]) -> ListedObject | None:
    """The polygon, or the box around the rectangle's points; None where there are too few."""
    if len(points) < (6 if kind == "polygon" else 4):
        return None
    if kind == "polygon":
        return polygon(label, points)
    x, y = points[::2], points[1::2]
    return ListedObject(label, BOX, (min(x), min(y), max(x), max(y)))


def _describe_kind(kind: Any) -> str:
    if kind in _WITHOUT_AREA:
        return f"a {kind} has no area"
    if kind == "class":
        return "is about the photo as a whole; category: true takes it as the photo's class"
    return "a hole in a polygon" if kind in ("polygon", "rectangle") else f"of type {kind!r}, which is not known"


def _read_points(points: Any, place: str) -> list[float]:
    if not isinstance(points, list):
        raise LabelError(f"{place}: has no list of points")
    numbers = []
    for point in points:
        x, y = (point.get("x"), point.get("y")) if isinstance(point, dict) else (None, None)
        if (
            isinstance(x, bool)
            or isinstance(y, bool)
            or not isinstance(x, int | float)
            or not isinstance(y, int | float)
        ):
            raise LabelError(f"{place}: a point is {json.dumps(point)[:60]}; it takes numbers x and y")
        if abs(x) > 1e300 or abs(y) > 1e300:
            raise LabelError(f"{place}: a point lies beyond any photo")
        numbers += [float(x), float(y)]
    return numbers


def _read_size(image: Any) -> tuple[float, float] | None:
    """Width and height as the file has them."""
    size = (image.get("width"), image.get("height")) if isinstance(image, dict) else (None, None)
    return size if all(isinstance(side, int | float) and side > 0 for side in size) else None  # type: ignore[return-value]


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"holds {word}, which is no number of JSON's: correct or remove it")
