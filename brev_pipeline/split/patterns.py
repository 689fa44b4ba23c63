r"""Patterns: the key that a regular expression finds in a path.

The expression is searched in the whole path, and its group is the key. Where it has several groups, exactly one
may take part in a match: alternatives such as ``(a\d+)|(b\d+)``. The reference uses the first of several groups
silently, and so divides items that differ in the second.
"""

import re
from collections.abc import Callable
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa

from brev_pipeline.errors import SplitError
from brev_pipeline.texts import Match, search_each


def compile_key_pattern(pattern: str, name: str) -> re.Pattern[str]:
    """Compile a key's pattern.

    Args:
        pattern: the regular expression.
        name: what it is for, as the configuration calls it: ``uniqueness`` or ``stratification``.

    Raises:
        SplitError: it does not compile, or has no group.
    """
    try:
        compiled = re.compile(pattern)
    except (re.error, ValueError, OverflowError, RecursionError) as error:
        raise SplitError(f"{name}: {pattern!r} is not a regular expression: {error}") from error
    if compiled.groups == 0:
        raise SplitError(
            f"{name}: the regular expression {pattern!r} has no group: put parentheses around the part of the path "
            r"that is the key, as in '/(\d*)_\d*\.bmp'; column names go into a list, as in ['folder']"
        )
    return compiled


def extract_keys(paths: pa.ChunkedArray, pattern: str, name: str, group: str | None = None) -> pa.ChunkedArray:
    """Find the key in every path.

    Args:
        paths: text without nulls.
        pattern: regular expression with a group.
        name: what it is for, for messages.
        group: name of the group that is the key; None: the only one that takes part.

    Returns:
        Text of the same length; null where the pattern is not found, or its group takes no part.

    Raises:
        SplitError: the pattern cannot be used, or several of its groups take part in one match.
    """
    text = compile_key_pattern(pattern, name)
    one = group or (1 if text.groups == 1 else None)
    key = _only_group(text.pattern, name) if one is None else itemgetter(one)
    return search_each(paths, text, key)


def _only_group(pattern: str, name: str) -> Callable[[Any], Any]:
    def pick_group(match: Match) -> Any:
        if match is None:
            return None
        groups = [group for group in match.groups() if group is not None]
        if len(groups) > 1:
            path = match.string.decode() if isinstance(match.string, bytes) else match.string
            raise SplitError(
                f"{name}: {len(groups)} groups of the regular expression {pattern!r} take part in the match with "
                f"{path!r}, so the key is not clear: keep one group, and write the others as (?:…)"
            )
        return groups[0] if groups else None

    return pick_group


def list_some_paths(paths: pa.ChunkedArray | None, missing: np.ndarray[Any, np.dtype[np.bool_]]) -> str:
    """Up to five of the ``missing`` rows, by path where there is one, for a message."""
    rows = np.flatnonzero(missing)[:5]
    names = [f"row {row}" for row in rows] if paths is None else paths.take(pa.array(rows)).to_pylist()
    more = int(missing.sum()) - len(rows)
    return ", ".join(chain(map(str, names), [f"and {more} more"] if more > 0 else []))
