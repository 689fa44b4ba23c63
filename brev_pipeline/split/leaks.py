"""Leaks: ids that stand on more than one side, found from the table alone.

`find_divided` is the one check of the pipeline that nothing leaks: the split's report, the expectations and the page of
a version call it. The audit has its own, which shares no code with the split.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from brev_pipeline.repeated_ids import number_repeated_ids
from brev_pipeline.split.encoding import Bools, Ints, encode_column, find_first_rows, find_minima, number_values
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
        divided = find_divided(codes, purpose)
        for at in find_first_rows(codes, len(divided))[divided]:
            sides = np.unique(purpose[codes == codes[at]])
            found = {"kind": kind, "id": split[kind][int(at)].as_py()}
            rows.append({**found, "purposes": [names[side] for side in sides]})
    schema = pa.schema([("kind", TEXT), ("id", TEXT), ("purposes", NAMES)])
    return pa.Table.from_pylist(rows, schema)


def _number_kind(split: pa.Table, kind: str, over_strata: bool) -> Ints:
    """(rows,) a number that rows share which may not be divided; −1 for none."""
    if kind == "item":
        return _number_items(split, over_strata)
    return encode_column(split[kind]).codes if kind == "leak_group" else number_repeated_ids(split[kind])


def _number_items(split: pa.Table, over_strata: bool) -> Ints:
    item = encode_column(split["item"])
    if over_strata:
        return item.codes
    stratum = encode_column(split["stratum"])
    return number_values(stratum.codes * len(item) + item.codes, len(stratum) * len(item))[0]


def find_divided(numbers: npt.NDArray[Any], purposes: npt.NDArray[Any]) -> Bools:
    """(count,) which of the numbers 0 … count − 1 stand on more than one side.

    Args:
        numbers: (rows,) what may not be divided has one number; −1 for none.
        purposes: (rows,) number of each row's purpose, −1 for none.
    """
    rows = np.flatnonzero(numbers >= 0)
    count = int(numbers.max(initial=-1)) + 1
    codes, sides = numbers[rows], purposes[rows].astype(np.int64)
    low = find_minima(codes, sides, count, np.iinfo(np.int64).max)
    high = -find_minima(codes, -sides, count, np.iinfo(np.int64).max)
    # A number without a row keeps both starts: the greatest and the least.
    return np.asarray(low < high)
