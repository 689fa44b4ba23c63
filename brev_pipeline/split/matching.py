"""Matching: which images the names in a list, or the rows of a table, mean.

A name is a path (whole, within its dataset, or relative to the configuration's folder), the end of a path, or a file
name; each also without its ending, as the lists of many data sets have it. The first of these that fits counts: paths
and file names, then ends of paths, then what lacks its ending. A row names images by the columns of its key. All texts
are compared in Unicode's normal form C; a path that means two images is refused.
"""

import difflib
import os
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import SplitError
from brev_pipeline.split.encoding import Bools, Ints, Key, encode_column, invert_order
from brev_pipeline.texts import TEXT, join_texts, normalize_unicode

BASE_FOLDER: Final = b"brev_pipeline.base"
"""Schema metadata of a table: the folder that its relative paths may be meant from."""
_POOL: Final = 2000  # names among which the closest is looked for
_DOTTED: Final = r"(^|/)\.{1,2}(/|$)|[^:]//"  # the two slashes of s3:// are meant
_UNIT: Final = "\x1f"  # between the parts of a key, in no text that people write


@dataclass(frozen=True)
class RowMatch:
    """Which rows of a table mean which images.

    Attributes:
        row: (images,) the table's first row that means the image, −1 for none.
        found: (rows,) whether the row means an image.
        texts: (rows,) the row's key as it is compared, its columns joined; null where one is empty.
        names: (images,) the images' keys likewise.
    """

    row: Ints
    found: Bools
    texts: pa.ChunkedArray
    names: pa.ChunkedArray

    def find_closest(self, rows: Ints) -> pa.Table:
        """The keys of some rows that mean no image, and the images' that are most like them: key, closest or null."""
        return closest_names(self.texts.take(pa.array(rows)), self.names)


