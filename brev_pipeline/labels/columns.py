"""Label columns: what tables behind the listing carry of the labels, under which names, and how it serves as a key.

The split has an ``item`` and a ``purpose`` of its own. What labels say of either is carried beside it, and is meant
where a configuration names ``item`` as a key of the split.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import LabelError
from brev_pipeline.labels import KINDS
from brev_pipeline.labels.identity import LABEL_ID
from brev_pipeline.labels.photo_masks import MASK_ID, MASK_ID_SOURCE
from brev_pipeline.tables import LABEL_ID as LABEL_ID_FIELD
from brev_pipeline.tables import SAMPLE_INTEGRITY, SAMPLE_SPLIT, make_field
from brev_pipeline.texts import TEXT

LABEL_ITEM: Final = "label_item"
LABEL_PURPOSE: Final = "label_purpose"
HAS_DEFECT: Final = "has_defect"
DEFECT_AREA: Final = "defect_area"
DEFECT_AREA_BIN: Final = "defect_area_bin"
UNLABELLED: Final = "unlabelled"
"""In place of null, where a column that labels say is a key."""

OWN_NAMES: Final = {"item": LABEL_ITEM, "purpose": LABEL_PURPOSE}
"""Name in the listing → name beside the split's own column."""
_LISTED_NAMES: Final = {own: listed for listed, own in OWN_NAMES.items()}

PREPARED_FIELDS: Final = pa.schema(
    [
        LABEL_ID_FIELD,
        make_field(HAS_DEFECT, TEXT, True, "yes or no; null where nobody labelled it"),
        make_field(DEFECT_AREA, pa.float64(), True, "share of the prepared image, 0..1"),
    ]
)
"""What is known of each photo's labels once they are prepared."""
AREA_BIN_FIELD: Final = make_field(DEFECT_AREA_BIN, TEXT, True, "bin of defect_area, by split.area_bins")

RESERVED_COLUMNS: Final = frozenset({*PREPARED_FIELDS.names, DEFECT_AREA_BIN, LABEL_ITEM, LABEL_PURPOSE, "multi_hot"})
"""Names that no column of numbers or texts may have, besides those of the tables."""

_NOT_CARRIED: Final = frozenset({*SAMPLE_INTEGRITY.names, LABEL_ID, MASK_ID, MASK_ID_SOURCE, *KINDS})


def name_label_columns(listing: pa.Table) -> pa.Table:
    """A listing with its item and purpose, which labels say, under the names that they have beside the split's own."""
    if not OWN_NAMES.keys() & set(listing.column_names):
        return listing
    return listing.rename_columns([OWN_NAMES.get(name, name) for name in listing.column_names])


def list_listed_names(columns: Iterable[str]) -> list[str]:
    """The names of columns, each once, as ``sample_integrity`` has them: `name_label_columns`, the other way round."""
    return list(dict.fromkeys(_LISTED_NAMES.get(name, name) for name in columns))


def list_said_columns(names: Sequence[str]) -> list[str]:
    """Of the columns of a listing those that labels alone have: item, purpose, numbers and texts."""
    return [name for name in names if name not in _NOT_CARRIED]


def find_label_fields(listing: pa.Schema, *, area_bins: bool = False) -> list[pa.Field]:
    """The columns that labels add to a split; none where the listing has no labels.

    Args:
        listing: of ``raw_listing`` or ``sample_integrity``, or what is read of them.
        area_bins: whether ``split.area_bins`` is configured.
    """
    if all(name in SAMPLE_INTEGRITY.names for name in listing.names):
        return []
    said = [listing.field(name) for name in list_said_columns(listing.names)]
    own = [
        pa.field(OWN_NAMES.get(field.name, field.name), field.type, True)
        for field in said
        if pa.types.is_floating(field.type) or pa.types.is_large_string(field.type) or pa.types.is_string(field.type)
    ]
    return [*PREPARED_FIELDS, *([AREA_BIN_FIELD] if area_bins else []), *own]


def bin_areas(areas: pa.ChunkedArray, bounds: Sequence[float]) -> pa.ChunkedArray:
    """Texts of the bins that shares of area fall into, each with its upper bound; null where there is no share.

    Args:
        areas: (photos,) 0..1.
        bounds: ascending, between 0 and 1: 0.01 and 0.1 make the bins 0, 0..0.01, 0.01..0.1 and >0.1.
    """
    edges = ["0", *(repr(bound) for bound in bounds)]
    texts = ["0", *(f"{low}..{high}" for low, high in pairwise(edges)), f">{edges[-1]}"]
    numbers = pc.fill_null(areas, 0.0).to_numpy()
    bins = np.searchsorted(np.array([0.0, *bounds]), numbers, side="left")
    return pa.chunked_array([pa.array(texts, TEXT).take(pa.array(bins, mask=areas.is_null().to_numpy()))])


def take_key_column(table: pa.Table, column: str, *, fill: bool) -> pa.ChunkedArray:
    """A column that is a key: one that labels say of a split or of its samples, or any other, which is left as it is.

    Args:
        table: has the column.
        column: its name.
        fill: put `UNLABELLED` in place of null.

    Raises:
        LabelError: it holds numbers, and labels say it.
    """
    values = table[column]
    if LABEL_ID not in table.column_names or column in SAMPLE_SPLIT.names:
        return values
    if pa.types.is_floating(values.type):
        instead = f"split.area_bins: [0.001, 0.01, 0.1] makes the column {DEFECT_AREA_BIN} of it"
        raise LabelError(
            f"the column {column!r} holds numbers, each photo its own, and is no key: "
            f"{instead if column == DEFECT_AREA else 'take a column of texts, or leave it out'}"
        )
    return pc.fill_null(values, UNLABELLED) if fill else values
