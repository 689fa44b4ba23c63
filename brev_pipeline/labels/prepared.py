"""Prepared labels: how masks and objects stand in ``prepared_images``, arranged as their photo's pixels are.

A content may be listed several times, with different labels, so each image has a list of them: one for each `LABEL_ID`.
"""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.labels.objects import PREPARED_TYPE as PREPARED_OBJECTS
from brev_pipeline.texts import TEXT, join_texts

PREPARED_LABELS: Final = "prepared_labels"
"""Column of ``prepared_images``; null for an image without labels."""
PREPARED_LABELS_TYPE: Final = pa.list_(
    pa.struct(
        [
            pa.field("label_id", TEXT, nullable=False),
            pa.field("status", TEXT, nullable=False),  # ok, wrong (not of this photo), or as of images
            pa.field("reason", TEXT),  # why they cannot be used; null where status is ok
            pa.field("mask", pa.struct([("file", TEXT), ("offset", pa.int64()), ("length", pa.int64())])),
            pa.field("objects", PREPARED_OBJECTS),
            pa.field("has_defect", pa.bool_()),  # null: there is neither mask nor object list
            pa.field("defect_area", pa.float64()),  # share of the prepared image, 0..1; null likewise
            pa.field("clipped", pa.int32()),  # objects that reached outside of the photo
            pa.field("excluded", pa.list_(TEXT)),  # objects left out, each with its reason
        ]
    )
)


def label_keys(content_id: pa.ChunkedArray, label_id: pa.ChunkedArray) -> pa.ChunkedArray:
    """(rows,) one text for a content and its labels."""
    return join_texts(content_id, label_id, by="-")


def attach_prepared_labels(images: pa.Table, content_id: pa.Array, labels: pa.StructArray) -> pa.Table:
    """``prepared_images`` with `PREPARED_LABELS`.

    Args:
        images: content_id, each once.
        content_id: (labels,) of the content that each belongs to.
        labels: (labels,) values of `PREPARED_LABELS_TYPE`.
    """
    at = pc.index_in(content_id, value_set=images["content_id"].combine_chunks()).to_numpy(zero_copy_only=False)
    order = np.lexsort((np.asarray(pc.rank(labels.field("label_id"), tiebreaker="dense")), at))
    counts = np.bincount(at.astype(np.int64), minlength=images.num_rows)
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
    lists = pa.ListArray.from_arrays(
        offsets, labels.take(pa.array(order)), type=PREPARED_LABELS_TYPE, mask=pa.array(counts == 0)
    )
    return images.append_column(pa.field(PREPARED_LABELS, PREPARED_LABELS_TYPE), lists)


def flatten_prepared_labels(images: pa.Table) -> pa.Table:
    """A row for each labels of each image: content_id, and the fields of `PREPARED_LABELS_TYPE`."""
    lists = images[PREPARED_LABELS].combine_chunks()
    parents = images["content_id"].combine_chunks().take(pc.list_parent_indices(lists))
    values = lists.flatten()
    fields = {field.name: pc.struct_field(values, field.name) for field in PREPARED_LABELS_TYPE.value_type}
    return pa.table({"content_id": parents, **fields})


def find_prepared_labels(
    images: pa.Table, content_id: pa.ChunkedArray, label_id: pa.ChunkedArray
) -> tuple[pa.Table, pa.ChunkedArray]:
    """The labels of all images, as `flatten_prepared_labels` gives them, and (photos,) which of them are each photo's.

    Args:
        images: content_id and `PREPARED_LABELS`.
        content_id: (photos,)
        label_id: (photos,) null where nobody labelled the photo: then no labels are its own, and its row is null.
    """
    labels = flatten_prepared_labels(images)
    known = label_keys(labels["content_id"], labels["label_id"]).combine_chunks()
    return labels, pc.index_in(label_keys(content_id, label_id), value_set=known)
