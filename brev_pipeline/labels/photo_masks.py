"""Photo masks: the mask files of a listing as objects of their own, which are identified, read and prepared."""

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import DatasetSettings
from brev_pipeline.config.labels import MaskSource
from brev_pipeline.errors import LabelError
from brev_pipeline.labels.base import UNLABELLED
from brev_pipeline.labels.identity import EMPTY_MASK
from brev_pipeline.texts import TEXT

MASK: Final = "mask"
MASK_ID: Final = "mask_id"
"""Column of ``sample_integrity``: the content id of the photo's mask, `EMPTY_MASK` where it is empty by rule."""
MASK_ID_SOURCE: Final = "mask_id_source"
_OWN: Final = ("path", "etag", "etag_source", "size", "modified", "file_stamp", "source")


def list_mask_objects(photos: pa.Table) -> pa.Table:
    """The mask files, each once, by path: path, bucket, etag, etag_source, size, modified, file_stamp, source.

    Args:
        photos: bucket, and mask (`mask.LISTED_TYPE`); with `MASK_ID` and `MASK_ID_SOURCE` these come as content_id and
            content_source.
    """
    named = pc.not_equal(pc.fill_null(pc.struct_field(photos[MASK], "path"), ""), "")
    photos = photos.filter(named).combine_chunks()
    masks = photos[MASK].combine_chunks()
    columns = {name: pc.struct_field(masks, name) for name in _OWN} | {"bucket": photos["bucket"].combine_chunks()}
    identity = {"content_id": MASK_ID, "content_source": MASK_ID_SOURCE}
    columns |= {name: photos[own].combine_chunks() for name, own in identity.items() if own in photos.column_names}
    table = pa.table(columns).sort_by("path")
    paths = table["path"].combine_chunks()
    if len(paths) < 2:
        return table
    return table.filter(pa.concat_arrays([pa.array([True]), pc.not_equal(paths[1:], paths[:-1])]))


def take_mask_ids(photos: pa.Table, masks: pa.Table) -> dict[str, pa.Array]:
    """`MASK_ID` and `MASK_ID_SOURCE` of each photo; null where it has no mask.

    Args:
        photos: mask.
        masks: path, content_id, content_source of every mask file.
    """
    path = pc.struct_field(photos[MASK].combine_chunks(), "path")
    at = pc.index_in(path, value_set=masks["path"].combine_chunks())
    ids = pc.if_else(pc.equal(path, ""), EMPTY_MASK, masks["content_id"].combine_chunks().take(at))
    return {MASK_ID: ids.cast(TEXT), MASK_ID_SOURCE: masks["content_source"].combine_chunks().take(at).cast(TEXT)}


def number_mask_classes(datasets: Sequence[DatasetSettings]) -> dict[str, int]:
    """Class → its number in masks: 1, 2, … in the order in which the sources name them; 0 is background.

    Raises:
        LabelError: there are more than a mask can hold.
    """
    masks = [source for dataset in datasets for source in dataset.labels if isinstance(source, MaskSource)]
    names = list(dict.fromkeys(name for source in masks for name in source.class_names))
    if len(names) >= UNLABELLED:
        raise LabelError(
            f"the masks have {len(names)} classes; a mask holds at most {UNLABELLED - 1}: join some of them"
        )
    return {name: number for number, name in enumerate(names, 1)}


def describe_mask_meanings(datasets: Sequence[DatasetSettings]) -> dict[str, Any]:
    """What the values of masks mean, JSON-safe: by it prepared masks, and records with them, are told apart."""
    masks = [
        [dataset.id, place, source.model_dump(mode="json", exclude={"path", "photos", "absent"})]
        for dataset in datasets
        for place, source in enumerate(dataset.labels)
        if isinstance(source, MaskSource)
    ]
    return {"masks": masks, "mask_classes": number_mask_classes(datasets)}
