"""Given: a split that somebody has made already, kept as it is, while the rest is divided as configured.

A word names each image's purpose in their terms: of a folder of its path, of a part of the path that a pattern finds,
of a column of a table, or of the list that names the image. Words are what the images and files have; a word that is
no purpose, and that nobody has translated, is an error: nothing is guessed.
"""

import difflib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import GivenSettings, SplitSettings
from brev_pipeline.errors import SplitError
from brev_pipeline.split.arrays import Bools, Ints, first_of
from brev_pipeline.split.draw import OPEN
from brev_pipeline.split.encode import Key, encode
from brev_pipeline.split.match_names import (
    NAME,
    Matched,
    Pairs,
    equal_names,
    match_names,
    refuse_ambiguous,
    tell_matched,
    within,
)
from brev_pipeline.split.match_rows import BASE
from brev_pipeline.split.patterns import extract, some_paths
from brev_pipeline.split.tables import read_table
from brev_pipeline.texts import TEXT, composed, numbered

GivenFiles = Mapping[str, pa.Table]
"""Key of `GivenSettings.files` → what `read_given` read there."""

_KEYS: Final = ("path", "etag", "content_id", "item")
"""Columns by which a table may name images; the first that it has."""
_OTHERS: Final = {
    "devel": ("val", "valid", "validation", "dev", "eval"),
    "train": ("training", "trn", "tr"),
    "test": ("testing", "tst", "holdout"),
}
"""What others call our purposes; for advice only."""


@dataclass(frozen=True)
class Told:
    """What `split.given` says of the images.

    Attributes:
        purposes: (images,) number of the purpose; −1 where it says nothing, or null.
        matched: per file, how many of its names mean images; empty without files.
    """

    purposes: Ints
    matched: tuple[Matched, ...] = ()


def read_given(data: bytes, name: str, key: str) -> pa.Table:
    """Read a file of `split.given`.

    Args:
        data: its bytes.
        name: its place, for messages.
        key: of `GivenSettings.files`: ``table``, or ``lists.…``.

    Returns:
        The table's columns, all text; or one column `NAME` with the list's lines, empty ones left out.

    Raises:
        SplitError: it is no table, or no text in UTF-8.
    """
    if key == "table":
        return read_table(data, name)
    try:
        lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SplitError(f"{name}, line {line}: is not text in UTF-8; save the list as UTF-8") from error
    return pa.table({NAME: pa.array([text for line in lines if (text := line.strip())], TEXT)})


def find_given(
    samples: pa.Table, settings: SplitSettings, files: GivenFiles | None = None, items: Key | None = None
) -> Told:
    """The purposes that `split.given` gives to images.

    Of the listing alone (path, bucket, etag) it finds, and refuses, all that the paths show; a table that names images
    by what only later stages know is then left alone.

    Args:
        samples: path, bucket, and the columns that a table names images by.
        settings: of the split.
        files: as read; None: not at hand, and whatever they would say is not said.
        items: of the samples; None: not known yet.

    Raises:
        SplitError: nothing is found at all; a word is neither a purpose nor translated; a name means several items; an
            image gets two purposes.
    """
    given = settings.given
    nothing = Told(np.full(len(samples), OPEN, np.int64))
    if given is None or not len(samples):
        return nothing
    if given.files:
        return nothing if files is None else _by_names(samples, given, settings.names, files, items)
    words = _by_folder(samples, given.folder) if given.folder is not None else _by_pattern(samples, str(given.pattern))
    where = f"folder: {given.folder}" if given.folder is not None else f"pattern: {given.pattern!r}"
    if words.null_count == len(words):
        some = some_paths(samples["path"], np.ones(len(samples), np.bool_))
        raise SplitError(f"split.given.{where} finds a word in none of the {len(samples)} paths, for example {some}")
    return Told(_purposes(words, given, settings.names, f"split.given.{where}"))


