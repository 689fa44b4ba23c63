"""The key `labels` of a dataset: where its masks, boxes, polygons, tables and values lie, and how they are meant.

Each entry is a *source*, told apart by its ``kind``. Files that belong to one photo are found by a template of the
photo's path; a file about many photos names them.
"""

import re
import string
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from brev_pipeline.config.base import MAX_PATTERN_LENGTH, Columns, Regex, Section

PHOTO_FIELDS: Final = ("path", "folder", "name", "stem")
"""Placeholders of a template: the photo's path within the dataset, its folder, its file name, that without ending."""
MAX_SAMPLE: Final = 65_535
"""Largest grey value or palette index that a mask can hold."""

_COLOUR: Final = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)
_BOXES: Final = (("x1", "y1", "x2", "y2"), ("x", "y", "w", "h"))
_TEMPLATE: Final = (
    "Where the file of a photo lies in the dataset: a path with {path}, {folder}, {name}, {stem} of the photo and the "
    "named groups of photos; .. leads to the folder above"
)
_MAPPING: Final = (
    "Label as the file has it → class; null leaves these objects out, told with their count. A label that is not "
    "mapped is the class."
)

Absent = Literal["error", "empty", "unlabelled"]
ClassName = Annotated[str, Field(min_length=1, pattern=r"\S")]


def split_template(template: str) -> Iterator[tuple[str, str | None]]:
    """The template's parts in order: a text, and the placeholder after it (None: there is none).

    Raises `ValueError` where it is no template.
    """
    for text, name, width, conversion in string.Formatter().parse(template):
        if name is not None and (width or conversion or not name.isidentifier()):
            raise ValueError(f"{template!r}: {{{name}}} is no placeholder: write a name alone, such as {{stem}}")
        yield text, name


def _check_template(template: str) -> str:
    if len(template) > MAX_PATTERN_LENGTH:
        raise ValueError(f"has {len(template)} characters; a template has at most {MAX_PATTERN_LENGTH}")
    try:
        fields = [name for _, name in split_template(template) if name is not None]
    except ValueError as error:
        raise ValueError(f"{template!r} is no template: {error}; literal braces are doubled") from error
    if not fields:
        raise ValueError(
            f"{template!r} names one file for all photos: write what tells them apart, as in {{folder}}/{{stem}}.xml"
        )
    if template.startswith("/"):
        raise ValueError(f"{template!r} begins with a slash: it is meant within the dataset; remove the slash")
    return template


Template = Annotated[str, Field(min_length=1), AfterValidator(_check_template)]


def _check_inner_file(file: str) -> str:
    if "://" in file or file.startswith("/") or ".." in file.split("/"):
        raise ValueError(f"{file!r}: name a file of the dataset by its path within it, such as labels/labels.csv")
    return file


InnerFile = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_check_inner_file)]


def _check_separator(separator: str | None) -> str | None:
    if separator is None or separator == "whitespace" or (len(separator) == 1 and separator not in '"\r\n'):
        return separator
    raise ValueError(f"{separator!r}: takes one character, such as ';', or the word whitespace")


Separator = Annotated[str | None, AfterValidator(_check_separator)]


class _Source(Section):
    """What all sources say."""

    photos: Regex | None = Field(
        None,
        description="Regular expression, searched in / and the path within the dataset: other photos have no label by "
        "this source.",
    )
    absent: Absent = Field(
        "error",
        description="A photo without a label here: stop; take it for labelled, with nothing on it; or for unlabelled.",
    )

    @property
    def says_classes(self) -> bool:
        """Whether it says classes of whole photos."""
        return False


class _SharedFileSource(_Source):
    """A source with one file for many photos."""

    file: InnerFile

    @property
    def location(self) -> str:
        """Where its file lies in the dataset."""
        return self.file


