"""Label identity: one photo's own labels as a hash, the same wherever and in whatever order they are written.

The hash is over what a record shows of the labels: the mask by the MD5 of its bytes, boxes and polygons as a set that
may hold one several times, and every number and text with its name. It is not over the class, the purpose and the
item: those stand in the listing and the plan as columns of their own, and move a photo without changing what is on it.
What is missing adds nothing, so that a further column of numbers changes only the photos that have one. A photo of
which nothing is said has no hash; one that is labelled, and has nothing on it, has.
"""

import hashlib
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import LabelError
from brev_pipeline.labels import KINDS
from brev_pipeline.labels.base import LabelKind
from brev_pipeline.tables import LABEL_ID as LABEL_ID_FIELD
from brev_pipeline.texts import TEXT, text_bytes, text_offsets

Bools = npt.NDArray[np.bool_]
Digests = npt.NDArray[np.uint64]
"""(rows, 2): 128 bits each."""

_BYTES: Final = 16
_NOT_HASHED: Final = ("key", "path", "category", "purpose", "item", "mask")
LABEL_ID: Final[str] = LABEL_ID_FIELD.name
"""Column of ``sample_integrity`` and of what follows: the photo's labels as a hash; null where there are none."""
EMPTY_MASK: Final = "empty"
"""In place of a mask's content id where a photo is labelled, and has no mask since there is nothing on it."""


def build_label_ids(labels: pa.Table, mask_ids: pa.Array | None = None) -> pa.Array:
    """The label ids of some photos.

    Args:
        labels: as `read.LabelTable.rows`: objects, and columns of float64 and text; key, path, category, purpose and
            item are not looked at. A column of masks is stood for by ``mask_ids``.
        mask_ids: (photos,) content id of each mask, `EMPTY_MASK` of one that is empty by rule, null where there is
            none.

    Returns:
        (photos,) text of 32 hex digits; null where nothing is said of a photo.

    Raises:
        LabelError: there are masks and no ids of them, or a column is of no kind that labels have.
    """
    count = labels.num_rows
    fields: dict[str, tuple[Bools, Digests]] = {}
    if mask_ids is not None:
        fields["mask"] = _digest_texts("mask", mask_ids)
    elif "mask" in labels.column_names and labels["mask"].null_count < count:
        raise LabelError("label ids of masks need the masks' content ids")
    for name in labels.column_names:
        if name in _NOT_HASHED:
            continue
        column = labels[name].combine_chunks()
        if name == "objects":
            fields[name] = column.is_valid().to_numpy(zero_copy_only=False), digest_objects(column)
        elif pa.types.is_floating(column.type):
            fields[f"number {name}"] = _digest_numbers(name, column)
        elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            fields[f"text {name}"] = _digest_texts(f"text {name}", column)
        elif name in KINDS:
            fields[name] = _digest_listed(KINDS[name], column)
        else:
            raise LabelError(f"column {name!r} is {column.type}, and labels are objects, numbers and texts")
    return _join_fields(fields, count)


