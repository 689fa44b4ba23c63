"""Pascal VOC: an XML file for each photo, its objects with a name and a box of pixel numbers."""

from typing import Final
from xml.etree.ElementTree import Element, ParseError

from brev_pipeline.config.labels import VocSource
from brev_pipeline.errors import LabelError
from brev_pipeline.labels.listed import BOX, ListedObject
from brev_pipeline.labels.sources.shapes import ParsedLabels
from brev_pipeline.labels.sources.text import decode_any_text, parse_number

_SIDES: Final = ("xmin", "ymin", "xmax", "ymax")


def parse_voc(data: bytes, settings: VocSource, name: str) -> ParsedLabels:
    """Read an annotation file.

    Args:
        data: the file's bytes.
        settings: say what the numbers mean.
        name: of the file, for messages.

    Returns:
        Its objects in their order, boxes as corners: with the first pixel's number 1 and xmax the last pixel's, the box
        ``xmin − 1 .. xmax``. Objects without a box are told, not taken.

    Raises:
        LabelError: it is no such XML, holds entities, or an object has no name, no number, or swapped corners.
    """
    root = _parse_xml(data, name)
    if root.tag != "annotation":
        raise LabelError(f"{name}: its first element is <{root.tag}>; Pascal VOC has <annotation> there")
    parsed = ParsedLabels()
    size = _read_size(root)
    for number, element in enumerate(root.iter("object"), 1):
        place = f"{name}, object {number}"
        label = (element.findtext("name") or "").strip()
        if not label:
            raise LabelError(f"{place}: has no <name>: name its class, or remove it")
        bounds = element.find("bndbox")
        if bounds is None:
            parsed.remarks.append(("not_taken", f"{place}: {label}: has no <bndbox>"))
            continue
        box = _read_box(bounds, settings, place)
        parsed.add(ListedObject(label, BOX, box), place, settings.mapping)
        if size and (box[0] < 0 or box[1] < 0 or box[2] > size[0] or box[3] > size[1]):
            parsed.remarks.append(("beyond_photo", f"{place}: {label}"))
    return parsed


def _parse_xml(data: bytes, name: str) -> Element:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    if not data.strip():
        raise LabelError(f"{name}: is empty: fill it, or take it out")
    try:
        root: Element = fromstring(data)
    except ParseError as error:
        line, column = error.position
        if b"encoding=" not in data[:100]:
            decode_any_text(data, name)  # says it better, where its letters are what is wrong
        raise LabelError(f"{name}, line {line}, column {column + 1}: not XML, or cut short: {error}") from error
    except DefusedXmlException as error:
        raise LabelError(
            f"{name}: declares entities or reads other files ({type(error).__name__}), which no annotation needs and "
            "which can exhaust a machine: remove its <!DOCTYPE …>"
        ) from error
    except (LookupError, ValueError) as error:
        raise LabelError(f"{name}: is in an encoding that cannot be read: {error}; save it as UTF-8") from error
    return root


def _read_box(bounds: Element, settings: VocSource, place: str) -> tuple[float, float, float, float]:
    numbers = []
    for side in _SIDES:
        text = bounds.findtext(side)
        if text is None:
            raise LabelError(f"{place}: its <bndbox> has no <{side}>")
        numbers.append(parse_number(text.strip(), f"{place}, <{side}>"))
    left, top, right, bottom = (number - settings.origin for number in numbers)
    behind = 1 if settings.inclusive else 0
    return left, top, right + behind, bottom + behind


def _read_size(root: Element) -> tuple[float, float] | None:
    """Width and height as the file has them; None where it does not, or has zeros, as some tools write."""
    try:
        size = tuple(float(root.findtext(f"size/{side}") or 0) for side in ("width", "height"))
    except ValueError:
        return None
    return (size[0], size[1]) if all(size) else None
