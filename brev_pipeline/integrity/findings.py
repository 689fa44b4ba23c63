"""Findings: what the listing and its identities tell, as tables for people, suites and reports."""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.texts import NAMES, TEXT, joined_names

_TEXTS: Final = NAMES

DUPLICATE_GROUPS: Final = pa.schema(
    [
        pa.field("content_id", TEXT, False),
        pa.field("copies", pa.int32(), False, {"description": "images with these bytes"}),
        pa.field("folders", _TEXTS, False, {"description": "their folders, each once, sorted"}),
        pa.field("datasets", _TEXTS, False, {"description": "their datasets, each once, sorted"}),
        pa.field("paths", _TEXTS, False, {"description": "sorted"}),
    ]
)
LABEL_CONFLICTS: Final = pa.schema(
    [
        pa.field("content_id", TEXT, False),
        pa.field("paths", _TEXTS, False, {"description": "sorted"}),
        pa.field("categories", _TEXTS, False, {"description": "of each path, several joined with ', '"}),
    ]
)
LISTING_CHANGES: Final = pa.schema(
    [
        pa.field("change", TEXT, False, {"description": "appeared, vanished or replaced"}),
        pa.field("path", TEXT, False),
        pa.field("folder", TEXT, False),
        pa.field("dataset", TEXT, False),
    ]
)


def duplicate_groups(integrity: pa.Table) -> pa.Table:
    """One row per content that is there more than once, sorted by its first path: schema `DUPLICATE_GROUPS`.

    Args:
        integrity: schema `tables.SAMPLE_INTEGRITY`.
    """
    copied = integrity.filter(pc.greater(integrity["copies"], 1))
    return _grouped(copied, DUPLICATE_GROUPS, {"folders": "folder", "datasets": "dataset", "paths": "path"})


def label_conflicts(integrity: pa.Table) -> pa.Table:
    """One row per content that stands under more than one category, by first path: schema `LABEL_CONFLICTS`.

    Args:
        integrity: schema `tables.SAMPLE_INTEGRITY`.
    """
    conflicting = integrity.filter(integrity["label_conflict"])
    named = conflicting.append_column("categories", joined_names(conflicting["category"], ", "))
    return _grouped(named, LABEL_CONFLICTS, {"paths": "path", "categories": "categories"})


COMPARED: Final = ["path", "etag", "size", "folder", "dataset"]
"""Columns of two listings that `compare_listings` reads."""


def compare_listings(old: pa.Table, new: pa.Table) -> pa.Table:
    """What appeared, vanished and was replaced since ``old``, sorted by path: schema `LISTING_CHANGES`.

    Replaced is an image whose entity tag differs; where one of the two has none, whose size differs.

    Args:
        old: columns path, etag, size, folder, dataset of an earlier listing.
        new: the same of the present one.
    """
    there = pc.index_in(new["path"], value_set=old["path"])
    same_tag = pc.equal(old["etag"].take(there), new["etag"])
    same = pc.coalesce(same_tag, pc.equal(old["size"].take(there), new["size"]))
    parts = {
        "appeared": new.filter(pc.is_null(there)),
        "replaced": new.filter(pc.fill_null(pc.invert(same), False)),
        "vanished": old.filter(pc.invert(pc.is_in(old["path"], value_set=new["path"]))),
    }
    tables = [
        part.select(LISTING_CHANGES.names[1:]).add_column(0, "change", pa.repeat(change, part.num_rows))
        for change, part in parts.items()
    ]
    return pa.concat_tables(tables).sort_by("path").cast(LISTING_CHANGES)


def shrinkage(old: pa.Table, new: pa.Table) -> float:
    """Share of the old listing's images that are gone, 0..1; 0 where there was none."""
    if not old.num_rows:
        return 0.0
    kept = pc.sum(pc.is_in(old["path"], value_set=new["path"])).as_py() or 0
    return float(1 - kept / old.num_rows)


def _grouped(rows: pa.Table, schema: pa.Schema, lists: dict[str, str]) -> pa.Table:
    """One row per content_id with the rows' values in lists, in order of path."""
    ordered = rows.sort_by("path")
    wanted = [(column, "list") for column in lists.values()]
    grouped = ordered.group_by("content_id", use_threads=False).aggregate([*wanted, ("copies", "first")])
    columns = {name: grouped[f"{column}_list"] for name, column in lists.items()}
    for name in {"folders", "datasets"} & columns.keys():
        columns[name] = pa.array([sorted(set(values)) for values in columns[name].to_pylist()], _TEXTS)
    columns |= {"content_id": grouped["content_id"], "copies": grouped["copies_first"]}
    return pa.table({name: columns[name] for name in schema.names}).cast(schema)