def groups_given(told: Ints, groups: Ints, count: int) -> Bools:
    """(groups,) which leak groups have a given image: they are out of all shares.

    Args:
        told: (images,) as `Told.purposes`.
        groups: (images,) leak group of each.
        count: number of groups.
    """
    out = np.zeros(count, np.bool_)
    out[groups[told != OPEN]] = True
    return out


def _by_folder(samples: pa.Table, level: int) -> pa.ChunkedArray:
    """The folder's name at a level of each path; null where it has none."""
    paths = within(samples["path"], samples["bucket"])
    return pa.chunked_array([_folder(chunk, level) for chunk in paths.chunks], TEXT)


def _folder(paths: pa.LargeStringArray, level: int) -> pa.LargeStringArray:
    parts = pc.split_pattern(paths, "/")
    ends = parts.offsets.to_numpy()
    starts, folders = ends[:-1], np.diff(ends) - 1
    place = level + (0 if level >= 0 else folders)
    there = (place >= 0) & (place < folders)
    return parts.values.take(pa.array(np.where(there, starts + place, 0), mask=~there))


def _by_pattern(samples: pa.Table, pattern: str) -> pa.ChunkedArray:
    paths = composed(within(samples["path"], samples["bucket"]))
    return extract(pc.binary_replace_slice(paths, 0, 0, "/"), pattern, "given", "purpose")


def _by_names(samples: pa.Table, given: GivenSettings, names: list[str], files: GivenFiles, items: Key | None) -> Told:
    parts = [
        _by_table(samples, files[key], given, names, items)
        if key == "table"
        else _by_list(samples, files[key], key, given, names, items)
        for key in given.files
    ]
    told = np.full(len(samples), OPEN, np.int64)
    known = [part for part in parts if part is not None]
    for purposes, _ in known:
        twice = np.flatnonzero((told != OPEN) & (purposes != OPEN) & (told != purposes))
        if len(twice):
            path, was, other = samples["path"][int(twice[0])].as_py(), told[twice[0]], purposes[twice[0]]
            raise SplitError(
                f"split.given.lists: {len(twice)} images stand in lists of different purposes, the first {path}, in "
                f"those of {names[was]} and {names[other]}; keep one line of each"
            )
        told = np.where(purposes == OPEN, told, purposes)
    matched = tuple(one for _, one in known)
    if known and not any(one.matched for one in matched):
        some = ", ".join(repr(name) for one in matched for name in one.examples[:2])
        raise SplitError(
            f"split.given.{'table' if given.table else 'lists'}: none of its {sum(one.rows for one in matched)} names "
            f"means an image: {some}; images are, for example, "
            f"{some_paths(samples['path'], np.ones(len(samples), np.bool_))}. A name is a path (whole, within its "
            "dataset, or from the configuration's folder), or a file name; each with its ending or without"
        )
    return Told(told, matched)


def _by_list(
    samples: pa.Table, table: pa.Table, key: str, given: GivenSettings, names: list[str], items: Key | None
) -> tuple[Ints, Matched]:
    word = key.removeprefix("lists.")
    lines = pa.chunked_array([pa.repeat(pa.scalar(word, TEXT), max(1, len(table)))])
    purpose = _purposes(lines, given, names, "split.given.lists")[: len(table)]
    pairs = _named(samples, table[NAME], table, items, f"split.given.{key}")
    return _spread(samples, pairs, purpose, names, f"split.given.{key}"), tell_matched(key, table[NAME], pairs)


