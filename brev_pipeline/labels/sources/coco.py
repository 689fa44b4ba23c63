"""COCO: one JSON file with the images, their boxes and polygons, and the names of the categories.

A file of a million boxes is read by Arrow into columns; whatever Arrow does not take as it stands (ids that are texts,
JSON that is none) is read by Python, which finds the element that is wrong.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from brev_pipeline.config.labels import CocoSource
from brev_pipeline.errors import LabelError
from brev_pipeline.labels.findings import LabelFindings
from brev_pipeline.labels.listed import BOX, LISTED_OBJECT, POLYGON, build_lists
from brev_pipeline.labels.sources.annotations import parse_json
from brev_pipeline.labels.sources.names import NameMatches, describe_lost, match_names
from brev_pipeline.labels.sources.photo_files import PhotoKeys
from brev_pipeline.labels.sources.shapes import MAX_COORDINATE
from brev_pipeline.texts import TEXT

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_MAX_FAST: Final = (1 << 31) - 64  # bytes that Arrow parses as one block
_HEAD: Final = 64  # bytes among which the first brace is looked for
_IMAGES: Final = pa.struct(
    [("id", pa.int64()), ("file_name", pa.string()), ("width", pa.float64()), ("height", pa.float64())]
)
_CATEGORIES: Final = pa.struct([("id", pa.int64()), ("name", pa.string())])
_RINGS: Final = pa.list_(pa.list_(pa.float64()))
_SHOWN: Final = 5


class _Content(NamedTuple):
    """The three lists of a file."""

    images: pa.StructArray
    annotations: pa.StructArray
    categories: pa.StructArray


class CocoLabels(NamedTuple):
    """What a file says of the photos."""

    objects: pa.Array
    """(photos,) of `objects.LISTED_TYPE`; null: the file has no such image."""
    absent: Bools
    """(photos,) whether the file has no such image."""
    excluded: list[tuple[int, str]]
    """Photo and what of each object that is left out for its shape."""


def read_coco(
    data: bytes, settings: CocoSource, photos: PhotoKeys, prefix: str, findings: LabelFindings, where: str
) -> CocoLabels:
    """Read a file, and give each photo its objects, in the file's order.

    Args:
        data: the file's bytes.
        settings: how names and objects are meant.
        photos: whose objects are wanted.
        prefix: what paths of the dataset begin with, where they are written whole.
        findings: is told what else is found.
        where: the source, for findings.

    Raises:
        LabelError: it is no such file; an annotation has no image, no category, no box, a segmentation in run
            lengths, or numbers that are none; an image means several photos; or no image means any.
    """
    content = _parse_content(data, settings)
    names, ids = content.images.field("file_name").cast(TEXT), _ids(content.images, "images", settings.file)
    if names.null_count:
        row = int(np.flatnonzero(names.is_null().to_numpy(zero_copy_only=False))[0])
        raise LabelError(f"{settings.file}, images[{row}]: has no file_name")
    if not len(names):
        raise LabelError(f"{settings.file}: has no images: fill it, or take the source out")
    matches = match_names(names, photos, settings.match, settings.file, prefix, "images[{}]".format)
    if not (matches.row >= 0).any():
        raise LabelError(f"{settings.file}: {describe_lost(names, photos, settings.match)}")
    findings.add(where, "no_photo", len(matches.lost), [names[int(row)].as_py() for row in matches.lost[:_SHOWN]])
    image = _rows_of(content.annotations, "image_id", ids, settings.file, "images")
    objects, excluded = _list_objects(content, image, matches, len(photos.key), settings, findings, where)
    return CocoLabels(objects, matches.row < 0, excluded)


def _list_objects(
    content: _Content,
    image: Ints,
    matches: NameMatches,
    photos: int,
    settings: CocoSource,
    findings: LabelFindings,
    where: str,
) -> tuple[pa.Array, list[tuple[int, str]]]:
    """(photos,) of `objects.LISTED_TYPE`; and photo and what of each object that has no area."""
    annotations, file = content.annotations, settings.file
    photo_of_image = np.full(len(content.images), -1, np.int64)
    photo_of_image[matches.row[matches.row >= 0]] = np.flatnonzero(matches.row >= 0)
    photo = photo_of_image[image]
    labels, mapped, label = _label_annotations(content, settings, findings, where)
    keep = photo >= 0
    left = keep & ~mapped[label]
    findings.add(where, "left_out", int(left.sum()), _describe(left, labels, label))
    keep &= mapped[label]
    crowd = pc.fill_null(pc.not_equal(annotations.field("iscrowd"), 0), False).to_numpy(zero_copy_only=False)
    findings.add(where, "crowd", int((crowd & keep).sum()), _describe(crowd & keep, labels, label))
    if settings.crowd == "leave_out":
        keep &= ~crowd
    place, points, lengths = _take_shapes(annotations, keep, settings, findings, where, labels, label)
    kinds = lengths != 4
    solid = _check_points(points, lengths, place, file)
    flat = [
        (int(photo[at]), f"{file}, annotations[{at}]: {labels[label[at]]}: has no area")
        for at in place[~solid].tolist()
    ]
    findings.add(where, "excluded_object", len(flat), (what for _, what in flat))
    _tell_beyond(points, lengths, content.images, image[place], solid, findings, where, place)
    order = np.flatnonzero(solid)
    order = order[np.argsort(photo[place[order]], kind="stable")]
    counts = np.bincount(photo[place[order]], minlength=photos).astype(np.int64)
    ends = np.cumsum(np.concatenate([[0], lengths]))
    lists = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(points)).take(pa.array(order))
    classes = pa.array([name or "" for name in (settings.mapping.get(one, one) for one in labels)], TEXT)
    values = pa.StructArray.from_arrays(
        [
            classes.take(pa.array(label[place[order]])),
            pa.array([BOX, POLYGON], TEXT).take(pa.array(kinds[order].astype(np.int64))),
            lists,
            pa.repeat(False, len(order)),
        ],
        fields=list(LISTED_OBJECT),
    )
    return build_lists(np.where(matches.row >= 0, counts, -1), values), flat


def _describe(mask: Bools, labels: list[str], label: Ints) -> list[str]:
    return [f"annotations[{at}]: {labels[label[at]]}" for at in np.flatnonzero(mask)[:_SHOWN].tolist()]


def _label_annotations(
    content: _Content, settings: CocoSource, findings: LabelFindings, where: str
) -> tuple[list[str], Bools, Ints]:
    """Names of the categories; whether each is taken; and (annotations,) which of them each is."""
    file = settings.file
    ids = _ids(content.categories, "categories", file)
    names = content.categories.field("name").cast(TEXT)
    if names.null_count:
        row = int(np.flatnonzero(names.is_null().to_numpy(zero_copy_only=False))[0])
        raise LabelError(f"{file}, categories[{row}]: has no name")
    labels = names.to_pylist()
    label = _rows_of(content.annotations, "category_id", ids, file, "categories")
    unused = np.bincount(label, minlength=len(labels)) == 0 if len(labels) else np.zeros(0, np.bool_)
    findings.add(where, "unused_class", int(unused.sum()), [labels[row] for row in np.flatnonzero(unused).tolist()])
    taken = np.array([settings.mapping.get(one, one) is not None for one in labels], np.bool_)
    return labels, taken, label


def _take_shapes(
    annotations: pa.StructArray,
    keep: Bools,
    settings: CocoSource,
    findings: LabelFindings,
    where: str,
    labels: list[str],
    label: Ints,
) -> tuple[Ints, Floats, Ints]:
    """The shapes of the annotations that are kept, in the file's order.

    Returns:
        (shapes,) annotation of each; (numbers,) their points, one after the other; (shapes,) how many of them each has:
        4 of a box.
    """
    rows = np.flatnonzero(keep)
    rings = np.zeros(len(rows), np.int64)
    if settings.segmentation == "polygons":
        some = annotations.field("segmentation").take(pa.array(rows))
        rings = pc.fill_null(pc.list_value_length(some), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    boxed, drawn = rows[rings == 0], rows[rings > 0]
    boxes = _read_boxes(annotations.field("bbox"), boxed, settings.file)
    if not len(drawn):
        return boxed, boxes.ravel(), np.full(len(boxed), 4, np.int64)
    several = np.zeros(len(keep), np.bool_)
    several[rows[rings > 1]] = True
    findings.add(where, "several_parts", int(several.sum()), _describe(several, labels, label))
    polygons = some.filter(pa.array(rings > 0)).flatten()
    owner = np.repeat(drawn, rings[rings > 0])
    sizes = pc.fill_null(pc.list_value_length(polygons), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    if len(bad := np.flatnonzero((sizes < 6) | (sizes % 2 == 1))):
        at = int(bad[0])
        raise LabelError(
            f"{settings.file}, annotations[{owner[at]}]: its segmentation has a polygon of {sizes[at]} numbers; "
            "a polygon has two for each of three corners or more; segmentation: ignore takes boxes alone"
        )
    numbers = polygons.flatten()
    if numbers.null_count:
        raise LabelError(f"{settings.file}: a segmentation holds null in place of a number")
    place = np.concatenate([boxed, owner])
    lengths = np.concatenate([np.full(len(boxed), 4, np.int64), sizes])
    points = pa.array(np.concatenate([boxes.ravel(), numbers.to_numpy()]))
    order = np.argsort(place, kind="stable")
    ends = np.cumsum(np.concatenate([[0], lengths]))
    lists = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), points).take(pa.array(order))
    return place[order], lists.flatten().to_numpy(), lengths[order]


def _read_boxes(boxes: pa.ListArray, rows: Ints, file: str) -> Floats:
    """(rows, 4) corners of the boxes of some annotations."""
    some = boxes.take(pa.array(rows))
    sizes = pc.fill_null(pc.list_value_length(some), -1).to_numpy(zero_copy_only=False)
    if len(bad := np.flatnonzero(sizes != 4)):
        what = "no bbox" if sizes[bad[0]] < 0 else f"a bbox of {sizes[bad[0]]} numbers"
        raise LabelError(f"{file}, annotations[{rows[bad[0]]}]: has {what}; it is [x, y, width, height]")
    flat = some.flatten()
    if flat.null_count:
        at = int(np.flatnonzero(flat.is_null().to_numpy(zero_copy_only=False))[0]) // 4
        raise LabelError(f"{file}, annotations[{rows[at]}]: its bbox holds null in place of a number")
    numbers: Floats = flat.to_numpy().reshape(-1, 4).copy()
    if len(bad := np.flatnonzero((numbers[:, 2:] < 0).any(1))):
        raise LabelError(
            f"{file}, annotations[{rows[bad[0]]}]: its bbox {numbers[bad[0]].tolist()} has a negative width or height; "
            "COCO's boxes are [x, y, width, height]"
        )
    numbers[:, 2:] += numbers[:, :2]
    return numbers


def _check_points(points: Floats, lengths: Ints, place: Ints, file: str) -> Bools:
    """(shapes,) whether each has an area. Raises `LabelError` where a number is none."""
    starts = np.cumsum(lengths) - lengths
    with np.errstate(invalid="ignore"):
        bad = np.flatnonzero(~(np.abs(points) <= MAX_COORDINATE))
    if len(bad):
        at = place[np.searchsorted(starts, bad[0], "right") - 1]
        raise LabelError(f"{file}, annotations[{at}]: holds {points[bad[0]]}, which is no place in a photo")
    solid = np.ones(len(lengths), np.bool_)
    box = lengths == 4
    corners = points[(starts[box, None] + np.arange(4)).ravel()].reshape(-1, 4)
    solid[box] = (corners[:, 0] < corners[:, 2]) & (corners[:, 1] < corners[:, 3])
    if not box.all():
        solid[~box] = _twice_areas(points, starts[~box], lengths[~box]) != 0
    return solid


def _twice_areas(points: Floats, starts: Ints, lengths: Ints) -> Floats:
    """(polygons,) twice the signed area of each, about its first corner."""
    corners = lengths // 2
    first = np.cumsum(corners) - corners
    owner = np.repeat(np.arange(len(corners)), corners)
    step = np.arange(len(owner)) - first[owner]
    here = starts[owner] + 2 * step
    after = starts[owner] + 2 * np.where(step + 1 == corners[owner], 0, step + 1)
    x0, y0 = points[starts[owner]], points[starts[owner] + 1]
    x, y, u, v = points[here] - x0, points[here + 1] - y0, points[after] - x0, points[after + 1] - y0
    return np.add.reduceat(x * v - u * y, first)


def _tell_beyond(
    points: Floats,
    lengths: Ints,
    images: pa.StructArray,
    image: Ints,
    solid: Bools,
    findings: LabelFindings,
    where: str,
    place: Ints,
) -> None:
    """Count the shapes that reach beyond their image as the file has its size."""
    if not len(lengths):
        return
    sizes = [pc.fill_null(images.field(side), np.inf).to_numpy(zero_copy_only=False) for side in ("width", "height")]
    starts = np.cumsum(lengths) - lengths
    owner = np.repeat(image, lengths)
    across = np.arange(len(points)) % 2 == 0  # every shape has an even number
    bound = np.where(across, sizes[0][owner], sizes[1][owner])
    # Sizes of 0 are none.
    outside = (points < 0) | ((points > bound) & (bound > 0))
    beyond = np.logical_or.reduceat(outside, starts) & solid
    findings.add(
        where, "beyond_photo", int(beyond.sum()), (f"annotations[{at}]" for at in place[beyond][:_SHOWN].tolist())
    )


def _ids(rows: pa.StructArray, what: str, file: str) -> Ints:
    """(rows,) the ids, each once."""
    ids = rows.field("id")
    if ids.null_count:
        row = int(np.flatnonzero(ids.is_null().to_numpy(zero_copy_only=False))[0])
        raise LabelError(f"{file}, {what}[{row}]: has no id")
    numbers: Ints = ids.to_numpy(zero_copy_only=False)
    values, counts = np.unique(numbers, return_counts=True)
    if (counts > 1).any():
        twice = values[counts > 1][0]
        first, second = np.flatnonzero(numbers == twice)[:2]
        raise LabelError(f"{file}: {what}[{first}] and {what}[{second}] have the same id; each has one of its own")
    return numbers


def _rows_of(annotations: pa.StructArray, field: str, ids: Ints, file: str, what: str) -> Ints:
    """(annotations,) row of what each refers to by id."""
    column = annotations.field(field)
    rows = pc.index_in(column, value_set=pa.array(ids))
    if rows.null_count:
        at = int(np.flatnonzero(rows.is_null().to_numpy(zero_copy_only=False))[0])
        raise LabelError(f"{file}, annotations[{at}]: its {field} {column[at].as_py()} is the id of none of its {what}")
    return np.asarray(rows.to_numpy(zero_copy_only=False), np.int64)


def _annotation_type(settings: CocoSource) -> pa.DataType:
    fields = [
        ("image_id", pa.int64()),
        ("category_id", pa.int64()),
        ("bbox", pa.list_(pa.float64())),
        ("iscrowd", pa.int64()),
    ]
    return pa.struct([*fields, ("segmentation", _RINGS)] if settings.segmentation == "polygons" else fields)


def _parse_content(data: bytes, settings: CocoSource) -> _Content:
    data = data.removeprefix(b"\xef\xbb\xbf")
    kinds = {"images": _IMAGES, "annotations": _annotation_type(settings), "categories": _CATEGORIES}
    # Arrow 26 dies of a text that begins with null.
    table = _parse_fast(data, kinds) if len(data) < _MAX_FAST and data[:_HEAD].lstrip()[:1] == b"{" else None
    if table is None:
        return _parse_slow(data, kinds, settings)
    return _Content(*(table[name].combine_chunks().flatten() for name in kinds))


def _parse_fast(data: bytes, kinds: dict[str, pa.DataType]) -> pa.Table | None:
    """The three lists in one row; None where Arrow does not take them as they stand."""
    schema = pa.schema([(name, pa.list_(kind)) for name, kind in kinds.items()])
    try:
        table = pj.read_json(
            pa.BufferReader(data),
            pj.ReadOptions(use_threads=False, block_size=len(data) + 1),
            pj.ParseOptions(schema, newlines_in_values=True, unexpected_field_behavior="ignore"),
        )
        table.validate(full=True)  # its texts too: they need not be UTF-8
    except (pa.ArrowException, OSError):
        return None
    if table.num_rows != 1 or any(
        table[name].null_count or table[name].combine_chunks().flatten().null_count for name in kinds
    ):
        return None
    return table


def _parse_slow(data: bytes, kinds: dict[str, pa.DataType], settings: CocoSource) -> _Content:
    """The same through Python's objects, naming what is wrong. Ids may be texts."""
    file = settings.file
    content = parse_json(data, file)
    if not isinstance(content, dict) or (lost := [name for name in kinds if not isinstance(content.get(name), list)]):
        raise LabelError(
            f"{file}: is no COCO file: it has no list of {', '.join(lost) if isinstance(content, dict) else 'images'}; "
            "COCO holds images, annotations and categories"
        )
    numbers = {name: dict[Any, int]() for name in ("images", "categories")}
    for name in kinds:
        for row, one in enumerate(content[name]):
            if not isinstance(one, dict):
                raise LabelError(f"{file}, {name}[{row}]: is no object, but {str(one)[:60]}")
    for row, annotation in enumerate(content["annotations"]):
        _check_annotation(annotation, f"{file}, annotations[{row}]", settings)
    images = [{**one, "id": _number_id(one.get("id"), numbers["images"])} for one in content["images"]]
    categories = [{**one, "id": _number_id(one.get("id"), numbers["categories"])} for one in content["categories"]]
    annotations = [
        {
            **one,
            "image_id": numbers["images"].get(_plain_id(one.get("image_id"))),
            "category_id": numbers["categories"].get(_plain_id(one.get("category_id"))),
            "iscrowd": int(bool(one.get("iscrowd"))),
        }
        for one in content["annotations"]
    ]
    for row, (one, known) in enumerate(zip(content["annotations"], annotations, strict=True)):
        for field, what in (("image_id", "images"), ("category_id", "categories")):
            if known[field] is None:
                raise LabelError(
                    f"{file}, annotations[{row}]: its {field} {one.get(field)!r} is the id of none of its {what}"
                )
    return _Content(
        *(
            _build_rows(rows, kinds[name], name, file)
            for name, rows in (("images", images), ("annotations", annotations), ("categories", categories))
        )
    )