class _PhotoFileSource(_Source):
    """A source with a file for each photo."""

    path: Template = Field(description=f"{_TEMPLATE}.")

    @model_validator(mode="after")
    def _known_fields(self) -> Self:
        groups = re.compile(self.photos).groupindex if self.photos else {}
        fields = [name for _, name in split_template(self.path) if name is not None]
        if unknown := sorted({name for name in fields if name not in (*PHOTO_FIELDS, *groups)}):
            known = ", ".join(f"{{{name}}}" for name in (*PHOTO_FIELDS, *groups))
            raise ValueError(f"path: {', '.join(map(repr, unknown))} is no placeholder; known are {known}")
        if "*" in self.path and not self._may_glob:
            raise ValueError("path: holds *, and a photo has one file here: write its name with placeholders")
        return self

    @property
    def location(self) -> str:
        """Where its files lie in the dataset."""
        return self.path

    @property
    def _may_glob(self) -> bool:
        return False


class MaskSource(_PhotoFileSource):
    """An image for each photo whose values say the class of every pixel."""

    kind: Literal["masks"] = Field(description="Pixels: an image of the photo's size.")
    values: dict[str, ClassName] = Field(
        {},
        description="Value → class: a grey value or palette index ('255'), or a colour ('#ff0000'). Value '0' and "
        "'#000000' are background unless they are named here; any other value is an error.",
    )
    threshold: int | None = Field(
        None, ge=1, le=MAX_SAMPLE, description="In place of values: this grey value and all above are class_name."
    )
    class_name: ClassName = Field("defect", description="Class of what reaches the threshold.")
    resize: bool = Field(False, description="Bring a mask of another size to the photo's, by nearest neighbour.")

    @field_validator("values")
    @classmethod
    def _samples(cls, values: dict[str, str]) -> dict[str, str]:
        for value in values:
            if not _COLOUR.fullmatch(value) and not (
                value.isascii() and value.isdigit() and len(value) <= 5 and int(value) <= MAX_SAMPLE
            ):
                raise ValueError(f"{value!r}: a value is a whole number 0..{MAX_SAMPLE} or a colour like '#ff0000'")
        plain = [value.lower() if value.startswith("#") else str(int(value)) for value in values]
        if twice := sorted({value for value in plain if plain.count(value) > 1}):
            raise ValueError(f"names {', '.join(twice)} twice: keep one of them")
        if len({value.startswith("#") for value in values}) > 1:
            raise ValueError("holds both numbers and colours: a mask has one of them; make two sources of it")
        return values

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        if bool(self.values) == (self.threshold is not None):
            raise ValueError("says the classes by one of values: {'255': defect} and threshold: 1; give one of them")
        if len(self.class_names) > 254:
            raise ValueError(f"names {len(self.class_names)} classes; a mask has at most 254")
        return self

    @property
    def class_names(self) -> list[str]:
        """Its classes, each once, in their order; background is none of them."""
        return [self.class_name] if self.threshold is not None else list(dict.fromkeys(self.values.values()))

    @property
    def value_classes(self) -> dict[int | tuple[int, int, int], str]:
        """Grey value or palette index, or (red, green, blue), each 0..255 → class."""
        return {
            (int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16)) if value[0] == "#" else int(value): name
            for value, name in self.values.items()
        }


