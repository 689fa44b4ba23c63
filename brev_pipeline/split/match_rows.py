"""Match: which images the rows of a table mean.

Texts are compared in Unicode's normal form C. A path may be given as it is listed, within its dataset, from the
configuration's folder, or whole; one that means two images that way is refused.
"""

import difflib
import os
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import SplitError
from brev_pipeline.split.arrays import Bools, Ints
from brev_pipeline.split.encode import Key, encode_column
from brev_pipeline.texts import TEXT, join_texts, normalize_unicode

BASE_FOLDER: Final = b"brev_pipeline.base"
"""Schema metadata of a table: the folder that its relative paths may be meant from."""
_POOL: Final = 2000  # names among which the closest is looked for
_DOTTED: Final = r"(^|/)\.{1,2}(/|$)|[^:]//"
_UNIT: Final = "\x1f"


class Keyed(Protocol):
    """What knows the items and strata of images."""

    @property
    def item(self) -> Key:
        """Item of each image."""

    @property
    def stratum(self) -> Key:
        """Stratum of each image."""


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

    Args:
        lost: (texts,) few: each is compared letter by letter.
        names: (names,)
    """
    names = pc.unique(names).drop_null()
    some = names.take(pa.array(np.arange(0, len(names), -(-len(names) // _POOL) or 1))).to_pylist()
    close = [None if text is None else _find_closest_name(text, names, some) for text in lost.to_pylist()]
    keys = [None if text is None else text.replace(_UNIT, " / ") for text in lost.to_pylist()]
    return pa.table({"key": pa.array(keys, TEXT), "closest": pa.array(close, TEXT)})


def describe_closest(lost: pa.Table, count: int) -> str:
    """The first of some texts as `closest_names` has them, in words, ``count`` being all there are."""
    rows = lost.slice(0, 3).to_pylist()
    some = ", ".join(
        f"{row['key']!r}" + (f" (the closest is {row['closest']!r})" if row["closest"] else "") for row in rows
    )
    return some + (", …" if count > len(rows) else "")


def match_rows(table: pa.Table, keys: Sequence[str], samples: pa.Table, keyed: Keyed | None, what: str) -> RowMatch:
    """Find the images that the rows of a table mean.

    Args:
        table: text columns; its schema's metadata may have `BASE_FOLDER`.
        keys: its columns that are keys: columns of the samples, or item or stratum.
        samples: the images; with ``bucket``, where paths may be given in other ways than as they are listed.
        keyed: of the samples, for the keys item and stratum; None where there are none.
        what: the table's place, for messages.

    Raises:
        SplitError: a key is none of the samples', or a path means two images.
    """
    names = _join_columns([_key_column(samples, keyed, key, what) for key in keys])
    base = (table.schema.metadata or {}).get(BASE_FOLDER)
    folder = base.decode() if base else None
    columns = [
        resolve_paths(table[key], samples, folder, what) if key == "path" else normalize_unicode(table[key])
        for key in keys
    ]
    texts = _join_columns(columns)
    row = pc.index_in(names, value_set=texts, skip_nulls=True).fill_null(-1).to_numpy().astype(np.int64)
    found = pc.and_(pc.is_in(texts, value_set=names, skip_nulls=True), texts.is_valid())
    return RowMatch(row, found.to_numpy(zero_copy_only=False), texts, names)


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
    for bucket in _list_buckets(samples):
        ways.append(join_texts(bucket.rstrip("/"), tidy, by="/"))
        for start in _spell_bucket(bucket, base):
            inside = pc.starts_with(tidy, start + "/")
            rest = pc.utf8_slice_codeunits(tidy, len(start) + 1)
            ways.append(pc.if_else(inside, join_texts(bucket.rstrip("/"), rest, by="/"), pa.scalar(None, TEXT)))
    flat = pa.chunked_array([chunk for way in ways for chunk in way.chunks], TEXT)
    at = pc.index_in(flat, value_set=paths, skip_nulls=True).fill_null(-1).to_numpy().astype(np.int64)
    at = at.reshape(len(ways), len(given))
    at[1] = np.where(at[0] >= 0, at[0], at[1])  # an object's key may have doubled slashes
    best = at.max(axis=0, initial=-1)
    _refuse_two_ways(at, best, given, paths, what)
    meant = paths.take(pa.array(best, mask=best < 0))
    return pc.coalesce(meant, given)


def _list_buckets(samples: pa.Table) -> list[str]:
    return (
        sorted(map(str, normalize_unicode(pc.unique(samples["bucket"]).cast(TEXT)).to_pylist()))
        if ("bucket" in samples.column_names)
        else []
    )


def _spell_bucket(bucket: str, base: str | None) -> list[str]:
    """How a dataset's place may begin a path, besides as it is configured."""
    if bucket.startswith("s3://"):
        return [bucket.removeprefix("s3://")]
    if base is None:
        return [posixpath.normpath(bucket)]
    whole = posixpath.normpath(posixpath.join(base, bucket))
    real = os.path.realpath(whole)
    found = [posixpath.normpath(bucket), whole, real, os.path.relpath(whole, base), os.path.relpath(real, base)]
    return sorted({one.rstrip("/") for one in found} - {".", bucket})


