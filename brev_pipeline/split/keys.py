r"""Keys: which stratum and which item each image belongs to.

A key comes from columns or from a pattern on the path. Its distinct values are numbered in sorted order (by their
own type; text by code point), because the reference visits strata and items in that order. Texts that are one in
Unicode's normal form C are one value, named by the first of them: people cannot tell them apart. No row is ever
without a key: it has one, is an item of its own where the configuration says so, or the split is refused.

A pattern is searched in the whole path, and its group is the key. Where it has several groups, exactly one may take
part in a match: alternatives such as ``(a\d+)|(b\d+)``. The reference uses the first of several groups silently, and
so divides items that differ in the second.
"""

import re
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import LabelError, SplitError
from brev_pipeline.labels.columns import OWN_NAMES, take_key_column
from brev_pipeline.split.encoding import (
    Key,
    encode_column,
    invert_order,
    join_escaped,
    merge_normal_forms,
    number_values,
    to_single_array,
)
from brev_pipeline.texts import TEXT, Match, join_texts, normalize_unicode, search_each


def compile_key_pattern(pattern: str, name: str) -> re.Pattern[str]:
    """Compile the pattern of a key, ``name`` being what it is for: ``uniqueness``, ``stratification`` or ``given``.

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
    compiled = compile_key_pattern(pattern, name)

    def pick_only_group(match: Match) -> Any:
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

    if group is None and compiled.groups > 1:
        return search_each(paths, compiled, pick_only_group)
    return search_each(paths, compiled, itemgetter(group or 1))


def list_some_paths(paths: pa.ChunkedArray | None, missing: np.ndarray[Any, np.dtype[np.bool_]]) -> str:
    """Up to five of the ``missing`` rows, by path where there is one, for a message."""
    rows = np.flatnonzero(missing)[:5]
    names = [f"row {row}" for row in rows] if paths is None else paths.take(pa.array(rows)).to_pylist()
    more = int(missing.sum()) - len(rows)
    return ", ".join([*map(str, names), *([f"and {more} more"] if more > 0 else [])])


KeySpec = str | Sequence[str]
_STRATA: Final = ("stratification", "stratum")  # what keys of strata are for, in messages


def find_strata(samples: pa.Table, spec: KeySpec | None) -> Key:
    """Stratum of every row; without ``spec`` all rows are one stratum.

    Raises:
        SplitError: a column is missing, the pattern cannot be used, or a row has no key.
    """
    if spec is None or len(spec) == 0:
        label = pa.array(["all"], TEXT)
        return Key(np.zeros(len(samples), np.int64), label, label)
    key = find_key(samples, spec, "stratification")
    hint = "give it an alternative that matches them" if isinstance(spec, str) else "fill it, or leave them out"
    _refuse_missing(samples, spec, key, "stratification", hint)
    return key


def find_items(samples: pa.Table, spec: KeySpec, unmatched: str) -> Key:
    """Item of every row; with ``unmatched`` ``own_item`` a row without a key is an item named by its path.

    Raises:
        SplitError: as `find_strata`.
    """
    key = find_key(samples, spec, "uniqueness")
    # A pattern that matches nothing is a mistake, not a listing of single photos.
    if unmatched == "own_item" and "path" in samples.column_names and len(key):
        return fill_missing_items(key, samples["path"])
    _refuse_missing(samples, spec, key, "uniqueness", "unmatched: own_item makes each an item of its own")
    return key


def refuse_single_item(samples: pa.Table, spec: KeySpec, item: Key, stratum: Key) -> None:
    """Raise `SplitError` if ``uniqueness`` does not tell any two images apart."""
    if len(item) == 1 and len(samples) > len(stratum):
        raise SplitError(
            f"uniqueness: {_describe_spec(spec)} puts all {len(samples)} images into one item, "
            f"{item.labels[0].as_py()!r}, and one item cannot be divided: name what differs between items"
        )


def find_key(samples: pa.Table, spec: KeySpec, name: str) -> Key:
    """Key of every row, −1 where it has none. Raises `SplitError` where ``spec`` cannot be used.

    ``item`` and ``purpose`` are what labels say, where there are any. A photo without labels is `UNLABELLED`, but never
    by its item: that would make one of all of them.
    """
    if isinstance(spec, str):
        paths = _require_column(samples, "path", name)
        if paths.null_count:
            raise SplitError(f"{paths.null_count} of {len(paths)} samples have no path; every image needs one")
        return merge_normal_forms(encode_column(_extract_normalized(paths.cast(TEXT), spec, name)))
    fill = name in _STRATA
    keys = [merge_normal_forms(encode_column(_take_column(samples, column, name, fill))) for column in spec]
    return keys[0] if len(keys) == 1 else _combine_keys(keys)


def _extract_normalized(paths: pa.ChunkedArray, pattern: str, name: str) -> pa.ChunkedArray:
    """The key of every path, searched in normal form C, and as the path spells it: labels of old stay as they were."""
    forms = normalize_unicode(paths)
    keys = extract_keys(forms, pattern, name)
    if forms is paths or not pc.any(other := pc.not_equal(paths, forms)).as_py():
        return keys
    raw, key = extract_keys(paths.filter(other), pattern, name), keys.filter(other)
    spelled = pc.if_else(pc.fill_null(pc.equal(normalize_unicode(raw), key), False), raw, key)
    return pa.chunked_array([pc.replace_with_mask(*map(to_single_array, (keys, other, spelled)))])


def fill_missing_items(key: Key, paths: pa.ChunkedArray) -> Key:
    """The key with every row that has none as a value of its own, named by its path."""
    missing = key.codes < 0
    if not missing.any():
        return key
    by_path = encode_column(paths.filter(pa.array(missing)).cast(TEXT))
    labels = pa.concat_arrays([key.labels, by_path.labels])
    codes = key.codes.copy()
    codes[missing] = by_path.codes + len(key)
    order = pc.sort_indices(labels).to_numpy()
    spelled = pa.concat_arrays([key.spelled, by_path.spelled])
    return Key(invert_order(order)[codes], labels.take(order), spelled.take(order))


def _combine_keys(keys: list[Key]) -> Key:
    """One key of several: its values are the tuples that occur, in lexicographic order."""
    complete = np.logical_and.reduce([key.codes >= 0 for key in keys])
    codes, parts = keys[0].codes[complete], [np.arange(len(keys[0]))]
    for key in keys[1:]:
        size = max(1, len(key))
        codes, distinct = number_values(codes * size + key.codes[complete], max(1, len(parts[0])) * size)
        parts = [part[distinct // size] for part in parts] + [distinct % size]
    every = np.full(len(complete), -1, np.int64)
    every[complete] = codes
    labels = join_escaped([key.labels.take(pa.array(part)) for key, part in zip(keys, parts, strict=True)], " / ")
    spelled = join_texts(*(key.spelled.take(pa.array(part)) for key, part in zip(keys, parts, strict=True)), by="_")
    return Key(every, labels, spelled)


def has_key_columns(samples: pa.Table, spec: KeySpec) -> bool:
    """Whether `find_key` finds all columns that it reads."""
    names = ["path"] if isinstance(spec, str) else spec
    return all({name, OWN_NAMES.get(name, name)} & set(samples.column_names) for name in names)


def _take_column(samples: pa.Table, column: str, name: str, fill: bool) -> pa.ChunkedArray:
    own = OWN_NAMES.get(column, column)
    column = own if own in samples.column_names else column
    _require_column(samples, column, name)
    try:
        return take_key_column(samples, column, fill=fill)
    except LabelError as error:
        raise SplitError(f"{name}: {error}") from error


def _require_column(samples: pa.Table, column: str, name: str) -> pa.ChunkedArray:
    if column not in samples.column_names:
        raise SplitError(
            f"{name}: the samples have no column {column!r}; their columns are {', '.join(samples.column_names)}"
        )
    return samples[column]


def _refuse_missing(samples: pa.Table, spec: KeySpec, key: Key, name: str, hint: str) -> None:
    missing = key.codes < 0
    count = int(missing.sum())
    if not count:
        return
    paths = samples["path"] if "path" in samples.column_names else None
    some = list_some_paths(paths, missing)
    if not isinstance(spec, str):
        raise SplitError(
            f"{name}: {count} of {len(missing)} images have no value in {_describe_spec(spec)}: {some}; {hint}"
        )
    if count == len(missing):
        raise SplitError(f"{name}: {_describe_spec(spec)} matches none of the {count} paths, for example {some}")
    raise SplitError(f"{name}: {_describe_spec(spec)} does not match {count} of {len(missing)} paths: {some}; {hint}")


def _describe_spec(spec: KeySpec) -> str:
    return f"the pattern {spec!r}" if isinstance(spec, str) else f"the columns {list(spec)}"