class TableSource(_SharedFileSource):
    """A table with a row for each photo."""

    kind: Literal["table"] = Field(description="A table that names photos: CSV, Parquet, JSON lines.")
    file: InnerFile = Field(
        description="The table, by its path within the dataset: .csv, .tsv, .txt, .parquet, .jsonl or .ndjson."
    )
    separator: Separator = Field(
        None,
        description="Between the fields of a text table: one character, or whitespace; null: as the ending and the "
        "head line say it.",
    )
    header: bool = Field(True, description="Whether the first line of a text table names the columns.")
    columns: Columns | None = Field(None, description="Names of the columns of a text table without a head line.")
    key: str = Field("file_name", min_length=1, description="Column that names the photo.")
    match: Literal["path", "name", "stem", "item"] = Field(
        "path",
        description="What the key names: the path within the dataset or from the table's folder; the file name; that "
        "without its ending; the item.",
    )
    category: str | Columns | None = Field(None, description="Column, or columns, that say the class or classes.")
    purpose: str | None = Field(None, description="Column that says the purpose.")
    item: str | None = Field(None, description="Column that says the physical item.")
    numbers: list[str] = Field([], description="Columns with numbers; an empty field is a missing number.")
    texts: list[str] = Field([], description="Columns with texts.")
    absent: Literal["error", "unlabelled"] = Field(
        "error", description="A photo without a row: stop, or take it for unlabelled."
    )

    @property
    def says_classes(self) -> bool:
        """See `_Source`."""
        return self.category is not None

    @property
    def category_columns(self) -> list[str]:
        """Columns that say the classes."""
        return [self.category] if isinstance(self.category, str) else list(self.category or [])

    @property
    def used_columns(self) -> list[str]:
        """All columns that are read, each once, the key first."""
        single = [name for name in (self.purpose, self.item) if name is not None]
        return list(dict.fromkeys([self.key, *self.category_columns, *single, *self.numbers, *self.texts]))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.header == (self.columns is not None):
            raise ValueError(
                "columns names the columns of a table without a head line, and this one has one: remove it"
                if self.header
                else "a table without a head line (header: false) has its columns named by columns: [path, …]"
            )
        values = [*self.numbers, *self.texts]
        if twice := sorted({name for name in values if values.count(name) > 1}):
            raise ValueError(f"numbers and texts: {', '.join(map(repr, twice))} stands there twice")
        if self.columns is not None:
            if twice := sorted({name for name in self.columns if self.columns.count(name) > 1}):
                raise ValueError(f"columns: {', '.join(map(repr, twice))} stands there twice")
            if lost := [name for name in self.used_columns if name not in self.columns]:
                raise ValueError(f"{', '.join(map(repr, lost))} is none of columns: {', '.join(self.columns)}")
        return self


class CocoSource(_SharedFileSource):
    """A COCO file: boxes and polygons of many photos."""

    kind: Literal["coco"] = Field(description="Boxes and polygons: one COCO JSON for many photos.")
    file: InnerFile = Field(description="The JSON file, by its path within the dataset.")
    match: Literal["path", "name", "stem"] = Field(
        "name",
        description="What file_name means: the path within the dataset or from the JSON's folder; the file name; that "
        "without its ending.",
    )
    segmentation: Literal["polygons", "ignore"] = Field(
        "polygons",
        description="Take an object's polygons in place of its box, one object each, or its box alone. Run-length "
        "encoded segmentations are not read.",
    )
    crowd: Literal["leave_out", "take"] = Field(
        "leave_out", description="Objects with iscrowd, which stand for a group: told and left out, or taken as one."
    )
    mapping: dict[str, ClassName | None] = Field({}, description=_MAPPING)


class VocSource(_PhotoFileSource):
    """An XML file for each photo, as Pascal VOC has it."""

    kind: Literal["voc"] = Field(description="Boxes: a Pascal VOC XML for each photo.")
    origin: Literal[0, 1] = Field(1, description="Number of the first pixel: 1 in Pascal VOC.")
    inclusive: bool = Field(
        True, description="Whether xmax and ymax name the last pixel, as in Pascal VOC, or the corner behind it."
    )
    mapping: dict[str, ClassName | None] = Field({}, description=_MAPPING)


class YoloSource(_PhotoFileSource):
    """A text file for each photo, as YOLO has it."""

    kind: Literal["yolo"] = Field(
        description="Boxes and polygons: a YOLO text for each photo, lines of class, centre, width and height, or of "
        "class and corners, as fractions of the photo's sides."
    )
    classes: Annotated[list[ClassName], Field(min_length=1)] | InnerFile = Field(
        description="Names of the classes 0, 1, …; or the file within the dataset that has them: a name a line, or "
        "YOLO's YAML with names."
    )


