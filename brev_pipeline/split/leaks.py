"""Leaks: ids that stand on more than one side, found from the table alone."""

import numpy as np
import pyarrow as pa

from brev_pipeline.split.arrays import Ints, find_first_rows, find_minima, number_values
from brev_pipeline.split.copies import repeated
from brev_pipeline.split.encode import encode_column
from brev_pipeline.texts import NAMES, TEXT


def find_leaks(split: pa.Table, purpose: Ints, names: list[str], over_strata: bool) -> pa.Table:
    """Items, leak groups, contents and pixels with images on more than one side.

    Args:
        split: `tables.SAMPLE_SPLIT`.
        purpose: (rows,) number of each row's purpose.
        names: of the purposes.
        over_strata: the same item in two strata is one item.

    Returns:
        kind, id, and purposes (list of text); no rows if all is well.
    """
    rows: list[dict[str, object]] = []
    for kind in ("item", "leak_group", "content_id", "pixel_id"):
        codes = _number_kind(split, kind, over_strata)
        for at in _divided(codes, purpose):
            sides = np.unique(purpose[codes == codes[at]])
            found = {"kind": kind, "id": split[kind][int(at)].as_py()}
            rows.append({**found, "purposes": [names[side] for side in sides]})
    schema = pa.schema([("kind", TEXT), ("id", TEXT), ("purposes", NAMES)])
    return pa.Table.from_pylist(rows, schema)


def _number_kind(split: pa.Table, kind: str, over_strata: bool) -> Ints:
    """(rows,) a number that rows share which may not be divided; −1 for none."""
    if kind == "item":
        return _number_items(split, over_strata)
    return encode_column(split[kind]).codes if kind == "leak_group" else repeated(split[kind])


def _number_items(split: pa.Table, over_strata: bool) -> Ints:
    item = encode_column(split["item"])
    if over_strata:
        return item.codes
    stratum = encode_column(split["stratum"])
    return number_values(stratum.codes * len(item) + item.codes, len(stratum) * len(item))[0]


def _divided(codes: Ints, purpose: Ints) -> Ints:
    """First row of every code that stands on more than one side."""
    rows = np.flatnonzero(codes >= 0)
    count = int(codes.max(initial=-1)) + 1
    low = find_minima(codes[rows], purpose[rows], count, np.iinfo(np.int64).max)
    high = -find_minima(codes[rows], -purpose[rows], count, 1)
    first = find_first_rows(codes, count)
    return np.asarray(first[(first >= 0) & (low != high)])