def closest_names(lost: pa.ChunkedArray, names: pa.ChunkedArray) -> pa.Table:
    """Texts that no name equals, and the names that are most like them: key, closest or null.

    ``lost`` are few: each is compared letter by letter.
    """
    names = pc.unique(names).drop_null()
    pool = names.take(pa.array(np.arange(0, len(names), -(-len(names) // _POOL) or 1))).to_pylist()
    close = [None if text is None else _find_closest_name(text, names, pool) for text in lost.to_pylist()]
    table = pa.table({"key": lost.cast(TEXT), "closest": pa.array(close, TEXT)})
    return pa.table([pc.replace_substring(column, _UNIT, " / ") for column in table.columns], table.column_names)


def describe_closest(lost: pa.Table, count: int) -> str:
    """The first of some texts as `closest_names` has them, in words, ``count`` being all there are."""
    rows = lost.slice(0, 3).to_pylist()
    some = ", ".join(
        f"{row['key']!r}" + (f" (the closest is {row['closest']!r})" if row["closest"] else "") for row in rows
    )
    return some + (", …" if count > len(rows) else "")


def match_rows(
    table: pa.Table, keys: Sequence[str], samples: pa.Table, found_keys: Mapping[str, Key], what: str
) -> RowMatch:
    """Find the images that the rows of a table mean.

    Args:
        table: text columns; its schema's metadata may have `BASE_FOLDER`.
        keys: its columns that are keys: columns of the samples, or item or stratum.
        samples: the images; with ``bucket``, where paths may be given in other ways than as they are listed.
        found_keys: item and stratum of the samples, where they have been found.
        what: the table's place, for messages.

    Raises:
        SplitError: a key is none of the samples', or a path means two images.
    """
    names = _join_columns([_key_column(samples, found_keys, key, what) for key in keys])
    texts = _join_columns(
        [
            resolve_paths(table[key], samples, base_folder(table), what)
            if key == "path"
            else normalize_unicode(table[key])
            for key in keys
        ]
    )
    row = pc.index_in(names, value_set=texts, skip_nulls=True).fill_null(-1).to_numpy().astype(np.int64)
    found = pc.and_(pc.is_in(texts, value_set=names, skip_nulls=True), texts.is_valid())
    return RowMatch(row, found.to_numpy(zero_copy_only=False), texts, names)


def base_folder(table: pa.Table) -> str | None:
    """The folder that a table's relative paths may be meant from; None where that is not known."""
    base = (table.schema.metadata or {}).get(BASE_FOLDER)
    return base.decode() if base else None


def resolve_paths(texts: pa.ChunkedArray, samples: pa.Table, base: str | None, what: str) -> pa.ChunkedArray:
    """(rows,) the listed path that each text means, in normal form C; itself where it means none.

    Args:
        texts: paths as people give them.
        samples: columns path and bucket.
        base: folder that relative paths may be meant from.
        what: the table's place, for messages.

    Raises:
        SplitError: a text means two images.
    """
    given = normalize_unicode(texts.cast(TEXT))
    paths = normalize_unicode(samples["path"].cast(TEXT))
    tidy = _normalize_paths(given)
    ways = [given, tidy]
    buckets = pc.unique(samples["bucket"]).cast(TEXT) if "bucket" in samples.column_names else pa.array([], TEXT)
    for bucket in sorted(map(str, normalize_unicode(buckets).to_pylist())):
        ways.append(join_texts(bucket.rstrip("/"), tidy, by="/"))
        for start in _spell_bucket(bucket, base):
            inside = pc.starts_with(tidy, start + "/")
            rest = pc.utf8_slice_codeunits(tidy, len(start) + 1)
            ways.append(pc.if_else(inside, join_texts(bucket.rstrip("/"), rest, by="/"), pa.scalar(None, TEXT)))
    flat = pa.chunked_array([chunk for way in ways for chunk in way.chunks], TEXT)
    at = pc.index_in(flat, value_set=paths, skip_nulls=True).fill_null(-1).to_numpy().astype(np.int64)
    at = at.reshape(len(ways), len(given))
    at[1] = np.where(at[0] >= 0, at[0], at[1])  # an object's key may have doubled slashes
    best = at.max(axis=0, initial=-1)  # any way that finds an image; it is refused where two find different ones
    twice = np.flatnonzero(((at >= 0) & (at != best)).any(axis=0))
    if len(twice):
        first = int(twice[0])
        both = sorted(paths[int(row)].as_py() for row in np.unique(at[:, first]) if row >= 0)
        raise SplitError(
            f"{what}: {len(twice)} of its paths mean two images each: {given[first].as_py()} is {' and '.join(both)}; "
            "write the whole path, from / or s3:// on"
        )
    return pc.coalesce(paths.take(pa.array(best, mask=best < 0)), given)


def _spell_bucket(bucket: str, base: str | None) -> list[str]:
    """How a dataset's place may begin a path, besides as it is configured."""
    if bucket.startswith("s3://"):
        return [bucket.removeprefix("s3://")]
    if base is None:
        return [posixpath.normpath(bucket)]
    whole = posixpath.normpath(posixpath.join(base, bucket))
    real = os.path.realpath(whole)
    folders = [posixpath.normpath(bucket), whole, real, os.path.relpath(whole, base), os.path.relpath(real, base)]
    return sorted({folder.rstrip("/") for folder in folders} - {".", bucket})


def _normalize_paths(given: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without ``.``, ``..`` and doubled slashes."""
    dotted = pc.fill_null(pc.match_substring_regex(given, _DOTTED), False)
    if not pc.any(dotted).as_py():
        return given
    plain = pa.array([posixpath.normpath(text) for text in given.filter(dotted).to_pylist()], TEXT)
    return pa.chunked_array([pc.replace_with_mask(given.combine_chunks(), dotted.combine_chunks(), plain)])


def _key_column(samples: pa.Table, found_keys: Mapping[str, Key], column: str, what: str) -> pa.ChunkedArray:
    if column in found_keys:
        return normalize_unicode(pa.chunked_array([found_keys[column].row_labels()]))
    if column not in samples.column_names:
        raise SplitError(
            f"{what} has the column {column!r}, which is neither item nor stratum nor one of "
            f"the samples': {', '.join(samples.column_names)}"
        )
    values = samples[column]
    if not pa.types.is_large_string(values.type):
        values = pa.chunked_array([encode_column(values).row_labels()])
    return normalize_unicode(values)


def _join_columns(columns: list[pa.ChunkedArray]) -> pa.ChunkedArray:
    return columns[0].cast(TEXT) if len(columns) == 1 else join_texts(*columns, by=_UNIT)


def _find_closest_name(text: str, names: pa.Array, pool: list[str]) -> str | None:
    """The name most like a text: one that ends alike (in any case, with or without leading zeros), or looks alike."""
    # Python's escapes of letters that are none to RE2 would be refused.
    tail = "".join(f"\\{char}" if char in r"\.+*?()[]{}|^$" else char for char in re.split(rf"[/{_UNIT}]", text)[-1])
    alike = names.filter(pc.match_substring_regex(names, rf"(^|[/{_UNIT}])0*{tail.lstrip('0')}$", ignore_case=True))
    close = difflib.get_close_matches(text, alike.slice(0, 50).to_pylist(), 1, 0.0)
    return next(iter(close or difflib.get_close_matches(text, pool, 1, 0.6)), None)


NAME_COLUMN: Final = "name"
"""Column of a list: what names an image."""


class MatchPairs(NamedTuple):
    """Which names mean which images; a name may mean several images, and an image have several names."""

    name: Ints
    """(pairs,) row of the name."""
    row: Ints
    """(pairs,) row of the image."""


def strip_buckets(paths: pa.ChunkedArray, buckets: pa.ChunkedArray) -> pa.ChunkedArray:
    """Each path without its dataset's bucket and the slash behind it, as it is stored."""
    parts, orders = [], []
    for bucket in pc.unique(buckets).to_pylist():
        inside = pc.equal(buckets, bucket)
        start = len(bucket) + (not bucket.endswith("/"))
        # By characters: Arrow's binary_slice without an end failed on columns that a filter gave.
        parts += pc.utf8_slice_codeunits(paths.filter(inside), start).cast(TEXT).chunks
        orders.append(np.flatnonzero(inside.to_numpy()))
    stripped = pa.chunked_array(parts, TEXT)
    return stripped if len(orders) <= 1 else stripped.take(pa.array(invert_order(np.concatenate(orders))))


def match_names(names: pa.ChunkedArray, samples: pa.Table, base: str | None, where: str) -> MatchPairs:
    """Find the images (columns path and bucket) that names mean, which are not null.

    ``base`` is the folder that relative paths may be meant from, ``where`` what holds the names, for messages.

    Raises:
        SplitError: a path means two images.
    """
    found = [np.zeros((2, 0), np.int64)]
    lacking = np.ones(len(names), np.bool_)
    listed = resolve_paths(names, samples, base, where)
    names = normalize_unicode(pc.replace_substring_regex(names.cast(TEXT), r"^(\./)+", ""))
    whole = normalize_unicode(samples["path"])
    inner = normalize_unicode(strip_buckets(samples["path"], samples["bucket"]))
    slashes = count_slashes(names)

    def pair_ends(count: int) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
        """Names of so many slashes, else null, and as many last parts of the paths."""
        return pc.if_else(pa.array(slashes == count), names, pa.scalar(None, TEXT)), cut_path_ends(whole, count)

    exact = ((listed, whole), pair_ends(0))
    ends = map(pair_ends, np.unique(slashes[slashes > 0]).tolist())
    bare = (
        (texts, pc.replace_substring_regex(images, r"\.[^./]*$", ""))
        for texts, images in chain([(names, inner)], map(pair_ends, np.unique(slashes).tolist()))
    )
    for forms in (exact, ends, bare):
        if not lacking.any():
            break
        for texts, images in forms:
            pairs = np.stack(equal_names(texts, images))
            found.append(pairs[:, lacking[pairs[0]]])
        # Only behind all forms of a kind: a name may mean images in several of them.
        for pairs in found:
            lacking[pairs[0]] = False
    return MatchPairs(*np.unique(np.concatenate(found, axis=1), axis=1))


def equal_names(names: pa.ChunkedArray, images: pa.ChunkedArray) -> MatchPairs:
    """Names and images with the same text; null means nothing."""
    values = pc.unique(names).drop_null()
    name, image = (pc.index_in(side, value_set=values).fill_null(-1).to_numpy() for side in (names, images))
    order = np.argsort(name, kind="stable")
    rows = np.flatnonzero(image >= 0)
    first, last = (np.searchsorted(name[order], image[rows], side) for side in ("left", "right"))
    counts = last - first
    step = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    return MatchPairs(order[np.repeat(first, counts) + step], np.repeat(rows, counts))


def refuse_ambiguous(
    pairs: MatchPairs, names: pa.ChunkedArray, items: Ints, paths: pa.ChunkedArray, where: str
) -> None:
    """Raise `SplitError` where one name means images of different items: which of them it means nobody can know.

    ``pairs`` ascend by name; ``items`` (images,) are the numbers of the images' items.
    """
    same = pairs.name[1:] == pairs.name[:-1]
    apart = np.flatnonzero(same & (items[pairs.row[1:]] != items[pairs.row[:-1]]))
    if not len(apart):
        return
    path, other = (paths[int(pairs.row[at])].as_py() for at in (apart[0], apart[0] + 1))
    count = len(np.unique(pairs.name[apart]))
    raise SplitError(
        f"{where}: the name {names[int(pairs.name[apart[0]])].as_py()!r} means {path} and {other}, which are different "
        f"items{f' ({count} names are like that)' if count > 1 else ''}: write the whole path"
    )


def count_slashes(names: pa.ChunkedArray) -> Ints:
    """(names,) slashes in each."""
    return np.asarray(pc.count_substring(names, "/").to_numpy(), np.int64)


def cut_path_ends(paths: pa.ChunkedArray, slashes: int) -> pa.ChunkedArray:
    """(paths,) The last ``slashes + 1`` parts of each path; null where it has fewer."""
    pattern = rf"^(?:.*/)?(?P<end>(?:[^/]*/){{{slashes}}}[^/]*)$"
    return pc.struct_field(pc.extract_regex(paths, f"(?s){pattern}"), "end")
