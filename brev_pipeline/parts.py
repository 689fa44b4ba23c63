"""Parts: a purpose's records, in files of their own. A fold has two: its photos as they are, and draws of them.

A record of a photo as it is, in a fold, has a negative ordinal: −1, and −2, … for further photos of the same bytes. So
neither its seed nor its place is ever that of a draw, whose ordinals count from 0.
"""

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.texts import TEXT, joined

AUGMENTED: Final = "_augmented"
"""Behind a fold's name, in the name of the part with its draws."""


def part_names(table: pa.Table) -> pa.ChunkedArray:
    """(records,) the part that each record belongs to: its purpose, or of a fold's draws ``fold0_augmented``.

    Args:
        table: purpose and ordinal of all records of a version, or of whole purposes.
    """
    plain = is_plain(table)
    if not pc.any(plain, min_count=0).as_py():
        return table["purpose"]
    folds = pc.unique(table["purpose"].filter(plain))
    drawn = pc.and_(pc.is_in(table["purpose"], value_set=folds), pc.invert(plain))
    names = table["purpose"].cast(TEXT)
    return pc.if_else(drawn, joined(names, AUGMENTED, by=""), names)


def is_plain(table: pa.Table) -> Any:
    """(records,) whether each is a fold's photo as it is."""
    return pc.less(table["ordinal"], 0)


def drawn_by_weight(table: pa.Table) -> Any:
    """(records,) whether the weight table says how often each stands there.

    That is all but the folds' photos as they are; of a fold that is not sampled, those too.
    """
    plain = is_plain(table)
    if not pc.any(plain, min_count=0).as_py():
        return pc.invert(plain)
    sampled = pc.unique(table["purpose"].filter(pc.invert(plain)))
    return pc.or_(pc.invert(plain), pc.invert(pc.is_in(table["purpose"], value_set=sampled)))


def plain_ordinals(counts: np.ndarray[Any, np.dtype[np.int32]]) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Ordinals of photos as they are, from how many of the same content come before: −1, −2, and so on."""
    return -1 - counts
