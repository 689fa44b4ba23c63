"""Image filter: which keys are images (not hidden, no folder marker, a file name that matches), and why others are not.

The filter is a Python regular expression. Where it is plain enough to mean the same to RE2 (the engine inside
Arrow), all keys are searched at once; else Python searches their file names one by one. Both give the same answer.
"""

import re
from collections import Counter
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.listing.folder_walk import FOLDER_OUTSIDE
from brev_pipeline.texts import TEXT, text_bytes

# Literal characters, sets of them, groups and "may be absent": nothing that could match a slash.
_TOKEN: Final = re.compile(r"\\\.|[A-Za-z0-9_-]|\[[A-Za-z0-9]+\]|\((?:\?:)?|\)|\||\?", re.ASCII)


def are_images(keys: pa.Array, sample_filter: str) -> pa.Array:
    """Whether each key is that of an image. Shape (n,), bool.

    Keys are relative to the dataset's root, without nulls; ``sample_filter`` is a regular expression, searched in the
    file name in any case.
    """
    return pc.and_not(pc.and_not(_match_file_names(keys, sample_filter), _are_markers(keys)), are_hidden(keys))


def _are_markers(keys: pa.Array) -> pa.Array:
    """Whether each key is no file's, but marks that there is a folder. Shape (n,), bool."""
    return pc.or_(pc.ends_with(keys, "/"), pc.equal(keys, ""))


UnlistedKind = tuple[str, str]
"""Ending of a name in lower case, or ``no ending``; and why such files are not listed, one of `UNLISTED_REASONS`."""
UNLISTED_REASONS: Final = {
    "filter": "no image by its name (listing.sample_filter)",
    "empty": "no image by its name, and of no bytes",
    "hidden": "hidden: a part of the path begins with a dot",
    "folder marker": "a mark that there is a folder, no file",
    "link": "a link that leaves the dataset",
    "link to a folder": "a link to a folder that leaves the dataset; what lies behind it was not looked at",
    "not a file": "no regular file",
    "too large": "an image larger than listing.max_object_mb",
    "class filter": "an image of none of listing.classes",
    "label": "a file that holds labels, of datasets[].labels",
}
"""Reason → in words."""
# Rule of what the listing refuses → reason.
_RULE_REASONS: Final = {
    "link_outside": "link",
    "not_a_file": "not a file",
    "object_too_large": "too large",
    "class_filter": "class filter",
}


def count_unlisted(others: pa.Table, left_out: pa.Table) -> Counter[UnlistedKind]:
    """How many files of each kind are not listed: those that `are_images` denies, and images that are left out.

    Columns are key, rule and reason, of ``others`` also size; a place need not tell rule and reason of ``others``.
    """
    kinds = Counter[UnlistedKind]()
    if others.num_rows:
        keys = others["key"].combine_chunks()
        reasons = pc.if_else(pc.equal(others["size"].combine_chunks(), 0), "empty", "filter")
        if "rule" in others.column_names:
            reasons = pc.coalesce(_map_reasons(others), reasons)
        reasons = pc.if_else(are_hidden(keys), "hidden", reasons)
        kinds.update(_count_kinds(keys, pc.if_else(_are_markers(keys), "folder marker", reasons)))
    if left_out.num_rows:
        kinds.update(_count_kinds(left_out["key"].combine_chunks(), _map_reasons(left_out)))
    return kinds


def count_label_files(files: pa.Table) -> Counter[UnlistedKind]:
    """How many label files (column key) of each kind there are: they are no images of their own."""
    return _count_kinds(files["key"].combine_chunks(), pa.repeat(pa.scalar("label", TEXT), files.num_rows))


def _map_reasons(refused: pa.Table) -> pa.Array:
    """(rows,) the reason of each rule; null where there is none."""
    rule = refused["rule"].combine_chunks()
    rules, reasons = (pa.array(texts, TEXT) for texts in (list(_RULE_REASONS), _RULE_REASONS.values()))
    folder = pc.fill_null(pc.equal(refused["reason"].combine_chunks(), FOLDER_OUTSIDE[1]), False)
    return pc.if_else(folder, "link to a folder", reasons.take(pc.index_in(rule, value_set=rules)))


def _count_kinds(keys: pa.Array, reasons: pa.Array) -> Counter[UnlistedKind]:
    ending = pc.struct_field(pc.extract_regex(keys, r"(?P<ending>\.[^./]{1,9})$"), "ending")
    ending = pc.coalesce(pc.utf8_lower(ending), pa.scalar("no ending", TEXT))
    kinds = pa.table({"ending": ending, "reason": reasons.cast(TEXT)}).group_by(["ending", "reason"])
    rows = kinds.aggregate([([], "count_all")]).to_pylist()
    return Counter({(row["ending"], row["reason"]): row["count_all"] for row in rows})


def file_name(key: str) -> str:
    """What stands behind the last slash."""
    return key.rpartition("/")[2]


def are_hidden(keys: pa.Array) -> pa.Array:
    """Whether a part of each key begins with a dot. Shape (n,), bool."""
    first = pc.starts_with(keys, ".")
    data = text_bytes(keys)
    if not np.any((data[:-1] == ord("/")) & (data[1:] == ord("."))):
        return first
    return pc.or_(first, pc.match_substring(keys, "/."))


def _match_file_names(keys: pa.Array, pattern: str) -> pa.Array:
    # Python and RE2 fold the case of some letters beyond ASCII differently, and Python's $ matches before a final
    # line break too.
    data = text_bytes(keys)
    plain = not len(data) or (data.max() < 128 and not np.any(data == ord("\n")))
    if plain and is_plain_suffix(pattern):
        return pc.match_substring_regex(keys, pattern, ignore_case=True)
    search = re.compile(pattern, re.IGNORECASE).search
    return pa.array([search(file_name(key)) is not None for key in keys.to_pylist()], pa.bool_())


def is_plain_suffix(pattern: str) -> bool:
    """Whether a pattern is so plain that searching a whole key for it finds what searching the file name finds.

    That is: it is anchored to the end as a whole, and nothing in it can match a slash.
    """
    if not pattern.endswith("$"):
        return False
    position, depth = 0, 0
    while position < len(pattern) - 1:
        token = _TOKEN.match(pattern, position, len(pattern) - 1)
        if token is None or (token[0] == "|" and not depth):
            return False
        depth += token[0].startswith("(") - (token[0] == ")")
        position = token.end()
    return True