def _build_rows(rows: list[dict[str, Any]], kind: pa.StructType, name: str, file: str) -> pa.StructArray:
    # Field by field, so that what is wrong has a name.
    columns = []
    for field in kind:
        try:
            columns.append(pa.array([row.get(field.name) for row in rows], field.type))
        except (pa.ArrowException, TypeError, OverflowError) as error:
            wrong = next(at for at, row in enumerate(rows) if not _fits(row.get(field.name), field.type))
            raise LabelError(
                f"{file}, {name}[{wrong}]: its {field.name} is {str(rows[wrong].get(field.name))[:60]!r}, and not "
                f"{field.type}"
            ) from error
    return pa.StructArray.from_arrays(columns, fields=list(kind))


def _fits(value: Any, kind: pa.DataType) -> bool:
    try:
        pa.array([value], kind)
    except (pa.ArrowException, TypeError, OverflowError):
        return False
    return True


def _plain_id(value: Any) -> Any:
    """An id as a key: 1 and 1.0 are one; what no id can be is its own text."""
    return value if isinstance(value, int | float | str) and not isinstance(value, bool) else repr(value)


def _number_id(value: Any, numbers: dict[Any, int]) -> int | None:
    """A number for an id: the same for the same one, so that ids that stand twice are found."""
    return None if value is None else numbers.setdefault(_plain_id(value), len(numbers))


def _check_annotation(annotation: dict[str, Any], place: str, settings: CocoSource) -> None:
    segmentation = annotation.get("segmentation")
    if settings.segmentation == "ignore" or not isinstance(segmentation, dict):
        return
    if settings.crowd == "leave_out" and annotation.get("iscrowd"):
        annotation["segmentation"] = None  # it is left out as a group
        return
    counts = "compressed " if isinstance(segmentation.get("counts"), str) else ""
    raise LabelError(
        f"{place}: its segmentation is in {counts}run lengths (RLE, with counts and size), which are not read: "
        "convert it to polygons or to mask images, or say segmentation: ignore, which takes boxes alone"
    )
