"""Weights: how often each sampling group is drawn, and the records that come of it."""

from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

OF_WEIGHTS: Final = ["purpose", "group", "samples", "probability", "draws"]
OF_RECORDS: Final = ["purpose", "ordinal", "seed", "path", "crc", "length"]


def compare_weights(before: pa.Table, after: pa.Table) -> list[dict[str, Any]]:
    """One entry per purpose and sampling group that is drawn otherwise: purpose, group, was, now (None: no such group).

    Args:
        before: columns `OF_WEIGHTS`.
        after: the same.
    """
    was, now = (
        {(row.pop("purpose"), row.pop("group")): row for row in table.select(OF_WEIGHTS).to_pylist()}
        for table in (before, after)
    )
    return [
        {"purpose": key[0], "group": key[1], "was": was.get(key), "now": now.get(key)}
        for key in sorted({*was, *now})
        if was.get(key) != now.get(key)
    ]


def count_kept(before: pa.Table, after: pa.Table) -> int:
    """Records of the later version that stand in the earlier one too, byte for byte.

    Args:
        before: columns `OF_RECORDS`.
        after: the same.
    """
    at = pc.index_in(after["seed"], value_set=before["seed"])
    same = pc.is_valid(at)
    for name in ("path", "crc", "length"):
        same = pc.and_(same, pc.fill_null(pc.equal(before[name].take(at), after[name]), False))
    return int(pc.sum(same).as_py() or 0)
