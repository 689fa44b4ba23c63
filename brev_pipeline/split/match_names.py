"""Matches: which images the names in a file mean.

A name is a path (whole, within its dataset, or relative to the configuration's folder), the end of a path, or a file
name; each also without its ending, as the lists of many data sets have it. The first of these that fits counts: paths
and file names, then ends of paths, then what lacks its ending. All are compared in Unicode's normal form C.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import SplitError
from brev_pipeline.split.arrays import Bools, Ints
from brev_pipeline.split.match_rows import resolve_paths
from brev_pipeline.texts import TEXT, normalize_unicode

NAME_COLUMN: Final = "name"
"""Column of a list: what names an image."""
_ENDING: Final = r"\.[^./]*$"


class MatchPairs(NamedTuple):
    """Which names mean which images; a name may mean several images, and an image have several names."""

    name: Ints
    """(pairs,) row of the name."""
    row: Ints
    """(pairs,) row of the image."""


class _Form(NamedTuple):
    """One way in which names mean images: equal texts; null means nothing."""

    names: pa.ChunkedArray
    images: pa.ChunkedArray


def strip_buckets(paths: pa.ChunkedArray, buckets: pa.ChunkedArray) -> pa.ChunkedArray:
    """Each path without its dataset's bucket and the slash behind it, as it is stored."""
    out = np.empty(0, np.int64)
    parts, orders = [], [out]
    for bucket in pc.unique(buckets).to_pylist():
        own = pc.equal(buckets, bucket)
        start = len(bucket) + (not bucket.endswith("/"))
        # By characters: Arrow's binary_slice without an end failed on columns that a filter gave.
        parts += pc.utf8_slice_codeunits(paths.filter(own), start).cast(TEXT).chunks
        orders.append(np.flatnonzero(own.to_numpy()))
    if len(orders) <= 2:
        return pa.chunked_array(parts, TEXT)
    order = np.concatenate(orders)
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return pa.chunked_array(parts, TEXT).take(pa.array(back))


def match_names(names: pa.ChunkedArray, samples: pa.Table, base: str | None, where: str) -> MatchPairs:
    """Find the images that names mean.

    Args:
        names: (names,) no nulls.
        samples: the images: columns path and bucket.
        base: folder that relative paths may be meant from.
        where: what holds the names, for messages.

    Raises:
        SplitError: a path means two images.
    """
    found: list[MatchPairs] = []
    lacking = np.ones(len(names), np.bool_)
    listed = resolve_paths(names, samples, base, where)
    names = normalize_unicode(pc.replace_substring_regex(names.cast(TEXT), r"^(\./)+", ""))
    whole, inner = (
        normalize_unicode(samples["path"]),
        normalize_unicode(strip_buckets(samples["path"], samples["bucket"])),
    )
    for forms in (_exact_forms(names, listed, whole), _end_forms(names, whole), _bare_forms(names, whole, inner)):
        if not lacking.any():
            break
        for form in forms:
            pairs = equal_names(*form)
            kept = lacking[pairs.name]
            found.append(MatchPairs(pairs.name[kept], pairs.row[kept]))
        for pairs in found:
            lacking[pairs.name] = False
    both = np.stack([np.concatenate([np.zeros(0, np.int64), *(pairs[side] for pairs in found)]) for side in (0, 1)])
    name, row = np.unique(both, axis=1)
    return MatchPairs(name, row)


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

    Args:
        pairs: as found; ascending by name.
        names: (names,) as written.
        items: (images,) number of each image's item.
        paths: (images,)
        where: what holds the names, for the message.
    """
    same = pairs.name[1:] == pairs.name[:-1]
    apart = np.flatnonzero(same & (items[pairs.row[1:]] != items[pairs.row[:-1]]))
    if not len(apart):
        return
    one, other = (paths[int(pairs.row[at])].as_py() for at in (apart[0], apart[0] + 1))
    count = len(np.unique(pairs.name[apart]))
    raise SplitError(
        f"{where}: the name {names[int(pairs.name[apart[0]])].as_py()!r} means {one} and {other}, which are different "
        f"items{f' ({count} names are like that)' if count > 1 else ''}: write the whole path"
    )


def count_slashes(names: pa.ChunkedArray) -> Ints:
    """(names,) slashes in each."""
    return np.asarray(pc.count_substring(names, "/").to_numpy(), np.int64)


def cut_path_ends(paths: pa.ChunkedArray, slashes: int) -> pa.ChunkedArray:
    """(paths,) The last ``slashes + 1`` parts of each path; null where it has fewer."""
    pattern = rf"^(?:.*/)?(?P<end>(?:[^/]*/){{{slashes}}}[^/]*)$"
    return pc.struct_field(pc.extract_regex(paths, f"(?s){pattern}"), "end")


def _exact_forms(names: pa.ChunkedArray, listed: pa.ChunkedArray, whole: pa.ChunkedArray) -> Iterator[_Form]:
    yield _Form(listed, whole)
    yield _Form(_mask_names(names, count_slashes(names) == 0), cut_path_ends(whole, 0))


def _end_forms(names: pa.ChunkedArray, whole: pa.ChunkedArray) -> Iterator[_Form]:
    slashes = count_slashes(names)
    for count in np.unique(slashes[slashes > 0]).tolist():
        yield _Form(_mask_names(names, slashes == count), cut_path_ends(whole, count))


def _bare_forms(names: pa.ChunkedArray, whole: pa.ChunkedArray, inner: pa.ChunkedArray) -> Iterator[_Form]:
    slashes = count_slashes(names)
    yield _Form(names, pc.replace_substring_regex(inner, _ENDING, ""))
    for count in np.unique(slashes).tolist():
        ends = pc.replace_substring_regex(cut_path_ends(whole, count), _ENDING, "")
        yield _Form(_mask_names(names, slashes == count), ends)


def _mask_names(names: pa.ChunkedArray, kept: Bools) -> pa.ChunkedArray:
    return pc.if_else(pa.array(kept), names, pa.scalar(None, TEXT))
