"""Findings: what the listing and its identities tell, as tables for people, suites and reports.

Copies, contents under two categories, and what has changed since an earlier listing: which image that is gone is which
one that has come, where paths tell nothing.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.tables import UNREAD_PREFIX, make_field
from brev_pipeline.texts import NAMES, TEXT, join_names, join_texts, number_values

Rows = npt.NDArray[np.int64]


def pair_renamed(lost: pa.Table, came: pa.Table, content: tuple[pa.ChunkedArray, pa.ChunkedArray]) -> Rows:
    """Pair images by content: first those of the same classes, then the rest; of several in the order of their paths.

    Args:
        lost: columns path and category of the images that are gone.
        came: the same of those that have come.
        content: of both, (rows,) what images have in common whose bytes are the same; null where that is not known.

    Returns:
        (rows that came,) the lost row that is the same image, each once, or −1.
    """
    partner = np.full(len(came), -1, np.int64)
    contents = _number_texts(*content)
    classes = _number_texts(*(join_names(rows["category"], ", ") for rows in (lost, came)))
    count = max((numbers.max(initial=0) for numbers in classes), default=0) + 1
    left, right = (
        by_path[numbers[by_path] >= 0]
        for by_path, numbers in zip((_order_by_path(lost), _order_by_path(came)), contents, strict=True)
    )
    # A content and a class as one number.
    of_class = [numbers * count + own for numbers, own in zip(contents, classes, strict=True)]
    for gone, come in (of_class, contents):
        first, second = _pair_occurrences(gone[left], come[right])
        partner[right[second]] = left[first]
        left, right = np.delete(left, first), np.delete(right, second)
    return partner


def _order_by_path(rows: pa.Table) -> Rows:
    """(rows,) the rows in the order of their paths."""
    paths = rows["path"]
    # A listing is in that order already, as a rule.
    if pc.all(pc.less(paths[:-1], paths[1:]), min_count=0).as_py():
        return np.arange(len(paths))
    return np.asarray(pc.sort_indices(paths).to_numpy(), np.int64)


def _number_texts(*columns: pa.ChunkedArray) -> list[Rows]:
    """Of each column (rows,) a number for each different text, the same in all; −1 for null."""
    numbers, _ = number_values(
        pa.chunked_array([chunk for column in columns for chunk in column.chunks], columns[0].type)
    )
    return np.split(numbers.astype(np.int64), np.cumsum([len(column) for column in columns])[:-1])


def _pair_occurrences(one: Rows, other: Rows) -> tuple[Rows, Rows]:
    """Places in two arrays of numbers: of the n-th time that one holds a number, with the n-th time in the other."""
    times = _count_earlier(one), _count_earlier(other)
    most = max(found.max(initial=0) for found in times) + 1
    _, first, second = np.intersect1d(
        one * most + times[0], other * most + times[1], assume_unique=True, return_indices=True
    )
    return first, second


def _count_earlier(numbers: Rows) -> Rows:
    """(rows,) how often the same number stands before."""
    order = np.argsort(numbers, kind="stable")
    new = np.ones(len(numbers), np.bool_)
    np.not_equal(numbers[order][1:], numbers[order][:-1], out=new[1:])
    at = np.arange(len(numbers))
    times = np.empty(len(numbers), np.int64)
    times[order] = at - np.maximum.accumulate(np.where(new, at, 0))
    return times


DUPLICATE_GROUPS: Final = pa.schema(
    [
        make_field("content_id", TEXT, False),
        make_field("copies", pa.int32(), False, "images with these bytes"),
        make_field("folders", NAMES, False, "their folders, each once, sorted"),
        make_field("datasets", NAMES, False, "their datasets, each once, sorted"),
        make_field("paths", NAMES, False, "sorted"),
    ]
)
LABEL_CONFLICTS: Final = pa.schema(
    [
        make_field("content_id", TEXT, False),
        make_field("paths", NAMES, False, "sorted"),
        make_field("categories", NAMES, False, "of each path, several joined with ', '"),
    ]
)
LISTING_CHANGES: Final = pa.schema(
    [
        make_field("change", TEXT, False, "appeared, vanished, replaced, renamed or relabelled"),
        make_field("path", TEXT, False, "as it is now; of what vanished, as it was"),
        make_field("was", TEXT, True, "its path before; null where it has not changed"),
        make_field("folder", TEXT, False),
        make_field("dataset", TEXT, False),
        make_field("category", TEXT, False, "several joined with ', '"),
        make_field("category_was", TEXT, True, "of what was renamed or relabelled"),
    ]
)


def list_duplicate_groups(integrity: pa.Table) -> pa.Table:
    """One row per content that `SAMPLE_INTEGRITY` has more than once, by its first path: schema `DUPLICATE_GROUPS`."""
    copied = integrity.filter(pc.greater(integrity["copies"], 1))
    return _group_by_content(copied, DUPLICATE_GROUPS, {"folders": "folder", "datasets": "dataset", "paths": "path"})


def list_label_conflicts(integrity: pa.Table) -> pa.Table:
    """One row per content of `SAMPLE_INTEGRITY` under several categories, by first path: schema `LABEL_CONFLICTS`."""
    conflicting = integrity.filter(integrity["label_conflict"])
    named = conflicting.append_column("categories", join_names(conflicting["category"], ", "))
    return _group_by_content(named, LABEL_CONFLICTS, {"paths": "path", "categories": "categories"})


COMPARED: Final = ["path", "etag", "size", "folder", "dataset", "category"]
"""Columns of two listings that `compare_listings` reads."""
COMPARED_CONTENTS: Final = ["path", "content_id", "folder", "dataset", "category"]
"""Columns of two listings that `compare_contents` and `find_gone_contents` read."""


def compare_listings(old: pa.Table, new: pa.Table) -> pa.Table:
    """What happened since ``old``, as far as entity tags tell, sorted by path: schema `LISTING_CHANGES`.

    Replaced is an image whose entity tag differs; where one of the two has none, whose size differs. Renamed is one
    whose path is gone while another path has come that has its entity tag and size; relabelled, where that is of
    another class.

    Both listings have the columns `COMPARED`.
    """
    there = pc.index_in(new["path"], value_set=old["path"])
    # Null, so that the size decides, where one of the two has no entity tag.
    same_tag = pc.equal(old["etag"].take(there), new["etag"])
    same = pc.coalesce(same_tag, pc.equal(old["size"].take(there), new["size"]))
    return _find_changes(old, new, same, lambda rows: join_texts(rows["etag"], rows["size"].cast(TEXT), by="/"))


def compare_contents(old: pa.Table, new: pa.Table) -> pa.Table:
    """What happened since ``old``, by the bytes of the images, sorted by path: schema `LISTING_CHANGES`.

    Both tables of integrity have the columns `COMPARED_CONTENTS`.
    """
    there = pc.index_in(new["path"], value_set=old["path"])
    before = old["content_id"].take(there)
    same = pc.or_(pc.equal(before, new["content_id"]), pc.or_(_are_unread(before), _are_unread(new["content_id"])))
    return _find_changes(old, new, same, lambda rows: rows["content_id"])


def find_gone_contents(old: pa.Table, new: pa.Table) -> tuple[pa.Table, int]:
    """The images of ``old`` whose contents are nowhere now, and how many contents it had that were known.

    A copy that remains counts its content as there; so does an image whose bytes could not be read now. Both tables of
    integrity have the columns `COMPARED_CONTENTS`.
    """
    old = old.filter(pc.invert(_are_unread(old["content_id"])))
    unread = new["path"].filter(_are_unread(new["content_id"]))
    unsure = old["content_id"].filter(pc.is_in(old["path"], value_set=unread))
    there = pc.is_in(old["content_id"], value_set=pa.chunked_array([*new["content_id"].chunks, *unsure.chunks], TEXT))
    return old.filter(pc.invert(there)), len(pc.unique(old["content_id"]))


def _are_unread(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.starts_with(ids, UNREAD_PREFIX)


def _find_changes(
    old: pa.Table, new: pa.Table, same: pa.ChunkedArray, content: Callable[[pa.Table], pa.ChunkedArray]
) -> pa.Table:
    """The changes; ``same`` (new rows,): whether an image is that of the same path before, null where there was none.

    ``content`` of rows: what images have in common whose bytes are the same; null where that is not known.
    """
    lost = old.filter(pc.invert(pc.is_in(old["path"], value_set=new["path"])))
    came = new.filter(pc.is_null(same))
    at = pair_renamed(lost, came, (content(lost), content(came)))
    left = np.ones(len(lost), np.bool_)
    left[at[at >= 0]] = False
    came, paired = _describe_rows(came), pa.array(at >= 0)
    lost = _describe_rows(lost)
    was = lost.take(pa.array(at, mask=at < 0))
    came = came.set_column(2, "was", was["path"]).set_column(6, "category_was", was["category"])
    kept = pc.equal(came["category"], came["category_was"])
    change = pc.if_else(pc.fill_null(kept, True), "renamed", "relabelled")
    parts = [
        came.set_column(0, "change", pc.if_else(paired, change, "appeared")),
        _describe_rows(new.filter(pc.fill_null(pc.invert(same), False)), "replaced"),
        lost.filter(pa.array(left)),
    ]
    return pa.concat_tables([part.cast(LISTING_CHANGES) for part in parts]).sort_by("path")


def _describe_rows(rows: pa.Table, change: str = "vanished") -> pa.Table:
    kind, nothing = pa.repeat(pa.scalar(change, TEXT), len(rows)), pa.nulls(len(rows), TEXT)
    category = join_names(rows["category"], ", ")
    columns = [kind, rows["path"], nothing, rows["folder"], rows["dataset"], category, nothing]
    return pa.table(columns, LISTING_CHANGES.names)


def _group_by_content(rows: pa.Table, schema: pa.Schema, lists: dict[str, str]) -> pa.Table:
    """One row per content_id with the rows' values in lists, in order of path."""
    ordered = rows.sort_by("path")
    wanted = [(column, "list") for column in lists.values()]
    grouped = ordered.group_by("content_id", use_threads=False).aggregate([*wanted, ("copies", "first")])
    columns = {name: grouped[f"{column}_list"] for name, column in lists.items()}
    for name in {"folders", "datasets"} & columns.keys():
        columns[name] = pa.array([sorted(set(values)) for values in columns[name].to_pylist()], NAMES)
    columns |= {"content_id": grouped["content_id"], "copies": grouped["copies_first"]}
    return pa.table({name: columns[name] for name in schema.names}).cast(schema)