def digest_objects(objects: pa.Array) -> Digests:
    """128 bits for the boxes and polygons of each photo, whatever their order; of null those of an empty list.

    Args:
        objects: (photos,) of `objects.LISTED_TYPE`.
    """
    lengths = pc.fill_null(pc.list_value_length(objects), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    each = _digest_shapes(objects.flatten())
    owner = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((each[:, 1], each[:, 0], owner))
    return _hash_slices(each[order].view(np.uint8).ravel(), lengths * _BYTES, b"objects")


def _digest_shapes(shapes: pa.StructArray) -> Digests:
    """(shapes, 2) digests of boxes and polygons one by one."""
    labels = shapes.field("label").dictionary_encode()
    kinds = pc.equal(shapes.field("kind"), "box").to_numpy(zero_copy_only=False)
    relative = shapes.field("relative").to_numpy(zero_copy_only=False)
    heads = np.frombuffer(b"".join(_hash(b"label", text.encode()) for text in labels.dictionary.to_pylist()), np.uint8)
    head = (
        heads.reshape(-1, _BYTES)[labels.indices.to_numpy(zero_copy_only=False)]
        if len(shapes)
        else heads.reshape(0, _BYTES)
    )
    points = shapes.field("points")
    counts = pc.list_value_length(points).to_numpy(zero_copy_only=False).astype(np.int64)
    # + 0.0: there is one zero.
    numbers = np.ascontiguousarray(points.flatten().to_numpy(zero_copy_only=False) + 0.0, "<f8").view(np.uint8).ravel()
    sizes = _BYTES + 2 + counts * 8
    ends = np.cumsum(sizes)
    starts = ends - sizes
    data = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
    body = np.ones(len(data), np.bool_)
    fixed = starts[:, None] + np.arange(_BYTES + 2)
    body[fixed] = False
    data[fixed] = np.concatenate([head, kinds[:, None].astype(np.uint8), relative[:, None].astype(np.uint8)], axis=1)
    data[body] = numbers
    return _hash_slices(data, sizes, b"shape")


def _digest_numbers(name: str, column: pa.Array) -> tuple[Bools, Digests]:
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    numbers = np.ascontiguousarray(pc.fill_null(column, 0.0).to_numpy(zero_copy_only=False) + 0.0, "<f8")
    values, rows = np.unique(numbers, return_inverse=True)
    person = f"number {name}".encode()
    digests = b"".join(_hash(person, value.tobytes()) for value in values)
    return valid, np.frombuffer(digests, "<u8").reshape(-1, 2)[rows]


def _digest_texts(name: str, column: pa.Array) -> tuple[Bools, Digests]:
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    coded = pc.fill_null(column.cast(TEXT), "").dictionary_encode()
    person = name.encode()
    data, edges = text_bytes(coded.dictionary).tobytes(), text_offsets(coded.dictionary)
    edges = (edges - edges[0]).tolist()
    digests = b"".join(_hash(person, data[edges[at] : edges[at + 1]]) for at in range(len(edges) - 1))
    table = np.frombuffer(digests, "<u8").reshape(-1, 2)
    return valid, table[coded.indices.to_numpy(zero_copy_only=False)]


def _digest_listed(kind: LabelKind[Any, Any, Any], column: pa.Array) -> tuple[Bools, Digests]:
    """Of a kind that has no hashing of its own here, one photo at a time."""
    person = kind.name.encode()
    rows = (None if row is None else kind.identify(row) for row in column.to_pylist())
    digests = b"".join(_hash(person, row or b"") for row in rows)
    return column.is_valid().to_numpy(zero_copy_only=False), np.frombuffer(digests, "<u8").reshape(-1, 2)


def _join_fields(fields: dict[str, tuple[Bools, Digests]], count: int) -> pa.Array:
    """(photos,) hashes of the digests of what each photo has, in the order of the fields' names."""
    names = sorted(fields)
    if not names or not count:
        return pa.nulls(count, TEXT)
    valid = np.stack([fields[name][0] for name in names], 1)
    digests = np.stack([fields[name][1] for name in names], 1)
    counts = valid.sum(1)
    joined = _hash_slices(np.ascontiguousarray(digests[valid], "<u8").view(np.uint8).ravel(), counts * _BYTES, b"photo")
    letters = _to_hex(joined)
    offsets = np.arange(count + 1, dtype=np.int64) * 2 * _BYTES
    texts = pa.Array.from_buffers(TEXT, count, [None, pa.py_buffer(offsets), pa.py_buffer(letters)])
    return pc.if_else(pa.array(counts > 0), texts, pa.scalar(None, TEXT))


def _to_hex(digests: Digests) -> bytes:
    return np.ascontiguousarray(digests, "<u8").tobytes().hex().encode()


def _hash(person: bytes, data: bytes) -> bytes:
    # Names may be longer than BLAKE2's own 16 bytes of personalisation: by its length no two are one.
    return hashlib.blake2b(len(person).to_bytes(4, "little") + person + data, digest_size=_BYTES).digest()


def _hash_slices(data: npt.NDArray[np.uint8], sizes: npt.NDArray[np.int64], person: bytes) -> Digests:
    """(slices, 2) hashes of consecutive slices of ``data``, ``sizes`` bytes each."""
    ends = np.cumsum(sizes).tolist()
    whole, start, blake = data.tobytes(), 0, hashlib.blake2b(person=person, digest_size=_BYTES)
    digests = []
    for end in ends:
        state = blake.copy()
        state.update(whole[start:end])
        digests.append(state.digest())
        start = end
    return np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2)
