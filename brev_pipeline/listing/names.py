"""Names: which keys count as images: not hidden, no folder marker, and the file name matches the filter.

The filter is a Python regular expression. Where it is plain enough to mean the same to RE2 (the engine inside
Arrow), all keys are searched at once; else Python searches their file names one by one. Both give the same answer.
"""

import re
from collections import Counter
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.texts import contents

# Literal characters, sets of them, groups and "may be absent": nothing that could match a slash.
_TOKEN: Final = re.compile(r"\\\.|[A-Za-z0-9_-]|\[[A-Za-z0-9]+\]|\((?:\?:)?|\)|\||\?", re.ASCII)


def are_images(keys: pa.Array, sample_filter: str) -> pa.Array:
    """Whether each key is that of an image. Shape (n,), bool.

    Args:
        keys: relative to the dataset's root, without nulls.
        sample_filter: regular expression, searched in the file name in any case.
    """
    found = pc.and_not(_match(keys, sample_filter), pc.or_(pc.ends_with(keys, "/"), pc.equal(keys, "")))
    return pc.and_not(found, are_hidden(keys))


def count_others(keys: pa.Array, reasons: pa.Array) -> Counter[str]:
    """How many files of each kind are no images: by why they are refused, as hidden, or by their names' endings.

    Args:
        keys: those that `are_images` denies.
        reasons: why each is refused; null where it is not.
    """
    ending = pc.struct_field(pc.extract_regex(keys, r"(?P<ending>\.[^./]{1,9})$"), "ending")
    kinds = pc.coalesce(
        reasons, pc.if_else(are_hidden(keys), "hidden", pc.coalesce(pc.utf8_lower(ending), "no ending"))
    )
    marker = pc.or_(pc.ends_with(keys, "/"), pc.equal(keys, ""))
    counted = pc.value_counts(kinds.filter(pc.invert(marker))).to_pylist()
    return Counter({row["values"]: row["counts"] for row in counted})


def file_name(key: str) -> str:
    """What stands behind the last slash."""
    return key.rpartition("/")[2]


def are_hidden(keys: pa.Array) -> pa.Array:
    """Whether a part of each key begins with a dot. Shape (n,), bool."""
    first = pc.starts_with(keys, ".")
    data = contents(keys)
    if not np.any((data[:-1] == ord("/")) & (data[1:] == ord("."))):
        return first
    return pc.or_(first, pc.match_substring(keys, "/."))


def _match(keys: pa.Array, pattern: str) -> pa.Array:
    # Python and RE2 fold the case of some letters beyond ASCII differently, and Python's $ matches before a final
    # line break too.
    data = contents(keys)
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
    place, depth = 0, 0
    while place < len(pattern) - 1:
        token = _TOKEN.match(pattern, place, len(pattern) - 1)
        if token is None or (token[0] == "|" and not depth):
            return False
        depth += token[0].startswith("(") - (token[0] == ")")
        place = token.end()
    return True