def _by_table(
    samples: pa.Table, table: pa.Table, given: GivenSettings, names: list[str], items: Key | None
) -> tuple[Ints, Matched] | None:
    where = "split.given.table"
    key = next((name for name in _KEYS if name in table.column_names), None)
    if given.column not in table.column_names or key is None:
        raise SplitError(
            f"{where}: {given.table} has the columns {', '.join(table.column_names)}; wanted are one that names the "
            f"image ({', '.join(_KEYS)}), and {given.column!r} (split.given.column) with the purpose: rename them, or "
            "set split.given.column"
        )
    table = table.filter(pc.and_(table[key].is_valid(), table[given.column].is_valid()))
    purpose = _purposes(table[given.column], given, names, where)
    if key == "path":
        pairs = _named(samples, table[key], table, items, where)
    elif (known := _known(samples, key, items)) is None:
        return None
    else:
        pairs = equal_names(composed(pc.utf8_trim(table[key], '"')), composed(known))
    return _spread(samples, pairs, purpose, names, where), tell_matched("table", table[key], pairs)


def _named(samples: pa.Table, names: pa.ChunkedArray, table: pa.Table, items: Key | None, where: str) -> Pairs:
    base = (table.schema.metadata or {}).get(BASE)
    pairs = match_names(names, samples, base.decode() if base else None, where)
    if items is not None:
        refuse_ambiguous(pairs, names, items.codes, samples["path"], where)
    return pairs


def _known(samples: pa.Table, key: str, items: Key | None) -> pa.ChunkedArray | None:
    """What images have in a column; None where that is not known yet."""
    if key == "item":
        return None if items is None else pa.chunked_array([items.texts()])
    return pa.chunked_array([encode(samples[key]).texts()]) if key in samples.column_names else None


def _spread(samples: pa.Table, pairs: Pairs, purpose: Ints, names: list[str], where: str) -> Ints:
    """(images,) the purpose that the names give each."""
    said = purpose[pairs.name]
    first = said[first_of(pairs.row, len(samples))[pairs.row]] if len(said) else said
    if len(apart := np.flatnonzero(first != said)):
        at = apart[0]
        one, other = (names[number] if number != OPEN else "null" for number in (first[at], said[at]))
        raise SplitError(
            f"{where}: gives {len(np.unique(pairs.row[apart]))} images more than one purpose, the first "
            f"{samples['path'][int(pairs.row[at])].as_py()}: {one} and {other}; keep one line of each"
        )
    out = np.full(len(samples), OPEN, np.int64)
    out[pairs.row] = said
    return out


def _purposes(words: pa.ChunkedArray, given: GivenSettings, names: list[str], where: str) -> Ints:
    """(rows,) number of the purpose that each word means; −1 where there is none, or null."""
    codes, values = numbered(composed(words.cast(TEXT)))
    translated = {unicodedata.normalize("NFC", word): purpose for word, purpose in given.words.items()}
    found: list[int] = []
    unknown: dict[str, int] = {}
    counts = np.bincount(codes[codes >= 0], minlength=len(values)).tolist()
    for word, count in zip(values.to_pylist(), counts, strict=True):
        purpose = translated.get(word, word)
        if purpose is not None and purpose not in names:
            unknown[word] = count
        found.append(names.index(purpose) if purpose in names else OPEN)
    if unknown:
        raise SplitError(_unknown(unknown, names, where))
    return np.array([*found, OPEN], np.int64)[codes]


def _unknown(words: Mapping[str, int], names: list[str], where: str) -> str:
    some = sorted(words.items(), key=lambda one: (-one[1], one[0]))
    told = ", ".join(f"{word!r} ({count})" for word, count in some[:10]) + (", …" if len(some) > 10 else "")
    lines = ", ".join(f"{word}: {_meant(word, names)}" for word, _ in some[:5])
    return (
        f"{where} finds the words {told}, which are no purposes ({', '.join(names)}): translate each, for example "
        f"split.given.words: {{{lines}}}; null divides these images as configured"
    )


def _meant(word: str, names: list[str]) -> str:
    """The purpose that a word looks like, for advice."""
    plain = word.casefold()
    alike = [name for name in names if name.casefold() == plain or plain in _OTHERS.get(name, ())]
    close = difflib.get_close_matches(word, names, 1, 0.8)
    return next(iter([*alike, *close]), "null")