class BoxesSource(_PhotoFileSource):
    """A text file for each photo with a box a line."""

    kind: Literal["boxes"] = Field(description="Boxes: a delimited text for each photo, a box a line.")
    separator: Separator = Field(
        "whitespace", description="Between the fields: one character, or whitespace; null: as the file says it."
    )
    header: bool = Field(False, description="Whether the first line names the columns; it is not read then.")
    columns: Columns = Field(
        description="What stands in a line, in order: x1, y1, x2, y2 (left, top, right, bottom corner in px) or x, y, "
        "w, h (left, top, width, height), and label; columns of other names are not used."
    )
    classes: dict[str, ClassName | None] = Field(
        {},
        description="Label as it stands there → class; null leaves these objects out; one that is not here is an "
        "error. Without any, labels are the classes.",
    )
    class_name: ClassName = Field("defect", description="Class of all boxes where there is no label.")
    relative: bool = Field(False, description="Whether numbers are fractions of the photo's sides.")

    @model_validator(mode="after")
    def _box_columns(self) -> Self:
        if twice := sorted({name for name in self.columns if self.columns.count(name) > 1}):
            raise ValueError(f"columns: {', '.join(map(repr, twice))} stands there twice")
        if not any(set(names) <= set(self.columns) for names in _BOXES):
            raise ValueError(f"columns: name x1, y1, x2, y2, or x, y, w, h among them; got {', '.join(self.columns)}")
        return self

    @property
    def box_columns(self) -> tuple[int, int, int, int]:
        """Where the four numbers stand in a line, from 0."""
        names = next(names for names in _BOXES if set(names) <= set(self.columns))
        a, b, c, d = map(self.columns.index, names)
        return a, b, c, d

    @property
    def by_size(self) -> bool:
        """Whether the last two numbers are width and height."""
        return not set(_BOXES[0]) <= set(self.columns)


class AnnotationSource(_PhotoFileSource):
    """The annotation JSON of brevettiai, beside which older ones may lie."""

    kind: Literal["annotations"] = Field(description="Boxes and polygons: the annotation JSON of brevettiai.")
    path: Template = Field(
        ".annotations/{path}/*.json",
        description=f"{_TEMPLATE}. A * in the file name stands for any text; of several files the last by name counts.",
    )
    category: bool = Field(
        False, description="Whether annotations of type class say the photo's classes; else they are told, not taken."
    )
    mapping: dict[str, ClassName | None] = Field({}, description=_MAPPING)

    @property
    def says_classes(self) -> bool:
        """See `_Source`."""
        return self.category

    @property
    def _may_glob(self) -> bool:
        return True

    @model_validator(mode="after")
    def _one_star(self) -> Self:
        if self.path.count("*") > 1 or "*" in self.path.rpartition("/")[0]:
            raise ValueError("path: takes one *, in the file name: the last file by name counts")
        return self


LABEL_KINDS: Final = ("masks", "table", "coco", "voc", "yolo", "boxes", "annotations")


def _check_kind(value: Any) -> Any:
    """Refuse what names no kind here, where all of them can be named."""
    if isinstance(value, _Source) or (isinstance(value, dict) and value.get("kind") in LABEL_KINDS):
        return value
    known = ", ".join(LABEL_KINDS)
    if not isinstance(value, dict):
        raise ValueError(f"takes mappings with the key kind, one of {known}")
    if "kind" not in value:
        raise ValueError(f"lacks the key kind, which says what the files are: one of {known}")
    raise ValueError(f"kind is none of {known}")


LabelSource = Annotated[
    Annotated[MaskSource, Tag("masks")]
    | Annotated[TableSource, Tag("table")]
    | Annotated[CocoSource, Tag("coco")]
    | Annotated[VocSource, Tag("voc")]
    | Annotated[YoloSource, Tag("yolo")]
    | Annotated[BoxesSource, Tag("boxes")]
    | Annotated[AnnotationSource, Tag("annotations")],
    Discriminator(lambda value: value.get("kind") if isinstance(value, dict) else value.kind),
    BeforeValidator(_check_kind),
]
"""One place of a dataset's labels."""

PhotoFileSource = MaskSource | VocSource | YoloSource | BoxesSource | AnnotationSource
"""Sources with a file for each photo."""
ObjectSource = CocoSource | VocSource | YoloSource | BoxesSource | AnnotationSource
"""Sources of boxes and polygons."""


def describe_source(number: int, source: Any) -> str:
    """A source in messages: its place in `labels`, and its kind."""
    return f"labels[{number}] ({source.kind})"


Border = Literal["mirror", "constant"]
_OBJECT_KINDS: Final = frozenset(LABEL_KINDS) - {"masks", "table"}


def find_border(kinds: Iterable[str]) -> Border:
    """What augmentation puts where an image ends, by the kinds of all sources of labels of a pipeline.

    Where there are boxes and polygons that is 0: a mirror image would show an object once more, outside of any box.
    """
    return "constant" if _OBJECT_KINDS & set(kinds) else "mirror"
