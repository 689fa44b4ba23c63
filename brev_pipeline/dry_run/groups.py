"""Groups: which leak groups of the newest version would become one."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import SplitSettings
from brev_pipeline.diff.images import SHOWN
from brev_pipeline.split.leak_groups import assign_leak_groups, build_grouping_rules
from brev_pipeline.store import Version


def find_joined(newest: Version, ledger: pa.Table, split: pa.Table, settings: SplitSettings) -> dict[str, Any]:
    """The groups that would join, JSON-safe: how many there would be, and examples.

    Args:
        newest: the newest published version.
        ledger: as `assign_purposes` was given it, row by row that version's assignments.
        split: as `assign_purposes` gave it.
        settings: of the split.

    Returns:
        ``joined`` (groups that are made of several) and ``examples``: of each the ``groups`` that it is made of, by
        their smallest path, and the ``purposes`` that these had.
    """
    before = newest.read_table("assignments", ["path", "leak_group", "purpose", "listed"])
    if _stand(before, split):
        return {"joined": 0, "examples": []}
    leak_groups = assign_leak_groups(split, build_grouping_rules(settings), ledger)
    rows = pa.table({"now": leak_groups.ledger_group, "was": before["leak_group"], "purpose": before["purpose"]})
    if "listed" in before.column_names:
        rows = rows.filter(before["listed"])
    pairs = rows.group_by(["now", "was", "purpose"]).aggregate([])
    sizes = np.bincount(pairs["now"].to_numpy(), minlength=1)
    several = np.flatnonzero(sizes > 1)
    own = pairs.filter(pc.is_in(pairs["now"], value_set=pa.array(several, pairs["now"].type))).sort_by("was")
    found: dict[int, list[dict[str, str]]] = {}
    for row in own.to_pylist():
        found.setdefault(row["now"], []).append(row)
    shown = sorted(found.values(), key=lambda some: some[0]["was"])[:SHOWN]
    examples = [
        {"groups": [row["was"] for row in some], "purposes": sorted({row["purpose"] for row in some})} for some in shown
    ]
    return {"joined": len(several), "examples": examples}


def _stand(before: pa.Table, split: pa.Table) -> bool:
    """Whether each image of a version is still in a group of the same name, so that no two groups can have joined."""
    if "listed" in before.column_names:
        before = before.filter(before["listed"])
    now = split["leak_group"].take(pc.index_in(before["path"], value_set=split["path"]))
    return bool(pc.all(pc.fill_null(pc.equal(now, before["leak_group"]), False), min_count=0).as_py())
