"""Ledger: what was decided before, and stays so.

The ledger of a pipeline is the assignments of its newest published version. An image that has left the listing keeps
its line, so that it returns to its old side.
"""

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import SplitSettings
from brev_pipeline.split.leak_groups import (
    assign_leak_groups,
    build_grouping_rules,
    find_group_purposes,
    list_key_columns,
)
from brev_pipeline.tables import SAMPLE_SPLIT, conform_table
from brev_pipeline.texts import TEXT


def list_ledger_columns(settings: SplitSettings) -> list[str]:
    """The columns of a ledger that `assign_purposes` and `build_split_report` read."""
    usual = ["path", "content_id", "pixel_id", "item", "stratum", "purpose"]
    return list(dict.fromkeys([*usual, *list_key_columns(settings)]))


def are_in_split(rows: pa.Table, split: pa.Table) -> pa.ChunkedArray:
    """(rows,) whether the split has an image of the same path and content; its paths are unique."""
    at = pc.index_in(rows["path"], value_set=split["path"])
    return pc.fill_null(pc.equal(split["content_id"].take(at), rows["content_id"]), False)


def build_next_ledger(split: pa.Table, ledger: pa.Table | None, settings: SplitSettings) -> pa.Table:
    """What the next run has to remember: this split, and the ledger's images that are not in it.

    Args:
        split: `tables.SAMPLE_SPLIT`, as `assign_purposes` gave it.
        ledger: what `assign_purposes` was given; columns of `tables.SAMPLE_SPLIT`.
        settings: of the split.

    Returns:
        `tables.SAMPLE_SPLIT`, sorted by path, then content. An absent image keeps its purpose, or takes that of its
        leak group. A path stands there twice if its bytes have changed since.
    """
    if ledger is None or not len(ledger):
        return split
    gone = pc.invert(are_in_split(ledger, split))
    if not pc.any(gone).as_py():
        return split
    leak_groups = assign_leak_groups(split, build_grouping_rules(settings), ledger)
    purposes = find_group_purposes(leak_groups, split, ledger, settings.names)
    moved = pa.array(settings.names, TEXT).take(pa.array(purposes[leak_groups.ledger_group]))
    absent = ledger.set_column(ledger.column_names.index("purpose"), "purpose", moved).filter(gone)
    both = pa.concat_tables([conform_table(table, SAMPLE_SPLIT, "ledger") for table in (split, absent)])
    return both.sort_by([("path", "ascending"), ("content_id", "ascending")])