def _normalize_paths(given: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without ``.``, ``..`` and doubled slashes."""
    dotted = pc.fill_null(pc.match_substring_regex(given, _DOTTED), False)
    if not pc.any(dotted).as_py():
        return given
    plain = pa.array([posixpath.normpath(text) for text in given.filter(dotted).to_pylist()], TEXT)
    return pa.chunked_array([pc.replace_with_mask(given.combine_chunks(), dotted.combine_chunks(), plain)])


def _refuse_two_ways(at: Ints, best: Ints, given: pa.ChunkedArray, paths: pa.ChunkedArray, what: str) -> None:
    twice = np.flatnonzero(((at >= 0) & (at != best)).any(axis=0))
    if len(twice):
        first = int(twice[0])
        both = sorted(paths[int(place)].as_py() for place in np.unique(at[:, first]) if place >= 0)
        raise SplitError(
            f"{what}: {len(twice)} of its paths mean two images each: {given[first].as_py()} is {' and '.join(both)}; "
            "write the whole path, from / or s3:// on"
        )


def _key_column(samples: pa.Table, keyed: Keyed | None, column: str, what: str) -> pa.ChunkedArray:
    if column in ("item", "stratum") and keyed is not None:
        return normalize_unicode(pa.chunked_array([getattr(keyed, column).row_labels()]))
    if column not in samples.column_names:
        raise SplitError(
            f"{what} has the column {column!r}, which is neither item nor stratum nor one of "
            f"the samples': {', '.join(samples.column_names)}"
        )
    values = samples[column]
    return normalize_unicode(
        values.cast(TEXT)
        if pa.types.is_large_string(values.type)
        else pa.chunked_array([encode_column(values).row_labels()])
    )


def _join_columns(columns: list[pa.ChunkedArray]) -> pa.ChunkedArray:
    texts = [column.cast(TEXT) for column in columns]
    return texts[0] if len(texts) == 1 else join_texts(*texts, by=_UNIT)


def _find_closest_name(text: str, names: pa.Array, some: list[str]) -> str | None:
    """The name most like a text: one that ends alike (in any case, with or without leading zeros), or looks alike."""
    # Python's escapes of letters that are none to RE2 would be refused.
    tail = "".join(f"\\{one}" if one in r"\.+*?()[]{}|^$" else one for one in re.split(rf"[/{_UNIT}]", text)[-1])
    alike = names.filter(pc.match_substring_regex(names, rf"(^|[/{_UNIT}])0*{tail.lstrip('0')}$", ignore_case=True))
    found = difflib.get_close_matches(text, alike.slice(0, 50).to_pylist(), 1, 0.0) if len(alike) else []
    found = found or difflib.get_close_matches(text, some, 1, 0.6)
    return found[0].replace(_UNIT, " / ") if found else None
